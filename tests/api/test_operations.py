"""The operations called in this process: names, and callers that meet each other."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import msgspec
import pytest
from api_fakes import QUEUE_ARN, SCOPE, FakeQueue, FakeSources, World

from penstock.api.context import ApiContext
from penstock.api.errors import RESOURCE_CONFLICT, RESOURCE_IN_USE, ApiError
from penstock.api.operations import MappingOperations
from penstock.api.tag_operations import ATTEMPTS_MAX, TagOperations
from penstock.model.errors import StoreUnavailableError
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.message import QueueAttributes
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

CREATE = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
OTHER_QUEUE_ARN = QUEUE_ARN.replace("orders", "returns")


class MeetingSources(FakeSources):
    """Lets nobody past until two have looked at a queue."""

    def __init__(self) -> None:
        super().__init__()
        self._arrived = 0
        self._both = asyncio.Event()

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> FakeQueue:
        """Wait for the other, then give the queue."""
        self._arrived += 1
        if self._arrived == 2:
            self._both.set()
        async with asyncio.timeout(10):
            await self._both.wait()
        return await super().open_queue(arn, function_arn=function_arn, count_request=count_request)


class SettlingSources(FakeSources):
    """Does the supervisor's part while a queue is looked at, so many times."""

    def __init__(self, desk: "Desk", count: int) -> None:
        super().__init__()
        self._desk = desk
        self._left = count

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> FakeQueue:
        """Settle every row, then give the queue."""
        if self._left:
            self._left -= 1
            for row in self._desk.store.list_mappings():
                self._desk.settle(row.uuid)
        return await super().open_queue(arn, function_arn=function_arn, count_request=count_request)


class Desk:
    """The operations over a store in memory, which callers of two kinds share."""

    def __init__(self) -> None:
        self.world = World.with_defaults()
        self.world.functions.add("bill")
        self.world.functions.add("pack")
        self.world.sources.queues[OTHER_QUEUE_ARN] = QueueAttributes(30)
        self.store = SqlStore("sqlite://")
        self.operations = self.over(self.world.sources)

    def over(self, sources: FakeSources) -> MappingOperations:
        """Give operations that look at queues through ``sources``."""
        return MappingOperations(self._context(sources))

    def tags_over(self, sources: FakeSources) -> TagOperations:
        """Give operations on tags that look at queues through ``sources``."""
        return TagOperations(self._context(sources))

    def _context(self, sources: FakeSources) -> ApiContext:
        sources.queues = self.world.sources.queues
        world = World(sources, self.world.functions, self.world.engine)
        return world.context(InlineStore(self.store))

    def settle(self, uuid: str) -> None:
        """Do the supervisor's part."""
        (row,) = [row for row in self.store.list_mappings() if row.uuid == uuid]
        self.store.replace_mapping(msgspec.structs.replace(row, state=State.ENABLED))


@pytest.fixture(name="desk")
def fixture_desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.store.close()


def meet(
    first: Coroutine[None, None, EventSourceMapping],
    second: Coroutine[None, None, EventSourceMapping],
) -> tuple[EventSourceMapping, ApiError]:
    """Run both at once; give the one that was made and the other's refusal."""

    async def gather() -> list[EventSourceMapping | BaseException]:
        return list(await asyncio.gather(first, second, return_exceptions=True))

    results = asyncio.run(gather())
    (made,) = [result for result in results if isinstance(result, EventSourceMapping)]
    (refused,) = [result for result in results if isinstance(result, ApiError)]
    return made, refused


def test_mapping_keeps_its_name_and_another_cannot_have_it(desk: Desk) -> None:
    mapping = asyncio.run(desk.operations.create(SCOPE, CREATE, name="orders"))
    other = CREATE | {"EventSourceArn": OTHER_QUEUE_ARN}

    with pytest.raises(ApiError, match="already a mapping with the name 'orders'") as caught:
        asyncio.run(desk.operations.create(SCOPE, other, name="orders"))

    assert caught.value.kind is RESOURCE_CONFLICT
    assert asyncio.run(desk.operations.get(SCOPE, mapping.uuid)).name == "orders"


