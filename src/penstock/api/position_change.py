"""An operator's change of a stream mapping's position, from the stream's shards to the store.

::

    list the shards ─> is the record there? ─> (LATEST, never ran: pin it) ─> store ─> tell engine

A change works on a mapping that runs, that is disabled, and that never ran. The store takes it only
while the position is still the one it was made from; else it is made anew.
"""

from collections.abc import Mapping
from functools import partial
from typing import assert_never

import msgspec

from penstock.api.answers import refused, show_time
from penstock.api.context import ApiContext
from penstock.api.errors import RESOURCE_IN_USE, ApiError, ErrorKind
from penstock.core import shard_positions as positions
from penstock.core.shard_lineage import must_pin, settle_incarnation
from penstock.engine.latest_pins import pin_shards
from penstock.model.arn import invoke_identity_arn
from penstock.model.errors import (
    ConfigurationError,
    PenstockError,
    SourceError,
    SourcePositionError,
    SourceTrimmedError,
    StoreConflictError,
)
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.position import PositionChange, StreamPlace, Tenure
from penstock.model.stream import (
    AtSequenceNumber,
    LatestPin,
    Shard,
    ShardIterator,
    StartingPosition,
    StreamDescription,
    StreamRecord,
)
from penstock.ports import Store, StreamSource

READS_OF_A_RECORD_MAX = 5  # a server may answer without the record that it has
CHANGE_ATTEMPTS_MAX = 5  # each lost to another change of the same mapping's position
_SOURCE_UNREADABLE = ErrorKind("ServiceUnavailableException", 503, has_type=False)


class ToHorizon(msgspec.Struct, frozen=True):
    """Every shard from the oldest record it has."""


class ToTimestamp(msgspec.Struct, frozen=True):
    """Every shard from the first record that arrived then or later, Unix ms."""

    wall_ms: int


class ToRecord(msgspec.Struct, frozen=True):
    """One shard from this record, and its descendants from their oldest."""

    shard_id: str
    sequence_number: str


class SkipRecord(msgspec.Struct, frozen=True):
    """Give this record up."""

    shard_id: str
    sequence_number: str


AskedChange = ToHorizon | ToTimestamp | ToRecord | SkipRecord


class _OneRecord:
    """Room for one record, which needs no budget."""

    async def take(self, count_bytes: int) -> None:
        """Keep ``ByteBudget``."""


class Standing(msgspec.Struct, frozen=True):
    """Where a mapping stands in its stream as that is now."""

    place: StreamPlace
    shards: tuple[Shard, ...]


async def read_standing(context: ApiContext, mapping: EventSourceMapping) -> Standing:
    """Read where a mapping stands.

    Raises:
        ApiError: The stream cannot be read.
    """
    _, description = await _look(context, mapping)
    place = await context.store_calls.run(partial(_read_place, mapping_uuid=mapping.uuid))
    return Standing(settle_incarnation(place, description), description.shards)


async def change_position(
    context: ApiContext, mapping: EventSourceMapping, asked: AskedChange
) -> Standing:
    """Put a mapping elsewhere; durable and audited when this returns.

    Raises:
        ApiError: The stream cannot be read, or has no such shard or record.
        StoreConflictError: Others change the same position all the time.
    """
    if mapping.state is State.DELETING:
        raise ApiError(RESOURCE_IN_USE, f"The mapping {mapping.uuid} is being deleted")
    stream, description = await _look(context, mapping)
    place = await context.store_calls.run(partial(_read_place, mapping_uuid=mapping.uuid))
    _move(place, asked, description)  # refuses a shard that is not there before it is asked for
    pins = None
    if isinstance(asked, ToRecord | SkipRecord):
        number = await _find_record(stream, asked, mapping)
        asked = msgspec.structs.replace(asked, sequence_number=number)
        pins = await _pin(stream, description, mapping, place)

    audit = _audit(mapping.uuid, asked, now_ms=context.clock.now().wall_ms)

    def change(store: Store) -> StreamPlace:  # on the store's thread: the clock is not for it
        moved = _move(_read_place(store, mapping.uuid), asked, description, pins)
        return store.change_place(moved, audit)

    for attempt in range(1, CHANGE_ATTEMPTS_MAX + 1):
        try:
            place = await context.store_calls.run(change)
            break
        except StoreConflictError:
            if attempt == CHANGE_ATTEMPTS_MAX:
                raise
    context.mappings.position_changed(mapping.uuid)
    return Standing(place, description.shards)


def _read_place(store: Store, mapping_uuid: str) -> StreamPlace:
    never_ran = StreamPlace(tenure=Tenure(mapping_uuid, lease_counter=0, epoch=0))
    return store.read_place(mapping_uuid) or never_ran


