"""A change of position that somebody else comes before."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from api_fakes import SCOPE, STREAM_ARN, World
from operator_rows import SHARDS, UUID

from penstock.api.position_change import CHANGE_ATTEMPTS_MAX, SkipRecord, change_position
from penstock.engine.clock import SystemClock
from penstock.model.errors import StoreConflictError
from penstock.model.mapping import EventSourceMapping
from penstock.model.position import PositionChange, Skip, StreamPlace
from penstock.model.stream import StreamDescription, StreamKind
from penstock.ports import Clock
from penstock.store.sql import SqlStore
from penstock.store.thread import StoreThread

MAPPING = EventSourceMapping(
    uuid=UUID,
    scope=SCOPE,
    event_source_arn=STREAM_ARN,
    function_arn="arn",
    stream_kind=StreamKind.KINESIS,
)


class ContestedStore(SqlStore):
    """Another operator, of another node, skips a record before each of the next ``rivals`` changes.

    Their change is a transaction of its own: it is there when ours is made anew.
    """

    def __init__(self) -> None:
        super().__init__("sqlite://")
        self.rivals = 0
        self._written: list[tuple[StreamPlace, PositionChange]] = []

    def read_place(self, mapping_uuid: str) -> StreamPlace | None:
        """Read what the rival has written, too."""
        while self._written:
            super().change_place(*self._written.pop())
        return super().read_place(mapping_uuid)

    def change_place(self, place: StreamPlace, change: PositionChange) -> StreamPlace:
        """Let the rival go first."""
        if self.rivals:
            self.rivals -= 1
            skip = Skip("right", str(self.rivals))
            rival = StreamPlace(tenure=place.tenure, incarnation="1", skips=(skip,))
            self._written.append((rival, change))
            raise StoreConflictError("it is no longer of this epoch")
        return super().change_place(place, change)


@pytest.fixture(name="store")
def fixture_store() -> Iterator[ContestedStore]:
    store = ContestedStore()
    store.insert_mapping(MAPPING)
    yield store
    store.close()


def skip_in(store: ContestedStore, clock: Clock | None = None) -> None:
    """Skip a record, with the store on a thread of its own as the service has it."""

    async def skip() -> None:
        world = World.with_defaults()
        world.sources.streams[STREAM_ARN] = StreamDescription("1", SHARDS)
        context = world.context(StoreThread(store))
        context = replace(context, clock=clock or context.clock)
        await change_position(context, MAPPING, SkipRecord("left", "120"))

    asyncio.run(skip())


def test_change_is_made_anew_from_where_the_other_left_it(store: ContestedStore) -> None:
    store.rivals = 1

    skip_in(store)

    place = store.read_place(UUID)
    assert place is not None
    assert place.skips == (Skip("right", "0"), Skip("left", "120"))


def test_change_gives_up_when_others_come_before_it_all_the_time(store: ContestedStore) -> None:
    store.rivals = CHANGE_ATTEMPTS_MAX

    with pytest.raises(StoreConflictError):
        skip_in(store)


def test_clock_is_read_on_the_loop(store: ContestedStore) -> None:
    skip_in(store, SystemClock())

    (change,) = store.list_position_changes(UUID)
    assert change.changed_ms > 1_700_000_000_000
