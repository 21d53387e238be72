"""What each command of a stream's consumer does, and which input it comes back as."""

import asyncio
from typing import Any

import pytest
from engine_fakes import (
    FUNCTION,
    FakeFunctions,
    FaultyStoreCalls,
    JumpingClock,
    RecordedLog,
    run,
)
from stream_fakes import (
    FAST,
    SHARD_ID,
    STREAM_ARN,
    FakeDestination,
    FakeStream,
    RecordingStore,
    a_batch,
    count_up,
)

from penstock.core import shard_contract as s
from penstock.core import stream_contract as t
from penstock.core.shard_contract import ShardPolicy
from penstock.engine.byte_budget import NodeBudget
from penstock.engine.checkpoint_writer import CheckpointWriter
from penstock.engine.latest_pins import PINS_AT_ONCE_MAX
from penstock.engine.opened import Opened
from penstock.engine.processing_result import ProcessingResult
from penstock.engine.shard_work import ShardParts
from penstock.engine.slots import SlotLedger
from penstock.engine.stream_counts import StreamCounts
from penstock.engine.stream_work import ShardTelling, StreamWork
from penstock.model.errors import (
    PenstockError,
    SourceAccessDeniedError,
    SourceNotFoundError,
    StoreUnavailableError,
)
from penstock.model.position import StreamPlace, Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    Shard,
    StreamDescription,
    StreamKind,
    TrimHorizon,
)
from penstock.ports import StreamSource

POLICY = ShardPolicy(
    kind=StreamKind.KINESIS, stream_arn=STREAM_ARN, function_arn=FUNCTION.arn, pace=FAST
)


