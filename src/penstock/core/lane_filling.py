"""How fetched records reach their lanes, and how a lane gets back what was passed over.

What no filter lets through reaches no lane: nothing waits for it, and the checkpoint passes it with
what is around it, or with the read that brought nothing else.

While one lane is full and others are hungry, reading goes on: the full lane's records are passed
over, and it has a gap. When it has room again, reading goes back to its gap and forward, until no
lane takes from it any more or the head is reached: so a slow or blocked lane costs a second read of
what it missed, and no memory.
"""

from collections.abc import Sequence

from penstock.core.batch_forming import BatchForming
from penstock.core.lane import Lane, lane_of
from penstock.core.record_filter import RecordFilter
from penstock.core.shard_contract import Fetch
from penstock.core.shard_progress import ShardProgress
from penstock.core.shard_reading import ShardReading
from penstock.model.instant import Instant
from penstock.model.stream import FetchedRecords, StreamRecord


class LaneFilling:
    """Fills the lanes of one shard.

    Args:
        record_filter: None: every record matches.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        reading: ShardReading,
        progress: ShardProgress,
        forming: BatchForming,
        *,
        record_filter: RecordFilter | None = None,
    ) -> None:
        self._filter = record_filter
        self._filtered_out = 0
        self._lanes = lanes
        self._reading = reading
        self._progress = progress
        self._forming = forming

    @property
    def is_before_start(self) -> bool:
        """Tell whether all that was read is older than the mapping's start."""
        return self._reading.start_ms > 0

    def take_filtered_out(self) -> int:
        """Count the records that matched no filter since this was asked last."""
        count, self._filtered_out = self._filtered_out, 0
        return count

    def take(self, fetched: FetchedRecords, now: Instant) -> None:
        """Hand an answer's records to their lanes."""
        reading = self._reading
        head = -1 if reading.head is None else reading.head.number
        records = fetched.records
        is_backfill = reading.is_behind_head
        reading.note_fetched(fetched, now)
        if is_backfill:
            records = self._take_backfill(records, head, now)
            if reading.is_last_of_all(fetched):
                self._close_gaps()
        elif records and int(records[0].sequence_number) <= head:
            # The server gave again what it was asked to go on after.
            records = tuple([each for each in records if int(each.sequence_number) > head])
        if records:
            self._distribute(self._relevant(records), now)
        self.end_idle_backfill()

    def fetch(self, now: Instant) -> Fetch | None:
        """Give the next read, if a lane wants it and it is due."""
        if self._reading.is_fetching or not self.wants_fetch():
            return None
        if not self._reading.is_backfilling:
            self._begin_backfill(now)
        return self._reading.fetch(now, wants_head=self._wants_head())

    def due_ms(self) -> int | None:
        """Give the monotonic time of the next read; None: none is wanted, or one is in flight."""
        if self._reading.is_fetching or not self.wants_fetch():
            return None
        return self._reading.due_ms(wants_head=self._wants_head())

    def wants_fetch(self) -> bool:
        """Tell whether reading serves a lane."""
        reading, forming = self._reading, self._forming
        if reading.is_backfilling or any(map(forming.wants_backfill, self._lanes)):
            return True
        return self._wants_head()

    def _wants_head(self) -> bool:
        return not self._reading.has_ended and any(map(self._forming.is_hungry, self._lanes))

    def end_idle_backfill(self) -> None:
        """Go on at the head when no lane takes from a backfill any more, or when it failed."""
        if not self._reading.is_backfilling:
            for lane in self._lanes:
                lane.is_backfilling = False
        elif not any(lane.is_backfilling for lane in self._lanes):
            self._reading.end_backfill()

    def _begin_backfill(self, now: Instant) -> None:
        """Go back for the lanes that have room, and for those whose gaps lie on the way."""
        gaps = [
            int(lane.gap_after)
            for lane in self._lanes
            if lane.gap_after is not None and self._forming.wants_backfill(lane)
        ]
        if not gaps:
            return
        first = min(gaps)
        for lane in self._lanes:
            if lane.gap_after is not None:
                lane.is_backfilling = int(lane.gap_after) >= first
        after = next(
            lane.gap_after
            for lane in self._lanes
            if lane.gap_after and int(lane.gap_after) == first
        )
        self._reading.begin_backfill(after, now)

    def _relevant(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        """Leave out what is settled, older than the mapping's start, or matches no filter."""
        if self._reading.start_ms:
            start_ms = self._reading.start_ms
            first = next((i for i, each in enumerate(records) if each.arrived_ms >= start_ms), None)
            if first is None:
                return ()
            self._reading.start_ms = 0
            records = records[first:]
        unsettled = self._progress.unsettled(records)
        kept = self._matching(unsettled)
        # A record that a backfill brings again was counted when it was at the head.
        self._filtered_out += len(unsettled) - len(kept)
        return kept

    def _matching(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        return records if self._filter is None else self._filter.keep_records(records)

    def _distribute(self, records: tuple[StreamRecord, ...], now: Instant) -> None:
        factor = len(self._lanes)
        if factor == 1:
            self._lanes[0].take_all(records, now.monotonic_ms)
            return
        for record in records:
            lane = self._lanes[lane_of(record.key, factor)]
            if lane.gap_after is not None:
                continue
            if self._forming.is_full(lane):
                lane.gap_after = lane.last_taken()
            else:
                lane.take(record, now.monotonic_ms)

    def _take_backfill(
        self, records: tuple[StreamRecord, ...], head: int, now: Instant
    ) -> tuple[StreamRecord, ...]:
        """Give lanes what they missed; give back the records beyond the head."""
        for index, record in enumerate(records):
            number = int(record.sequence_number)
            if number > head:
                self._reading.go_on_after(records[-1], now)
                self._close_gaps()
                return records[index:]
            lane = self._lanes[lane_of(record.key, len(self._lanes))]
            if not lane.is_backfilling or number <= int(lane.gap_after or "0"):
                continue
            missed = self._matching(self._progress.unsettled((record,)))
            if missed and self._forming.is_full(lane):
                lane.is_backfilling = False
                continue
            lane.gap_after = record.sequence_number
            lane.take_all(missed, now.monotonic_ms)
        if records and int(records[-1].sequence_number) == head:
            self._close_gaps()
        return ()

    def _close_gaps(self) -> None:
        """The head is reached: lanes that took all on the way have no gap any more."""
        for lane in self._lanes:
            if lane.is_backfilling:
                lane.is_backfilling = False
                lane.gap_after = None
        self._reading.end_backfill()
