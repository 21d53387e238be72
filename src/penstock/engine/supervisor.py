"""Runs every mapping of this node: one keeper per mapping."""

import asyncio

from penstock.engine.consumption import Consumption
from penstock.engine.consumptions import Consumptions
from penstock.engine.mapping_keeper import STORE_RETRY_S, MappingKeeper
from penstock.engine.surroundings import EngineSettings, Surroundings
from penstock.engine.turns import next_turn
from penstock.model.arn import unqualified_function_arn
from penstock.model.errors import StoreError
from penstock.model.mapping import EventSourceMapping

ROWS_PER_TURN = 16  # taken up at once: some milliseconds, between which the loop does other things


class Supervisor:
    """Takes up the mappings of the store, and those that the API writes."""

    def __init__(self, surroundings: Surroundings, settings: EngineSettings) -> None:
        self._surroundings = surroundings
        self._consumptions = Consumptions(surroundings, settings)
        self._keepers: dict[str, MappingKeeper] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()

    async def run(self, started: asyncio.Event) -> None:
        """Keep all mappings until ``stop``; returns when everything in flight has ended.

        Args:
            started: Set when the mappings of the store are taken up.
        """
        self._surroundings.metrics.note_started()
        async with self._consumptions.writing(), asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            rows = await self._surroundings.store.run(lambda store: store.list_mappings())
            for number, row in enumerate(rows, start=1):
                self.mapping_changed(row)
                if number % ROWS_PER_TURN == 0:
                    await next_turn()
            started.set()
            await self._stopping.wait()
            for keeper in self._keepers.values():
                keeper.stop()

    def mapping_changed(self, mapping: EventSourceMapping) -> None:
        """Take note of a row that was written; its state settles in the background."""
        if self._tasks is None or self._stopping.is_set():
            return
        keeper = self._keepers.get(mapping.uuid)
        if keeper is not None:
            keeper.change(mapping)
            return
        keeper = MappingKeeper(mapping, self._surroundings, self._consumptions)
        self._keepers[mapping.uuid] = keeper
        task = self._tasks.create_task(keeper.run(), name=f"mapping {mapping.uuid}")
        task.add_done_callback(lambda _: self._keepers.pop(mapping.uuid, None))

    def function_changed(self, function_arn: str) -> None:
        """Let a function's slots, and every mapping of it, follow what it is now.

        Args:
            function_arn: Of whatever version or alias: mappings of all of them follow.
        """
        self._surroundings.slots.function_changed(function_arn)
        changed = unqualified_function_arn(function_arn)
        for keeper in self._keepers.values():
            if unqualified_function_arn(keeper.function_arn) == changed:
                keeper.function_changed()

    def processing_result(self, mapping_uuid: str) -> str | None:
        """Give a running stream mapping's LastProcessingResult; None when it does not run."""
        running = self._running(mapping_uuid)
        return None if running is None else running.processing_result

    def position_changed(self, mapping_uuid: str) -> None:
        """Let a mapping read its place from the store again; one that does not run will anyway."""
        running = self._running(mapping_uuid)
        if running is not None:
            running.position_changed()

    def iterator_ages_ms(self, mapping_uuid: str) -> dict[str, int]:
        """Give the iterator age of each running shard of a mapping, by shard id."""
        running = self._running(mapping_uuid)
        return {} if running is None else running.iterator_ages_ms()

    def look_again(self) -> None:
        """Read all rows from the store: one may have been written that nobody has told of."""
        if self._tasks is not None and not self._stopping.is_set():
            self._tasks.create_task(self._read_rows(), name="rows")

    async def _read_rows(self) -> None:
        """Take up what the store has; tried until it answers, or the node stops."""
        while not self._stopping.is_set():
            try:
                rows = await self._surroundings.store.run(lambda store: store.list_mappings())
            except StoreError:
                await self._wait_for_stop(STORE_RETRY_S)
                continue
            # Calls of the store end in their order: a row that was deleted since still has its
            # keeper here, and none is made for it anew.
            for row in rows:
                self.mapping_changed(row)
            return

    async def _wait_for_stop(self, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    def stop(self) -> None:
        """Receive no more and let what is in flight end."""
        self._stopping.set()

    def _running(self, mapping_uuid: str) -> Consumption | None:
        keeper = self._keepers.get(mapping_uuid)
        return None if keeper is None else keeper.running
