"""What the auditor knows: messages, the copies handed out of them, invocations, mappings."""

import asyncio
import enum
from collections.abc import Callable

import msgspec

from penstock.core.scaling import RampPolicy
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.queue_options import QueueOptions
from penstock.simulation.option_tags import options_of

CALM_FOR_EVER_MS = -(10**9)  # before any world began
DARK = b'"dark'  # how the body of a message begins that a filter leaves out
SLOW_MS = 1_000  # a call that takes longer is no calm one
ROW_GRACE_MS = 100  # a change of a row reaches its consumer within this time


class Rule(enum.StrEnum):
    """The rules that are checked; docs/simulation.md explains each."""

    DELETED_UNFINISHED = "a message is deleted only after its function succeeded with it"
    DELETED_LATE = "what is done is deleted at once"
    LOST = "every message ends succeeded or in the dead-letter queue"
    FILTERED = "nothing is invoked that the mapping's filter leaves out"
    ALTERED = "a function sees what was sent"
    BATCH_COUNT = "no batch above BatchSize"
    BATCH_BYTES = "no event above 6 MB"
    WINDOW = "no batch is invoked before its window ends, unless it is full"
    GROUP_ORDER = "a group's messages are invoked in order, each when those before it are settled"
    GROUP_IN_FLIGHT = "a group has one batch in flight"
    ONE_GROUP = "with fifo-one-group a batch is of one group"
    STRICT = "with fifo-strict a message is deleted only after those before it in its group"
    HEARTBEAT_LONG = "with a heartbeat nothing is hidden for longer than one period"
    HEARTBEAT_LOST = "with a heartbeat nothing is visible while its function runs"
    BACKOFF = "what failed is not received before its back-off"
    RECORDED_EARLY = "only what failed for the last time is recorded"
    NOT_RECORDED = "what failed for the last time is recorded where that was asked for"
    MAPPING_CONCURRENCY = "no more invocations than MaximumConcurrency"
    FUNCTION_CONCURRENCY = "no more invocations than the function has slots"
    OVERPULL = "at most one receive's messages are held above the free slots"
    VISIBLE_INVOKED = "nothing is invoked whose visibility timeout has run out"
    BURNT = "without faults no message is received twice"
    STARVED = "no mapping starves another of the same function"
    SLOTS_LEAKED = "every slot comes back"
    NOT_RETURNED = "a graceful stop gives back what it does not invoke"
    RAMP = "concurrency rises no faster than its ramp"
    POLLER_BYTES = "a provisioned poller receives no more than 1 MB per second"
    CALL = "a call is one that SQS takes"
    UNKEPT = "what waits is kept hidden"
    REPEATED = "a FIFO receive whose answer was lost is asked for again"
    COUNTED = "the status says what has happened"
    PROMPT = "what may be invoked does not wait"
    WASTED = "receives in parallel only while they come back full"
    IDLE_POLLS = "an idle mapping holds one long poll"
    HOT_LOOP = "what fails is tried again with back-off"
    STUCK = "without faults everything settles"
    BROKEN = "no mapping breaks"


class Violation(msgspec.Struct, frozen=True):
    """A rule that was broken, when and how."""

    rule: enum.StrEnum
    at_ms: int
    text: str

    def __str__(self) -> str:
        return f"at {self.at_ms} ms: {self.rule}: {self.text}"


class Fate(enum.Enum):
    """Where a message ended."""

    QUEUED = enum.auto()
    DELETED = enum.auto()
    DEAD_LETTERED = enum.auto()


