"""One lane of a shard: its records in order, gathered into batches, one of them in flight.

::

    take ──> buffer ──(count, bytes, window)──> pending ──> in flight ──> done
                                                  ▲  ▲         │
                                                  │  └─ retry, halves, remainder
                                                  └──── discarding ──> done

A lane is the unit of order: a key's records are all in one lane, and a lane works strictly in
sequence. What one lane waits for never keeps another waiting.

When a lane's buffer is full while others are read on for, records are *passed over*: the lane has a
gap after ``gap_after``, which is read again when there is room (``shard_reading.py``).
"""

import itertools
import zlib
from collections import deque

import msgspec

from penstock.core.shard_contract import WindowInvocation
from penstock.core.shard_reading import Mark
from penstock.model.failure import Discard, InvocationTrace
from penstock.model.stream import StreamBatch, StreamRecord


def lane_of(key: bytes, factor: int) -> int:
    """Give the lane of a key: the same in every process, since checkpoints speak of lanes.

    Source: docs/semantics.md#stream-order (AWS does not say how it chooses)
    """
    return zlib.crc32(key) % factor


class PendingBatch(msgspec.Struct):
    """A batch that is formed and not done.

    Attributes:
        attempts: Invocations that failed.
        rejections: In a row, the last ones, in which the function did not run.
        due_ms: Monotonic; not before.
        started_ms: Monotonic; its last invocation's.
        is_given_up: Its attempts are used up; it is discarded when it is due.
        trace: The last failed invocation's.
        reason: The last failure in words.
        is_final: A tumbling window's last invocation: it has no records.
        oldest_ms: When the oldest record arrived, Unix ms; None until somebody asks.
    """

    batch: StreamBatch
    attempts: int = 0
    rejections: int = 0
    due_ms: int = 0
    started_ms: int = 0
    is_given_up: bool = False
    trace: InvocationTrace = InvocationTrace()
    reason: str = ""
    is_final: bool = False
    oldest_ms: int | None = None

    def part(self, batch: StreamBatch) -> "PendingBatch":
        """Make a part of this batch, with the same past and the same time."""
        return PendingBatch(
            batch,
            attempts=self.attempts,
            due_ms=self.due_ms,
            is_given_up=self.is_given_up,
            trace=self.trace,
            reason=self.reason,
        )


class Discarding(msgspec.Struct):
    """A discard on its way to the destination.

    Attributes:
        due_ms: When it is sent next; None while it is being sent.
        is_final: It is a tumbling window's last invocation that was given up.
        window: What the tumbling window's invocation was told.
        failures: Tries that failed.
    """

    discard: Discard
    due_ms: int | None
    is_final: bool = False
    window: WindowInvocation | None = None
    failures: int = 0


