"""What the auditor of streams knows: records, how far each mapping is with them, invocations."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import AtTimestamp, Position, StreamRecord, TrimHorizon
from penstock.simulation.ledger import Findings
from penstock.simulation.streams.event import StreamEvent
from penstock.simulation.streams.shard_books import (
    NEVER_MS,
    AuditedRecord,
    AuditedShard,
    Fate,
)
from penstock.simulation.streams.written import is_dark

if TYPE_CHECKING:
    from penstock.simulation.streams.stream import SimulatedStream

# A row that is written while the keeper waits for the store is taken up when it has its answer.
POLICY_GRACE_MS = 60
SAVE_AGAIN_MS = 1_500  # a save that failed is made again by then, and nothing is saved meanwhile
POLICY_GRACE_MS_TROUBLED = 5_000


class Ending(msgspec.Struct, frozen=True):
    """How a function really ended.

    Attributes:
        failed: The sequence numbers that its response names.
        state: A tumbling window's, as it was returned.
    """

    is_error: bool = False
    is_malformed: bool = False
    failed: tuple[int, ...] = ()
    state: bytes | None = None


class Invocation(msgspec.Struct, eq=False):
    """A call of the function port.

    Attributes:
        records: Empty for a tumbling window's last, and for one of a position that is over.
        rows: The mapping's rows that may have been in force.
        began_ms: When it was sent to its function.
        is_running: It counts as under way.
        is_lost: The engine was told that nobody will tell it how this one ends.
    """

    mapping: "AuditedMapping"
    function_arn: str
    event: StreamEvent
    rows: tuple[EventSourceMapping, ...]
    epoch: int
    incarnation: str
    run: int
    shard: AuditedShard | None = None
    records: tuple[AuditedRecord, ...] = ()
    lanes: frozenset[tuple[int, int]] = frozenset()
    ending: Ending | None = None
    began_ms: int = 0
    is_running: bool = True
    is_lost: bool = False

    @property
    def key(self) -> tuple[int, ...]:
        """What is the same for invocations of exactly the same records."""
        if self.event.is_final and self.event.window is not None:
            return (-1, self.event.window.start_ms)
        return (len(self.records), self.records[0].number, self.records[-1].number)


class AuditedMapping:
    """What the auditor keeps of a mapping.

    Attributes:
        rows: (since_ms, row), oldest first.
        epoch: Of the position in the store.
        engine_epoch: Of the position that the engine was last given.
        run: Counts how often its shards were started anew.
        run_ms: When that was last.
        grace_ms: How long before that a row may have been replaced that is in force all the same.
        moved_ms: When operators put it elsewhere: what was not saved by then never is.
        skipped: Records of the incarnation that operators have given up, by shard id and number.
        was_enabled: It was Enabled once.
        is_sure: Its shards run, as far as they have come: nothing asks them to stop.
        incarnation: The stream that it has begun; empty before the first.
        starts: Where shards begin that differ from the others; None: not at all.
        start: Where all others begin.
        pinned_ms: The server's time of each shard's pin.
        shards: Of the incarnation.
        invocations: Calls of the function port under way.
    """

    def __init__(self, uuid: str, stream: "SimulatedStream") -> None:
        self.uuid = uuid
        self.name = uuid
        self.stream = stream
        self.rows: list[tuple[int, EventSourceMapping]] = []
        self.epoch = 0
        self.engine_epoch = 0
        self.run = 0
        self.run_ms = 0
        self.grace_ms = POLICY_GRACE_MS
        self.created_ms = 0
        self.moved_ms: list[int] = []
        self.skipped: set[tuple[str, int]] = set()
        self.was_enabled = False
        self.is_sure = False
        self.incarnation = ""
        self.starts: dict[str, int | None] = {}
        self.start: Position = TrimHorizon()
        self.pinned_ms: dict[str, int] = {}
        self.shards: dict[str, AuditedShard] = {}
        self.invocations: list[Invocation] = []

    @property
    def row(self) -> EventSourceMapping:
        """The row in force."""
        return self.rows[-1][1]

    @property
    def is_moving(self) -> bool:
        """Tell whether the engine has not taken up the present position yet."""
        return self.engine_epoch != self.epoch

    def policies(self) -> tuple[EventSourceMapping, ...]:
        """Give every row that may be in force for the shards that run."""
        since_ms = self.run_ms - self.grace_ms
        first = 0
        for index, (from_ms, _) in enumerate(self.rows):
            if from_ms <= since_ms:
                first = index
        return tuple(row for _, row in self.rows[first:])

    def shard(self, shard_id: str) -> AuditedShard:
        """Give a shard's books."""
        shard = self.shards.get(shard_id)
        if shard is None:
            shard = self.shards[shard_id] = AuditedShard(shard_id)
        return shard

    def excludes(self, record: StreamRecord) -> bool:
        """Tell whether the filter, which no update changes, leaves a record out."""
        return bool(self.row.filters) and not is_dark(record.event)

    def requires(self, shard_id: str, record: StreamRecord) -> bool:
        """Tell whether a record is to be delivered."""
        return self.includes(shard_id, record) and not self.excludes(record)

    def includes(self, shard_id: str, record: StreamRecord) -> bool:
        """Tell whether the position includes a record."""
        if shard_id in self.starts:
            first = self.starts[shard_id]
            return first is not None and int(record.sequence_number) >= first
        if isinstance(self.start, AtTimestamp):
            return record.arrived_ms >= self.start.wall_ms
        return True

    def near_start_ms(self, shard_id: str) -> int | None:
        """Give the time at which a shard begins, where it begins at a time."""
        if shard_id in self.starts:
            return self.pinned_ms.get(shard_id)
        return self.start.wall_ms if isinstance(self.start, AtTimestamp) else None

    def add(self, shard_id: str, record: StreamRecord, *, is_gone: bool = False) -> None:
        """Take a record of the incarnation in."""
        audited = AuditedRecord(
            record,
            int(record.sequence_number),
            self.requires(shard_id, record),
            self.excludes(record),
            is_gone=is_gone,
        )
        self.shard(shard_id).add(audited)

    def begin(self, incarnation: str, start: Position, starts: dict[str, int | None]) -> None:
        """Begin a stream, with all that is in it already."""
        if incarnation != self.incarnation:
            self.skipped.clear()
        self.incarnation = incarnation
        self.start = start
        self.starts = starts
        self.pinned_ms = {}
        self.shards = {}
        if self.stream.incarnation != incarnation:
            return
        for served in self.stream.shards.values():
            self.shard(served.shard_id)
            for index, record in enumerate(served.records):
                self.add(served.shard_id, record, is_gone=index < served.horizon)

    def ancestors(self, shard_id: str) -> set[str]:
        """Give all shards that a shard descends from."""
        found: set[str] = set()
        waiting = [shard_id]
        while waiting:
            served = self.stream.shards.get(waiting.pop())
            for parent in served.parent_ids if served else ():
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return found