class SentMessage(msgspec.Struct):
    """A message as its sender knows it.

    Attributes:
        group: Of a FIFO queue; empty on a standard queue, where groups have no order.
        number: Its place among the messages of its group.
        is_excluded: Its mapping's filter, which no update changes, leaves it out.
        has_succeeded: Some invocation that carried it ended well for it.
        is_recorded: The on-failure destination has it, and the engine was told.
        not_before_ms: After a failure: it must not be received before its back-off.
        failed_copy: The copy that failed last, by one of the rows that may have been in force.
        done_copy: The copy of which the engine was told last that nothing is to be done with it but
            to delete it.
    """

    message_id: str
    queue_arn: str
    body: bytes
    group: str = ""
    number: int = 0
    is_excluded: bool = False
    fate: Fate = Fate.QUEUED
    has_succeeded: bool = False
    is_recorded: bool = False
    not_before_ms: int = 0
    failed_copy: "HandedMessage | None" = None
    done_copy: "HandedMessage | None" = None

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing more need happen to it."""
        return self.fate is not Fate.QUEUED or self.may_be_deleted

    @property
    def may_be_deleted(self) -> bool:
        """Tell whether nobody will miss it."""
        return self.has_succeeded or self.is_recorded or self.is_excluded


class Holding(enum.Enum):
    """What the consumer has done with a copy that was handed to it."""

    ON_ITS_WAY = enum.auto()
    HELD = enum.auto()
    RUNNING = enum.auto()
    REJECTED = enum.auto()  # the function did not run
    FINISHED = enum.auto()  # the function succeeded with it, and the consumer was told
    FAILED = enum.auto()
    UNKNOWN = enum.auto()
    RETURNED = enum.auto()
    RETURN_FAILED = enum.auto()


class HandedMessage(msgspec.Struct):
    """A copy of a message, known by its receipt handle.

    Attributes:
        timeout_ms: How long its receive hid it: the queue's visibility timeout, or its own.
        hidden_until_ms: When the message is visible again, as the server sees it.
        invocable_until_ms: The last moment at which a consumer may invoke it. Later than
            ``hidden_until_ms`` only where the answer came so late that nobody could know.
        believed_until_ms: Until when its holder must believe it hidden, by the answers it has had.
        delivered_ms: When it reached the client.
        is_doubled: The message was handed out again meanwhile, or an extension of it was passed
            over in silence: what its holder believes about its visibility may be wrong.
        was_pressed: An extension of it failed when half of its visibility timeout was over.
        rejected_ms: When its invocations were rejected.
        failed_ms: When the engine was told that it failed.
        delays_s: For how long it is to be hidden then, by each row that may have been in force;
            empty: as long as it happens to be.
        longest_s: The longest of these of the messages that failed with it.
        is_hiding_asked: That was asked for.
        delete_by_ms: By when its delete is to be asked for, once it is done.
        is_delete_asked: It was.
    """

    receipt_handle: str
    message: SentMessage
    timeout_ms: int
    hidden_until_ms: int
    receive_count: int = 1
    invocable_until_ms: int = 0
    believed_until_ms: int = 0
    delivered_ms: int = 0
    holding: Holding = Holding.ON_ITS_WAY
    is_doubled: bool = False
    was_pressed: bool = False
    rejected_ms: list[int] = []
    failed_ms: int = 0
    delays_s: list[int] = []
    longest_s: int = 0
    is_hiding_asked: bool = False
    delete_by_ms: int = 0
    is_delete_asked: bool = False

    def is_pressed(self, now_ms: int) -> bool:
        """Tell whether half of its visibility timeout is over."""
        return self.believed_until_ms - now_ms <= self.timeout_ms // 2

    @property
    def has_failed_late(self) -> bool:
        """Tell whether it became visible before anything could be done about its failure."""
        return self.hidden_until_ms <= self.failed_ms + SLOW_MS


class Verdict(msgspec.Struct, frozen=True):
    """How a function really ended.

    Attributes:
        is_error: It raised, or hung until its timeout.
        is_malformed: Its response is none that AWS accepts from a function that reports failures.
        failed_ids: The message ids that its response names.
    """

    is_error: bool = False
    is_malformed: bool = False
    failed_ids: frozenset[str] = frozenset()

    def has_succeeded(self, message_id: str, *, reports_failures: bool) -> bool:
        """Tell whether a message of the batch is done, by AWS's rules."""
        if self.is_error:
            return False
        if not reports_failures:
            return True
        return not self.is_malformed and message_id not in self.failed_ids


