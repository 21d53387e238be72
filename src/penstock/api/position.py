"""HTTP handlers of a stream mapping's position: show it, change it, list its changes."""

import re
from typing import Literal

import msgspec
from aiohttp import web

from penstock.api.answers import check_query, json_answer, refused
from penstock.api.bodies import read_json_object
from penstock.api.context import ApiContext
from penstock.api.errors import ApiError
from penstock.api.mapping_names import find_mapping_uuid, find_stream_mapping
from penstock.api.position_change import (
    AskedChange,
    SkipRecord,
    Standing,
    ToHorizon,
    ToRecord,
    ToTimestamp,
    change_position,
    read_standing,
)
from penstock.api.wire import read_timestamp_ms
from penstock.core.shard_positions import ShardPositionView, describe_positions
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    LatestPin,
    Position,
    ShardEnd,
    StartingPosition,
    TrimHorizon,
)

_SEQUENCE_NUMBER = re.compile(r"[0-9]{1,129}")  # Kinesis: 129 digits at most; DynamoDB: 40
_SHOWN_CHARACTERS_MAX = 60  # of a value that is refused
_SHAPES = (
    'Give {"action": "rewind", "to": "TRIM_HORIZON"}, {"action": "rewind", "timestamp": TIME}, '
    '{"action": "rewind", "shard": ID, "sequence_number": NUMBER}, or {"action": "skip", '
    '"shard": ID, "sequence_number": NUMBER}'
)
_POSITION_NAMES = {
    TrimHorizon: "TRIM_HORIZON",
    AtTimestamp: "AT_TIMESTAMP",
    AtSequenceNumber: "AT_SEQUENCE_NUMBER",
    AfterSequenceNumber: "AFTER_SEQUENCE_NUMBER",
    LatestPin: "LATEST",
    ShardEnd: "SHARD_END",
}


class PositionHandlers:
    """One handler per operation on a mapping's position."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def show(self, request: web.Request) -> web.Response:
        """Say where each shard stands."""
        check_query(request.query)
        mapping = await find_stream_mapping(self._context, request.match_info["Mapping"])
        standing = await read_standing(self._context, mapping)
        ages_ms = self._context.mappings.iterator_ages_ms(mapping.uuid)
        return json_answer(self._to_wire(mapping, standing, ages_ms))

    async def change(self, request: web.Request) -> web.Response:
        """Rewind the mapping, or skip a record; answers with where it stands then."""
        check_query(request.query)
        mapping = await find_stream_mapping(self._context, request.match_info["Mapping"])
        asked = self._read_change(await read_json_object(request, "position"))
        standing = await change_position(self._context, mapping, asked)
        return json_answer(self._to_wire(mapping, standing, {}))

    async def list_changes(self, request: web.Request) -> web.Response:
        """Give the audit of the mapping's position, newest first; also of one that is gone."""
        check_query(request.query)
        named = request.match_info["Mapping"]
        uuid = await find_mapping_uuid(self._context, named)
        changes = await self._context.store_calls.run(
            lambda store: store.list_position_changes(uuid)
        )
        if not changes:
            await find_stream_mapping(self._context, named)  # refuses a queue, and what never was
        shown = [
            {
                "changed_ms": change.changed_ms,
                "action": change.action,
                "detail": change.detail,
                "epoch": change.epoch,
            }
            for change in changes
        ]
        return json_answer({"mapping": uuid, "changes": shown})

    def _read_change(self, body: dict[str, object]) -> AskedChange:
        """Read what was asked for.

        Raises:
            ApiError: It has none of the four shapes, or a value that cannot be.
        """
        try:
            asked = msgspec.convert(body, _ChangeRequest)
        except msgspec.ValidationError as exc:
            raise refused(f"{_explain(exc, body)}. {_SHAPES}") from exc
        members = asked.given()
        if asked.action == "rewind" and members == {"to"}:
            return ToHorizon()
        if asked.action == "rewind" and members == {"timestamp"}:
            return ToTimestamp(self._read_timestamp(asked.timestamp or 0))
        if members != {"shard", "sequence_number"}:
            named = ", ".join(sorted(members)) or "no further members"
            raise refused(f"{asked.action} cannot be done with {named}. {_SHAPES}")
        shard_id, number = asked.shard or "", asked.sequence_number or ""
        if not _SEQUENCE_NUMBER.fullmatch(number):
            raise refused(f"The sequence_number {number!r} is none: it has 1 to 129 digits")
        return (SkipRecord if asked.action == "skip" else ToRecord)(shard_id, number)

    def _read_timestamp(self, value: float | str) -> int:
        try:
            wall_ms = read_timestamp_ms(value, member="timestamp")
        except ApiError as exc:
            raise refused(str(exc)) from exc
        if wall_ms > self._context.clock.now().wall_ms:
            raise refused(f"The timestamp {value} is in the future: no record has arrived then")
        return wall_ms

    def _to_wire(
        self, mapping: EventSourceMapping, standing: Standing, ages_ms: dict[str, int]
    ) -> dict[str, object]:
        place = standing.place
        result = self._context.mappings.processing_result(mapping.uuid) or place.processing_result
        views = describe_positions(place, standing.shards, ages_ms)
        return {
            "mapping": mapping.uuid,
            "name": mapping.name,
            "stream_arn": mapping.event_source_arn,
            "mapping_state": mapping.state,
            "epoch": place.tenure.epoch,
            "start": _position_to_wire(place.start or _starting_position(mapping)),
            "last_processing_result": result,
            "skips": [
                {"shard": skip.shard_id, "sequence_number": skip.sequence_number}
                for skip in place.skips
            ],
            "shards": [_view_to_wire(view) for view in views],
        }


