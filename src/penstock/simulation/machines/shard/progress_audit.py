"""What a checkpoint may say, and must."""

from collections.abc import Sequence

from penstock.core import shard_contract as s
from penstock.model.stream import AfterSequenceNumber, Checkpoint, ShardEnd
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.machines.shard.books import Discarded, LaneBook, Rec
from penstock.simulation.machines.shard.plan import ShardSettings

PASSES = "a checkpoint never passes an unsettled record"
BACK = "a checkpoint never goes back"
ARRIVED = "a checkpoint tells when its last record arrived"
AT_ONCE = "what is settled is saved at once, one save at a time"
JOURNALED = "what no destination takes is journaled with the checkpoint that passes it"
RETRY_MS = 1_000
JOURNAL_BYTES_MAX = 16 * 1024 * 1024
STOP_SAVES_MAX = 10


class ProgressBook:
    """The saves of one life.

    Attributes:
        journal: Discards that are not durable yet.
        saved: The last save that ended well; None: none did.
    """

    def __init__(self, settings: ShardSettings) -> None:
        self.journal: list[Discarded] = []
        self.journal_bytes = 0
        self.saved: Checkpoint | None = None
        self.saving: s.SaveCheckpoint | None = None
        self.retry_ms = 0
        self.failures = 0
        self._factor = settings.factor
        self._reached = -1
        self._marked: set[int] = set()  # by lanes' marks: those have no times

    def begin_after(self, checkpoint: Checkpoint) -> None:
        """A life begins with what is durable."""
        self.saved = checkpoint
        position = checkpoint.position
        self._marked = {int(each) for marks in checkpoint.lanes for each in marks.settled.values()}
        if isinstance(position, AfterSequenceNumber):
            self._reached = int(position.sequence_number)

    def start(
        self,
        command: s.SaveCheckpoint,
        recs: Sequence[Rec],
        lanes: Sequence[LaneBook],
        head: int,
        now_ms: int,
    ) -> None:
        """A save begins."""
        if self.saving is not None or now_ms < self.retry_ms:
            raise RuleBrokenError(AT_ONCE)
        self.saving = command
        entries = [(entry.discard.records, entry.discard.condition) for entry in command.journal]
        expected = [(tuple([r.record for r in d.records]), d.condition) for d in self.journal]
        if entries != expected:
            raise RuleBrokenError(JOURNALED, entries, "not", expected)
        for entry, discarded in zip(command.journal, self.journal, strict=True):
            if bool(entry.cause) != discarded.has_cause:
                raise RuleBrokenError(JOURNALED, "its cause", entry.cause)
            check_discard(entry.discard.invoke_count, entry.discard.batch_size, discarded)
        position = command.checkpoint.position
        if isinstance(position, ShardEnd):
            self._check_end(recs)
            return
        number = int(position.sequence_number) if isinstance(position, AfterSequenceNumber) else -1
        if number < self._reached:
            raise RuleBrokenError(BACK, number, "after", self._reached)
        self._reached = number
        for rec in recs:
            if rec.number <= number and not rec.is_settled:
                raise RuleBrokenError(PASSES, rec, "by", number)
        arrived_ms = next((r.record.arrived_ms for r in recs if r.number == number), None)
        if command.checkpoint.arrived_ms != arrived_ms and number not in self._marked:
            raise RuleBrokenError(ARRIVED, command.checkpoint.arrived_ms, "not", arrived_ms)
        self._check_marks(command.checkpoint, recs, lanes, number)
        if number < least_position(recs, lanes, head):
            raise RuleBrokenError(AT_ONCE, number, "is behind", least_position(recs, lanes, head))

    @staticmethod
    def _check_end(recs: Sequence[Rec]) -> None:
        for rec in recs:
            if not rec.is_settled:
                raise RuleBrokenError(PASSES, rec, "by the shard's end")

    def _check_marks(
        self, checkpoint: Checkpoint, recs: Sequence[Rec], lanes: Sequence[LaneBook], number: int
    ) -> None:
        own = {lane.index: str(lane.settled) for lane in lanes if lane.settled > number}
        told = [marks.settled for marks in checkpoint.lanes if marks.factor == self._factor]
        if self._factor > 1 and (told or own):
            marks = {**told[-1]} if told else {}
            for index, expected in own.items():
                if marks.get(index) != expected:
                    raise RuleBrokenError("what lanes have settled is saved", marks, own)
        for marks_of in checkpoint.lanes:
            for rec in recs:
                mark = marks_of.settled.get(rec.lane(marks_of.factor))
                if mark is not None and rec.number <= int(mark) and not rec.is_settled:
                    raise RuleBrokenError(PASSES, rec, "by a lane's mark", mark)

    def end(self, *, is_well: bool, now_ms: int) -> None:
        """A save has ended."""
        saving, self.saving = self.saving, None
        assert saving is not None, "it was begun"
        if is_well:
            self.saved = saving.checkpoint
            done = self.journal[: len(saving.journal)]
            del self.journal[: len(done)]
            self.journal_bytes -= sum([each.size_bytes for each in done])
        else:
            self.failures += 1
            self.retry_ms = now_ms + RETRY_MS

    @property
    def has_ended(self) -> bool:
        """Tell whether the shard's end is durable."""
        return self.saved is not None and isinstance(self.saved.position, ShardEnd)

    @property
    def is_full(self) -> bool:
        """Tell whether so much waits for the journal that nothing more may fail."""
        return self.journal_bytes > JOURNAL_BYTES_MAX

    def stop(self) -> None:
        """A stop does not wait after a save that failed."""
        self.failures = 0
        self.retry_ms = 0

    def add(self, discarded: Discarded) -> None:
        """The journal is to have these: with the next save."""
        self.journal.append(discarded)
        self.journal_bytes += discarded.size_bytes

    def is_due(
        self, recs: Sequence[Rec], lanes: Sequence[LaneBook], head: int, *, has_ended: bool
    ) -> bool:
        """Tell whether something is settled and not saved."""
        if self.journal:
            return True
        position = self.saved.position if self.saved is not None else None
        if isinstance(position, ShardEnd):
            return False
        if has_ended and all(rec.is_settled for rec in recs):
            return True
        number = int(position.sequence_number) if isinstance(position, AfterSequenceNumber) else -1
        least = max(self._reached, least_position(recs, lanes, head))  # what was tried, too
        return number < least or self._has_unsaved_marks(lanes, number)

    def _has_unsaved_marks(self, lanes: Sequence[LaneBook], number: int) -> bool:
        """Tell whether lanes have settled more, beyond what is saved, than that says."""
        if self._factor == 1:
            return False
        own = {lane.index: str(lane.settled) for lane in lanes if lane.settled > number}
        told = self.saved.lanes if self.saved is not None else ()
        saved = next((marks.settled for marks in told if marks.factor == self._factor), {})
        return any(saved.get(index) != mark for index, mark in own.items())


def least_position(recs: Sequence[Rec], lanes: Sequence[LaneBook], head: int) -> int:
    """Give the last record that lanes have settled before the first that is not."""
    first = next((rec.number for rec in recs if not rec.is_settled and rec.number <= head), None)
    if first is None:
        return head
    return max([lane.settled for lane in lanes if lane.settled < first], default=-1)


def check_discard(invoke_count: int, batch_size: int, discarded: Discarded) -> None:
    """A discard says how often it was invoked, and for how many records it stands."""
    if (invoke_count, batch_size) != (discarded.invoke_count, discarded.count):
        raise RuleBrokenError(
            "a discard says what was tried",
            (invoke_count, batch_size),
            "not",
            (discarded.invoke_count, discarded.count),
        )
