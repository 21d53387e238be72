"""One simulated node: the real supervisor, keepers, executors and slots on simulated ports."""

import asyncio
import enum
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from penstock.api.context import ApiSettings, MappingContext
from penstock.engine.metrics import NodeMetrics
from penstock.engine.slots import SlotLedger
from penstock.engine.supervisor import Supervisor
from penstock.engine.surroundings import EngineSettings, Surroundings
from penstock.model.errors import PenstockError, SourceNotFoundError
from penstock.model.mapping import EventSourceMapping
from penstock.ports import (
    Clock,
    Destinations,
    FunctionInvoker,
    QueueSource,
    Sources,
    StoreCalls,
    StreamSource,
)
from penstock.simulation.auditor import Auditor
from penstock.simulation.counted_queue import CountedQueue
from penstock.simulation.ledger import Rule
from penstock.simulation.loop import node_context
from penstock.simulation.names import SCOPE
from penstock.simulation.queue import SimulatedQueue
from penstock.simulation.queue_client import SimulatedQueueSource
from penstock.simulation.trace import Trace
from penstock.simulation.wire import Wire

AnswerT = TypeVar("AnswerT")


class NodeGoneError(PenstockError):
    """Nobody listens at the node's port."""


class Judge(Protocol):
    """An auditor, as a node meets it."""

    def node_started(self) -> None:
        """A new engine runs; nothing but the store outlived the last one."""
        ...

    def node_stopping(self) -> None:
        """The engine is asked to stop."""
        ...

    def node_crashed(self) -> None:
        """The engine was killed."""
        ...

    def node_paused(self) -> None:
        """The engine does nothing from now on, and does not know it."""
        ...

    def node_resumed(self) -> None:
        """It goes on."""
        ...

    def report(self, rule: enum.StrEnum, text: str) -> None:
        """Write a violation down."""
        ...


class SimulatedSources:
    """Keeps ``ports.Sources`` over the world's queues."""

    def __init__(
        self,
        queues: dict[str, SimulatedQueue],
        wires: dict[str, Wire],
        *,
        auditor: Auditor,
        trace: Trace,
    ) -> None:
        self.wires = wires
        self._auditor = auditor
        self.by_arn = {
            arn: SimulatedQueueSource(queue, wires[arn], auditor=auditor, trace=trace)
            for arn, queue in queues.items()
        }

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> QueueSource:
        """Open a queue; a broken way to it is found here too."""
        del function_arn
        broken = self.wires[arn].broken
        if broken is not None:
            self._auditor.queues.queue_lost(arn)
            raise broken
        self._auditor.queues.queue_opened(arn)
        source = self.by_arn[arn]
        return source if count_request is None else CountedQueue(source, count_request)

    async def open_stream(
        self, arn: str, *, function_arn: str, invoke_identity_arn: str
    ) -> StreamSource:
        """Find no stream: there is none in a world of queues."""
        raise SourceNotFoundError(
            f"{arn} for {function_arn} as {invoke_identity_arn}: there are only queues"
        )


class NodeLog:
    """Keeps ``queue_log.Log``: into the trace; a mapping that broke is a violation."""

    def __init__(self, name: str, trace: Trace, auditor: Judge) -> None:
        self._name = name
        self._trace = trace
        self._auditor = auditor

    def debug(self, event: str, **fields: object) -> None:
        """Pass over: the trace knows."""

    def info(self, event: str, **fields: object) -> None:
        """Note in the trace."""
        self._trace.note(self._name, "log", event, *fields.items())

    def warning(self, event: str, **fields: object) -> None:
        """Note in the trace; report a defect."""
        self._trace.note(self._name, "log", event, *fields.items())
        if "broke" in event:
            self._auditor.report(Rule.BROKEN, f"{self._name}: {fields.get('reason')}")


