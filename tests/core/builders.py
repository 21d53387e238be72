"""Values and a harness for the tests of the core; plain functions, no fixtures."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from penstock.core import queue_contract as q
from penstock.core.held_batch import HeldBatch, Visibility, visibility_of
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.scaling import RampPolicy
from penstock.model.failure import InvocationTrace, MessageDiscard
from penstock.model.instant import Instant
from penstock.model.message import (
    DeleteReport,
    Message,
    MessageBatch,
    QueueAttributes,
    VisibilityChange,
)

QUEUE_ARN = "arn:aws:sqs:us-east-2:123456789012:orders"
FIFO_ARN = f"{QUEUE_ARN}.fifo"
DESTINATION_ARN = "arn:aws:sqs:us-east-2:123456789012:failed"
FUNCTION_ARN = "arn:aws:lambda:us-east-2:123456789012:function:ship"
OTHER_FUNCTION_ARN = "arn:aws:lambda:us-east-2:123456789012:function:bill"
WALL_MS = 1_700_000_000_000  # wall time and monotonic time must not be taken for each other

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def at(monotonic_ms: int) -> Instant:
    """A moment that many milliseconds after the test began."""
    return Instant(monotonic_ms, WALL_MS + monotonic_ms)


def message(message_id: str = "m1", body: str = "hello", **members: Any) -> Message:
    """A message whose receipt handle follows from its id."""
    literal = msgspec.Raw(msgspec.json.encode(body))
    return Message(message_id, f"handle-{message_id}", literal, **members)


def messages(count: int, first: int = 1) -> tuple[Message, ...]:
    """Messages m<first>, m<first + 1> and so on."""
    return tuple(message(f"m{number}") for number in range(first, first + count))


def counted(message_id: str, receive_count: int) -> Message:
    """A message that was received that many times."""
    counts = {"ApproximateReceiveCount": str(receive_count)}
    return message(message_id, attributes=msgspec.Raw(msgspec.json.encode(counts)))


def grouped(names: str, body: str = "hello") -> tuple[Message, ...]:
    """Messages of a FIFO queue: "a1 b1" are one of group a and one of group b."""
    return tuple(
        message(name, body, attributes=msgspec.Raw(b'{"MessageGroupId":"%c"}' % ord(name[0])))
        for name in names.split()
    )


def batch(batch_id: int, count: int = 1, first: int = 1) -> MessageBatch:
    """A batch of ``count`` messages."""
    return MessageBatch(batch_id, messages(count, first))


def queue_policy(**changes: Any) -> q.QueuePolicy:
    """A mapping from ``orders`` to ``ship`` with AWS's defaults."""
    members: dict[str, Any] = {
        "function_arn": FUNCTION_ARN,
        "queue_arn": QUEUE_ARN,
        "batch_size": 10,
        "function_timeout_s": 3,
    }
    return q.QueuePolicy(**(members | changes))


def held_batch(
    batch_id: int,
    received: tuple[Message, ...] | None = None,
    *,
    visibility: Visibility | None = None,
    received_ms: int = 0,
) -> HeldBatch:
    """A closed batch of those messages, or of message m<batch_id>; hidden for 30 s if not told."""
    held = HeldBatch(batch_id, visibility or hiding(), at(received_ms))
    held.messages = list(messages(1, batch_id) if received is None else received)
    held.groups = frozenset(each.group for each in held.messages if each.group)
    held.close()
    return held


def hiding(queue_timeout_s: int = 30, **policy: Any) -> Visibility:
    """How a mapping hides what it receives: of 30 s it relies on 28,500 ms."""
    return visibility_of(queue_timeout_s, queue_policy(**policy))


def invoke(
    invoked: MessageBatch, function_arn: str = FUNCTION_ARN, queue_arn: str = QUEUE_ARN
) -> q.Invoke:
    """The command that runs ``ship`` with a batch."""
    return q.Invoke(invoked, function_arn, queue_arn, report_batch_item_failures=False)