def test_of_two_equal_creates_at_once_one_is_a_duplicate(desk: Desk) -> None:
    operations = desk.over(MeetingSources())

    made, refused = meet(operations.create(SCOPE, CREATE), operations.create(SCOPE, CREATE))

    assert refused.kind is RESOURCE_CONFLICT
    assert str(refused).endswith(made.uuid)
    assert desk.world.engine.changed == desk.store.list_mappings() == [made]


def test_of_two_updates_of_a_mapping_at_once_one_is_in_use(desk: Desk) -> None:
    uuid = asyncio.run(desk.operations.create(SCOPE, CREATE)).uuid
    desk.settle(uuid)
    operations = desk.over(MeetingSources())

    made, refused = meet(
        operations.update(SCOPE, uuid, {"FunctionName": "bill"}),
        operations.update(SCOPE, uuid, {"FunctionName": "pack"}),
    )

    assert refused.kind is RESOURCE_IN_USE
    assert desk.store.list_mappings() == [made]


def test_of_two_updates_to_one_function_at_once_one_is_a_duplicate(desk: Desk) -> None:
    first = asyncio.run(desk.operations.create(SCOPE, CREATE)).uuid
    second = asyncio.run(desk.operations.create(SCOPE, CREATE | {"FunctionName": "bill"})).uuid
    desk.settle(first)
    desk.settle(second)
    operations = desk.over(MeetingSources())

    made, refused = meet(
        operations.update(SCOPE, first, {"FunctionName": "pack"}),
        operations.update(SCOPE, second, {"FunctionName": "pack"}),
    )

    assert refused.kind is RESOURCE_CONFLICT
    assert str(refused).endswith(made.uuid)


SERIAL = {"Tags": {"penstock:concurrency": "1"}}


def test_options_are_judged_again_when_the_state_settles_meanwhile(desk: Desk) -> None:
    mapping = asyncio.run(desk.operations.create(SCOPE, CREATE))
    tags = desk.tags_over(SettlingSources(desk, 1))

    asyncio.run(tags.tag(SCOPE, mapping.arn, SERIAL))

    (row,) = desk.store.list_mappings()
    assert (row.state, row.tags) == (State.ENABLED, SERIAL["Tags"])
    assert desk.world.engine.changed[-1] == row


def test_options_of_a_mapping_that_never_holds_still_are_refused_in_the_end(desk: Desk) -> None:
    mapping = asyncio.run(desk.operations.create(SCOPE, CREATE))
    tags = desk.tags_over(SettlingSources(desk, ATTEMPTS_MAX))

    with pytest.raises(ApiError, match="try again") as caught:
        asyncio.run(tags.tag(SCOPE, mapping.arn, SERIAL))

    assert caught.value.kind is RESOURCE_CONFLICT
    assert desk.store.list_mappings()[0].tags == {}


class _AnswerLost(SqlStore):
    """Keeps every row that is changed, and then says that it failed."""

    is_lost = False

    def replace_mapping(self, mapping: EventSourceMapping) -> EventSourceMapping:
        self.is_lost = True
        return super().replace_mapping(mapping)

    @contextmanager
    def together(self) -> Iterator[None]:
        with super().together():
            yield
        if self.is_lost:
            raise StoreUnavailableError("the connection broke")


def test_write_whose_answer_is_lost_lets_the_engine_look_for_itself(desk: Desk) -> None:
    desk.store.close()
    desk.store = _AnswerLost("sqlite://")
    operations = desk.over(desk.world.sources)
    uuid = asyncio.run(operations.create(SCOPE, CREATE)).uuid
    desk.store.delete_mapping(uuid)
    row = msgspec.structs.replace(desk.world.engine.changed[0], state=State.ENABLED)
    desk.store.insert_mapping(row)

    with pytest.raises(StoreUnavailableError):
        asyncio.run(operations.update(SCOPE, uuid, {"BatchSize": 5}))

    assert desk.store.list_mappings()[0].batch_size == 5
    assert desk.world.engine.looks == 1


def test_write_that_meets_another_does_not_let_the_engine_look(desk: Desk) -> None:
    operations = desk.over(MeetingSources())

    meet(operations.create(SCOPE, CREATE), operations.create(SCOPE, CREATE))

    assert desk.world.engine.looks == 0
