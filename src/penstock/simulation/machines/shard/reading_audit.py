"""When and from where a machine reads its shard."""

from penstock.core import shard_contract as s
from penstock.model.stream import (
    AfterSequenceNumber,
    FetchedRecords,
    Position,
    ShardIterator,
    StreamKind,
    TrimHorizon,
)
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.machines.turns import Turns

PACE = "a shard is read at once while it is behind, else at its pace"
SECOND_MS = 1_000
FAILED_MS, THROTTLED_MS, FAILED_MS_MAX = 200, 500, 10_000
LIMIT_MAX = {StreamKind.KINESIS: 10_000, StreamKind.DYNAMODB: 1_000}
ITERATOR_MS_MAX = {StreamKind.KINESIS: 300_000, StreamKind.DYNAMODB: 900_000}


class ReadingBook:
    """The reads of one shard.

    Attributes:
        head: The number of the furthest record that was read; -1 before the first.
        caught_up_wall_ms: When the last read was asked for, if it left nothing behind; else 0.
    """

    def __init__(self, kind: StreamKind, pace: s.ReadPace) -> None:
        self._pace = pace
        self._reads_max = pace.reads_per_s_max or 0
        self.head = -1
        self.has_ended = False
        self.is_closed = False
        self.is_reading = False
        self.caught_up_wall_ms = 0
        self.due_from_ms = self.due_by_ms = 0
        self._kind = kind
        self._hot_until_ms = 0
        self._failures = 0
        self._recent_ms: list[int] = []
        self._asked_wall_ms = 0
        self._was_closed = False

    def start(self, command: s.Fetch, turns: Turns) -> None:
        """A read begins."""
        if self.is_reading or self.has_ended:
            raise RuleBrokenError("one read at a time, and none after the end")
        if turns.now_ms < self.due_from_ms:
            raise RuleBrokenError(PACE, "not before", self.due_from_ms)
        self._recent_ms = [each for each in self._recent_ms if turns.now_ms - each < SECOND_MS]
        if len(self._recent_ms) >= self._reads_max:
            raise RuleBrokenError("a shard is read no oftener than its pace lets it")
        if not 1 <= command.limit <= LIMIT_MAX[self._kind]:
            raise RuleBrokenError("a read has a limit", command.limit)
        self._recent_ms.append(turns.now_ms)
        self._asked_wall_ms = turns.now.wall_ms
        self._was_closed = self.is_closed
        self.is_reading = True

    def end(self, fetched: FetchedRecords, turns: Turns) -> None:
        """A read has ended well."""
        now_ms = turns.now_ms
        self.is_reading = False
        self._failures = 0
        if fetched.records:
            self._hot_until_ms = now_ms + self._pace.hot_for_ms
            self.head = max(self.head, int(fetched.records[-1].sequence_number))
        behind_ms = fetched.behind_ms
        is_caught_up = behind_ms == 0 or (behind_ms is None and not fetched.records)
        self.caught_up_wall_ms = self._asked_wall_ms if is_caught_up else 0
        is_drained = self._was_closed and not fetched.records and behind_ms == 0
        self.has_ended = fetched.next_iterator is None or is_drained
        pause_ms = self._pace.hot_ms if now_ms < self._hot_until_ms else self._pace.idle_ms
        self.due_from_ms = self.due_by_ms = now_ms + (pause_ms if is_caught_up else 0)

    def fail(self, failure: s.FetchFailure, now_ms: int) -> None:
        """A read has failed: an iterator is taken anew at once, the first time."""
        self.is_reading = False
        anew = {s.FetchFailure.ITERATOR_EXPIRED, s.FetchFailure.TRIMMED}
        self._failures += 1
        if failure in anew and self._failures == 1:
            self.due_from_ms = max(self.due_from_ms, now_ms)
            self.due_by_ms = self.due_from_ms
            return
        first_ms = THROTTLED_MS if failure is s.FetchFailure.THROTTLED else FAILED_MS
        delay_ms = min(FAILED_MS_MAX, first_ms << (self._failures - 1))
        self.due_from_ms = now_ms + delay_ms - delay_ms // 4
        self.due_by_ms = now_ms + delay_ms

    def due_ms(self) -> int:
        """By when the next read begins, if one is wanted."""
        due_ms = self.due_by_ms
        if len(self._recent_ms) >= self._reads_max:
            due_ms = max(due_ms, self._recent_ms[-self._reads_max] + 1_000)
        return due_ms


def index_after(start: ShardIterator | Position, numbers: list[int]) -> int:
    """Resolve a place to the index of the first record that follows."""
    match start:
        case ShardIterator(token):
            return int(token)
        case AfterSequenceNumber(number):
            return sum(each <= int(number) for each in numbers)
        case TrimHorizon():
            return 0
        case _:
            raise TypeError(start)
