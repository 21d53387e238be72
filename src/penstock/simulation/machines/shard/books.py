"""What the world knows of the records that a machine holds: lanes, and the batches they form.

Written from docs/semantics.md ("Stream batches", "Stream order", "Stream failures") and AWS's
pages; it shares no code with ``core``.
"""

import zlib
from collections import deque

from penstock.model.failure import Condition
from penstock.model.stream import StreamRecord
from penstock.simulation.machines.shard.plan import RecordPlan, ShardSettings

UNITS_MAX = 23  # of 256 KiB in an event of 6 MB
TUMBLING_UNITS_MAX = 19  # beside a state of 1 MB
SPLIT_MS, SPLIT_MS_MAX = 50, 1_000
RETRY_MS, RETRY_MS_MAX = 400, 60_000
REJECTED_MS, REJECTED_MS_MAX = 200, 10_000
QUIET_MS = 5_000  # after its end a tumbling window that brings nothing more is over
STATE_BYTES_MAX = 1024 * 1024


class Rec:
    """A record as its shard knows it.

    Attributes:
        is_settled: In the present life, or before it as far as that is durable.
        has_ended: Its function succeeded with it, or its discard is recorded: ever.
    """

    __slots__ = ("has_ended", "index", "is_settled", "number", "plan", "record")

    def __init__(self, index: int, number: int, plan: RecordPlan, record: StreamRecord) -> None:
        self.index = index
        self.number = number
        self.plan = plan
        self.record = record
        self.is_settled = False
        self.has_ended = False

    @property
    def size_bytes(self) -> int:
        """Its bytes in an event."""
        return len(self.record.event)

    def lane(self, factor: int) -> int:
        """Its lane: crc32 of its key modulo the factor."""
        return zlib.crc32(self.record.key) % factor

    def __repr__(self) -> str:
        return self.record.sequence_number


class Part:
    """Records of a lane that are invoked together.

    Attributes:
        due_from_ms: They are invoked from then on,
        due_by_ms: and by then.
        is_final: A tumbling window's last invocation.
    """

    __slots__ = (
        "attempts",
        "due_by_ms",
        "due_from_ms",
        "is_final",
        "is_given_up",
        "records",
        "rejections",
        "started_ms",
    )

    def __init__(self, records: list[Rec], *, is_final: bool = False) -> None:
        self.records = records
        self.is_final = is_final
        self.attempts = self.rejections = 0
        self.due_from_ms = self.due_by_ms = 0
        self.started_ms = 0
        self.is_given_up = False

    def split(self, index: int) -> "tuple[Part, Part]":
        """Give both halves, with the same past and the same time."""
        return self.like(self.records[:index]), self.like(self.records[index:])

    def like(self, records: list[Rec]) -> "Part":
        """Make a part of some of its records."""
        part = Part(records)
        part.attempts, part.is_given_up = self.attempts, self.is_given_up
        part.due_from_ms, part.due_by_ms = self.due_from_ms, self.due_by_ms
        return part

    def wait(self, delay_ms: int, now_ms: int) -> None:
        """Wait for a back-off, less up to a quarter of it."""
        self.due_from_ms, self.due_by_ms = now_ms + delay_ms - delay_ms // 4, now_ms + delay_ms


class Discarded:
    """Records on their way to the destination, or to the journal.

    Attributes:
        has_cause: The destination has not taken them: the journal is told why.
    """

    __slots__ = (
        "condition",
        "count",
        "due_by_ms",
        "due_from_ms",
        "failures",
        "has_cause",
        "id",
        "invoke_count",
        "is_final",
        "is_sent",
        "records",
        "size_bytes",
    )

    def __init__(self, part: Part, records: list[Rec], count: int, condition: Condition) -> None:
        self.records = records
        self.count = count
        self.condition = condition
        self.invoke_count = max(1, part.attempts)
        self.is_final = part.is_final
        self.is_sent = False
        self.has_cause = False
        self.due_from_ms = self.due_by_ms = 0
        self.failures = 0
        self.id = 0
        self.size_bytes = sum([rec.size_bytes for rec in records])


