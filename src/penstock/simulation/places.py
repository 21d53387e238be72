"""Where stream mappings stand, and the failure journal, in memory."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from penstock.model.errors import StoreConflictError
from penstock.model.failure import Failure
from penstock.model.position import (
    POSITION_CHANGES_MAX,
    CheckpointSave,
    PositionChange,
    StreamPlace,
    Tenure,
)
from penstock.model.stream import Checkpoint, Position


class PlaceWatch(Protocol):
    """Told of every write, once it is durable."""

    def place_taken(self, place: StreamPlace) -> None:
        """A node has taken a mapping up, and was given this place."""
        ...

    def incarnation_begun(self, before: StreamPlace, place: StreamPlace) -> None:
        """A mapping begins a stream."""
        ...

    def checkpoint_saved(self, save: CheckpointSave) -> None:
        """A shard's checkpoint is durable, and its failures with it."""
        ...

    def place_changed(self, before: StreamPlace, place: StreamPlace) -> None:
        """An operator has put a mapping elsewhere."""
        ...


class SimulatedPlaces:
    """Keeps ``ports.StreamStore`` and ``ports.FailureStore``; the journal has no bound.

    Attributes:
        watch: Told of every write; None: nobody is.
    """

    def __init__(self) -> None:
        self.watch: PlaceWatch | None = None
        self._places: dict[str, StreamPlace] = {}
        self._changes: list[PositionChange] = []
        self._failures: dict[str, Failure] = {}

    def take_place(self, mapping_uuid: str) -> StreamPlace:
        """Raise the mapping's lease counter and give where it stands."""
        place = self._place_of(mapping_uuid)
        tenure = msgspec.structs.replace(place.tenure, lease_counter=place.tenure.lease_counter + 1)
        place = self._places[mapping_uuid] = msgspec.structs.replace(place, tenure=tenure)
        if self.watch is not None:
            self.watch.place_taken(place)
        return place

    def read_place(self, mapping_uuid: str) -> StreamPlace | None:
        """Give where a mapping stands; None before it ever ran."""
        return self._places.get(mapping_uuid)

    def begin_incarnation(
        self,
        tenure: Tenure,
        incarnation: str,
        checkpoints: dict[str, Checkpoint],
        *,
        start: Position | None = None,
    ) -> bool:
        """Replace all checkpoints and skips; False when the tenure is over."""
        place = self._places.get(tenure.mapping_uuid)
        if place is None or place.tenure != tenure:
            return False
        begun = StreamPlace(
            tenure=tenure,
            incarnation=incarnation,
            start=start,
            checkpoints=dict(checkpoints),
            processing_result=place.processing_result,
        )
        self._places[tenure.mapping_uuid] = begun
        if self.watch is not None:
            self.watch.incarnation_begun(place, begun)
        return True

    def forget_shards(self, tenure: Tenure, shard_ids: Sequence[str]) -> bool:
        """Remove the checkpoints of shards that left their stream; False: the tenure is over."""
        place = self._places.get(tenure.mapping_uuid)
        if place is None or place.tenure != tenure:
            return False
        kept = {key: value for key, value in place.checkpoints.items() if key not in shard_ids}
        self._places[tenure.mapping_uuid] = msgspec.structs.replace(place, checkpoints=kept)
        return True

    def save_checkpoints(self, saves: Sequence[CheckpointSave]) -> list[bool]:
        """Save many shards' checkpoints, with the failures they pass."""
        return [self._save(save) for save in saves]

    def save_processing_result(self, tenure: Tenure, text: str) -> bool:
        """Keep what the function did last; False when the tenure is over."""
        place = self._places.get(tenure.mapping_uuid)
        if place is None or place.tenure != tenure:
            return False
        self._places[tenure.mapping_uuid] = msgspec.structs.replace(place, processing_result=text)
        return True

    def change_place(self, place: StreamPlace, change: PositionChange) -> StreamPlace:
        """Put the mapping elsewhere, raise its epoch, and write down who asked for what."""
        uuid = place.tenure.mapping_uuid
        before = self._place_of(uuid)
        if before.tenure.epoch != place.tenure.epoch:
            raise StoreConflictError(f"the position of {uuid} was changed meanwhile")
        epoch = before.tenure.epoch + 1
        moved = msgspec.structs.replace(
            before,
            tenure=msgspec.structs.replace(before.tenure, epoch=epoch),
            incarnation=place.incarnation,
            start=place.start,
            checkpoints=dict(place.checkpoints),
            skips=place.skips,
        )
        self._places[uuid] = moved
        self._changes.append(msgspec.structs.replace(change, mapping_uuid=uuid, epoch=epoch))
        if self.watch is not None:
            self.watch.place_changed(before, moved)
        return moved

    def list_position_changes(self, mapping_uuid: str) -> list[PositionChange]:
        """Read the audit of a mapping's position, newest first."""
        changes = [each for each in reversed(self._changes) if each.mapping_uuid == mapping_uuid]
        return changes[:POSITION_CHANGES_MAX]

    def list_failures(
        self, *, mapping_uuid: str | None = None, after: str = "", limit: int = 100
    ) -> list[Failure]:
        """Read failures without their events, oldest first, after the id ``after``."""
        ids = list(self._failures)
        first = ids.index(after) + 1 if after in self._failures else 0
        found = [
            msgspec.structs.replace(self._failures[each], event=b"")
            for each in ids[first:]
            if mapping_uuid in {None, self._failures[each].mapping_uuid}
        ]
        return found[:limit]

    def get_failure(self, failure_id: str) -> Failure | None:
        """Read one failure with its event."""
        return self._failures.get(failure_id)

    def delete_failures(
        self, failure_ids: Sequence[str] | None = None, *, mapping_uuid: str | None = None
    ) -> int:
        """Remove failures by id, of a mapping, or all; gives how many were there."""
        gone = [
            failure
            for failure in self._failures.values()
            if (failure_ids is None or failure.id in failure_ids)
            and mapping_uuid in {None, failure.mapping_uuid}
        ]
        for failure in gone:
            del self._failures[failure.id]
        return len(gone)

    def evicted_failure_count(self) -> int:
        """Count the failures that went because the journal was full: it never is."""
        return 0

    def forget_place(self, mapping_uuid: str) -> None:
        """The mapping is deleted."""
        self._places.pop(mapping_uuid, None)

    def _place_of(self, mapping_uuid: str) -> StreamPlace:
        first = StreamPlace(tenure=Tenure(mapping_uuid, lease_counter=0, epoch=0))
        return self._places.get(mapping_uuid, first)

    def _save(self, save: CheckpointSave) -> bool:
        uuid = save.tenure.mapping_uuid
        place = self._places.get(uuid)
        if place is None or (place.tenure, place.incarnation) != (save.tenure, save.incarnation):
            return False
        result = save.processing_result
        self._places[uuid] = msgspec.structs.replace(
            place,
            checkpoints={**place.checkpoints, save.shard_id: save.checkpoint},
            processing_result=place.processing_result if result is None else result,
        )
        # A save whose answer was lost is made again: with the same failures.
        self._failures |= {failure.id: failure for failure in save.failures}
        if self.watch is not None:
            self.watch.checkpoint_saved(save)
        return True
