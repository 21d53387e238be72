"""What users and operators ask of a node: through the API's own operations."""

import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, assert_never

import msgspec

from penstock.api import position_change as api
from penstock.api.context import MappingContext
from penstock.api.errors import ApiError
from penstock.api.operations import MappingOperations
from penstock.api.tag_operations import MappingTags
from penstock.api.wire import to_wire
from penstock.model.errors import StoreError
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StreamDescription
from penstock.simulation.ground import Ground
from penstock.simulation.loop import pass_s
from penstock.simulation.names import SCOPE
from penstock.simulation.node import NodeGoneError
from penstock.simulation.requests import Expect, FindRow
from penstock.simulation.streams.place_audit import (
    Move,
    SkipRecord,
    ToHorizon,
    ToRecord,
    ToTimestamp,
)
from penstock.simulation.whole.sources import ApiSources
from penstock.simulation.whole.store import WatchedStore

ASK_AGAIN_S = (1, 1, 2, 4, 8, 16, 30)  # after each refusal; then always the last
TRIES_OF_A_CHANGE = 5  # a change may be one that the API never takes: its user gives up
_READ_ONLY = {
    "UUID",
    "EventSourceMappingArn",
    "FunctionArn",
    "LastModified",
    "State",
    "StateTransitionReason",
    "LastProcessingResult",
}

Operation = Callable[[MappingContext], Coroutine[Any, Any, object]]


class ApiRequests:
    """Keeps ``Requests``; what is refused or unanswered is asked again, as users do.

    Attributes:
        refusal: The last one, for a report of what is stuck.
    """

    def __init__(self, ground: Ground, store: WatchedStore, sources: ApiSources) -> None:
        self._ground = ground
        self._store = store
        self._sources = sources
        self.refusal = ""

    async def create(self, row: EventSourceMapping) -> None:
        """Create a mapping of that uuid."""
        request = _members(row) | {
            "EventSourceArn": row.event_source_arn,
            "FunctionName": row.function_arn,
            "Enabled": row.enabled,
            "Tags": row.tags,
        }

        async def create(context: MappingContext) -> None:
            named = replace(context, draw_uuid=lambda: row.uuid)
            await MappingOperations(named).create(SCOPE, request)

        def is_there() -> bool:
            return self._store.get_mapping(SCOPE, row.uuid) is not None

        for wait_s in _patiently():
            if is_there():
                return
            await self._try(create, wait_s)

    async def update(self, find: FindRow, **changes: object) -> None:
        """Change fields of a mapping; polling is switched until it is."""
        must_succeed = changes.get("enabled") is not None
        for wait_s in _patiently(None if must_succeed else TRIES_OF_A_CHANGE):
            row = await self._ground.wait_for_row(find)
            request = _difference(row, msgspec.structs.replace(row, **changes))
            uuid = row.uuid

            async def update(
                context: MappingContext,
                uuid: str = uuid,
                request: dict[str, object] = request,
            ) -> None:
                await MappingOperations(context).update(SCOPE, uuid, request)

            if await self._try(update, wait_s):
                return

    async def delete(self, find: FindRow) -> EventSourceMapping:
        """Delete a mapping, wait until it is gone, and give what it was."""
        row = await self._ground.wait_for_row(find)

        async def delete(context: MappingContext) -> None:
            await MappingOperations(context).delete(SCOPE, row.uuid)

        for wait_s in _patiently():
            if self._store.get_mapping(SCOPE, row.uuid) is None:
                break
            if await self._try(delete, wait_s):
                await pass_s(wait_s)
        return row

    async def tag(self, find: FindRow, tags: dict[str, str]) -> None:
        """Give a mapping these tags and no others."""
        for wait_s in _patiently(TRIES_OF_A_CHANGE):
            row = await self._ground.wait_for_row(find)
            arn = row.arn

            async def tag(context: MappingContext, arn: str = arn) -> None:
                await MappingTags(context).replace(SCOPE, arn, tags)

            if await self._try(tag, wait_s):
                return

    async def move(
        self, uuid: str, asked: Move, description: StreamDescription, expect: Expect
    ) -> None:
        """Put a stream mapping elsewhere, once; one operator after another."""
        del description  # The API looks for itself.

        async def move(context: MappingContext) -> None:
            mapping = await MappingOperations(context).get(SCOPE, uuid)
            await api.change_position(context, mapping, _to_api(asked))

        async with self._sources.turn:
            self._store.moving = lambda: expect(asked, self._sources.described(uuid))
            await self._ground.node.ask(move, self._sources)

    async def _try(self, operation: Operation, wait_s: int) -> bool:
        """Ask once; after a refusal let some time pass."""
        try:
            await self._ground.node.ask(operation, self._sources)
        except (ApiError, StoreError, NodeGoneError) as error:
            self.refusal = str(error)
            self._ground.trace.note("api", "refuses", type(error).__name__, error)
            await pass_s(wait_s)
            return False
        return True


def _patiently(tries: int | None = None) -> Iterator[int]:
    """Give how long to wait after each try: longer and longer, as patient users do."""
    waits_s = itertools.chain(ASK_AGAIN_S, itertools.repeat(ASK_AGAIN_S[-1]))
    return itertools.islice(waits_s, tries)


def _members(row: EventSourceMapping) -> dict[str, object]:
    """Give a row's members as a request has them."""
    shown = to_wire(row)
    return {name: value for name, value in shown.items() if name not in _READ_ONLY}


def _difference(before: EventSourceMapping, wanted: EventSourceMapping) -> dict[str, object]:
    """Give the request that makes one row of another."""
    known, asked = _members(before), _members(wanted)
    request = {name: value for name, value in asked.items() if known.get(name) != value}
    request |= {name: {} for name in known if name not in asked}
    if wanted.function_arn != before.function_arn:
        request["FunctionName"] = wanted.function_arn
    if wanted.enabled != before.enabled:
        request["Enabled"] = wanted.enabled
    return request


def _to_api(asked: Move) -> api.AskedChange:
    match asked:
        case ToHorizon():
            return api.ToHorizon()
        case ToTimestamp(wall_ms):
            return api.ToTimestamp(wall_ms)
        case ToRecord(shard_id, number):
            return api.ToRecord(shard_id, str(number))
        case SkipRecord(shard_id, number):
            return api.SkipRecord(shard_id, str(number))
        case _:
            assert_never(asked)
