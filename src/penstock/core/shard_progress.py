"""How far a shard is settled, and what of that is durable.

Rules:
    1. The frontier never passes a record that is not settled, and never goes back.
    2. What lanes have settled beyond the frontier is kept as marks, under the factor that the lanes
       were made with. After a restart, also with another factor, a record that any marks cover is
       passed over: no function sees it twice.
    3. At most one save is in flight; newer progress waits for it and then goes as one.
    4. A discard for the failure journal is durable together with the checkpoint that passes it.
    5. A save that failed is tried again; a shard that stops does so ``STOP_SAVES_MAX`` times.
"""

from collections.abc import Sequence

from penstock.core.lane import Lane, lane_of
from penstock.core.shard_contract import JournalEntry, SaveCheckpoint
from penstock.core.shard_reading import Mark
from penstock.model.instant import Instant
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    LaneMarks,
    ShardEnd,
    StreamRecord,
)

SAVE_RETRY_MS = 1_000  # the store is away
STOP_SAVES_MAX = 10  # that failed: then what is settled and not saved comes again after the stop
JOURNAL_BYTES_PENDING_MAX = 16 * 1024 * 1024  # above it nothing is invoked: the store takes nothing
FACTORS_MARKED_MAX = 8  # of changes of the factor while a record blocks; older marks are dropped


class ShardProgress:
    """The checkpoint of one shard, as it is and as it was saved.

    Attributes:
        is_saving: A save is in flight.
    """

    def __init__(self, checkpoint: Checkpoint, factor: int) -> None:
        self.is_saving = False
        self._factor = factor
        self._position = checkpoint.position
        self._arrived_ms = checkpoint.arrived_ms
        self._frontier = self._began_after = _number_of(checkpoint)
        self._layers = [
            (marks.factor, {lane: int(text) for lane, text in marks.settled.items()})
            for marks in checkpoint.lanes
        ]
        marked = [number for _, settled in self._layers for number in settled.values()]
        self._covered_until = max([self._began_after, *marked])
        self._kept = [marks for marks in checkpoint.lanes if marks.factor != factor]
        self._saved = checkpoint
        self._being_saved = checkpoint
        self._journal: list[JournalEntry] = []
        self._journal_bytes = 0
        self._being_journaled = 0
        self._is_unsaved = False
        self._failed_count = 0
        self._retry_ms = 0

    @property
    def has_ended(self) -> bool:
        """Tell whether the shard's end is durable."""
        return isinstance(self._saved.position, ShardEnd)

    def is_all_saved(self, now: Instant) -> bool:
        """Tell whether nothing is to be saved, as of the last ``save``, and no save is awaited."""
        return not (self.is_saving or self._is_unsaved or self._retry_ms > now.monotonic_ms)

    @property
    def is_journal_full(self) -> bool:
        """Tell whether so much waits for the journal that nothing more may fail."""
        return self._journal_bytes > JOURNAL_BYTES_PENDING_MAX

    @property
    def journal_bytes(self) -> int:
        """Add up the records that wait for the journal."""
        return self._journal_bytes

    @property
    def holds_up_stop(self) -> bool:
        """Tell whether there is something to save, and not every try of a stop is used up."""
        return self._is_unsaved and self._failed_count < STOP_SAVES_MAX

    def marks_of_lane(self, index: int) -> Mark | None:
        """Give what a lane of the present factor had settled before this consumer's life."""
        numbers = [
            settled[index]
            for factor, settled in self._layers
            if factor == self._factor and index in settled
        ]
        return Mark(str(max(numbers)), max(numbers)) if numbers else None

    def unsettled(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        """Leave out the records that were settled before this consumer's life."""
        if not records or int(records[0].sequence_number) > self._covered_until:
            return records
        return tuple([record for record in records if not self._is_covered(record)])

    def add_to_journal(self, entry: JournalEntry) -> None:
        """Keep a discard until the next save."""
        self._journal.append(entry)
        self._journal_bytes += _event_bytes(entry)

    def advance(self, lanes: Sequence[Lane], head: Mark | None, limit: int | None) -> None:
        """Move the frontier as far as it may go.

        Args:
            lanes: All of the shard's.
            head: The furthest record read.
            limit: A sequence number that is not settled, whatever the lanes say; or None.
        """
        first = [lane.first_unsettled() for lane in lanes]
        unsettled = [each for each in first if each is not None]
        if limit is not None:
            unsettled.append(limit)
        if unsettled:
            bound = min(unsettled)
            marks = [lane.settled for lane in lanes if lane.settled is not None]
            reached = [mark for mark in marks if mark.number < bound]
        else:
            reached = [] if head is None else [head]
        furthest = max(reached, key=lambda mark: mark.number, default=None)
        if furthest is not None and furthest.number > self._frontier:
            self._frontier = furthest.number
            self._position = AfterSequenceNumber(furthest.sequence_number)
            self._arrived_ms = furthest.arrived_ms or self._arrived_ms

    def end(self) -> None:
        """Everything of the shard is settled, and no more will come."""
        self._position = ShardEnd()

    def save(self, lanes: Sequence[Lane], now: Instant) -> SaveCheckpoint | None:
        """Give the save that is due, if there is something to save."""
        if self.is_saving:
            return None
        checkpoint = Checkpoint(self._position, self._marks(lanes), self._arrived_ms)
        self._is_unsaved = checkpoint != self._saved or bool(self._journal)
        if not self._is_unsaved or now.monotonic_ms < self._retry_ms:
            return None
        self.is_saving = True
        self._being_saved = checkpoint
        self._being_journaled = len(self._journal)
        return SaveCheckpoint(checkpoint, tuple(self._journal))

    def note_saved(self) -> None:
        """What was being saved is durable."""
        self.is_saving = self._is_unsaved = False
        self._saved = self._being_saved
        done, self._journal = (
            self._journal[: self._being_journaled],
            self._journal[self._being_journaled :],
        )
        self._journal_bytes -= sum(map(_event_bytes, done))

    def note_failed(self, now: Instant) -> None:
        """The store did not answer: save again after a while."""
        self.is_saving = False
        self._failed_count += 1
        self._retry_ms = now.monotonic_ms + SAVE_RETRY_MS

    def note_stop(self) -> None:
        """The shard stops: do not wait after a save that failed, and count those that fail now."""
        self._failed_count = 0
        self._retry_ms = 0

    def retry_ms(self) -> int:
        """Give the monotonic time before which nothing is saved."""
        return self._retry_ms

    def _is_covered(self, record: StreamRecord) -> bool:
        number = int(record.sequence_number)
        return number <= self._began_after or any(
            number <= settled.get(lane_of(record.key, factor), -1)
            for factor, settled in self._layers
        )

    def _marks(self, lanes: Sequence[Lane]) -> tuple[LaneMarks, ...]:
        if isinstance(self._position, ShardEnd):
            return ()
        frontier = self._frontier
        kept = [
            marks
            for marks in self._kept
            if any(int(number) > frontier for number in marks.settled.values())
        ]
        self._kept = kept[-FACTORS_MARKED_MAX:]
        own = {
            lane.index: lane.settled.sequence_number
            for lane in lanes
            if self._factor > 1 and lane.settled is not None and lane.settled.number > frontier
        }
        return (*self._kept, LaneMarks(self._factor, own)) if own else tuple(self._kept)


def _number_of(checkpoint: Checkpoint) -> int:
    position = checkpoint.position
    return int(position.sequence_number) if isinstance(position, AfterSequenceNumber) else -1


def _event_bytes(entry: JournalEntry) -> int:
    return sum([len(record.event) for record in entry.discard.records])