class AuditedInvocation(msgspec.Struct):
    """A call of the function port.

    Attributes:
        rows: The mapping's rows that may have been in force when it began.
        began_ms: When it was dispatched.
        is_running: It counts as under way: its slot must not be used by another.
        is_lost: The engine was told that nobody will tell it how this one ends.
    """

    function_arn: str
    queue_arn: str
    copies: tuple[HandedMessage, ...]
    rows: tuple[EventSourceMapping, ...]
    began_ms: int = 0
    verdict: Verdict | None = None
    is_running: bool = True
    is_lost: bool = False


class AuditedMapping(msgspec.Struct):
    """What the auditor keeps of a mapping, known by its queue.

    Attributes:
        rows: (since_ms, row), oldest first.
        held: Copies delivered and not yet dispatched, by receipt handle.
        expired: Copies held until they were visible, since the last dispatch.
        excluded_count: Copies delivered that the filter leaves out.
        running_count: Calls of the function port under way, and lost ones that still run.
        lost: Invocations of unknown outcome, those that have ended included.
        waited_through: Invocations of others on the same function while this one held messages and
            ran nothing.
        was_rejected: Its function once did not run: a batch may wait that nobody holds.
        calm_since_ms: No throttle, error or change touched it since then; a start is no trouble.
        is_stopping: A graceful stop was asked for.
        stopping_ms: When one was asked for last, or the node was killed.
        has_filter: It leaves out the messages that are dark.
        body_bytes_max: The size of its queue's largest message.
        visibility_ms: Its queue's visibility timeout.
        max_receive_count: Its queue's; None without a redrive policy.
        troubled_ms: When a call to its queue last failed, or took long.
        is_lost: Its queue was gone, and has not been found again: its calls are not heard of.
        found_ms: When it was found again last.
        calls_ms: When the calls to its queue began that are under way, long polls apart.
    """

    queue_arn: str
    rows: list[tuple[int, EventSourceMapping]] = []
    held: dict[str, HandedMessage] = {}
    expired: list[HandedMessage] = []
    excluded_count: int = 0
    running_count: int = 0
    lost: list[AuditedInvocation] = []
    waited_through: int = 0
    was_rejected: bool = False
    calm_since_ms: int = CALM_FOR_EVER_MS
    is_stopping: bool = False
    stopping_ms: int = CALM_FOR_EVER_MS
    has_filter: bool = False
    has_big_messages: bool = False
    body_bytes_max: int = 0
    visibility_ms: int = 0
    max_receive_count: int | None = None
    troubled_ms: int = CALM_FOR_EVER_MS
    is_lost: bool = False
    found_ms: int = CALM_FOR_EVER_MS
    calls_ms: dict[int, int] = {}

    @property
    def row(self) -> EventSourceMapping:
        """The row in force."""
        return self.rows[-1][1]

    def rows_since(self, since_ms: int) -> tuple[EventSourceMapping, ...]:
        """Give every row that may have been in force at ``since_ms`` or later.

        One that is being taken up is not in force for certain: when the store's answer to its
        writer was lost, its engine comes to know of it later.
        """
        first = 0
        for index, (from_ms, row) in enumerate(self.rows):
            if from_ms <= since_ms and row.state is not State.UPDATING:
                first = index
        return tuple(row for _, row in self.rows[first:])

    def options_since(self, since_ms: int) -> list[QueueOptions]:
        """Give the options of every row that was in force at ``since_ms`` or later."""
        return [options_of(row.tags) for row in self.rows_since(since_ms)]

    def last_receive(self, options: QueueOptions) -> int | None:
        """Say from which receive on a message that failed may be recorded."""
        if options.on_failure_arn is None:
            return None
        known = [self.max_receive_count, options.max_receive_count]
        return min((count for count in known if count is not None), default=None)

    def is_troubled(self, since_ms: int, now_ms: int) -> bool:
        """Tell whether a call to its queue failed or was slow at ``since_ms`` or later."""
        is_slow = self.is_lost or any(
            now_ms - began_ms > SLOW_MS for began_ms in self.calls_ms.values()
        )
        return is_slow or self.troubled_ms >= since_ms