def _move(
    place: StreamPlace,
    asked: AskedChange,
    description: StreamDescription,
    pins: Mapping[str, LatestPin] | None = None,
) -> StreamPlace:
    """Give the place that was asked for.

    Raises:
        ApiError: The stream's shards, or the place itself, rule it out.
    """
    begun, shards = settle_incarnation(place, description, pins), description.shards
    try:
        match asked:
            case ToHorizon():
                return positions.rewind_to_horizon(begun)
            case ToTimestamp(wall_ms):
                return positions.rewind_to_timestamp(begun, wall_ms)
            case ToRecord(shard_id, number):
                return positions.rewind_to_sequence_number(
                    begun, shards, shard_id=shard_id, sequence_number=number
                )
            case SkipRecord(shard_id, number):
                return positions.skip(begun, shards, shard_id=shard_id, sequence_number=number)
            case _:
                assert_never(asked)
    except ConfigurationError as exc:
        raise refused(str(exc)) from exc


def _audit(mapping_uuid: str, asked: AskedChange, *, now_ms: int) -> PositionChange:
    match asked:
        case ToHorizon():
            detail = "to TRIM_HORIZON"
        case ToTimestamp(wall_ms):
            detail = f"to {show_time(wall_ms)}"
        case ToRecord(shard_id, number):
            detail = f"to record {number} of shard {shard_id}"
        case SkipRecord(shard_id, number):
            detail = f"record {number} of shard {shard_id}"
        case _:
            assert_never(asked)
    return PositionChange(
        mapping_uuid=mapping_uuid,
        action="skip" if isinstance(asked, SkipRecord) else "rewind",
        detail=detail,
        changed_ms=now_ms,
        epoch=0,  # the store sets it
    )


async def _look(
    context: ApiContext, mapping: EventSourceMapping
) -> tuple[StreamSource, StreamDescription]:
    arn = mapping.event_source_arn
    function = context.functions.find(mapping.function_arn)
    role = function.role if function else None
    identity_arn = invoke_identity_arn(mapping.scope, arn, role=role)
    try:
        stream = await context.sources.open_stream(
            arn, function_arn=mapping.function_arn, invoke_identity_arn=identity_arn
        )
        return stream, await stream.describe()
    except (SourceError, ConfigurationError) as exc:
        raise _unreadable(mapping, exc) from exc


async def _find_record(
    stream: StreamSource, asked: ToRecord | SkipRecord, mapping: EventSourceMapping
) -> str:
    """Read the record; give the number as the record itself has it.

    Some servers take any number for a position, and a shard that is put there reads nothing for
    ever; some write zeros in front, and a skip is kept as the record's own text.
    """
    shard_id, number = asked.shard_id, asked.sequence_number
    try:
        iterator = await stream.open_iterator(shard_id, AtSequenceNumber(number))
        record = await _read_one(stream, shard_id, iterator)
    except SourcePositionError as exc:
        raise refused(f"Shard {shard_id} has no record {number}: {exc}") from exc
    except SourceTrimmedError as exc:
        raise refused(
            f"Record {number} of shard {shard_id} has left the stream; rewind to TRIM_HORIZON for "
            "the oldest that are there"
        ) from exc
    except SourceError as exc:
        raise _unreadable(mapping, exc) from exc
    if record is None or int(record.sequence_number) != int(number):
        raise refused(f"Shard {shard_id} has no record {number}")
    return record.sequence_number


async def _read_one(
    stream: StreamSource, shard_id: str, iterator: ShardIterator
) -> StreamRecord | None:
    """Read one record; an answer without any says nothing before the shard's end."""
    for _ in range(READS_OF_A_RECORD_MAX):
        fetched = await stream.fetch(shard_id, iterator, 1, budget=_OneRecord())
        if fetched.records:
            return fetched.records[0]
        if fetched.next_iterator is None:
            return None
        iterator = fetched.next_iterator
    return None


async def _pin(
    stream: StreamSource,
    description: StreamDescription,
    mapping: EventSourceMapping,
    place: StreamPlace,
) -> dict[str, LatestPin] | None:
    """Take the pins that the first run of a LATEST mapping would; None: it has them, or needs none.

    Without them a mapping that never ran would read every other shard from its horizon.
    """
    starting_position = mapping.starting_position or StartingPosition.TRIM_HORIZON
    if not must_pin(place, starting_position):
        return None
    open_ids = [each.shard_id for each in description.shards if not each.ending_sequence_number]
    try:
        return await pin_shards(stream, open_ids)
    except SourceError as exc:
        raise _unreadable(mapping, exc) from exc


def _unreadable(mapping: EventSourceMapping, error: PenstockError) -> ApiError:
    return ApiError(
        _SOURCE_UNREADABLE, f"The stream {mapping.event_source_arn} cannot be read now: {error}"
    )