class Node:
    """The engine of one world; it can be stopped, killed, and started anew.

    Attributes:
        slots: The ledger of the engine that runs now, or ran last.
        metrics: What that engine counts.
        has_crashed: Whether the last engine was killed.
    """

    def __init__(  # noqa: PLR0913 - a world's parts, named where it is built
        self,
        *,
        store: StoreCalls,
        sources: Sources,
        functions: FunctionInvoker,
        clock: Clock,
        settings: EngineSettings,
        auditor: Judge,
        trace: Trace,
        destinations: Destinations,
    ) -> None:
        self._store = store
        self._sources = sources
        self._destinations = destinations
        self._functions = functions
        self._clock = clock
        self._settings = settings
        self._auditor = auditor
        self._trace = trace
        self._supervisor: Supervisor | None = None
        self._task: asyncio.Task[None] | None = None
        self._direct: set[asyncio.Task[Any]] = set()
        self._uuid_count = 0
        self._context = node_context()
        self.slots = SlotLedger(functions)
        self.metrics = NodeMetrics(clock)
        self.has_crashed = False

    @property
    def is_running(self) -> bool:
        """Whether an engine runs."""
        return self._task is not None

    def start(self) -> None:
        """Start a new engine: nothing but the store outlived the last one."""
        assert self._task is None, "one engine at a time"
        self._trace.note("node", "starts")
        self.has_crashed = False
        self._auditor.node_started()
        self.slots = SlotLedger(self._functions)
        self.metrics = NodeMetrics(self._clock)
        surroundings = Surroundings(
            store=self._store,
            sources=self._sources,
            destinations=self._destinations,
            functions=self._functions,
            slots=self.slots,
            clock=self._clock,
            draw_uuid=self._draw_uuid,
            metrics=self.metrics,
            log_of=self._log_of,
        )
        self._supervisor = Supervisor(surroundings, self._settings)
        run = self._supervisor.run(asyncio.Event())
        self._task = asyncio.get_running_loop().create_task(
            run, name="node", context=self._context.copy()
        )

    def mapping_changed(self, row: EventSourceMapping) -> None:
        """Tell the engine of a row, as the API does."""
        if self._supervisor is not None:
            self._context.run(self._supervisor.mapping_changed, row)

    def position_changed(self, mapping_uuid: str) -> None:
        """Tell the engine that a mapping was put elsewhere, as the API does."""
        if self._supervisor is not None:
            self._context.run(self._supervisor.position_changed, mapping_uuid)

    async def invoke(self, function_arn: str, payload: bytes) -> None:
        """Invoke directly, as the API does; cut off when the node crashes.

        Raises:
            InvokeError: As ``SlotLedger.invoke``.
        """
        call = await self._attend(self.slots.invoke(function_arn, payload), "direct invoke")
        if not call.cancelled():
            call.result()

    async def ask(
        self, operation: Callable[[MappingContext], Coroutine[Any, Any, AnswerT]], sources: Sources
    ) -> AnswerT:
        """Let the API of this node do something; cut off when the node crashes.

        Args:
            operation: Given what the API calls.
            sources: As the API sees them.

        Raises:
            NodeGoneError: No engine runs, or it was killed meanwhile.
            PenstockError: As the operation.
        """
        if self._supervisor is None:
            raise NodeGoneError("connection refused")
        context = MappingContext(
            store_calls=self._store,
            sources=sources,
            functions=self._functions,
            direct_invoker=self.slots,
            mappings=self._supervisor,
            metrics=self.metrics,
            clock=self._clock,
            draw_uuid=self._draw_uuid,
            settings=ApiSettings(account=SCOPE.account, region=SCOPE.region),
        )
        call = await self._attend(operation(context), "api request")
        if call.cancelled():
            raise NodeGoneError("connection reset")
        return call.result()

    async def _attend(
        self, work: Coroutine[Any, Any, AnswerT], name: str
    ) -> "asyncio.Task[AnswerT]":
        """Do something in the node's process, for somebody outside."""
        call = asyncio.get_running_loop().create_task(work, name=name, context=self._context.copy())
        self._direct.add(call)
        await asyncio.wait([call])
        self._direct.discard(call)
        return call

    async def stop(self) -> None:
        """Ask for a graceful stop, and wait for its end; direct Invokes end first."""
        if self._supervisor is None or self._task is None:
            return
        self._trace.note("node", "stops")
        self._auditor.node_stopping()
        self._supervisor.stop()
        await self._end(self._task)

    async def crash(self) -> None:
        """Cut everything off wherever it stands."""
        if self._task is None:
            return
        self._trace.note("node", "crashes")
        self.has_crashed = True
        self._auditor.node_crashed()
        await self._end(self._task)

    def pause(self) -> None:
        """Stop the process where it stands, without its knowledge."""
        self._trace.note("node", "is paused")
        self._auditor.node_paused()

    def resume(self) -> None:
        """Let the process go on."""
        self._trace.note("node", "goes on")
        self._auditor.node_resumed()

    async def _end(self, task: asyncio.Task[None]) -> None:
        """Wait for the process's end, and for what somebody outside has asked of it meanwhile."""
        ending: set[asyncio.Task[Any]] = {task, *self._direct}
        while ending:
            if self.has_crashed:
                for cut in ending:
                    cut.cancel()
            await asyncio.wait(ending)
            ending = {call for call in self._direct if not call.done()}
        if not task.cancelled() and task.exception() is not None:
            self._auditor.report(Rule.BROKEN, f"the node: {task.exception()!r}")
        self._supervisor = None
        self._task = None

    def _draw_uuid(self) -> str:
        self._uuid_count += 1
        return f"uuid-{self._uuid_count:06}"

    def _log_of(self, mapping: EventSourceMapping) -> NodeLog:
        return NodeLog(mapping.uuid, self._trace, self._auditor)