def receive(
    receive_id: int,
    max_messages: int,
    wait_s: int,
    *,
    visibility_timeout_s: int = 30,
    attempt_number: int | None = None,
) -> q.Receive:
    """The command that receives; what comes stays hidden for 30 s if not told."""
    return q.Receive(receive_id, max_messages, wait_s, visibility_timeout_s, attempt_number)


def request_slots(count: int, function_arn: str = FUNCTION_ARN) -> q.RequestSlots:
    """The command that wants ``count`` more slots of ``ship``."""
    return q.RequestSlots(function_arn, count)


def return_slots(count: int, function_arn: str = FUNCTION_ARN) -> q.ReturnSlots:
    """The command that gives slots of ``ship`` back."""
    return q.ReturnSlots(function_arn, count)


def give_back(returned: tuple[Message, ...], after_s: int = 0) -> q.ChangeVisibility:
    """The command that makes messages visible, now or after a while."""
    return q.ChangeVisibility(tuple(VisibilityChange(each, after_s) for each in returned))


RAISED = InvocationTrace("r1", "$LATEST", "Unhandled")


def send(discard_id: int, discarded: Message, *, wall_ms: int = 0) -> q.SendToDestination:
    """The command that records a message that failed for the last time, with ``"no"``."""
    discard = MessageDiscard(
        id=discard_id,
        message=discarded,
        queue_arn=QUEUE_ARN,
        function_arn=FUNCTION_ARN,
        receive_count=discarded.receive_count,
        trace=RAISED,
        response=b'"no"',
        discarded_ms=WALL_MS + wall_ms,
    )
    return q.SendToDestination(DESTINATION_ARN, discard)


def grant(count: int, function_arn: str = FUNCTION_ARN) -> q.SlotsGranted:
    """The input that grants slots of ``ship``."""
    return q.SlotsGranted(function_arn, count)


class ConsumerLife:
    """A queue consumer and the moment it lives in; every step checks that it cannot spin."""

    def __init__(self, *, ramp: RampPolicy | None = None, **policy: Any) -> None:
        self.machine = QueueConsumer(queue_policy(**policy), ramp or RampPolicy())
        self.now_ms = 0

    def feed(self, inp: q.Input, *, after_ms: int = 0) -> list[q.Command]:
        """Feed an input some time later than the last one."""
        self.now_ms += after_ms
        commands = self.machine.handle(inp, at(self.now_ms))
        deadline_ms = self.machine.deadline_ms()
        assert deadline_ms is None or deadline_ms > self.now_ms, "the driver would spin"
        return commands

    def wake(self) -> list[q.Command]:
        """Let the time of the machine's deadline come."""
        deadline_ms = self.machine.deadline_ms()
        assert deadline_ms is not None, "nothing to wait for"
        return self.feed(q.DeadlineReached(), after_ms=deadline_ms - self.now_ms)


def polling_consumer(*, visibility_timeout_s: int = 30, **options: Any) -> ConsumerLife:
    """A consumer whose queue is described: its first receive, number 1, is running."""
    life = ConsumerLife(**options)
    life.feed(q.Started())
    life.feed(q.QueueDescribed(QueueAttributes(visibility_timeout_s)))
    return life


def waiting_consumer(count: int = 1, **options: Any) -> ConsumerLife:
    """A consumer that holds batch 1 of ``count`` messages and waits for its first slot."""
    life = polling_consumer(**options)
    life.feed(q.MessagesReceived(1, messages(count)))
    return life


def invoking_consumer(count: int = 1, **options: Any) -> ConsumerLife:
    """A consumer whose batch 1 of ``count`` messages is in flight; receive 2 is running."""
    life = waiting_consumer(count, **options)
    life.feed(grant(1))
    return life


def busy_consumer() -> ConsumerLife:
    """A consumer at MaximumConcurrency: batches 1 and 2, of one message each, are in flight."""
    life = polling_consumer(batch_size=1, maximum_concurrency=2)
    life.feed(q.MessagesReceived(1, messages(2)))
    life.feed(grant(2))
    return life


def deleted(*gone: Message, attempt: int = 1) -> q.DeleteEnded:
    """The input that says a delete call succeeded with all its messages."""
    return q.DeleteEnded(DeleteReport(gone), attempt)
