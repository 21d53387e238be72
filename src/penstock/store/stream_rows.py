"""Rows of where stream mappings stand: places, checkpoints, and the audit of their changes.

Rules:
    1. Each function runs in the transaction of the connection that it is given.
    2. Every write is decided by one conditional statement on the mapping's row in
       ``stream_places``, which comes first: what it refuses has left nothing behind.
    3. A place's checkpoints are those of its own incarnation; others are never read.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from penstock.model.position import (
    NO_RECORDS_PROCESSED,
    POSITION_CHANGES_MAX,
    CheckpointSave,
    PositionChange,
    Skip,
    StreamPlace,
    Tenure,
)
from penstock.model.stream import Checkpoint, Position
from penstock.store.tables import checkpoints, position_changes, stream_places


class _PlaceDocument(msgspec.Struct, frozen=True):
    """What of a place SQL does not decide on."""

    start: Position | None = None
    skips: tuple[Skip, ...] = ()


_place_decoder = msgspec.json.Decoder(_PlaceDocument)
_checkpoint_decoder = msgspec.json.Decoder(Checkpoint)
_change_decoder = msgspec.json.Decoder(PositionChange)

_IS_MAPPING = stream_places.c.mapping_uuid == sa.bindparam("held_mapping")
_IS_HELD = sa.and_(
    _IS_MAPPING,
    stream_places.c.lease_counter == sa.bindparam("held_lease"),
    stream_places.c.epoch == sa.bindparam("held_epoch"),
)

_take = (
    sqlite.insert(stream_places)
    .on_conflict_do_update(
        index_elements=[stream_places.c.mapping_uuid],
        set_={"lease_counter": stream_places.c.lease_counter + 1},
    )
    .returning(stream_places)
)
_read_place = sa.select(stream_places).where(_IS_MAPPING)
_read_checkpoints = (
    sa.select(checkpoints.c.shard_id, checkpoints.c.document)
    .where(
        checkpoints.c.mapping_uuid == sa.bindparam("placed"),
        checkpoints.c.incarnation == sa.bindparam("placed_incarnation"),
    )
    .order_by(checkpoints.c.shard_id)
)
_begin = (
    sa.update(stream_places)
    .where(_IS_HELD)
    .values(incarnation=sa.bindparam("begun"), document=sa.bindparam("document_begun"))
    .returning(stream_places.c.mapping_uuid)
)
_hold = (
    sa.update(stream_places)
    .where(_IS_HELD)
    .values(
        processing_result=sa.func.coalesce(
            sa.bindparam("result", type_=sa.Text), stream_places.c.processing_result
        )
    )
    .returning(stream_places.c.mapping_uuid)
)
_forget_shard = sa.delete(checkpoints).where(
    checkpoints.c.mapping_uuid == sa.bindparam("gone"),
    checkpoints.c.shard_id == sa.bindparam("gone_shard"),
)
_upsert_checkpoint = sqlite.insert(checkpoints)
_upsert_checkpoint = _upsert_checkpoint.on_conflict_do_update(
    index_elements=list(checkpoints.primary_key),
    set_={"document": _upsert_checkpoint.excluded.document},
)


_oldest_kept = (
    sa.select(position_changes.c.number)
    .where(position_changes.c.mapping_uuid == sa.bindparam("audited"))
    .order_by(position_changes.c.number.desc())
    .offset(POSITION_CHANGES_MAX - 1)
    .limit(1)
    .scalar_subquery()
)
_trim_changes = sa.delete(position_changes).where(
    position_changes.c.mapping_uuid == sa.bindparam("audited"),
    position_changes.c.number < _oldest_kept,  # less than nothing, while there are fewer
)


def take_place(connection: sa.Connection, mapping_uuid: str) -> StreamPlace:
    """Raise the lease counter; the first time it becomes 1."""
    never_ran = StreamPlace(tenure=Tenure(mapping_uuid, lease_counter=1, epoch=0))
    row = connection.execute(_take, _place_row(never_ran)).one()
    return _place(connection, row)


def read_place(connection: sa.Connection, mapping_uuid: str) -> StreamPlace | None:
    """Read the place with the checkpoints of its incarnation."""
    row = connection.execute(_read_place, {"held_mapping": mapping_uuid}).one_or_none()
    return None if row is None else _place(connection, row)


def begin_incarnation(connection: sa.Connection, begun: StreamPlace) -> bool:
    """Put the place there if its tenure holds; ``processing_result`` stays as it was."""
    bound = {
        **_held(begun.tenure),
        "begun": begun.incarnation,
        "document_begun": _place_document(begun),
    }
    if connection.scalar(_begin, bound) is None:
        return False
    _replace_checkpoints(connection, begun)
    return True


def forget_shards(connection: sa.Connection, tenure: Tenure, shard_ids: Sequence[str]) -> bool:
    """Remove checkpoints, if the tenure holds."""
    if connection.scalar(_hold, {**_held(tenure), "result": None}) is None:
        return False
    gone = [{"gone": tenure.mapping_uuid, "gone_shard": shard_id} for shard_id in shard_ids]
    connection.execute(_forget_shard, gone)
    return True


def hold_tenures(connection: sa.Connection, saves: Sequence[CheckpointSave]) -> set[Tenure]:
    """Tell which tenures still hold, and set the processing results of those.

    A tenure is judged once, however many of its shards are saved; of its results the last counts.
    """
    results: dict[Tenure, str | None] = {}
    for save in saves:
        result = save.processing_result
        results[save.tenure] = results.get(save.tenure) if result is None else result
    return {
        tenure
        for tenure, result in results.items()
        if connection.scalar(_hold, {**_held(tenure), "result": result}) is not None
    }


def save_checkpoints(connection: sa.Connection, saves: Sequence[CheckpointSave]) -> None:
    """Write the checkpoints of saves whose tenures hold; of one shard the last counts."""
    rows = [
        _checkpoint_row(save.tenure.mapping_uuid, save.incarnation, save.shard_id, save.checkpoint)
        for save in saves
    ]
    if rows:
        connection.execute(_upsert_checkpoint, rows)


def save_processing_result(connection: sa.Connection, tenure: Tenure, text: str) -> bool:
    """Set the processing result, if the tenure holds."""
    return connection.scalar(_hold, {**_held(tenure), "result": text}) is not None


def change_place(
    connection: sa.Connection, place: StreamPlace, change: PositionChange
) -> StreamPlace | None:
    """Put the place there in a new epoch, with its audit; None: the epoch is not the place's."""
    row = _move(connection, place)
    if row is None:
        return None
    _replace_checkpoints(connection, place)
    audited = msgspec.structs.replace(
        change, mapping_uuid=place.tenure.mapping_uuid, epoch=row.epoch
    )
    connection.execute(
        sa.insert(position_changes).values(
            mapping_uuid=audited.mapping_uuid, document=_json(audited)
        )
    )
    connection.execute(_trim_changes, {"audited": audited.mapping_uuid})
    return _place(connection, row)


