"""The inputs and commands of ``ShardConsumer``: all that crosses its border."""

import enum

import msgspec

from penstock.model.failure import Discard, InvocationTrace
from penstock.model.stream import (
    Checkpoint,
    FetchedRecords,
    Position,
    ShardIterator,
    StreamBatch,
    StreamKind,
)


class ReadPace(msgspec.Struct, frozen=True, kw_only=True):
    """How often a shard is read that has nothing to give; while it is behind it is read at once.

    Attributes:
        hot_ms: Between reads, for ``hot_for_ms`` after the last record.
        idle_ms: Between reads, later on.
        reads_per_s_max: Also while behind; None: no limit but the server's.
    """

    hot_ms: int = 250
    idle_ms: int = 1_000
    hot_for_ms: int = 60_000
    reads_per_s_max: int | None = 5


class ShardPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a mapping asks of the consumers of its shards; fixed for a consumer's life.

    Attributes:
        function_arn: Full ARN, with the qualifier as asked.
        function_timeout_s: None when it is not known, as for a function of AWS Lambda.
        batch_size: 1..10000.
        batching_window_s: 0..300.
        parallelization_factor: 1..10.
        maximum_record_age_s: 60..604800; None: no limit.
        maximum_retry_attempts: 0..10000; None: no limit.
        tumbling_window_s: 1..900; 0: none.
        destination_arn: Of a queue, a topic or a bucket; None: discards go to the journal.
        filters: Patterns that can be read; a record that matches none of them is passed over.
            Empty: all match.
    """

    kind: StreamKind
    stream_arn: str
    function_arn: str
    function_timeout_s: int | None = None
    batch_size: int = 100
    batching_window_s: int = 0
    parallelization_factor: int = 1
    maximum_record_age_s: int | None = None
    maximum_retry_attempts: int | None = None
    bisect_batch_on_function_error: bool = False
    report_batch_item_failures: bool = False
    tumbling_window_s: int = 0
    destination_arn: str | None = None
    filters: tuple[str, ...] = ()
    pace: ReadPace = ReadPace()


class WindowInvocation(msgspec.Struct, frozen=True, kw_only=True):
    """What an invocation of a tumbling window is told beside its records.

    Attributes:
        start_ms: Unix ms of the window's start; a whole multiple of its length.
        state: The JSON object that the last invocation of the window returned; ``{}`` at first.
        is_final: The window's last invocation.
        is_terminated_early: It is the last because the state outgrew its limit.
    """

    start_ms: int
    end_ms: int
    state: bytes = b"{}"
    is_final: bool = False
    is_terminated_early: bool = False


class FetchFailure(enum.Enum):
    """Why a fetch brought nothing."""

    THROTTLED = enum.auto()
    ITERATOR_EXPIRED = enum.auto()
    TRIMMED = enum.auto()  # what was asked for is no longer there
    TOO_LARGE = enum.auto()  # the answer is larger than the client takes: ask for fewer records
    NOT_FOUND = enum.auto()  # no such stream or shard
    POSITION_REFUSED = enum.auto()  # the server does not know the sequence number
    OTHER = enum.auto()  # denied, unreachable, unreadable


# Inputs: something that happened.


class Started(msgspec.Struct, frozen=True):
    """The consumer's life begins."""


class RecordsFetched(msgspec.Struct, frozen=True):
    """A fetch ended well; it may have brought nothing."""

    fetched: FetchedRecords


class FetchFailed(msgspec.Struct, frozen=True):
    """A fetch failed; ``reason`` is for the log."""

    failure: FetchFailure
    reason: str


class ShardClosed(msgspec.Struct, frozen=True):
    """The shard takes no more records: it ends with this sequence number."""

    ending_sequence_number: str


class SlotsGranted(msgspec.Struct, frozen=True):
    """The function has capacity for ``count`` more invocations of this shard."""

    function_arn: str
    count: int


