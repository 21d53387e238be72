"""The real store, in memory, with somebody who watches what is written."""

from collections.abc import Callable, Sequence

from penstock.model.mapping import EventSourceMapping
from penstock.model.position import CheckpointSave, PositionChange, StreamPlace, Tenure
from penstock.model.stream import Checkpoint, Position
from penstock.simulation.places import PlaceWatch
from penstock.store.sql import SqlStore


class WatchedStore(SqlStore):
    """``SqlStore``, called inline; it outlives the nodes of its world.

    Args:
        watch: Told of every place that was written.
        written: Called with each row of a mapping that was written.
        deleted: Called with each that was removed.

    Attributes:
        moving: Called just before ``watch`` is told that a place was changed.
    """

    def __init__(
        self,
        watch: PlaceWatch,
        *,
        written: Callable[[EventSourceMapping], None],
        deleted: Callable[[EventSourceMapping], None],
    ) -> None:
        super().__init__("sqlite://")
        self._watch = watch
        self._written = written
        self._deleted = deleted
        self.moving: Callable[[], None] | None = None

    def insert_mapping(self, mapping: EventSourceMapping) -> None:
        """Add a mapping."""
        super().insert_mapping(mapping)
        self._written(mapping)

    def replace_mapping(self, mapping: EventSourceMapping) -> EventSourceMapping:
        """Write the row if its version is still the mapping's."""
        row = super().replace_mapping(mapping)
        self._written(row)
        return row

    def delete_mapping(self, uuid: str) -> None:
        """Remove a mapping."""
        rows = [row for row in self.list_mappings() if row.uuid == uuid]
        super().delete_mapping(uuid)
        for row in rows:
            self._deleted(row)

    def take_place(self, mapping_uuid: str) -> StreamPlace:
        """Raise the mapping's lease counter and give where it stands."""
        place = super().take_place(mapping_uuid)
        self._watch.place_taken(place)
        return place

    def begin_incarnation(
        self,
        tenure: Tenure,
        incarnation: str,
        checkpoints: dict[str, Checkpoint],
        *,
        start: Position | None = None,
    ) -> bool:
        """Replace all checkpoints and skips; False when the tenure is over."""
        before = self.read_place(tenure.mapping_uuid)
        is_begun = super().begin_incarnation(tenure, incarnation, checkpoints, start=start)
        place = self.read_place(tenure.mapping_uuid)
        if is_begun and before is not None and place is not None:
            self._watch.incarnation_begun(before, place)
        return is_begun

    def save_checkpoints(self, saves: Sequence[CheckpointSave]) -> list[bool]:
        """Save many shards' checkpoints, with the failures they pass."""
        are_held = super().save_checkpoints(saves)
        for save, is_held in zip(saves, are_held, strict=True):
            if is_held:
                self._watch.checkpoint_saved(save)
        return are_held

    def change_place(self, place: StreamPlace, change: PositionChange) -> StreamPlace:
        """Put the mapping elsewhere, raise its epoch, and write down who asked for what."""
        uuid = place.tenure.mapping_uuid
        never_ran = StreamPlace(tenure=Tenure(uuid, lease_counter=0, epoch=0))
        before = self.read_place(uuid) or never_ran
        moved = super().change_place(place, change)
        assert self.moving is not None, "nobody has asked for this"
        self.moving()
        self._watch.place_changed(before, moved)
        return moved
