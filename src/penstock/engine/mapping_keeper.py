"""Owns one mapping: makes what runs agree with its row, then settles the row's state.

It is level-triggered: whatever wakes it (a newer row, the consumer's end, a stop of the node), it
looks at what is wanted and what runs, and takes the next step.

Rules:
    1. Nobody else starts or stops the mapping's consumer; at most one runs.
    2. A state settles only when what runs is what the row asks for, and is ready; a consumer that
       pauses after a defect counts as running, if it was ready once.
    3. A defect in the consumer restarts it, with back-off, and is reported.
    4. A row that cannot be read ends what runs, and is such a defect: the API lets none through,
       but a store that a later version wrote may hold one.
"""

import asyncio

import msgspec

from penstock.core.lifecycle import state_when_settled
from penstock.core.retry import backoff_ms
from penstock.engine.consumption import Consumption
from penstock.engine.consumptions import Consumptions
from penstock.engine.surroundings import Surroundings
from penstock.model.errors import ConfigurationError, StoreConflictError, StoreError
from penstock.model.mapping import EventSourceMapping, State
from penstock.ports import Store

RESTART_FIRST_MS = 1_000
RESTART_MS_MAX = 60_000
STORE_RETRY_S = 1.0


class MappingKeeper:
    """The keeper of one mapping, from its first row to its deletion or the node's stop."""

    def __init__(
        self, mapping: EventSourceMapping, surroundings: Surroundings, consumptions: Consumptions
    ) -> None:
        self._mapping = mapping
        self._surroundings = surroundings
        surroundings.metrics.note_mapping(mapping)
        self._consumptions = consumptions
        self._log = surroundings.log_of(mapping)
        self._wake = asyncio.Event()
        self._is_node_stopping = False
        self._is_gone = False
        self._running: Consumption | None = None
        self._was_ready = False
        self._is_told_to_stop = False
        self._breaks = 0
        self._is_pausing = False

    @property
    def function_arn(self) -> str:
        """The mapping's function, as its row has it."""
        return self._mapping.function_arn

    @property
    def running(self) -> Consumption | None:
        """What runs now."""
        return self._running

    def change(self, mapping: EventSourceMapping) -> None:
        """Take in a row; an older one than is known is passed over."""
        if mapping.version > self._mapping.version:
            self._mapping = mapping
            self._surroundings.metrics.note_mapping(mapping)
            self._wake.set()

    def function_changed(self) -> None:
        """Let what runs follow the mapping's function, which is another now."""
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
            if self._running is not None:
                self._running.stop(is_node_stopping=self._is_node_stopping)
                self._is_told_to_stop = True
            else:
                self._was_ready = False
            return self._running is None
        if self._is_told_to_stop or self._is_pausing:
            return self._is_pausing and self._was_ready
        self._follow(mapping, tasks)
        if self._running is not None and self._running.is_ready:
            self._was_ready = True
        return self._was_ready and not self._is_told_to_stop

    def _follow(self, mapping: EventSourceMapping, tasks: asyncio.TaskGroup) -> None:
        """Let the consumer be what the row asks for; a row that cannot be read has none."""
        try:
            if self._running is not None:
                self._running.change(mapping)
                return
            running = self._consumptions.make(mapping, self._log, self._wake.set)
        except ConfigurationError as error:
            if self._running is None:
                self._pause_after(error, ran_ms=0)
            else:
                self._running.stop(is_node_stopping=False)
                self._is_told_to_stop = True
            return
        self._running = running
        name = f"source {mapping.event_source_arn}"
        tasks.create_task(self._consume(running), name=name)

    async def _consume(self, running: Consumption) -> None:
        started_ms = self._surroundings.clock.now().monotonic_ms
        try:
            await running.run()
        except Exception as error:  # noqa: BLE001 - a defect of one mapping stays with that mapping
            ran_ms = self._surroundings.clock.now().monotonic_ms - started_ms
            self._pause_after(error, ran_ms=ran_ms)
        finally:
            self._running = None
            self._is_told_to_stop = False
            self._wake.set()

    def _pause_after(self, error: Exception, *, ran_ms: int) -> None:
        # Breaks that lie far apart are not one series.
        self._breaks = self._breaks + 1 if ran_ms < RESTART_MS_MAX else 1
        delay_ms = backoff_ms(self._breaks, first_ms=RESTART_FIRST_MS, maximum_ms=RESTART_MS_MAX)
        self._log.warning(
            "mapping broke; it is restarted",
            reason=repr(error),
            delay_ms=delay_ms,
            exc_info=error,
        )
        self._surroundings.metrics.note_trouble(self._mapping.uuid, f"mapping broke: {error!r}")
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
        now_ms = self._surroundings.clock.now().wall_ms
        try:
            row = await self._surroundings.store.run(
                lambda store: _write_settled(store, mapping, settled, now_ms)
            )
        except StoreError as error:
            # Damaged or away: delivery goes on, here and in every other mapping.
            self._log.warning("state not settled", reason=str(error))
            asyncio.get_running_loop().call_later(STORE_RETRY_S, self._wake.set)
            return
        if row is None:
            self._is_gone = True
            self._surroundings.metrics.forget(mapping.uuid)
            self._log.info("mapping deleted")
        elif row.state is settled:
            self._log.info("mapping settled", state=settled.value)
            self._mapping = max(self._mapping, row, key=lambda known: known.version)
        else:
            self.change(row)


def _write_settled(
    store: Store, mapping: EventSourceMapping, settled: State | None, now_ms: int
) -> EventSourceMapping | None:
    """Settle the row and give it back; a newer row as it is; None when the row is gone."""
    if settled is None:
        store.delete_mapping(mapping.uuid)
        return None
    try:
        return store.replace_mapping(
            msgspec.structs.replace(mapping, state=settled, last_modified_ms=now_ms)
        )
    except StoreConflictError:
        return store.get_mapping(mapping.scope, mapping.uuid)
