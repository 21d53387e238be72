"""The inputs and commands of ``QueueConsumer``: all that crosses its border."""

import functools

import msgspec

from penstock.model.arn import is_fifo_arn
from penstock.model.failure import InvocationTrace, MessageDiscard
from penstock.model.mapping import ProvisionedPollers
from penstock.model.message import (
    DeleteReport,
    Message,
    MessageBatch,
    QueueAttributes,
    VisibilityChange,
)
from penstock.model.queue_options import QueueOptions


class QueuePolicy(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a mapping asks of its consumer; may change while it runs.

    Attributes:
        function_arn: Full ARN, with the qualifier as asked.
        function_timeout_s: None when it is not known, as for a function of AWS Lambda.
        batch_size: 1..10000; above 10 with a window only, and never of a FIFO queue.
        batching_window_s: 0..300; how long an open batch waits for more messages.
        maximum_concurrency: 1..1000, or None.
        pollers: Provisioned pollers, in place of the ramp; None: on demand.
        filters: Patterns that can be read; a message that matches none of them is deleted. Empty:
            all match.
        options: What its tags ask for.
        long_poll_s: 0..20; how long an idle receive waits.
    """

    function_arn: str
    queue_arn: str
    batch_size: int
    function_timeout_s: int | None = None
    batching_window_s: int = 0
    maximum_concurrency: int | None = None
    pollers: ProvisionedPollers | None = None
    filters: tuple[str, ...] = ()
    options: QueueOptions = QueueOptions()
    report_batch_item_failures: bool = False
    long_poll_s: int = 20

    @functools.cached_property
    def is_fifo(self) -> bool:
        """Tell whether messages have groups, whose order counts."""
        return is_fifo_arn(self.queue_arn)

    @functools.cached_property
    def has_window(self) -> bool:
        """Tell whether batches wait for more messages."""
        return self.batching_window_s > 0


# Inputs: something that happened.


class Started(msgspec.Struct, frozen=True):
    """The consumer's life begins."""


class QueueDescribed(msgspec.Struct, frozen=True):
    """The queue is there and these are its attributes."""

    attributes: QueueAttributes


class DescribeFailed(msgspec.Struct, frozen=True):
    """The queue could not be read; ``reason`` is for the log."""

    reason: str


class MessagesReceived(msgspec.Struct, frozen=True):
    """A receive ended; empty when nothing came or the receive was abandoned."""

    receive_id: int
    messages: tuple[Message, ...]


class ReceiveFailed(msgspec.Struct, frozen=True):
    """A receive failed; ``reason`` is for the log."""

    receive_id: int
    reason: str


class SlotsGranted(msgspec.Struct, frozen=True):
    """The function has capacity for ``count`` more invocations of this mapping."""

    function_arn: str
    count: int


class SlotsContended(msgspec.Struct, frozen=True):
    """Whether a slot must be given back when its invocation ends, since others want it.

    Attributes:
        is_contended: Until this is told it must: other mappings take slots of the function, too,
            or more are held than it has. If not, it may be kept for what comes next.
    """

    function_arn: str
    is_contended: bool


class InvocationSucceeded(msgspec.Struct, frozen=True):
    """The function succeeded with the whole batch."""

    batch: MessageBatch


class InvocationPartiallyFailed(msgspec.Struct, frozen=True):
    """The function reported some messages as failed.

    Attributes:
        failed: Their ids; never empty.
        payload: What it returned.
    """

    batch: MessageBatch
    failed: frozenset[str]
    trace: InvocationTrace = InvocationTrace()
    payload: bytes = b""


class InvocationFailed(msgspec.Struct, frozen=True):
    """The function ended in an error, or its response counts as one.

    Attributes:
        payload: What it returned; empty where it did not run.
    """

    batch: MessageBatch
    reason: str
    trace: InvocationTrace = InvocationTrace()
    payload: bytes = b""


class InvocationRejected(msgspec.Struct, frozen=True):
    """The function did not run: throttled, missing, forbidden or unreachable."""

    batch: MessageBatch
    reason: str
    is_throttle: bool = False


class InvocationOutcomeUnknown(msgspec.Struct, frozen=True):
    """The connection was lost after the request was written: the function may have run."""

    batch: MessageBatch
    reason: str


class DeleteEnded(msgspec.Struct, frozen=True):
    """A delete call ended; ``attempt`` is the command's."""

    report: DeleteReport
    attempt: int


class VisibilityExtended(msgspec.Struct, frozen=True):
    """The messages stay hidden for a further visibility timeout, counted from the command.

    Attributes:
        refused: Those that do not: they are visible already, or gone.
    """

    renewal_id: int
    refused: tuple[Message, ...] = ()


class ExtendVisibilityFailed(msgspec.Struct, frozen=True):
    """The visibility timeout of the messages runs on."""

    renewal_id: int
    reason: str


class VisibilityChanged(msgspec.Struct, frozen=True):
    """A change of messages' visibility ended.

    Attributes:
        reason: Why it failed, for the log: their timeout runs on. Empty: it went well.
    """

    count: int
    reason: str = ""


class DestinationAccepted(msgspec.Struct, frozen=True):
    """A discarded message is durably recorded."""

    discard_id: int


class DestinationFailed(msgspec.Struct, frozen=True):
    """A discarded message is not recorded; ``is_final``: asking again is of no use."""

    discard_id: int
    reason: str
    is_final: bool = False


class PolicyChanged(msgspec.Struct, frozen=True):
    """The mapping was updated; what is in flight ends as it began."""

    policy: QueuePolicy


class StopRequested(msgspec.Struct, frozen=True):
    """Receive no more; let invocations end; give back what waits.

    Attributes:
        abandon_receives: Cut running long polls short. Without it they run to their end, so that no
            server hands a message to a poll that nobody reads any more.
    """

    abandon_receives: bool = False


class DeadlineReached(msgspec.Struct, frozen=True):
    """The time of ``deadline_ms`` has come."""


InvocationEnded = (
    InvocationSucceeded
    | InvocationPartiallyFailed
    | InvocationFailed
    | InvocationRejected
    | InvocationOutcomeUnknown
)

SeldomInput = (
    Started
    | QueueDescribed
    | DescribeFailed
    | ReceiveFailed
    | SlotsContended
    | InvocationPartiallyFailed
    | InvocationFailed
    | InvocationRejected
    | InvocationOutcomeUnknown
    | VisibilityExtended
    | ExtendVisibilityFailed
    | VisibilityChanged
    | DestinationAccepted
    | DestinationFailed
    | PolicyChanged
    | StopRequested
    | DeadlineReached
)
# The four beside those are all that most batches bring.
Input = SeldomInput | MessagesReceived | SlotsGranted | InvocationSucceeded | DeleteEnded


# Commands: something the shell must do. Those with a completion name its inputs.


class DescribeQueue(msgspec.Struct, frozen=True):
    """Read the queue's attributes -> QueueDescribed | DescribeFailed."""


class Receive(msgspec.Struct, frozen=True):
    """Receive 1..10 messages, waiting up to ``wait_s`` -> MessagesReceived | ReceiveFailed.

    Attributes:
        visibility_timeout_s: How long they stay hidden; said with every receive, because the
            queue's own timeout may be another than the one that was read last.
        attempt_number: Of a FIFO queue; that of an earlier receive whose answer was lost asks for
            the same messages again.
    """

    receive_id: int
    max_messages: int
    wait_s: int
    visibility_timeout_s: int
    attempt_number: int | None = None


class AbandonReceives(msgspec.Struct, frozen=True):
    """End running receives now; each still completes, with no messages."""


class RequestSlots(msgspec.Struct, frozen=True):
    """Want ``count`` more slots, in place of what was wanted before -> SlotsGranted, any number."""

    function_arn: str
    count: int


class ReturnSlots(msgspec.Struct, frozen=True):
    """Give slots back; done at once."""

    function_arn: str
    count: int


class Invoke(msgspec.Struct, frozen=True):
    """Run the function with the batch -> one of the Invocation... inputs."""

    batch: MessageBatch
    function_arn: str
    queue_arn: str
    report_batch_item_failures: bool
    fifo_strict: bool = False


class DeleteMessages(msgspec.Struct, frozen=True):
    """Delete 1..10 messages in one call -> DeleteEnded; ``attempt`` counts from 1."""

    messages: tuple[Message, ...]
    attempt: int


class ExtendVisibility(msgspec.Struct, frozen=True):
    """Hide 1..10 messages for ``timeout_s`` -> VisibilityExtended | ExtendVisibilityFailed."""

    renewal_id: int
    messages: tuple[Message, ...]
    timeout_s: int


class ChangeVisibility(msgspec.Struct, frozen=True):
    """Make each of 1..10 messages visible after its own time, 0: now -> VisibilityChanged."""

    changes: tuple[VisibilityChange, ...]


class SendToDestination(msgspec.Struct, frozen=True):
    """Record a message that failed for the last time -> DestinationAccepted | DestinationFailed.

    Attributes:
        destination_arn: A queue, a topic or a bucket.
        discard: What is recorded; its id is in the answer.
    """

    destination_arn: str
    discard: MessageDiscard


class ReportFilteredOut(msgspec.Struct, frozen=True):
    """So many messages of a receive match no filter, and are being deleted; done at once."""

    count: int


class Forget(msgspec.Struct, frozen=True):
    """Nothing to do but to say it: the batch never ran, is visible again and will come again."""

    batch: MessageBatch


Command = (
    DescribeQueue
    | Receive
    | AbandonReceives
    | RequestSlots
    | ReturnSlots
    | Invoke
    | DeleteMessages
    | ExtendVisibility
    | ChangeVisibility
    | SendToDestination
    | ReportFilteredOut
    | Forget
)