class _ChangeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: Literal["rewind", "skip"]
    to: Literal["TRIM_HORIZON"] | None = None
    timestamp: int | float | str | None = None
    shard: str | None = None
    sequence_number: str | None = None

    def given(self) -> set[str]:
        """Name the members that are there, beside the action."""
        return {
            name
            for name in self.__struct_fields__
            if name != "action" and getattr(self, name) is not None
        }


_MEMBERS = {
    "action": "rewind or skip",
    "to": "TRIM_HORIZON",
    "timestamp": "a number or a string",
    "shard": "a string",
    "sequence_number": "a string",
}
_WRONG_MEMBER = re.compile(r"`\$\.(?P<name>\w+)`")


def _explain(error: msgspec.ValidationError, body: dict[str, object]) -> str:
    """Say which member is wrong, and what it must be."""
    unknown = next((name for name in body if name not in _MEMBERS), None)
    if unknown is not None:
        return f"There is no member {unknown!r}"
    wrong = _WRONG_MEMBER.search(str(error))
    if wrong is None:  # the one that must be there
        return "The action is missing"
    name = wrong["name"]
    value = msgspec.json.encode(body[name]).decode()
    shown = value if len(value) <= _SHOWN_CHARACTERS_MAX else value[:_SHOWN_CHARACTERS_MAX] + "..."
    return f"The {name} must be {_MEMBERS[name]}, not {shown}"


def _starting_position(mapping: EventSourceMapping) -> Position | str:
    if mapping.starting_position is StartingPosition.AT_TIMESTAMP:
        return AtTimestamp(mapping.starting_timestamp_ms or 0)
    return (mapping.starting_position or StartingPosition.TRIM_HORIZON).value


def _position_to_wire(position: Position | str) -> dict[str, object]:
    match position:
        case str():
            return {"position": position}
        case AtTimestamp(wall_ms):
            return {"position": "AT_TIMESTAMP", "timestamp_ms": wall_ms}
        case _:
            return {"position": _POSITION_NAMES[type(position)]}


def _view_to_wire(view: ShardPositionView) -> dict[str, object]:
    position: dict[str, object] = {"position": None}
    if view.position is not None:
        position = _position_to_wire(view.position)
    return {
        "shard": view.shard_id,
        "parents": view.parent_ids,
        "state": view.state,
        **position,
        "sequence_number": view.sequence_number,
        "arrived_ms": view.arrived_ms,
        "behind_ms": view.behind_ms,
    }