class Findings:
    """What an auditor has found.

    It records violations instead of raising them: an exception could be taken for a fault and be
    handled.

    Attributes:
        violations: What was broken, first things first.
        lines_at_violation: The trace as it was at the first of them.
        broken: Set when there is a violation.
    """

    def __init__(self, now_ms: Callable[[], int], last_lines: Callable[[], list[str]]) -> None:
        self.now_ms = now_ms
        self._last_lines = last_lines
        self.lines_at_violation: list[str] = []
        self.broken = asyncio.Event()
        self.violations: list[Violation] = []

    def report(self, rule: enum.StrEnum, text: str) -> None:
        """Write a violation down."""
        if not self.violations:
            self.lines_at_violation = self._last_lines()
        self.violations.append(Violation(rule, self.now_ms(), text))
        self.broken.set()


class Books(Findings):
    """All that is written down of one world of queues; the audits read and write it.

    Attributes:
        has_changed: Set when a message has settled or a row was written.
        settled_ms: When the last message ended.
        never_twice: Queues of which no message may be received a second time.
        concurrency: Per function ARN: (since_ms, slots), oldest first.
        running_by_function: Calls of the function port under way, direct ones included, and lost
            ones that still run.
        used_by_others: Functions whose slots are taken by more than what these books tell of.
        untimed: Functions that were gone once: their timeout could not be looked up.
        ramp: How fast the concurrency of mappings without pollers of their own rises.
        is_calm: Nothing goes wrong in this world, and nobody takes a mapping away.
    """

    def __init__(self, now_ms: Callable[[], int], last_lines: Callable[[], list[str]]) -> None:
        super().__init__(now_ms, last_lines)
        self.has_changed = asyncio.Event()
        self.never_twice: set[str] = set()
        self.messages: dict[str, SentMessage] = {}
        self.unsettled_count = 0
        self.settled_ms = 0
        self.copies: dict[str, HandedMessage] = {}
        self.mappings: dict[str, AuditedMapping] = {}
        self.concurrency: dict[str, list[tuple[int, int]]] = {}
        self.running_by_function: dict[str, int] = {}
        self.used_by_others: set[str] = set()
        self.untimed: set[str] = set()
        self.ramp = RampPolicy()
        self.is_calm = False

    def held(self, mapping: AuditedMapping) -> list[HandedMessage]:
        """Give what a mapping holds; what it must take for visible is dropped from the books."""
        now_ms = self.now_ms()
        expired = [copy for copy in mapping.held.values() if copy.believed_until_ms <= now_ms]
        for copy in expired:
            del mapping.held[copy.receipt_handle]
            self._check_kept(mapping, copy)
        mapping.expired += expired
        return list(mapping.held.values())

    def _check_kept(self, mapping: AuditedMapping, copy: HandedMessage) -> None:
        """Check of what became visible while it waited that nobody could help it."""
        since_ms = copy.believed_until_ms - copy.timeout_ms
        is_troubled = mapping.is_troubled(since_ms, self.now_ms()) or copy.is_doubled
        is_ending = mapping.is_stopping or mapping.stopping_ms >= since_ms
        asked_by_ms = copy.believed_until_ms - ROW_GRACE_MS
        is_asked = any(began_ms <= asked_by_ms for began_ms in mapping.calls_ms.values())
        if copy.believed_until_ms and not (is_troubled or is_ending or is_asked):
            text = f"{copy.message.message_id} is visible since {copy.believed_until_ms} ms"
            self.report(Rule.UNKEPT, text)

    def running_count(self, function_arn: str) -> int:
        """Count the calls of a function under way."""
        return self.running_by_function.get(function_arn, 0)


def unqualified(function_arn: str) -> str:
    """Give the ARN of the function itself: its slots are shared by all its qualifiers."""
    return ":".join(function_arn.split(":")[:7])
