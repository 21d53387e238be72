"""Runs every mapping of this node: one keeper per mapping."""

import asyncio

from penstock.engine.mapping_keeper import EngineSettings, MappingKeeper, Surroundings
from penstock.model.mapping import EventSourceMapping


class Supervisor:
    """Takes up the mappings of the store, and those that the API writes."""

    def __init__(self, surroundings: Surroundings, settings: EngineSettings) -> None:
        self._surroundings = surroundings
        self._settings = settings
        self._keepers: dict[str, MappingKeeper] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()

    async def run(self, started: asyncio.Event) -> None:
        """Keep all mappings until ``stop``; returns when everything in flight has ended.

        Args:
            started: Set when the mappings of the store are taken up.
        """
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for mapping in await self._surroundings.store.run(lambda store: store.list_mappings()):
                self.mapping_changed(mapping)
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
        keeper = MappingKeeper(mapping, self._surroundings, self._settings)
        self._keepers[mapping.uuid] = keeper
        task = self._tasks.create_task(keeper.run(), name=f"mapping {mapping.uuid}")
        task.add_done_callback(lambda _: self._keepers.pop(mapping.uuid, None))

    def stop(self) -> None:
        """Receive no more and let what is in flight end."""
        self._stopping.set()