class StreamBooks(Findings):
    """All that is written down of one world of streams.

    Args:
        wall_ms: The node's wall clock, by which it judges ages.
        trouble_ms: When the store last failed or was slow.

    Attributes:
        crashes_ms: When the node was killed.
        is_calm: Nothing goes wrong in this world.
        is_wall_steady: Nobody sets the node's wall clock.
        pause: When the node last went on, and how long it had been paused.
        is_alone: Nobody else uses the functions' slots.
        timeout_ms: Of functions, by ARN.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        last_lines: Callable[[], list[str]],
        *,
        wall_ms: Callable[[], int],
        trouble_ms: Callable[[], int],
    ) -> None:
        super().__init__(now_ms, last_lines)
        self.wall_ms = wall_ms
        self.trouble_ms = trouble_ms
        self.crashes_ms: list[int] = []
        self.mappings: dict[str, AuditedMapping] = {}
        self.concurrency: dict[str, int] = {}
        self.running_by_function: dict[str, int] = {}
        self.is_calm = False
        self.is_wall_steady = True
        self.pause = (NEVER_MS, 0)
        self.is_alone = True
        self.timeout_ms: dict[str, int] = {}
        self._short_ms: dict[str, int] = {}

    def settle(self, audited: AuditedRecord, run: int | None) -> None:
        """Take note that a record is settled, and that the engine knows."""
        if audited.fate is Fate.OPEN:
            audited.freed_ms = self.now_ms()
        audited.fate = Fate.SETTLED
        audited.settled_ms = self.now_ms()
        audited.settled_run = run

    def judged_ms(self) -> int:
        """Read the node's wall clock as what it begins now was judged by.

        What it had begun when it was paused goes on as it was.
        """
        since_ms, for_ms = self.pause
        return self.wall_ms() - (for_ms if since_ms == self.now_ms() else 0)

    def note_short(self, function_arn: str, until_ms: int) -> None:
        """Take note that a function's slots may all be in use until then."""
        self._short_ms[function_arn] = max(self._short_ms.get(function_arn, NEVER_MS), until_ms)

    def had_slots(self, function_arn: str, since_ms: int) -> bool:
        """Tell whether a function has had a slot that was free, ever since."""
        is_short = self.running_by_function.get(function_arn, 0) >= self.concurrency[function_arn]
        was_short = self._short_ms.get(function_arn, NEVER_MS) >= since_ms
        return self.is_alone and not is_short and not was_short

    def was_cut_off(self, mapping: AuditedMapping, since_ms: int, until_ms: int) -> bool:
        """Tell whether a crash or a move then, or the store's trouble since, explains a loss."""
        cuts_ms = (*self.crashes_ms, *mapping.moved_ms)
        was_cut = any(since_ms <= at_ms <= until_ms for at_ms in cuts_ms)
        return was_cut or self.trouble_ms() >= since_ms - SAVE_AGAIN_MS
