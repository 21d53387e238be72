"""Penstock's own engine and API, on a test's virtual loop."""

import asyncio
from collections.abc import Callable

from penstock.api.context import ApiSettings, MappingContext
from penstock.api.operations import MappingOperations
from penstock.engine.metrics import NodeMetrics
from penstock.engine.slots import SlotLedger
from penstock.engine.supervisor import Supervisor
from penstock.engine.surroundings import EngineSettings, Surroundings
from penstock.model.arn import Scope
from penstock.model.errors import SourceNotFoundError
from penstock.model.mapping import EventSourceMapping
from penstock.ports import Destinations, FunctionInvoker, QueueSource, StreamSource
from penstock.simulation.loop import VirtualClock
from penstock.simulation.store import SimulatedStore
from penstock.testing.chronicle import Chronicle
from penstock.testing.identities import Identities
from penstock.testing.queues import Queue
from penstock.testing.streams import Stream
from penstock.testing.virtual_run import VirtualRun


class EngineDefectError(Exception):
    """Penstock itself has failed: not the handler, not the test."""


class OwnSources:
    """The sources of a test; keeps ``ports.Sources``.

    Attributes:
        by_arn: All of them.
    """

    def __init__(self) -> None:
        self.by_arn: dict[str, Queue | Stream] = {}

    def find_queue(self, arn: str) -> Queue | None:
        """Give a queue by its ARN."""
        found = self.by_arn.get(arn)
        return found if isinstance(found, Queue) else None

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> QueueSource:
        """Open a queue."""
        del function_arn, count_request
        queue = self.find_queue(arn)
        if queue is None:
            raise SourceNotFoundError(f"the test has no queue {arn}; make it with penstock.queue")
        return queue

    async def open_stream(
        self, arn: str, *, function_arn: str, invoke_identity_arn: str
    ) -> StreamSource:
        """Open a stream."""
        del function_arn, invoke_identity_arn
        found = self.by_arn.get(arn)
        if not isinstance(found, Stream):
            raise SourceNotFoundError(f"the test has no stream {arn}; make it first")
        return found


class EngineLog:
    """Keeps ``queue_log.Log``: silent but for defects of the engine, which must not be missed."""

    def __init__(self, defects: list[str]) -> None:
        self._defects = defects

    def debug(self, event: str, **fields: object) -> None:
        """Pass over: the history knows."""

    def info(self, event: str, **fields: object) -> None:
        """Pass over: the history knows."""

    def warning(self, event: str, **fields: object) -> None:
        """Keep a defect."""
        if "broke" in event:
            self._defects.append(f"{event}: {fields.get('reason')}")


class Engine:
    """Runs the mappings of a test; it can be killed, which its store outlives.

    Args:
        written: Called with each row of a mapping that was written.
        deleted: Called with each that was removed.

    Attributes:
        store: Mappings and checkpoints.
        operations: Lambda's API for mappings.
    """

    def __init__(  # noqa: PLR0913 - what ``Surroundings`` asks for
        self,
        turning: VirtualRun,
        scope: Scope,
        *,
        sources: OwnSources,
        functions: FunctionInvoker,
        destinations: Destinations,
        identities: Identities,
        chronicle: Chronicle,
        written: Callable[[EventSourceMapping], None],
        deleted: Callable[[EventSourceMapping], None],
    ) -> None:
        self._turning = turning
        self._scope = scope
        self._clock = VirtualClock(turning.loop)
        self._sources = sources
        self._functions = functions
        self._destinations = destinations
        self._draw_uuid = identities.draw_uuid
        self._chronicle = chronicle
        self._defects: list[str] = []
        self.store = SimulatedStore(written, deleted)
        self._start()

    def kill(self) -> None:
        """Cut the engine off wherever it stands, and start a new one on the same store."""
        self._task.cancel()
        self._turning.complete(self._wait_for_end())
        for chronicle in self._chronicle.by_uuid.values():
            chronicle.cut_off()
        self._start()

    @property
    def has_failed(self) -> bool:
        """Whether something of Penstock's own has failed."""
        return bool(self._defects or self._turning.loop.defects)

    def check(self) -> None:
        """See that nothing of Penstock's own has failed.

        Raises:
            EngineDefectError: Something has.
        """
        defects = self._defects + [repr(each) for each in self._turning.loop.defects]
        if defects:
            raise EngineDefectError(f"{defects[0]}; this is a defect of Penstock: please report it")

    def _start(self) -> None:
        slots, metrics = SlotLedger(self._functions), NodeMetrics(self._clock)
        surroundings = Surroundings(
            store=self.store,
            sources=self._sources,
            destinations=self._destinations,
            functions=self._functions,
            slots=slots,
            clock=self._clock,
            draw_uuid=self._draw_uuid,
            metrics=metrics,
            log_of=lambda _: EngineLog(self._defects),
            watch=self._chronicle,
        )
        supervisor = Supervisor(surroundings, EngineSettings())
        self.operations = MappingOperations(
            MappingContext(
                store_calls=self.store,
                sources=self._sources,
                functions=self._functions,
                direct_invoker=slots,
                mappings=supervisor,
                metrics=metrics,
                clock=self._clock,
                draw_uuid=self._draw_uuid,
                settings=ApiSettings(account=self._scope.account, region=self._scope.region),
            )
        )
        started = asyncio.Event()
        self._task = self._turning.loop.create_task(supervisor.run(started), name="engine")
        self._turning.complete(started.wait())

    async def _wait_for_end(self) -> None:
        await asyncio.wait([self._task])
