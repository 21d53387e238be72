"""Makes what runs for a mapping, of the right kind, and keeps what they share on a node."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from penstock.engine.byte_budget import NodeBudget
from penstock.engine.checkpoint_writer import CheckpointWriter
from penstock.engine.consumption import Consumption
from penstock.engine.queue_consumption import QueueConsumption
from penstock.engine.queue_log import Log
from penstock.engine.stream_consumption import StreamConsumption
from penstock.engine.surroundings import EngineSettings, Surroundings
from penstock.model.mapping import EventSourceMapping


class Consumptions:
    """The maker of one node's consumptions."""

    def __init__(self, surroundings: Surroundings, settings: EngineSettings) -> None:
        self._surroundings = surroundings
        self._settings = settings
        self._checkpoints = CheckpointWriter(surroundings.store, surroundings.metrics.note_evicted)
        self._budget = NodeBudget(settings.streams.held_bytes_max)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write checkpoints while consumptions run."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._checkpoints.run(), name="checkpoints")
            yield
            writer.cancel()

    def make(
        self, mapping: EventSourceMapping, log: Log, on_ready: Callable[[], None]
    ) -> Consumption:
        """Make what runs for a mapping; ``on_ready`` is called if it becomes ready later.

        Raises:
            ConfigurationError: The row cannot be read.
        """
        if mapping.stream_kind is None:
            return QueueConsumption(mapping, self._surroundings, self._settings, log)
        return StreamConsumption(
            mapping,
            self._surroundings,
            self._settings,
            log=log,
            checkpoints=self._checkpoints,
            budget=self._budget,
            on_ready=on_ready,
        )
