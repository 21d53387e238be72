"""Carries out a stream consumer's commands; a shard's life is one of them."""

from collections.abc import Callable, Coroutine
from typing import Any, assert_never

import msgspec

from penstock.core import shard_contract as s
from penstock.core import stream_contract as t
from penstock.core.shard_consumer import ShardConsumer
from penstock.driver import Driver
from penstock.engine.byte_budget import NodeBudget
from penstock.engine.latest_pins import pin_shards
from penstock.engine.queue_log import Log
from penstock.engine.shard_observer import ShardObserver
from penstock.engine.shard_work import ShardParts, ShardWork
from penstock.engine.step_watch import StepWatch
from penstock.engine.stream_counts import StreamCounts
from penstock.engine.stream_log import ShardLog
from penstock.model.errors import PenstockError, SourceNotFoundError, StoreError
from penstock.model.position import Tenure
from penstock.ports import Clock, StoreCalls

_Running = Coroutine[Any, Any, t.Input | None]


class ShardTelling(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mapping's shards tell what happens to them.

    Attributes:
        age_warning_ms: As ``StreamSettings.iterator_age_warning_ms``.
    """

    log: Log
    counts: StreamCounts
    age_warning_ms: int
    is_verbose: bool
    watch: StepWatch | None = None


class RunningShard(msgspec.Struct, frozen=True):
    """A shard's consumer, and what belongs to it, while it runs."""

    machine: ShardConsumer
    driver: Driver[s.Input, s.Command]
    work: ShardWork
    observer: ShardObserver


class StreamWork:
    """The effects of one stream mapping; every expected failure comes back as an input."""

    def __init__(
        self,
        parts: ShardParts,
        telling: ShardTelling,
        *,
        store: StoreCalls,
        budget: NodeBudget,
        clock: Clock,
    ) -> None:
        self._parts = parts
        self._telling = telling
        self._store = store
        self._budget = budget
        self._clock = clock
        self._shards: dict[str, RunningShard] = {}
        self._tenure: Tenure | None = None

    def iterator_ages_ms(self) -> dict[str, int]:
        """Give the iterator age of each running shard of which it is known."""
        ages = ((shard_id, shard.observer.age_ms()) for shard_id, shard in self._shards.items())
        return {shard_id: age_ms for shard_id, age_ms in ages if age_ms is not None}

    def watch_ages(self) -> None:
        """Warn of each running shard that is late, also of one to which nothing happens."""
        for shard in self._shards.values():
            shard.observer.watch_age()

    async def save_result(self) -> None:
        """Store what the function did last, where no checkpoint has brought it along."""
        tenure, text = self._tenure, self._parts.result.unsaved()
        if tenure is None or text is None:
            return
        try:
            await self._store.run(lambda store: store.save_processing_result(tenure, text))
        except StoreError as error:
            self._telling.log.warning("processing result not stored", reason=str(error))

    def carry_out(self, command: t.Command) -> _Running | None:  # noqa: PLR0911 - one per command
        """Start a command; None when it is done at once."""
        match command:
            case t.TakePlace():
                return self._take_place()
            case t.DescribeStream():
                return self._describe()
            case t.PinLatest(shard_ids):
                return self._pin(shard_ids)
            case t.BeginIncarnation():
                return self._begin_incarnation(command)
            case t.ForgetShards(tenure, shard_ids):
                return self._forget_shards(tenure, shard_ids)
            case t.RunShard():
                return self._run_shard(command, self._make_shard(command))
            case t.StopShard(shard_id):
                shard = self._shards[shard_id]
                shard.driver.send(s.StopRequested())
                shard.work.abandon_fetch()
            case t.CloseShard(shard_id, ending_sequence_number):
                self._shards[shard_id].driver.send(s.ShardClosed(ending_sequence_number))
            case _:
                assert_never(command)
        return None

    async def _take_place(self) -> t.PlaceTaken | t.StoreFailed:
        uuid = self._parts.mapping_uuid
        try:
            place = await self._store.run(lambda store: store.take_place(uuid))
        except StoreError as error:
            return t.StoreFailed(str(error))
        self._tenure = place.tenure
        return t.PlaceTaken(place)

    async def _describe(self) -> t.StreamDescribed | t.DescribeFailed:
        stream = self._parts.stream
        try:
            source = await stream.get()
            return t.StreamDescribed(await source.describe())
        except SourceNotFoundError as error:
            stream.drop()
            return t.DescribeFailed(str(error), is_missing=True)
        except PenstockError as error:
            return t.DescribeFailed(str(error))

    async def _pin(self, shard_ids: tuple[str, ...]) -> t.LatestPinned | t.PinFailed:
        try:
            source = await self._parts.stream.get()
            return t.LatestPinned(await pin_shards(source, shard_ids))
        except PenstockError as error:
            return t.PinFailed(str(error))

    async def _begin_incarnation(
        self, command: t.BeginIncarnation
    ) -> t.IncarnationBegun | t.TenureLost | t.StoreFailed:
        try:
            is_held = await self._store.run(
                lambda store: store.begin_incarnation(
                    command.tenure,
                    command.incarnation,
                    command.checkpoints,
                    start=command.start,
                )
            )
        except StoreError as error:
            return t.StoreFailed(str(error))
        return t.IncarnationBegun() if is_held else t.TenureLost()

    async def _forget_shards(
        self, tenure: Tenure, shard_ids: tuple[str, ...]
    ) -> t.ShardsForgotten | t.TenureLost | t.StoreFailed:
        try:
            is_held = await self._store.run(lambda store: store.forget_shards(tenure, shard_ids))
        except StoreError as error:
            return t.StoreFailed(str(error))
        return t.ShardsForgotten(shard_ids) if is_held else t.TenureLost()

    def _make_shard(self, command: t.RunShard) -> RunningShard:
        """Make a shard's consumer; at once, so that whatever is sent to it finds it."""
        start, policy, parts, telling = command.start, command.policy, self._parts, self._telling
        shard_id = start.shard_id
        assert shard_id not in self._shards, f"{shard_id} runs already"
        account = self._budget.open_account(f"{parts.mapping_uuid}/{shard_id}")
        work = ShardWork(start, policy, parts, account)
        machine = ShardConsumer(policy, start)
        observer = ShardObserver(
            shard_id,
            log=ShardLog(
                telling.log,
                shard_id,
                destination_arn=policy.destination_arn,
                age_warning_ms=telling.age_warning_ms,
                is_verbose=telling.is_verbose,
            ),
            counts=telling.counts,
            result=parts.result,
            oldest_arrived_ms=lambda: machine.oldest_arrived_ms,
            now=self._clock.now,
        )
        driver: Driver[s.Input, s.Command] = Driver(
            machine,
            work.carry_out,
            clock=self._clock,
            deadline_reached=s.DeadlineReached(),
            observe=self._observe_by(shard_id, observer),
        )
        work.connect(driver.send)
        shard = self._shards[shard_id] = RunningShard(machine, driver, work, observer)
        return shard

    def _observe_by(
        self, shard_id: str, observer: ShardObserver
    ) -> Callable[[s.Input, list[s.Command]], None]:
        watch, uuid = self._telling.watch, self._parts.mapping_uuid
        if watch is None:
            return observer.observe

        def observe(inp: s.Input, commands: list[s.Command]) -> None:
            observer.observe(inp, commands)
            watch.shard_stepped(uuid, shard_id, inp, commands)

        return observe

    async def _run_shard(
        self, command: t.RunShard, shard: RunningShard
    ) -> t.ShardEnded | t.ShardStopped | t.ShardBroke:
        shard_id = command.start.shard_id
        started_ms = self._clock.now().monotonic_ms
        try:
            await shard.driver.run(s.Started())
        except Exception as error:  # a defect of one shard stays with that shard
            ran_ms = self._clock.now().monotonic_ms - started_ms
            await shard.work.settle_save()
            self._telling.log.warning(
                "shard broke; it is restarted",
                shard=shard_id,
                reason=repr(error),
                exc_info=error,
            )
            return t.ShardBroke(shard_id, repr(error), ran_ms, shard.work.saved)
        finally:
            shard.work.disconnect()
            del self._shards[shard_id]
        if shard.machine.has_reached_end:
            return t.ShardEnded(shard_id)
        return t.ShardStopped(shard_id, shard.work.saved)
