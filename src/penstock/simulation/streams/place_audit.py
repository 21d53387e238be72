"""Checks where mappings stand: what they owe, and that no checkpoint passes it.

Source: docs/semantics.md and AWS's pages that it names; nothing here follows the engine's code.
"""

from collections.abc import Sequence

import msgspec

from penstock.core.shard_positions import ShardPositionView, ShardState
from penstock.model.position import CheckpointSave, Skip, StreamPlace
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    Checkpoint,
    LatestPin,
    Position,
    Shard,
    ShardEnd,
    StartingPosition,
    StreamDescription,
    StreamRecord,
    TrimHorizon,
)
from penstock.simulation.streams.books import (
    POLICY_GRACE_MS,
    POLICY_GRACE_MS_TROUBLED,
    AuditedMapping,
    StreamBooks,
)
from penstock.simulation.streams.discard_audit import DiscardAudit
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.shard_books import AuditedRecord, Fate, lane_of


class ToHorizon(msgspec.Struct, frozen=True, tag=True):
    """Rewind to the oldest record that every shard has."""


class ToTimestamp(msgspec.Struct, frozen=True, tag=True):
    """Rewind to a time."""

    wall_ms: int


class ToRecord(msgspec.Struct, frozen=True, tag=True):
    """Rewind one shard to a record, and what descends from it to its beginning."""

    shard_id: str
    number: int


class SkipRecord(msgspec.Struct, frozen=True, tag=True):
    """Give one record up."""

    shard_id: str
    number: int


Move = ToHorizon | ToTimestamp | ToRecord | SkipRecord