class Bench:
    """One mapping's work over fakes."""

    def __init__(self) -> None:
        self.stream = FakeStream()
        self.functions = FakeFunctions(FUNCTION)
        self.store = RecordingStore()
        self.calls = FaultyStoreCalls(self.store)
        self.log = RecordedLog()
        self.clock = JumpingClock()
        self.budget = NodeBudget(1_000)
        self.slots = SlotLedger(self.functions)
        self.writer = CheckpointWriter(self.calls, lambda _: None)
        self.opened_count = 0
        self.result = ProcessingResult()
        telling = ShardTelling(
            log=self.log, counts=StreamCounts(), age_warning_ms=60_000, is_verbose=False
        )
        self.work = StreamWork(
            self._parts(), telling, store=self.calls, budget=self.budget, clock=self.clock
        )

    async def carry_out(self, command: t.Command) -> t.Input | None:
        """Carry out a command that has a completion."""
        running = self.work.carry_out(command)
        assert running is not None
        return await running

    def run_shard(self) -> t.RunShard:
        """Make the command that runs the stream's shard from its horizon."""
        start = t.ShardStart(
            tenure=self.store.take_place("u1").tenure,
            incarnation="1",
            shard_id=SHARD_ID,
            checkpoint=Checkpoint(TrimHorizon()),
        )
        return t.RunShard(start, POLICY)

    async def run_until(self, *commands: t.Command, after: int = 1) -> t.Input | None:
        """Run the shard; carry out commands when so many invocations have begun."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self.writer.run())
            running = tasks.create_task(self.carry_out(self.run_shard()))
            while len(self.functions.payloads) < after and not running.done():
                turned = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_soon(turned.set_result, None)
                await turned
            for command in commands:
                assert self.work.carry_out(command) is None
            ended = await running
            writing.cancel()
        return ended

    async def _open(self) -> StreamSource:
        self.opened_count += 1
        return self.stream

    def _parts(self) -> ShardParts:
        return ShardParts(
            mapping_uuid="u1",
            stream=Opened(self._open),
            destinations=FakeDestination(),
            invoker=self.functions,
            slots=self.slots,
            checkpoints=self.writer,
            result=self.result,
            draw_uuid=count_up(),
            note_lost=lambda _: None,
        )


def test_work_takes_the_place() -> None:
    taken = run(Bench().carry_out(t.TakePlace()))

    assert taken == t.PlaceTaken(StreamPlace(tenure=Tenure("u1", 1, 0)))


def test_work_describes_the_stream() -> None:
    described = run(Bench().carry_out(t.DescribeStream()))

    assert described == t.StreamDescribed(StreamDescription("1", (Shard(SHARD_ID),)))


def test_work_result_that_is_not_stored_is_told() -> None:
    bench = Bench()

    async def lose_store() -> None:
        await bench.carry_out(t.TakePlace())
        bench.result.observe_shard(SHARD_ID, s.InvocationFailed(a_batch(1), "x"))
        bench.calls.failure = StoreUnavailableError("locked")
        await bench.work.save_result()

    run(lose_store())

    assert bench.log.events == ["processing result not stored"]


@pytest.mark.parametrize(
    ("error", "expected", "opened_count"),
    [
        pytest.param(
            SourceNotFoundError("x"), t.DescribeFailed("x", is_missing=True), 2, id="missing"
        ),
        pytest.param(SourceAccessDeniedError("x"), t.DescribeFailed("x"), 1, id="denied"),
    ],
)
def test_work_stream_that_cannot_be_described(
    error: PenstockError, expected: t.Input, opened_count: int
) -> None:
    bench = Bench()
    bench.stream.failure = error

    async def describe_twice() -> list[t.Input | None]:
        return [await bench.carry_out(t.DescribeStream()) for _ in range(2)]

    assert run(describe_twice()) == [expected, expected]
    assert bench.opened_count == opened_count


def test_work_pins_a_few_shards_at_once() -> None:
    bench = Bench()
    shard_ids = tuple(f"s{number}" for number in range(3 * PINS_AT_ONCE_MAX))
    bench.stream.records |= {shard_id: [] for shard_id in shard_ids}

    async def pin() -> t.Input | None:
        bench.stream.pins_held = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, bench.stream.pins_held.set)
        return await bench.carry_out(t.PinLatest(shard_ids))

    pinned = run(pin())

    assert isinstance(pinned, t.LatestPinned)
    assert sorted(pinned.pins) == sorted(shard_ids)
    assert bench.stream.pinning_count_max == PINS_AT_ONCE_MAX


def test_work_pins_of_no_shard_are_none() -> None:
    assert run(Bench().carry_out(t.PinLatest(()))) == t.LatestPinned({})


def test_work_pin_that_fails_fails_all() -> None:
    bench = Bench()
    bench.stream.failure = SourceAccessDeniedError("denied")

    assert run(bench.carry_out(t.PinLatest((SHARD_ID, "s2")))) == t.PinFailed("denied")


@pytest.mark.parametrize(
    ("lease_counter", "expected"),
    [
        pytest.param(1, t.IncarnationBegun(), id="held"),
        pytest.param(0, t.TenureLost(), id="over"),
    ],
)
def test_work_begins_an_incarnation_while_its_tenure_holds(
    lease_counter: int, expected: t.Input
) -> None:
    bench = Bench()
    bench.store.take_place("u1")
    command = t.BeginIncarnation(
        tenure=Tenure("u1", lease_counter, 0),
        incarnation="2",
        start=None,
        checkpoints={SHARD_ID: Checkpoint(TrimHorizon())},
    )

    assert run(bench.carry_out(command)) == expected
    assert (bench.store.places["u1"].incarnation == "2") is isinstance(expected, t.IncarnationBegun)


def test_work_store_that_does_not_answer_comes_back_as_failed() -> None:
    bench = Bench()
    bench.calls.failure = StoreUnavailableError("locked")
    begin = t.BeginIncarnation(
        tenure=Tenure("u1", 1, 0), incarnation="2", start=None, checkpoints={}
    )

    async def ask() -> list[Any]:
        return [await bench.carry_out(t.TakePlace()), await bench.carry_out(begin)]

    assert run(ask()) == [t.StoreFailed("locked"), t.StoreFailed("locked")]


def test_work_shard_that_is_told_to_stop_stops() -> None:
    bench = Bench()
    bench.stream.put(1)

    ended = run(bench.run_until(t.StopShard(SHARD_ID)))

    saved = bench.store.checkpoint()
    assert saved is not None
    assert ended == t.ShardStopped(SHARD_ID, saved)
    assert saved == Checkpoint(AfterSequenceNumber("1"), (), 1_700_000_000_000)
    assert bench.budget.held_bytes == 0
    assert bench.work.iterator_ages_ms() == {}


def test_work_shard_that_is_drained_ends() -> None:
    bench = Bench()
    bench.stream.put(1)
    bench.stream.shards[SHARD_ID] = Shard(SHARD_ID, (), "1")

    assert run(bench.run_until(t.CloseShard(SHARD_ID, "1"))) == t.ShardEnded(SHARD_ID)


def test_work_shard_that_breaks_says_so_and_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.stream.put(1)
    bench.functions.answer = RuntimeError("a defect")

    broke = run(bench.run_until())

    assert isinstance(broke, t.ShardBroke)
    assert broke.checkpoint == Checkpoint(TrimHorizon())
    assert "a defect" in broke.reason
    assert bench.log.events[-1] == "shard broke; it is restarted"
    assert bench.budget.held_bytes == 0
    granted: list[int] = []
    bench.slots.want(FUNCTION.arn, "b", 5, lambda _, count: granted.append(count))
    assert granted == [FUNCTION.concurrency]