class WindowBook:
    """A tumbling window: by arrival, with a state, and one last invocation."""

    def __init__(self, length_s: int) -> None:
        self.length_ms = length_s * 1000
        self.first: Rec | None = None
        self.done: list[Rec] = []
        self.start_ms = 0
        self.state = b"{}"
        self.has_state = self.is_ending = self.is_early = False

    def admits(self, rec: Rec) -> bool:
        """Tell whether a record is of the open window; the first opens one."""
        if self.is_ending:
            return False
        start_ms = rec.record.arrived_ms // self.length_ms * self.length_ms
        if self.first is None:
            self.first, self.start_ms = rec, start_ms
        elif start_ms > self.start_ms:
            self.is_ending = True
        return not self.is_ending

    def keep(self, state: bytes) -> None:
        """Keep what an invocation returned."""
        if self.first is not None:
            self.state, self.has_state = state, True
            if len(state) > STATE_BYTES_MAX:
                self.is_ending = self.is_early = True

    def close(self) -> list[Rec]:
        """Its last invocation is over, or it needs none: its records are settled."""
        done, self.done = self.done, []
        self.first = None
        self.state = b"{}"
        self.has_state = self.is_ending = self.is_early = False
        for rec in done:
            rec.is_settled = rec.has_ended = True
        return done


class LaneBook:
    """One lane.

    Attributes:
        since_ms: When what it gathers began to wait.
        held_until_ms: An invocation of unknown outcome keeps its slot so long.
        settled: The last record that was settled in this life.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.buffer: deque[Rec] = deque()
        self.parts: deque[Part] = deque()
        self.flying: Part | None = None
        self.discarded: Discarded | None = None
        self.held_until_ms: int | None = None
        self.since_ms = 0
        self.splits = 0
        self.settled = -1

    @property
    def is_busy(self) -> bool:
        """Tell whether something runs for it."""
        return self.flying is not None or (self.discarded is not None and self.discarded.is_sent)

    @property
    def is_empty(self) -> bool:
        """Tell whether it holds nothing."""
        return not (self.buffer or self.parts or self.discarded)

    def held(self) -> list[Rec]:
        """Give what it holds, in order."""
        parts = [rec for part in self.parts for rec in part.records]
        discarded = self.discarded.records if self.discarded is not None else []
        return [*discarded, *parts, *self.buffer]

    def take(self, recs: list[Rec], now_ms: int) -> None:
        """Take in what was read."""
        if recs and not self.buffer:
            self.since_ms = max(self.since_ms, now_ms)
        self.buffer.extend(recs)

    def units(self) -> int:
        """Add up what is in no batch yet."""
        return sum([rec.plan.units for rec in self.buffer])

    def is_hungry(self, settings: ShardSettings) -> bool:
        """Tell whether reading on serves it: its next batch is not complete."""
        limit = TUMBLING_UNITS_MAX if settings.tumbling_s else UNITS_MAX
        return len(self.buffer) < settings.batch_size and self.units() <= limit

    def next_run(self, settings: ShardSettings, window: WindowBook | None) -> tuple[int, bool]:
        """Count the records of its next batch; True: what follows does not belong to it."""
        limit = UNITS_MAX if window is None else TUMBLING_UNITS_MAX
        units = count = 0
        is_closed = False
        for rec in self.buffer:
            units += rec.plan.units
            is_closed = count == settings.batch_size or (count > 0 and units > limit)
            if is_closed:
                break
            count += 1
        is_closed = is_closed or count == settings.batch_size or units > limit
        if window is not None:
            for index in range(count):
                if not window.admits(self.buffer[index]):
                    return index, True
        return count, is_closed


def is_too_large(rec: Rec, settings: ShardSettings) -> bool:
    """Tell whether no event takes a record."""
    return rec.plan.units > (TUMBLING_UNITS_MAX if settings.tumbling_s else UNITS_MAX)