class InvocationSucceeded(msgspec.Struct, frozen=True):
    """The function succeeded with the whole batch; ``state`` is a tumbling window's."""

    batch: StreamBatch
    state: bytes = b"{}"


class InvocationPartiallyFailed(msgspec.Struct, frozen=True):
    """The records before ``failed_index`` (0-based) are done; from it on they come again."""

    batch: StreamBatch
    failed_index: int
    trace: InvocationTrace = InvocationTrace()
    state: bytes = b"{}"


class InvocationFailed(msgspec.Struct, frozen=True):
    """The function ended in an error, or its response counts as one."""

    batch: StreamBatch
    reason: str
    trace: InvocationTrace = InvocationTrace()


class InvocationRejected(msgspec.Struct, frozen=True):
    """The function did not run: throttled, missing, forbidden or unreachable."""

    batch: StreamBatch
    reason: str
    is_throttle: bool = False


class InvocationOutcomeUnknown(msgspec.Struct, frozen=True):
    """The connection was lost after the request was written: the function may have run."""

    batch: StreamBatch
    reason: str


class DestinationAccepted(msgspec.Struct, frozen=True):
    """The destination has taken the discard in."""

    discard_id: int


class DestinationFailed(msgspec.Struct, frozen=True):
    """The destination did not take the discard; ``is_final``: it never will."""

    discard_id: int
    reason: str
    is_final: bool = False


class CheckpointSaved(msgspec.Struct, frozen=True):
    """The checkpoint and its failures are durable."""


class CheckpointFailed(msgspec.Struct, frozen=True):
    """The store did not answer; what was to be saved is still to be saved."""

    reason: str


class TenureLost(msgspec.Struct, frozen=True):
    """Another owner or another position is in force: nothing here counts any more."""


class StopRequested(msgspec.Struct, frozen=True):
    """Fetch no more; let what is in flight end; save the checkpoint."""


class DeadlineReached(msgspec.Struct, frozen=True):
    """The time of ``deadline_ms`` has come."""


InvocationEnded = (
    InvocationSucceeded
    | InvocationPartiallyFailed
    | InvocationFailed
    | InvocationRejected
    | InvocationOutcomeUnknown
)

Input = (
    Started
    | RecordsFetched
    | FetchFailed
    | ShardClosed
    | SlotsGranted
    | InvocationEnded
    | DestinationAccepted
    | DestinationFailed
    | CheckpointSaved
    | CheckpointFailed
    | TenureLost
    | StopRequested
    | DeadlineReached
)


# Commands: something the shell must do. Those with a completion name its inputs.


class Fetch(msgspec.Struct, frozen=True):
    """Read up to ``limit`` records from there -> RecordsFetched | FetchFailed."""

    start: ShardIterator | Position
    limit: int


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

    batch: StreamBatch
    window: WindowInvocation | None = None


class SendToDestination(msgspec.Struct, frozen=True):
    """Record a discard at the destination -> DestinationAccepted | DestinationFailed."""

    discard: Discard
    window: WindowInvocation | None = None


class JournalEntry(msgspec.Struct, frozen=True):
    """A discard for the failure journal; ``cause``: why no destination took it, or empty."""

    discard: Discard
    cause: str = ""
    window: WindowInvocation | None = None


class SaveCheckpoint(msgspec.Struct, frozen=True):
    """Make both durable in one transaction -> CheckpointSaved | CheckpointFailed | TenureLost."""

    checkpoint: Checkpoint
    journal: tuple[JournalEntry, ...] = ()


class ReportHeldBytes(msgspec.Struct, frozen=True):
    """So many bytes of fetched records are held now, for the node's budget; done at once."""

    held_bytes: int


class ReportFilteredOut(msgspec.Struct, frozen=True):
    """So many records match no filter and are passed over, each counted once; done at once."""

    count: int


Command = (
    Fetch
    | RequestSlots
    | ReturnSlots
    | Invoke
    | SendToDestination
    | SaveCheckpoint
    | ReportHeldBytes
    | ReportFilteredOut
)