class PlaceAudit:
    """The auditor's eyes at the store and at the streams' servers."""

    def __init__(self, books: StreamBooks, discards: DiscardAudit) -> None:
        self._books = books
        self._discards = discards
        self._asked: tuple[Move, StreamDescription] | None = None

    # Streams.

    def record_put(self, arn: str, incarnation: str, shard_id: str, record: StreamRecord) -> None:
        """Take note of a record that every mapping of the stream may owe from now on."""
        for mapping in self._books.mappings.values():
            if mapping.stream.arn == arn and mapping.incarnation == incarnation:
                mapping.add(shard_id, record)

    def record_trimmed(self, arn: str, incarnation: str, shard_id: str, number: str) -> None:
        """Take note of a record that nobody owes any more."""
        for mapping in self._books.mappings.values():
            if mapping.stream.arn == arn and mapping.incarnation == incarnation:
                mapping.shard(shard_id).by_number[int(number)].is_gone = True

    def stream_gone(self, arn: str) -> None:
        """Take note of a stream that was deleted, and all its records with it."""
        for mapping in self._books.mappings.values():
            if mapping.stream.arn == arn and mapping.incarnation == mapping.stream.incarnation:
                mapping.is_sure = False
                for shard in mapping.shards.values():
                    for audited in shard.records:
                        audited.is_gone = True

    # The store.

    def place_taken(self, place: StreamPlace) -> None:
        """Take note that a mapping's shards start anew, from their checkpoints."""
        mapping = self._books.mappings[place.tenure.mapping_uuid]
        now_ms = self._books.now_ms()
        for shard in mapping.shards.values():
            for audited in shard.owed():
                since_ms = audited.passed_ms
                was_passed = audited.passed_run is not None
                if was_passed and not self._books.was_cut_off(mapping, since_ms, now_ms):
                    text = f"{shard.shard_id}:{audited.number} was passed over and is not settled"
                    self._books.report(StreamRule.ORDER, text)
            shard.end_run()
        mapping.is_sure = True
        mapping.run += 1
        mapping.run_ms = now_ms
        is_troubled = self._books.trouble_ms() > now_ms - 2 * POLICY_GRACE_MS_TROUBLED
        mapping.grace_ms = POLICY_GRACE_MS_TROUBLED if is_troubled else POLICY_GRACE_MS
        mapping.engine_epoch = place.tenure.epoch

    def incarnation_begun(self, before: StreamPlace, place: StreamPlace) -> None:
        """Take note that a mapping begins a stream: what does it owe of it?"""
        mapping = self._books.mappings[place.tenure.mapping_uuid]
        if before == place:
            return  # the answer to the first try was lost
        # A begin whose answer was lost counts for nothing while the mapping is not Enabled.
        is_first = not before.incarnation or (not mapping.was_enabled and bool(place.checkpoints))
        starting = mapping.row.starting_position
        start = self._start_of(mapping)
        if is_first and before.start is not None:
            start = before.start
        must_pin = is_first and before.start is None and starting is StartingPosition.LATEST
        starts = self._pinned(mapping, place) if must_pin else {}
        mapping.begin(place.incarnation, start, starts)
        if must_pin:
            mapping.pinned_ms = {
                shard_id: checkpoint.position.taken_ms
                for shard_id, checkpoint in place.checkpoints.items()
                if isinstance(checkpoint.position, LatestPin)
            }
        elif place.checkpoints:
            self._books.report(StreamRule.PASSED, f"{mapping.name} begins with checkpoints")

    def _pinned(self, mapping: AuditedMapping, place: StreamPlace) -> dict[str, int | None]:
        """Read where LATEST begins, and check that it is the present end of every shard."""
        starts: dict[str, int | None] = {}
        served = mapping.stream.shards if self._is_present(mapping, place) else {}
        for shard_id, checkpoint in place.checkpoints.items():
            position = checkpoint.position
            if isinstance(position, LatestPin):
                starts[shard_id] = int(position.iterator.split("|")[2])
            else:
                starts[shard_id] = None
                if shard_id in served and served[shard_id].is_open:
                    self._books.report(StreamRule.PIN, f"{shard_id} is open and counts as ended")
        for shard_id, shard in served.items():
            was_there = shard.listed_ms < mapping.created_ms and not shard.is_trimmed_away
            if was_there and shard_id not in starts:
                self._books.report(StreamRule.PIN, f"{shard_id} is not pinned")
        return starts

    def _start_of(self, mapping: AuditedMapping) -> Position:
        if mapping.row.starting_position is StartingPosition.AT_TIMESTAMP:
            return AtTimestamp(mapping.row.starting_timestamp_ms or 0)
        return TrimHorizon()

    def _is_present(self, mapping: AuditedMapping, place: StreamPlace) -> bool:
        return mapping.stream.incarnation == place.incarnation

    def checkpoint_saved(self, save: CheckpointSave) -> None:
        """Check a checkpoint that is durable now, and the failures with it."""
        mapping = self._books.mappings[save.tenure.mapping_uuid]
        if save.incarnation != mapping.incarnation:
            return
        for failure in save.failures:
            self._discards.journaled(mapping, failure)
        shard = mapping.shard(save.shard_id)
        for audited in shard.owed():
            if covers(save.checkpoint, audited):
                text = f"{mapping.name}, {shard.shard_id}: {save.checkpoint} at {audited.number}"
                self._books.report(StreamRule.PASSED, text)
        served = mapping.stream.shards.get(save.shard_id)
        has_ended = isinstance(save.checkpoint.position, ShardEnd)
        if has_ended and served and served.is_open and self._is_current(mapping):
            self._books.report(StreamRule.PASSED, f"{shard.shard_id} is open and has ended")
        rank = _rank_of(save.checkpoint)
        if rank < shard.rank:
            self._books.report(StreamRule.BACK, f"{shard.shard_id}: {save.checkpoint}")
        shard.rank = rank

    def _is_current(self, mapping: AuditedMapping) -> bool:
        return mapping.incarnation == mapping.stream.incarnation

    # Operators.

    def expect(self, asked: Move, description: StreamDescription) -> None:
        """Take note of what an operator asks for, just before it is done."""
        self._asked = (asked, description)

    def place_changed(self, before: StreamPlace, place: StreamPlace) -> None:
        """Take note that a mapping was put elsewhere: what does it owe from now on?"""
        assert self._asked is not None, "nobody has asked for this"
        asked, description = self._asked
        mapping = self._books.mappings[before.tenure.mapping_uuid]
        mapping.epoch = place.tenure.epoch
        mapping.is_sure = False
        mapping.moved_ms.append(self._books.now_ms())
        if description.incarnation != mapping.incarnation:
            mapping.begin(description.incarnation, self._start_of(mapping), {})
        match asked:
            case ToHorizon():
                mapping.begin(mapping.incarnation, TrimHorizon(), {})
            case ToTimestamp(wall_ms):
                mapping.begin(mapping.incarnation, AtTimestamp(wall_ms), {})
            case ToRecord(shard_id, number):
                self._to_record(mapping, description.shards, shard_id, number)
            case SkipRecord(shard_id, number):
                is_same = before.incarnation == description.incarnation
                checkpoint = before.checkpoints.get(shard_id) if is_same else None
                is_known = Skip(shard_id, str(number)) in before.skips
                if not is_known and checkpoint is not None and _rank_of(checkpoint) >= number:
                    self._books.report(StreamRule.SKIPPED, f"{number} is at {checkpoint}")
                mapping.skipped.add((shard_id, number))

    def _to_record(
        self, mapping: AuditedMapping, shards: tuple[Shard, ...], shard_id: str, number: int
    ) -> None:
        listed = {shard.shard_id for shard in shards}
        starts: dict[str, int | None] = dict.fromkeys(mapping.ancestors(shard_id) & listed)
        starts |= {
            shard.shard_id: 0 for shard in shards if shard_id in mapping.ancestors(shard.shard_id)
        }
        starts[shard_id] = number
        for each, first in starts.items():
            mapping.starts[each] = first
            mapping.pinned_ms.pop(each, None)
            shard = mapping.shard(each)
            shard.rank = -1
            for audited in shard.records:
                audited.open_again()
                audited.is_required = mapping.requires(each, audited.record)
            shard.look_from_start()

    # The end.

    def check_left(self, mapping: AuditedMapping, place: StreamPlace) -> None:
        """Check what a stopped mapping leaves in the store: all that its last run has settled."""
        was_killed = any(at_ms >= mapping.run_ms for at_ms in self._books.crashes_ms)
        if self._is_current(mapping) and not was_killed:
            for text in self.uncovered(mapping, place, mapping.run):
                self._books.report(StreamRule.BEHIND, text)

    def check_shown(
        self, mapping: AuditedMapping, place: StreamPlace, shown: Sequence[ShardPositionView]
    ) -> None:
        """Check what an operator is shown of a mapping that does not run."""
        for view in shown:
            checkpoint = place.checkpoints.get(view.shard_id)
            position = None if checkpoint is None else checkpoint.position
            has_come = checkpoint is not None and (
                bool(checkpoint.lanes) or isinstance(position, AfterSequenceNumber)
            )
            right = ShardState.READING if has_come else ShardState.NOT_STARTED
            if isinstance(position, ShardEnd):
                right = ShardState.ENDED
            if view.state is not right:
                text = f"{mapping.name}, {view.shard_id} is {view.state} at {checkpoint}"
                self._books.report(StreamRule.SHOWN, text)

    def uncovered(
        self, mapping: AuditedMapping, place: StreamPlace | None, run: int | None = None
    ) -> list[str]:
        """Say which settled records the checkpoints do not cover; of one run, or of all."""
        found: list[str] = []
        for shard in mapping.shards.values():
            checkpoint = _checkpoint_of(place, shard.shard_id)
            for audited in shard.records:
                if audited.is_discarded and mapping.row.tumbling_window_s:
                    continue  # its window may be open
                # A discard whose acceptance nobody has heard of is none for the engine.
                is_known = audited.settled_run is not None and audited.fate is Fate.SETTLED
                is_of_run = run is None or audited.settled_run == run
                is_needed = audited.is_required and not audited.is_gone
                if is_known and is_of_run and is_needed and not covers(checkpoint, audited):
                    found.append(f"{shard.shard_id}: {checkpoint} before {audited.number}")
                    break
        return found

    def not_passed(self, mapping: AuditedMapping, place: StreamPlace | None) -> list[str]:
        """Say which records that the filter leaves out the checkpoints have not passed."""
        found: list[str] = []
        for shard in mapping.shards.values():
            checkpoint = _checkpoint_of(place, shard.shard_id)
            for audited in shard.records:
                is_ahead = mapping.includes(shard.shard_id, audited.record) and not audited.is_gone
                if audited.is_excluded and is_ahead and not covers(checkpoint, audited):
                    found.append(f"{shard.shard_id}: {checkpoint} before {audited.number}")
                    break
        return found


def covers(checkpoint: Checkpoint, audited: AuditedRecord) -> bool:
    """Tell whether a checkpoint says that a record is settled."""
    if _rank_of(checkpoint) >= audited.number:
        return True
    return any(
        audited.number <= int(marks.settled.get(lane_of(audited, marks.factor), "-1"))
        for marks in checkpoint.lanes
    )


def _checkpoint_of(place: StreamPlace | None, shard_id: str) -> Checkpoint:
    """Give where a shard stands; one that nothing was saved of stands at its beginning."""
    checkpoint = place.checkpoints.get(shard_id) if place else None
    return checkpoint or Checkpoint(TrimHorizon())


def _rank_of(checkpoint: Checkpoint) -> float:
    match checkpoint.position:
        case AfterSequenceNumber(sequence_number):
            return int(sequence_number)
        case AtSequenceNumber(sequence_number):
            return int(sequence_number) - 1
        case ShardEnd():
            return float("inf")
        case _:
            return -1
