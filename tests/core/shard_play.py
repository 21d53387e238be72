"""A shard consumer at play: a shard, a function, a destination and a store, in virtual time.

Everything a command asks for completes at once, or after the time that a script gives it; nothing
runs but the machine.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core import shard_contract as s
from penstock.core.shard_consumer import ShardConsumer
from penstock.core.stream_contract import ShardStart
from penstock.model.failure import Discard, InvocationTrace
from penstock.model.instant import Instant
from penstock.model.position import Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    Checkpoint,
    FetchedRecords,
    ShardIterator,
    StreamBatch,
    StreamKind,
    StreamRecord,
    TrimHorizon,
)

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
WALL_MS = 1_700_000_000_000
FETCH_MS = 5
STEPS_MAX = 200_000

Answer = s.InvocationEnded
Function = Callable[[StreamBatch, s.WindowInvocation | None], Answer]


def record(
    number: int, *, key: str = "k", arrived_ms: int = WALL_MS, size: int = 40
) -> StreamRecord:
    return StreamRecord(str(number), key.encode(), arrived_ms, b"x" * size)


def records(*numbers: int, **options: Any) -> list[StreamRecord]:
    return [record(number, **options) for number in numbers]


def policy(**changes: Any) -> s.ShardPolicy:
    given: dict[str, Any] = {
        "kind": StreamKind.KINESIS,
        "stream_arn": STREAM_ARN,
        "function_arn": FUNCTION_ARN,
        "function_timeout_s": 3,
    }
    return s.ShardPolicy(**(given | changes))


def start(checkpoint: Checkpoint | None = None, **changes: Any) -> ShardStart:
    given: dict[str, Any] = {
        "tenure": Tenure("m", 1, 0),
        "incarnation": "1",
        "shard_id": "shard-0",
        "checkpoint": checkpoint or Checkpoint(TrimHorizon()),
    }
    return ShardStart(**(given | changes))


def succeed(batch: StreamBatch, _window: s.WindowInvocation | None = None) -> Answer:
    return s.InvocationSucceeded(batch)


def fail(batch: StreamBatch, _window: s.WindowInvocation | None = None) -> Answer:
    trace = InvocationTrace("r", "$LATEST", "Unhandled")
    return s.InvocationFailed(batch, "it failed", trace)


def fail_on(*numbers: int) -> Function:
    """Raise when any of these is in the batch."""

    def invoke(batch: StreamBatch, window: s.WindowInvocation | None) -> Answer:
        poison = {str(number) for number in numbers}
        if poison & {each.sequence_number for each in batch.records}:
            return fail(batch)
        return succeed(batch, window)

    return invoke


def report(*numbers: int) -> Function:
    """Report the first of these that is in the batch as failed."""

    def invoke(batch: StreamBatch, window: s.WindowInvocation | None) -> Answer:
        for index, each in enumerate(batch.records):
            if int(each.sequence_number) in numbers:
                return s.InvocationPartiallyFailed(batch, index, InvocationTrace("r", "$LATEST"))
        return succeed(batch, window)

    return invoke


def numbers_of(batch: StreamBatch) -> list[int]:
    return [int(each.sequence_number) for each in batch.records]


class ShardPlay:
    """The world around one machine.

    Attributes:
        invoked: Each invocation: when it began, its record numbers, what its window was told.
        saved: Each checkpoint that was saved.
        journal: What went to the failure journal.
        sent: What went to the destination.
        duration_ms: How long an invocation takes.
        fetch_max: The most records that an answer brings.
        slots: Of the function.
    """

    duration_ms = 0
    fetch_max = 10_000
    slots = 100
    held_bytes = 0
    held_bytes_max = 0
    filtered_out = 0
    now_ms = 0
    wall_offset_ms = WALL_MS
    _slots_used = 0
    _slots_wanted = 0
    _count = 0

    def __init__(
        self,
        shard: Sequence[StreamRecord],
        *,
        asked: s.ShardPolicy | None = None,
        began: ShardStart | None = None,
        function: Function = succeed,
        is_closed: bool = False,
    ) -> None:
        self.policy = asked or policy()
        self.machine = ShardConsumer(self.policy, began or start())
        self.shard = list(shard)
        self.function = function
        self.is_closed = is_closed
        self.invoked: list[tuple[int, list[int], s.WindowInvocation | None]] = []
        self.saved: list[Checkpoint] = []
        self.journal: list[s.JournalEntry] = []
        self.sent: list[Discard] = []
        self.fetches: list[s.Fetch] = []
        self.destination: Callable[[Discard], s.Input] = _accept
        self.fetch_failures: list[s.FetchFailure] = []
        self.save_failures: list[s.Input] = []
        self._due: list[tuple[int, int, s.Input]] = []
        self.feed(s.Started())

    def now(self) -> Instant:
        return Instant(self.now_ms, self.now_ms + self.wall_offset_ms)

    def feed(self, inp: s.Input) -> None:
        for command in self.machine.handle(inp, self.now()):
            self._carry_out(command)

    def later(self, delay_ms: int, inp: s.Input) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now_ms + delay_ms, self._count, inp))

    def run(self, for_ms: int) -> "ShardPlay":
        """Let time pass; what is due happens on the way."""
        end_ms = self.now_ms + for_ms
        for _ in range(STEPS_MAX):
            if self.machine.is_finished():
                return self
            deadline_ms = self.machine.deadline_ms()
            due_ms = self._due[0][0] if self._due else None
            moments = [each for each in (deadline_ms, due_ms) if each is not None]
            if not moments or min(moments) > end_ms:
                self.now_ms = end_ms
                return self
            self.now_ms = max(self.now_ms, min(moments))
            if due_ms is not None and due_ms <= self.now_ms:
                self.feed(heapq.heappop(self._due)[2])
            else:
                self.feed(s.DeadlineReached())
        raise AssertionError("the machine spins")

    @property
    def batches(self) -> list[list[int]]:
        return [numbers for _, numbers, _ in self.invoked]

    @property
    def checkpoint(self) -> Checkpoint:
        return self.saved[-1]

    def _carry_out(self, command: s.Command) -> None:
        match command:
            case s.Fetch():
                self.fetches.append(command)
                self.later(FETCH_MS, self._fetch(command))
            case s.RequestSlots(_, count):
                self._slots_wanted = count
                self._grant()
            case s.ReturnSlots(_, count):
                self._slots_used -= count
                assert self._slots_used >= 0
                self._grant()
            case s.Invoke(batch, window):
                self.invoked.append((self.now_ms, numbers_of(batch), window))
                self.later(self.duration_ms, self.function(batch, window))
            case s.SendToDestination(discard):
                self.sent.append(discard)
                self.later(1, self.destination(discard))
            case s.SaveCheckpoint(checkpoint, journal):
                self.later(1, self._save(checkpoint, journal))
            case s.ReportHeldBytes(held_bytes):
                self.held_bytes = held_bytes
                self.held_bytes_max = max(self.held_bytes_max, held_bytes)
            case s.ReportFilteredOut(count):
                self.filtered_out += count

    def _grant(self) -> None:
        count = min(self._slots_wanted, self.slots - self._slots_used)
        if count > 0:
            self._slots_used += count
            self._slots_wanted -= count
            self.later(0, s.SlotsGranted(FUNCTION_ARN, count))

    def _save(self, checkpoint: Checkpoint, journal: tuple[s.JournalEntry, ...]) -> s.Input:
        if self.save_failures:
            return self.save_failures.pop(0)
        self.saved.append(checkpoint)
        self.journal += journal
        return s.CheckpointSaved()

    def _fetch(self, fetch: s.Fetch) -> s.Input:
        if self.fetch_failures:
            return s.FetchFailed(self.fetch_failures.pop(0), "as told")
        index = self._index_of(fetch)
        found = self.shard[index : index + min(fetch.limit, self.fetch_max)]
        end = index + len(found)
        is_last = end == len(self.shard)
        iterator = None if self.is_closed and is_last else ShardIterator(str(end))
        return s.RecordsFetched(FetchedRecords(tuple(found), iterator, 0 if is_last else 1))

    def _index_of(self, fetch: s.Fetch) -> int:
        match fetch.start:
            case ShardIterator(token):
                return int(token)
            case AfterSequenceNumber(number):
                return sum(int(each.sequence_number) <= int(number) for each in self.shard)
            case AtSequenceNumber(number):
                return sum(int(each.sequence_number) < int(number) for each in self.shard)
            case _:
                return 0


def _accept(discard: Discard) -> s.Input:
    return s.DestinationAccepted(discard.id)
