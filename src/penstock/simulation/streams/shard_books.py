"""What the auditor keeps of one shard, as one mapping has it before it."""

import enum
import zlib
from collections import deque
from collections.abc import Iterator

import msgspec

from penstock.model.stream import StreamRecord

NEVER_MS = -(10**9)


class Fate(enum.Enum):
    """How far a mapping is with a record."""

    OPEN = enum.auto()
    DONE = enum.auto()  # in a tumbling window whose last invocation is to come
    SETTLED = enum.auto()


class AuditedRecord(msgspec.Struct, eq=False):
    """A record as one mapping has it before it.

    Attributes:
        is_required: The mapping's position includes it, and its filter lets it through.
        is_excluded: The mapping's filter does not let it through.
        settled_ms: When the engine knew that it is settled.
        settled_run: In which run of the shards; None where it may come again all the same.
        passed_run: In which run later records of its lane were invoked before it.
        failures: Invocations with it that failed, since the run began or its batch was cut.
        is_gone: It has left the stream.
        is_discarded: It was settled by a discard.
        is_uncertain: Two rows that may be in force disagree on whether it is done.
        window: The tumbling window in which it is done.
        given_ms: When a read brought it first, since the run began.
        given_last_ms: When one brought it last: one that had no room comes again.
        freed_ms: When the engine knew that it is done, perhaps in a window that is open.
        tried_run: In which run it was last invoked.
    """

    record: StreamRecord
    number: int
    is_required: bool
    is_excluded: bool = False
    fate: Fate = Fate.OPEN
    settled_ms: int = NEVER_MS
    settled_run: int | None = None
    passed_run: int | None = None
    passed_ms: int = NEVER_MS
    failures: int = 0
    is_gone: bool = False
    is_discarded: bool = False
    is_uncertain: bool = False
    window: "AuditedWindow | None" = None
    given_ms: int = NEVER_MS
    given_last_ms: int = NEVER_MS
    freed_ms: int = NEVER_MS
    tried_run: int | None = None

    @property
    def is_owed(self) -> bool:
        """Tell whether it is still to be settled."""
        return self.is_required and self.fate is not Fate.SETTLED and not self.is_gone

    def open_again(self) -> None:
        """Forget what was done with it: it is to be delivered anew."""
        self.fate = Fate.OPEN
        self.passed_run = None
        self.failures = 0
        self.is_discarded = False
        self.given_ms = self.given_last_ms = NEVER_MS


def lane_of(audited: AuditedRecord, factor: int) -> int:
    """Give the lane that docs/semantics.md promises a key."""
    return zlib.crc32(audited.record.key) % factor


class AuditedWindow(msgspec.Struct, eq=False):
    """A tumbling window that is open.

    Attributes:
        state: None while nobody can know it.
        is_outgrown: Its state is too large; None: nobody can know whether that state was kept.
    """

    start_ms: int
    state: bytes | None
    has_state: bool = False
    is_outgrown: bool | None = False


class Tries(msgspec.Struct):
    """The invocations of exactly the same records in one run.

    Attributes:
        counted: Those that use up an attempt.
        rejected: In a row, the last ones, in which the function did not run.
        has_failed: The last ended in a failure that splits.
        began_ms: When they began, lately.
    """

    counted: int = 0
    rejected: int = 0
    has_failed: bool = False
    began_ms: list[int] = []


class LaneTurn(msgspec.Struct):
    """When it is a lane's turn to be invoked.

    Attributes:
        early_ms: What failed comes again no earlier.
        first: The sequence number that it then begins with; -1: a tumbling window's last.
        late_ms: The lane's next batch is due by then; None: nobody can say.
        rest_ms: What is left of a batch of which a part is discarded is due by then.
        freed_ms: When its last invocation ended.
        splits: Failures that split a batch, since anything was done.
    """

    early_ms: int = NEVER_MS
    first: int = -1
    late_ms: int | None = NEVER_MS
    rest_ms: int = NEVER_MS
    freed_ms: int = NEVER_MS
    splits: int = 0


