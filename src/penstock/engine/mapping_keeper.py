"""Owns one mapping: makes what runs agree with its row, then settles the row's state.

It is level-triggered: whatever wakes it (a newer row, the consumer's end, a stop of the node), it
looks at what is wanted and what runs, and takes the next step.

Rules:
    1. Nobody else starts or stops the mapping's consumer; at most one runs.
    2. A state settles only when what runs is what the row asks for; a consumer that pauses after a
       defect counts as running.
    3. A defect in the consumer restarts it, with back-off, and is reported.
"""

import asyncio
from collections.abc import Callable

import msgspec

from penstock.core import queue_contract as q
from penstock.core.lifecycle import state_when_settled
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.retry import backoff_ms
from penstock.core.scaling import RampPolicy
from penstock.driver import Driver
from penstock.engine.queue_log import Log, QueueLog
from penstock.engine.queue_work import QueueWork
from penstock.engine.slots import SlotLedger
from penstock.model.errors import StoreConflictError, StoreError
from penstock.model.mapping import EventSourceMapping, State
from penstock.ports import Clock, FunctionInvoker, Sources, Store, StoreCalls

RESTART_FIRST_MS = 1_000
RESTART_MS_MAX = 60_000
STORE_RETRY_S = 1.0


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Node settings of the engine.

    Attributes:
        long_poll_s: 0..20; how long an idle receive waits at the source.
        is_verbose: Log each batch, not only trouble.
    """

    ramp: RampPolicy = RampPolicy()
    long_poll_s: int = 20
    is_verbose: bool = False


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine works with; ``service.py`` and the simulator choose who keeps it."""

    store: StoreCalls
    sources: Sources
    functions: FunctionInvoker
    slots: SlotLedger
    clock: Clock
    log_of: Callable[[EventSourceMapping], Log]


