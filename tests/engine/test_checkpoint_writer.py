"""Many saves, one transaction: when it is written, and who is told what."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
import pytest
from stream_fakes import RecordingStore, a_failure

from penstock.engine.checkpoint_writer import FLUSH_EVERY_S, CheckpointWriter
from penstock.model.errors import StoreError, StoreUnavailableError
from penstock.model.position import CheckpointSave, Tenure
from penstock.model.stream import AfterSequenceNumber, Checkpoint
from penstock.ports import Store
from penstock.simulation.loop import pass_s, run_virtual

ResultT = TypeVar("ResultT")


class TimedStore:
    """Runs calls of the store inline, and notes when; it can be slow, fail or break."""

    def __init__(self) -> None:
        self.store = RecordingStore()
        self.store.take_place("u1")
        self.tenure = self.store.places["u1"].tenure
        self.at_s: list[float] = []
        self.takes_s = 0.0
        self.failure: Exception | None = None

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        self.at_s.append(asyncio.get_running_loop().time())
        if self.takes_s:
            await pass_s(self.takes_s)
        if self.failure is not None:
            raise self.failure
        return call(self.store)

    def a_save(self, number: int, shard: str = "s1", **members: Any) -> CheckpointSave:
        checkpoint = Checkpoint(AfterSequenceNumber(str(number)))
        fields = {"tenure": self.tenure, "incarnation": "1", "shard_id": shard, **members}
        return CheckpointSave(checkpoint=checkpoint, **fields)

    def numbers(self) -> list[list[str]]:
        """What each transaction saved, as ``shard:number``."""
        return [
            [f"{save.shard_id}:{_number(save)}" for save in saves]
            for saves in self.store.transactions
        ]


def _number(save: CheckpointSave) -> str:
    position = save.checkpoint.position
    assert isinstance(position, AfterSequenceNumber)
    return position.sequence_number


Scene = Callable[[CheckpointWriter, TimedStore], Coroutine[Any, Any, ResultT]]


def play(scene: Scene[ResultT], store: TimedStore | None = None) -> tuple[ResultT, TimedStore]:
    """Run a scene with a writer that writes, in virtual time."""
    calls = store or TimedStore()

    async def with_writer() -> ResultT:
        writer = CheckpointWriter(calls, lambda _: None)
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(writer.run())
            result = await scene(writer, calls)
            writing.cancel()
        return result

    return run_virtual(with_writer), calls


def test_writer_writes_at_once_after_a_quiet_time() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> bool:
        await pass_s(5)
        return await writer.save(calls.a_save(1))

    held, calls = play(save)

    assert held is True
    assert calls.at_s == [5.0]


def test_writer_groups_what_comes_in_one_turn() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> Sequence[bool]:
        return await asyncio.gather(*[writer.save(calls.a_save(1, f"s{n}")) for n in range(100)])

    held, calls = play(save)

    assert held == [True] * 100
    assert [len(saves) for saves in calls.numbers()] == [100]


def test_writer_writes_once_per_interval_while_saves_keep_coming() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> None:
        for number in range(100):
            writer.save(calls.a_save(number))
            await pass_s(0.01)
        await writer.save(calls.a_save(100))

    _, calls = play(save)

    pauses = [later - sooner for sooner, later in zip(calls.at_s, calls.at_s[1:], strict=False)]
    assert 10 <= len(pauses) <= 11
    assert min(pauses) >= FLUSH_EVERY_S - 1e-9


def test_writer_that_is_slow_groups_what_came_meanwhile() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> None:
        calls.takes_s = 1.0
        first = writer.save(calls.a_save(1))
        await pass_s(0.5)
        second = [writer.save(calls.a_save(2, shard)) for shard in ("s1", "s2")]
        await asyncio.gather(first, *second)

    _, calls = play(save)

    assert calls.numbers() == [["s1:1"], ["s1:2", "s2:2"]]


def test_writer_writes_the_newer_checkpoint_and_the_failures_of_both() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> Sequence[bool]:
        older = calls.a_save(1, failures=(a_failure("f1"),), processing_result="OK")
        newer = calls.a_save(2, failures=(a_failure("f2"),))
        return await asyncio.gather(writer.save(older), writer.save(newer))

    held, calls = play(save)

    (saves,) = calls.store.transactions
    assert held == [True, True]
    assert calls.numbers() == [["s1:2"]]
    assert [failure.id for failure in saves[0].failures] == ["f1", "f2"]
    assert saves[0].processing_result == "OK"


def test_writer_keeps_tenures_apart() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> Sequence[bool]:
        over = msgspec.structs.replace(calls.tenure, lease_counter=0)
        return await asyncio.gather(
            writer.save(calls.a_save(1, tenure=over)), writer.save(calls.a_save(2))
        )

    held, _ = play(save)

    assert held == [False, True]


def test_writer_tells_everybody_of_a_store_that_failed() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> list[str]:
        calls.failure = StoreUnavailableError("locked")
        saves = [writer.save(calls.a_save(1, shard)) for shard in ("s1", "s2")]
        errors = await asyncio.gather(*saves, return_exceptions=True)
        calls.failure = None
        assert await writer.save(calls.a_save(1))
        return [str(error) for error in errors if isinstance(error, StoreError)]

    assert play(save)[0] == ["locked", "locked"]


def test_writer_outlives_a_defect_of_the_store() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> bool:
        calls.failure = ValueError("a defect")
        with pytest.raises(RuntimeError, match="a defect"):
            await writer.save(calls.a_save(1))
        calls.failure = None
        return await writer.save(calls.a_save(1))

    assert play(save)[0] is True


def test_writer_writes_what_nobody_waits_for_any_more() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> None:
        writer.save(calls.a_save(1)).cancel()
        await writer.save(calls.a_save(1, "s2"))

    assert play(save)[1].numbers() == [["s1:1", "s2:1"]]


@pytest.mark.parametrize(
    ("failures", "evicted"),
    [pytest.param((), [], id="none"), pytest.param((a_failure("f1"),), [7], id="one")],
)
def test_writer_tells_how_much_left_the_journal_when_it_grew(
    failures: tuple[Any, ...], evicted: list[int]
) -> None:
    told: list[int] = []
    calls = TimedStore()

    async def save() -> None:
        writer = CheckpointWriter(calls, told.append)
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(writer.run())
            await writer.save(calls.a_save(1, failures=failures))
            writing.cancel()

    run_virtual(save)

    assert told == evicted


def test_writer_that_cannot_count_has_saved_all_the_same() -> None:
    class Uncountable(RecordingStore):
        def evicted_failure_count(self) -> int:
            raise StoreUnavailableError("locked")

    async def save(writer: CheckpointWriter, calls: TimedStore) -> bool:
        calls.store = Uncountable()
        calls.tenure = calls.store.take_place("u1").tenure
        return await writer.save(calls.a_save(1, failures=(a_failure("f1"),)))

    assert play(save)[0] is True


def test_writer_says_when_the_tenure_is_over() -> None:
    async def save(writer: CheckpointWriter, calls: TimedStore) -> bool:
        return await writer.save(calls.a_save(1, tenure=Tenure("u1", 0, 0)))

    assert play(save)[0] is False