def list_position_changes(connection: sa.Connection, mapping_uuid: str) -> list[PositionChange]:
    """Read the audit, newest first."""
    query = (
        sa.select(position_changes.c.document)
        .where(position_changes.c.mapping_uuid == mapping_uuid)
        .order_by(position_changes.c.number.desc())
    )
    return [_change_decoder.decode(document) for document in connection.scalars(query)]


def delete_place(connection: sa.Connection, mapping_uuid: str) -> None:
    """Remove where a mapping stands; the audit stays."""
    for table in (stream_places, checkpoints):
        connection.execute(sa.delete(table).where(table.c.mapping_uuid == mapping_uuid))


def _move(connection: sa.Connection, place: StreamPlace) -> sa.Row[Any] | None:
    tenure = place.tenure
    move = (
        sa.update(stream_places)
        .where(
            stream_places.c.mapping_uuid == tenure.mapping_uuid,
            stream_places.c.epoch == tenure.epoch,
        )
        .values(
            epoch=tenure.epoch + 1,
            incarnation=place.incarnation,
            document=_place_document(place),
        )
        .returning(stream_places)
    )
    row = connection.execute(move).one_or_none()
    if row is None and tenure.epoch == 0:
        row = _insert_moved(connection, place)
    return row


def _insert_moved(connection: sa.Connection, place: StreamPlace) -> sa.Row[Any] | None:
    """Add the row of a mapping that never ran, unless it is there."""
    moved = msgspec.structs.replace(
        place,
        tenure=Tenure(place.tenure.mapping_uuid, lease_counter=0, epoch=1),
        processing_result=NO_RECORDS_PROCESSED,
    )
    insert = (
        sqlite.insert(stream_places)
        .values(_place_row(moved))
        .on_conflict_do_nothing()
        .returning(stream_places)
    )
    return connection.execute(insert).one_or_none()


def _replace_checkpoints(connection: sa.Connection, place: StreamPlace) -> None:
    uuid = place.tenure.mapping_uuid
    connection.execute(sa.delete(checkpoints).where(checkpoints.c.mapping_uuid == uuid))
    rows = [
        _checkpoint_row(uuid, place.incarnation, shard_id, checkpoint)
        for shard_id, checkpoint in place.checkpoints.items()
    ]
    if rows:
        connection.execute(sa.insert(checkpoints), rows)


def _place(connection: sa.Connection, row: sa.Row[Any]) -> StreamPlace:
    bound = {"placed": row.mapping_uuid, "placed_incarnation": row.incarnation}
    document = _place_decoder.decode(row.document)
    return StreamPlace(
        tenure=Tenure(row.mapping_uuid, row.lease_counter, row.epoch),
        incarnation=row.incarnation,
        start=document.start,
        checkpoints={
            shard_id: _checkpoint_decoder.decode(text)
            for shard_id, text in connection.execute(_read_checkpoints, bound)
        },
        skips=document.skips,
        processing_result=row.processing_result,
    )


def _held(tenure: Tenure) -> dict[str, Any]:
    return {
        "held_mapping": tenure.mapping_uuid,
        "held_lease": tenure.lease_counter,
        "held_epoch": tenure.epoch,
    }


def _place_row(place: StreamPlace) -> dict[str, Any]:
    return {
        "mapping_uuid": place.tenure.mapping_uuid,
        "lease_counter": place.tenure.lease_counter,
        "epoch": place.tenure.epoch,
        "incarnation": place.incarnation,
        "processing_result": place.processing_result,
        "document": _place_document(place),
    }


def _place_document(place: StreamPlace) -> str:
    return _json(_PlaceDocument(place.start, place.skips))


def _checkpoint_row(
    mapping_uuid: str, incarnation: str, shard_id: str, checkpoint: Checkpoint
) -> dict[str, Any]:
    return {
        "mapping_uuid": mapping_uuid,
        "incarnation": incarnation,
        "shard_id": shard_id,
        "document": _json(checkpoint),
    }


def _json(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()
