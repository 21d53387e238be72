"""When a lane's records become a batch, and which of them may not be invoked.

A batch closes at BatchSize, at the payload quota, at the end of its batching window, before a
record of another tumbling window, and when nothing more can come; without a batching window at
once. The batching window begins with the first record, or when the lane's last invocation ended.

Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
"""

from collections.abc import Iterator

from penstock.core.lane import Lane, PendingBatch
from penstock.core.shard_contract import ShardPolicy
from penstock.core.shard_reading import mark_of
from penstock.core.stream_event import EVENT_ENVELOPE_BYTES_MAX
from penstock.core.tumbling_window import STATE_BYTES_MAX, TumblingWindow
from penstock.model.failure import Condition
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.instant import Instant
from penstock.model.stream import StreamBatch, StreamRecord

# Of records read ahead per shard; a lane's batch comes on top. Lanes that gather for a batching
# window may hold more: each of them a whole batch.
SHARD_BYTES_MAX = 32 * 1024 * 1024
MS_PER_S = 1000


class BatchForming:
    """Forms the batches of one shard.

    Args:
        ids: Numbers the batches.
        skips: Sequence numbers that an operator has given up.
    """

    def __init__(
        self,
        policy: ShardPolicy,
        window: TumblingWindow | None,
        *,
        ids: Iterator[int],
        skips: frozenset[str],
    ) -> None:
        self._window = window
        self._ids = ids
        self._skips = skips
        self._count_max = policy.batch_size
        self._wait_ms = policy.batching_window_s * MS_PER_S
        age_s = policy.maximum_record_age_s
        self._age_ms_max = None if age_s is None else age_s * MS_PER_S
        state_bytes = 0 if window is None else STATE_BYTES_MAX
        self._batch_bytes_max = PAYLOAD_BYTES_MAX - EVENT_ENVELOPE_BYTES_MAX - state_bytes
        share_bytes = SHARD_BYTES_MAX // policy.parallelization_factor
        # A share below the quota would close batches before their window ends.
        self._lane_bytes_max = (
            self._batch_bytes_max if self._wait_ms else min(self._batch_bytes_max, share_bytes)
        )

    # How much a lane may hold.

    def is_full(self, lane: Lane) -> bool:
        """Tell whether a lane takes no further record."""
        return lane.buffered_bytes >= self._lane_bytes_max

    def is_hungry(self, lane: Lane) -> bool:
        """Tell whether reading on serves a lane: its next batch is not complete yet."""
        return (
            lane.gap_after is None
            and lane.buffered_count < self._count_max
            and not self.is_full(lane)
        )

    def wants_backfill(self, lane: Lane) -> bool:
        """Tell whether a lane has room for a good part of what was passed over."""
        return (
            lane.gap_after is not None
            and not lane.is_backfilling
            and lane.buffered_count < self._count_max
            and lane.buffered_bytes < self._lane_bytes_max // 2
        )

    # Batches.

    def form(self, lane: Lane, now: Instant, *, is_complete: bool) -> bool:
        """Make the lane's next batch if it is due; ``is_complete``: nothing more can come."""
        window = self._window
        if window is not None and is_complete and not lane.buffered_count:
            window.end()
        if window is not None and window.is_ending:
            if window.has_state:
                # It has no records: its age counts from the window's end.
                batch = StreamBatch(next(self._ids), lane.index, ())
                final = PendingBatch(batch, is_final=True, oldest_ms=window.end_ms)
                lane.pending.append(final)
                return True
            assert window.last is not None, "a window ends after its records"
            lane.settled = mark_of(window.last)
            window.close()
        if not lane.buffered_count:
            return False
        count, is_closed = self._count_run(lane)
        if count == 0:  # the first record is of a later tumbling window
            return self.form(lane, now, is_complete=is_complete)
        is_due = now.monotonic_ms >= lane.gathered_since_ms + self._wait_ms
        if not (is_closed or is_due or is_complete):
            return False
        lane.form(next(self._ids), count)
        return True

    def condition_of(self, pending: PendingBatch, now: Instant) -> Condition | None:
        """Say why a batch, or some of its records, may not be invoked; None: it may."""
        records = pending.batch.records
        if records:
            first = records[0]
            if len(first.event) + 1 > self._batch_bytes_max:
                return Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED
            if first.sequence_number in self._skips:
                return Condition.SKIPPED
        if self._age_ms_max is not None and self._expires_ms(pending) <= now.wall_ms:
            return Condition.RECORD_AGE_EXCEEDED
        if pending.is_given_up and pending.due_ms <= now.monotonic_ms:
            return Condition.RETRY_ATTEMPTS_EXHAUSTED
        return None

    def isolate_expired(self, lane: Lane, now: Instant) -> bool:
        """Cut the first pending batch so that expired and fresh records are in parts of their own.

        Returns:
            Whether the lane's first part has expired.
        """
        pending = lane.pending[0]
        if pending.is_final:
            return True
        parts: list[list[StreamRecord]] = []
        flags: list[bool] = []
        for record in pending.batch.records:
            is_expired = self._has_expired(record, now)
            if not flags or flags[-1] is not is_expired:
                parts.append([])
                flags.append(is_expired)
            parts[-1].append(record)
        if len(parts) > 1:
            lane.replace_first(*[self._part(pending, tuple(part)) for part in parts])
        return flags[0]

    def moments(self, lane: Lane, now: Instant) -> Iterator[int]:
        """Give the monotonic times at which a lane that nothing runs for must be looked at."""
        if lane.is_busy:
            return
        if lane.discarding is not None:
            assert lane.discarding.due_ms is not None, "it is not being sent"
            yield lane.discarding.due_ms
        elif lane.pending:
            pending = lane.pending[0]
            if pending.due_ms > now.monotonic_ms:
                yield pending.due_ms
            if self._age_ms_max is not None:
                yield now.monotonic_ms + max(0, self._expires_ms(pending) - now.wall_ms)
        elif lane.buffered_count:
            yield max(now.monotonic_ms, lane.gathered_since_ms + self._wait_ms)

    def _count_run(self, lane: Lane) -> tuple[int, bool]:
        """Count the records of the next batch, and tell whether it is closed by what follows."""
        count, is_closed = lane.count_run(self._count_max, self._batch_bytes_max)
        if not self._skips and self._window is None:
            return count, is_closed
        for index, record in enumerate(lane.scan(count)):
            if record.sequence_number in self._skips:
                return max(1, index), True
            if self._window is not None and not self._window.admits(record):
                return index, True
        return count, is_closed

    def _part(self, whole: PendingBatch, records: tuple[StreamRecord, ...]) -> PendingBatch:
        return whole.part(StreamBatch(next(self._ids), whole.batch.lane, records))

    def _has_expired(self, record: StreamRecord, now: Instant) -> bool:
        return now.wall_ms - record.arrived_ms > (self._age_ms_max or 0)

    def _expires_ms(self, pending: PendingBatch) -> int:
        """Give the Unix time at which the oldest record is too old."""
        if pending.oldest_ms is None:
            pending.oldest_ms = min(record.arrived_ms for record in pending.batch.records)
        return pending.oldest_ms + (self._age_ms_max or 0) + 1
