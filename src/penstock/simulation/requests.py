"""What users and operators ask for while a world runs: written straight into the store."""

import asyncio
from collections.abc import Callable
from typing import Protocol, assert_never

import msgspec

from penstock.core import shard_positions as positions
from penstock.core.lifecycle import Request, state_when_requested, update_request
from penstock.core.shard_lineage import settle_incarnation
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.position import PositionChange, StreamPlace, Tenure
from penstock.model.stream import StreamDescription
from penstock.ports import Store
from penstock.simulation.node import Node
from penstock.simulation.streams.place_audit import (
    Move,
    SkipRecord,
    ToHorizon,
    ToRecord,
    ToTimestamp,
)

FindRow = Callable[[], EventSourceMapping | None]
Expect = Callable[[Move, StreamDescription], None]

_SETTLED = {State.ENABLED, State.DISABLED}


class Requests(Protocol):
    """Changes mappings; each call returns when its effect is durable."""

    async def create(self, row: EventSourceMapping) -> None:
        """Create a mapping."""
        ...

    async def update(self, find: FindRow, **changes: object) -> None:
        """Change fields of a mapping."""
        ...

    async def delete(self, find: FindRow) -> EventSourceMapping:
        """Delete a mapping, wait until it is gone, and give what it was."""
        ...

    async def tag(self, find: FindRow, tags: dict[str, str]) -> None:
        """Give a mapping these tags and no others: its row changes, its state does not."""
        ...

    async def move(
        self, uuid: str, asked: Move, description: StreamDescription, expect: Expect
    ) -> None:
        """Put a stream mapping elsewhere; ``expect`` is told just before it takes effect.

        Raises:
            PenstockError: It was refused.
        """
        ...


class Rows(Protocol):
    """Tells of the rows of a store, and of the node that changes them."""

    row_changed: asyncio.Event

    async def wait_until_awake(self) -> None:
        """Wait until the node is not paused: it answers nobody until then."""
        ...


class DirectRequests:
    """Keeps ``Requests`` as the API would, without it: cheap, and never refused by a fault."""

    def __init__(self, rows: Rows, store: Store, node: Node) -> None:
        self._rows = rows
        self._store = store
        self._node = node

    async def create(self, row: EventSourceMapping) -> None:
        """Create a mapping."""
        await self._rows.wait_until_awake()
        self._store.insert_mapping(row)
        self._node.mapping_changed(row)

    async def update(self, find: FindRow, **changes: object) -> None:
        """Change fields of a mapping."""
        row = await self._wait_until_settled(find)
        wanted: EventSourceMapping = msgspec.structs.replace(row, **changes)
        request = update_request(was_enabled=row.enabled, enabled=wanted.enabled)
        self._write(wanted, state_when_requested(row.state, request))

    async def delete(self, find: FindRow) -> EventSourceMapping:
        """Delete a mapping."""
        row = await self._wait_until_settled(find)
        self._write(row, state_when_requested(row.state, Request.DELETE))
        while self._store.get_mapping(row.scope, row.uuid) is not None:
            await self._wait_for_change()
        return row

    async def tag(self, find: FindRow, tags: dict[str, str]) -> None:
        """Give a mapping these tags."""
        row = await self._wait_until_settled(find)
        self._write(msgspec.structs.replace(row, tags=tags), row.state)

    async def move(
        self, uuid: str, asked: Move, description: StreamDescription, expect: Expect
    ) -> None:
        """Put a stream mapping elsewhere."""
        await self._rows.wait_until_awake()
        never_ran = StreamPlace(tenure=Tenure(uuid, lease_counter=0, epoch=0))
        place = self._store.read_place(uuid) or never_ran
        moved = _moved(settle_incarnation(place, description), description, asked)
        expect(asked, description)
        change = PositionChange(
            mapping_uuid=uuid, action="rewind", detail=str(asked), changed_ms=0, epoch=0
        )
        self._store.change_place(moved, change)
        self._node.position_changed(uuid)

    def _write(self, row: EventSourceMapping, state: State | None) -> None:
        assert state is not None, "a settled mapping takes requests"
        written = self._store.replace_mapping(msgspec.structs.replace(row, state=state))
        self._node.mapping_changed(written)

    async def _wait_until_settled(self, find: FindRow) -> EventSourceMapping:
        """Wait for a mapping's row: requests are refused while it is in use."""
        while True:
            await self._rows.wait_until_awake()
            row = find()
            if row is not None and row.state in _SETTLED:
                return row
            await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        self._rows.row_changed.clear()
        await self._rows.row_changed.wait()


def _moved(place: StreamPlace, description: StreamDescription, asked: Move) -> StreamPlace:
    shards = description.shards
    match asked:
        case ToHorizon():
            return positions.rewind_to_horizon(place)
        case ToTimestamp(wall_ms):
            return positions.rewind_to_timestamp(place, wall_ms)
        case ToRecord(shard_id, number):
            return positions.rewind_to_sequence_number(
                place, shards, shard_id=shard_id, sequence_number=str(number)
            )
        case SkipRecord(shard_id, number):
            return positions.skip(place, shards, shard_id=shard_id, sequence_number=str(number))
        case _:
            assert_never(asked)