class MappingKeeper:
    """The keeper of one mapping, from its first row to its deletion or the node's stop."""

    def __init__(
        self, mapping: EventSourceMapping, surroundings: Surroundings, settings: EngineSettings
    ) -> None:
        self._mapping = mapping
        self._surroundings = surroundings
        self._settings = settings
        self._log = surroundings.log_of(mapping)
        self._wake = asyncio.Event()
        self._is_node_stopping = False
        self._is_gone = False
        self._driver: Driver[q.Input, q.Command] | None = None
        self._told: q.QueuePolicy | None = None
        self._is_told_to_stop = False
        self._breaks = 0
        self._is_pausing = False

    def change(self, mapping: EventSourceMapping) -> None:
        """Take in a row; an older one than is known is passed over."""
        if mapping.version > self._mapping.version:
            self._mapping = mapping
            self._wake.set()

    def stop(self) -> None:
        """The node stops: end the consumer, leave the row as it is."""
        self._is_node_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Keep the mapping until it is deleted or the node has stopped."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                agrees = self._take_step(tasks)
                if agrees and self._is_node_stopping:
                    return
                if agrees:
                    await self._settle(self._mapping)
                if self._is_gone:
                    return
                await self._wake.wait()

    def _take_step(self, tasks: asyncio.TaskGroup) -> bool:
        """Do the next thing that brings what runs closer to the row; True when it agrees."""
        mapping = self._mapping
        is_wanted = mapping.enabled and mapping.state is not State.DELETING
        if not is_wanted or self._is_node_stopping:
            if self._driver is not None:
                # While the node lives a long poll runs to its end: a server may still hand a
                # message to a poll that was cut short, and nobody would see it.
                self._driver.send(q.StopRequested(abandon_receives=self._is_node_stopping))
                self._is_told_to_stop = True
            return self._driver is None
        if self._is_told_to_stop or self._is_pausing:
            return self._is_pausing
        policy = self._policy(mapping)
        if self._driver is None:
            self._start(policy, tasks)
        elif policy != self._told:
            self._driver.send(q.PolicyChanged(policy))
        self._told = policy
        return True

    def _start(self, policy: q.QueuePolicy, tasks: asyncio.TaskGroup) -> None:
        surroundings = self._surroundings
        work = QueueWork(
            self._mapping.uuid,
            policy.queue_arn,
            sources=surroundings.sources,
            invoker=surroundings.functions,
            slots=surroundings.slots,
        )
        driver: Driver[q.Input, q.Command] = Driver(
            QueueConsumer(policy, self._settings.ramp),
            work.carry_out,
            clock=surroundings.clock,
            deadline_reached=q.DeadlineReached(),
            observe=QueueLog(self._log, is_verbose=self._settings.is_verbose).observe,
        )
        work.connect(driver.send)
        self._driver = driver
        tasks.create_task(self._consume(driver, work), name=f"queue {policy.queue_arn}")

    async def _consume(self, driver: Driver[q.Input, q.Command], work: QueueWork) -> None:
        started_ms = self._surroundings.clock.now().monotonic_ms
        try:
            await driver.run(q.Started())
        except Exception as error:  # noqa: BLE001 - a defect of one mapping stays with that mapping
            ran_ms = self._surroundings.clock.now().monotonic_ms - started_ms
            self._pause_after(error, ran_ms)
        finally:
            work.disconnect()
            self._driver = None
            self._is_told_to_stop = False
            self._wake.set()

    def _pause_after(self, error: Exception, ran_ms: int) -> None:
        # Breaks that lie far apart are not one series.
        self._breaks = self._breaks + 1 if ran_ms < RESTART_MS_MAX else 1
        delay_ms = backoff_ms(self._breaks, first_ms=RESTART_FIRST_MS, maximum_ms=RESTART_MS_MAX)
        self._log.warning(
            "mapping broke; it is restarted",
            reason=repr(error),
            delay_ms=delay_ms,
            exc_info=error,
        )
        self._is_pausing = True
        asyncio.get_running_loop().call_later(delay_ms / 1000, self._end_pause)

    def _end_pause(self) -> None:
        self._is_pausing = False
        self._wake.set()

    async def _settle(self, mapping: EventSourceMapping) -> None:
        """Write the settled state, unless the row has changed meanwhile."""
        settled = state_when_settled(mapping.state, enabled=mapping.enabled)
        if settled is mapping.state:
            return
        try:
            row = await self._surroundings.store.run(
                lambda store: _write_settled(store, mapping, settled)
            )
        except StoreError as error:
            # Damaged or away: delivery goes on, here and in every other mapping.
            self._log.warning("state not settled", reason=str(error))
            asyncio.get_running_loop().call_later(STORE_RETRY_S, self._wake.set)
            return
        if row is None:
            self._is_gone = True
            self._log.info("mapping deleted")
        elif row.state is settled:
            self._log.info("mapping settled", state=settled.value)
            self._mapping = max(self._mapping, row, key=lambda known: known.version)
        else:
            self.change(row)

    def _policy(self, mapping: EventSourceMapping) -> q.QueuePolicy:
        function = self._surroundings.functions.find(mapping.function_arn)
        return q.QueuePolicy(
            function_arn=mapping.function_arn,
            queue_arn=mapping.event_source_arn,
            batch_size=mapping.batch_size,
            function_timeout_s=function.timeout_s if function else None,
            maximum_concurrency=mapping.maximum_concurrency,
            report_batch_item_failures=mapping.report_batch_item_failures,
            long_poll_s=self._settings.long_poll_s,
        )


def _write_settled(
    store: Store, mapping: EventSourceMapping, settled: State | None
) -> EventSourceMapping | None:
    """Settle the row and give it back; a newer row as it is; None when the row is gone."""
    if settled is None:
        store.delete_mapping(mapping.uuid)
        return None
    try:
        return store.replace_mapping(msgspec.structs.replace(mapping, state=settled))
    except StoreConflictError:
        return store.get_mapping(mapping.scope, mapping.uuid)