class ReadTurn(msgspec.Struct):
    """When it is a shard's turn to be read.

    Attributes:
        late_ms: The next read is due by then; None: one runs, or nobody can say.
        failures: In a row.
        recent_ms: When a read last brought records.
        waiting_bytes: Of an answer that waits for room.
        room_ms: When there was room for it; None: perhaps there was none.
        is_foreign: Records came of which nobody can say whether they are invoked.
    """

    late_ms: int | None = None
    failures: int = 0
    recent_ms: int = NEVER_MS
    waiting_bytes: int = 0
    room_ms: int | None = None
    is_foreign: bool = False


class AuditedShard:
    """A shard of a stream's incarnation, as one mapping has it before it.

    Attributes:
        rank: Of the last checkpoint: the sequence number that it reaches.
        given_up: Tumbling windows whose last invocation's failure is still to be journaled.
        finals: Starts of tumbling windows that had their last invocation in this run.
        fetched_ms: When it was read lately.
        is_read_begun: A read has looked for its position; its fetch is no other read.
        turns: Of its lanes, by factor and lane.
        reading: Of its reads.
        held: Records that reads have brought and that are not done.
        freed_ms: When the last of them was.
        largest_bytes: Of its records.
    """

    def __init__(self, shard_id: str) -> None:
        self.shard_id = shard_id
        self.records: list[AuditedRecord] = []
        self.by_number: dict[int, AuditedRecord] = {}
        self.rank: float = -1
        self.window: AuditedWindow | None = None
        self.given_up: list[AuditedWindow] = []
        self.finals: set[int] = set()
        self.tries: dict[tuple[int, ...], Tries] = {}
        self.fetched_ms: deque[int] = deque(maxlen=6)
        self.is_read_begun = False
        self.turns: dict[tuple[int, int], LaneTurn] = {}
        self.reading = ReadTurn()
        self.held: list[AuditedRecord] = []
        self.freed_ms = NEVER_MS
        self.largest_bytes = 0
        self._first_owed = 0

    def add(self, audited: AuditedRecord) -> None:
        """Take a record in."""
        self.records.append(audited)
        self.by_number[audited.number] = audited
        self.largest_bytes = max(self.largest_bytes, len(audited.record.event))

    def owed(self) -> Iterator[AuditedRecord]:
        """Give what is still to be settled, in order."""
        while self._first_owed < len(self.records) and not (self.records[self._first_owed].is_owed):
            self._first_owed += 1
        for index in range(self._first_owed, len(self.records)):
            if self.records[index].is_owed:
                yield self.records[index]

    def has_owed(self) -> bool:
        """Tell whether anything is still to be settled."""
        return next(self.owed(), None) is not None

    def arrived_in(self, start_ms: int, end_ms: int) -> list[AuditedRecord]:
        """Give the records that arrived in that time."""
        return [
            audited for audited in self.records if start_ms <= audited.record.arrived_ms < end_ms
        ]

    def let_go(self) -> None:
        """Hold no longer what is done."""
        for audited in self.held:
            if audited.fate is not Fate.OPEN:
                self.freed_ms = max(self.freed_ms, audited.freed_ms)
        self.held = [each for each in self.held if each.fate is Fate.OPEN]

    def look_from_start(self) -> None:
        """Records were opened again."""
        self._first_owed = 0

    def end_run(self) -> None:
        """The shard's consumer has ended: what it knew beside its checkpoint is gone."""
        self.window = None
        self.given_up.clear()
        self.finals.clear()
        self.tries.clear()
        self.fetched_ms.clear()
        self.is_read_begun = False
        self.turns.clear()
        self.reading = ReadTurn()
        self.held.clear()
        for audited in self.records:
            audited.given_ms = audited.given_last_ms = NEVER_MS
            audited.failures = 0
            audited.passed_run = None
            if audited.fate is Fate.DONE:
                audited.fate = Fate.OPEN
        self.look_from_start()