class Lane:
    """The records of one lane, from their arrival to their end.

    Attributes:
        pending: Batches in order; the first is the one that is worked on.
        in_flight: The first of ``pending``, while its invocation runs.
        held_slot_until_ms: Monotonic; an invocation of unknown outcome keeps its slot until then.
        discarding: What the lane waits for before anything else.
        settled: Everything of the lane up to here is done; None before the first.
        splits: Failures in a row that split a batch.
        gap_after: The last record taken before one was passed over; None without a gap.
        is_backfilling: The gap is being read again, from its beginning.
        gathered_since_ms: When the buffer's first record could first have been invoked.
        held_bytes: Of records that are not done.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.pending: deque[PendingBatch] = deque()
        self.in_flight: PendingBatch | None = None
        self.held_slot_until_ms: int | None = None
        self.discarding: Discarding | None = None
        self.settled: Mark | None = None
        self.splits = 0
        self.gap_after: str | None = None
        self.is_backfilling = False
        self.gathered_since_ms = 0
        self.held_bytes = 0
        self._buffer: deque[StreamRecord] = deque()
        self._buffer_bytes = 0

    @property
    def buffered_count(self) -> int:
        """Count the records that are in no batch yet."""
        return len(self._buffer)

    @property
    def buffered_bytes(self) -> int:
        """Add up the records that are in no batch yet."""
        return self._buffer_bytes

    @property
    def is_empty(self) -> bool:
        """Tell whether everything that was taken is done, and nothing was passed over."""
        return not (self._buffer or self.pending or self.discarding or self.gap_after is not None)

    @property
    def is_untouched(self) -> bool:
        """Tell whether nothing is held, under way or waited for."""
        return self.is_empty and not self.is_backfilling and self.held_slot_until_ms is None

    @property
    def is_busy(self) -> bool:
        """Tell whether something runs for the lane now."""
        return self.in_flight is not None or (
            self.discarding is not None and self.discarding.due_ms is None
        )

    def take(self, record: StreamRecord, now_ms: int) -> None:
        """Append a record."""
        if not self._buffer:
            self.gathered_since_ms = max(self.gathered_since_ms, now_ms)
        self._buffer.append(record)
        self._buffer_bytes += len(record.event)
        self.held_bytes += len(record.event)

    def take_all(self, records: tuple[StreamRecord, ...], now_ms: int) -> None:
        """Append records."""
        if not self._buffer and records:
            self.gathered_since_ms = max(self.gathered_since_ms, now_ms)
        self._buffer.extend(records)
        count_bytes = sum([len(record.event) for record in records])
        self._buffer_bytes += count_bytes
        self.held_bytes += count_bytes

    def last_taken(self) -> str:
        """Give the sequence number of the buffer's last record, which must be there."""
        return self._buffer[-1].sequence_number

    def count_run(self, count_max: int, bytes_max: int) -> tuple[int, bool]:
        """Count the buffer's records that fit into one batch, and tell whether more would not.

        A record that alone is too large counts as a run of its own.
        """
        count = len(self._buffer)
        if count <= count_max and self._buffer_bytes + count <= bytes_max:
            return count, count == count_max
        total_bytes = count = 0
        for record in self._buffer:
            total_bytes += len(record.event) + 1
            if count == count_max or (count and total_bytes > bytes_max):
                break
            count += 1
        return count, True

    def scan(self, count: int) -> list[StreamRecord]:
        """Give the buffer's first records without taking them out."""
        return list(itertools.islice(self._buffer, count))

    def form(self, batch_id: int, count: int) -> PendingBatch:
        """Make the buffer's first ``count`` records the lane's next batch."""
        buffer = self._buffer
        records = tuple([buffer.popleft() for _ in range(count)])
        self._buffer_bytes -= sum([len(record.event) for record in records])
        formed = PendingBatch(StreamBatch(batch_id, self.index, records))
        self.pending.append(formed)
        return formed

    def replace_first(self, *parts: PendingBatch) -> None:
        """Put parts of the first pending batch into its place."""
        self.pending.popleft()
        self.pending.extendleft(reversed(parts))

    def finish_first(self) -> PendingBatch:
        """Take the first pending batch out: it is done, or on its way out."""
        return self.pending.popleft()

    def release(self, records: tuple[StreamRecord, ...]) -> None:
        """Count records as no longer held."""
        self.held_bytes -= sum([len(record.event) for record in records])

    def oldest_arrived_ms(self) -> int | None:
        """Tell when the first record that is held and not done arrived; None: none is held."""
        if self.discarding is not None:
            return self.discarding.discard.records[0].arrived_ms
        for waiting in self.pending:
            if waiting.batch.records:
                return waiting.batch.records[0].arrived_ms
        return self._buffer[0].arrived_ms if self._buffer else None

    def first_unsettled(self) -> int | None:
        """Give a sequence number that nothing unsettled of the lane lies below; None: all is."""
        if self.discarding is not None:
            return int(self.discarding.discard.records[0].sequence_number)
        for waiting in self.pending:
            if waiting.batch.records:
                return int(waiting.batch.records[0].sequence_number)
        if self._buffer:
            return int(self._buffer[0].sequence_number)
        return None if self.gap_after is None else int(self.gap_after) + 1
