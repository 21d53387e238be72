"""The only wiring: settings -> store, adapters, engine, API."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
from aiohttp import web

from penstock.api.application import build_application
from penstock.api.context import ApiContext, ApiSettings
from penstock.aws.client import WireClient
from penstock.aws.network import Network
from penstock.declared_mappings import DeclaredMapping, Reconciliation
from penstock.destinations.aws_destinations import AwsDestinations
from penstock.engine.clock import SystemClock
from penstock.engine.identity import draw_fraction, draw_uuid
from penstock.engine.metrics import NodeMetrics
from penstock.engine.open_files import (
    open_files_needed,
    open_files_spare,
    raise_open_files_limit,
)
from penstock.engine.queue_log import Log
from penstock.engine.short_collections import ShortCollections
from penstock.engine.slots import SlotLedger
from penstock.engine.supervisor import Supervisor
from penstock.engine.surroundings import EngineSettings, Surroundings
from penstock.functions.code_store import open_code_store
from penstock.functions.deployed_functions import DeployedFunctions, DeploymentRules
from penstock.functions.host.check import check_code, check_function
from penstock.functions.host.runtimes import choose_runtime
from penstock.functions.registry import FunctionRegistry
from penstock.functions.upstream_functions import UpstreamFunctions, refuse_own_address
from penstock.functions.upstream_watch import UpstreamWatch
from penstock.listening import (
    LISTEN_BACKLOG,
    listen,
    make_runner,
    names_of_port,
    refuse_open_port,
)
from penstock.model.arn import Scope
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping
from penstock.node_functions import NodeFunctions, OpenFunctions
from penstock.node_settings import ServiceSettings
from penstock.sources.aws_sources import AwsSources
from penstock.store.lock import hold_store
from penstock.store.sql import SqlStore
from penstock.store.sqlite import database_path, parse_url
from penstock.store.thread import StoreThread

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """One node: the API, the engine, the functions and the store."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        functions: Sequence[Function],
        mappings: Sequence[DeclaredMapping],
        fallback: Handler | None = None,
    ) -> None:
        self._settings = settings
        self._declared_functions = functions
        self._declared_mappings = mappings
        self._fallback = fallback
        self._log = structlog.get_logger()
        self._closing = contextlib.AsyncExitStack()
        self._drained_s = 0.0
        self._listener: socket.socket | None = None
        self._supervising: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, as bound."""
        assert self._listener is not None, "start() has not been called"  # noqa: S101
        host, port = self._listener.getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Listen, take up what the store holds and what is declared, and poll.

        Raises:
            ConfigurationError: Something cannot be as it was asked for; nothing is left running.
            StoreError: The store cannot be used.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def run_until(self, stop: asyncio.Event) -> None:
        """Let it run until ``stop`` is set.

        Raises:
            Exception: The engine ended by a defect; the port would answer, and nothing would poll.
                Or what watches the upstream's functions did, and they would be never heard of.
        """
        assert self._supervising is not None, "start() has not been called"  # noqa: S101
        asked = asyncio.create_task(stop.wait(), name="stop")
        running = {self._supervising} | ({self._watching} if self._watching else set())
        await asyncio.wait({asked, *running}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        for task in running:
            if task.done():
                task.result()

    async def stop(self) -> None:
        """Receive no more, let what is in flight end within ``drain_s``, close everything.

        The port answers until the functions have ended: they may be calling it.
        """
        self._drained_s = asyncio.get_running_loop().time() + self._settings.drain_s
        await self._closing.aclose()

    async def _start(self) -> None:
        """Open everything, in the reverse of the order in which it is closed."""
        settings = self._settings
        refuse_open_port(settings.host, has_callers=bool(settings.callers))
        self._listener = self._closing.enter_context(listen(settings.host, settings.port))
        await self._check_functions()
        clock = SystemClock()
        self._closing.enter_context(ShortCollections(clock.precise_ms).kept())
        metrics = NodeMetrics(clock)
        store_calls = self._open_store()
        wire = await self._open_wire(clock)
        functions = await NodeFunctions(
            settings, self._closing, lambda: self._drained_s, self._log
        ).open(wire, clock, metrics)
        surroundings = Surroundings(
            store=store_calls,
            sources=AwsSources(functions.wire_for),
            destinations=AwsDestinations(functions.wire_for),
            functions=functions.registry,
            slots=SlotLedger(functions.registry),
            clock=clock,
            draw_uuid=draw_uuid,
            metrics=metrics,
            log_of=self._log_of,
        )
        supervisor = self._make_supervisor(surroundings)
        deployed = self._make_deployed(store_calls, functions.registry, supervisor.function_changed)
        watch = self._make_watch(wire, functions.registry, store_calls, supervisor.function_changed)
        look_up = None if watch is None else watch.functions
        context = self._make_context(surroundings, supervisor, functions, deployed, look_up)
        runner = make_runner(build_application(context, fallback=self._fallback))
        self._closing.push_async_callback(runner.cleanup)
        self._closing.push_async_callback(self._stop_functions, functions.registry)
        functions.registry.declare(self._declared_functions)
        if watch is None:
            await deployed.open(hidden_by=self._declared_functions)
        else:
            await watch.look()
        await self._take_up_declarations(context)
        await self._supervise(supervisor)
        if watch is not None:
            self._watching = await self._closing.enter_async_context(watch.running())
        await runner.setup()
        await web.SockSite(runner, self._listener, backlog=LISTEN_BACKLOG).start()

    async def _check_functions(self) -> None:
        nodejs_client = self._settings.nodejs_client
        for function in self._declared_functions:
            warning = await asyncio.to_thread(check_function, function, nodejs_client)
            if warning is not None:
                self._log.warning(warning)

    def _open_store(self) -> StoreThread:
        self._closing.enter_context(hold_store(self._settings.store_url))
        store_calls = StoreThread(SqlStore(self._settings.store_url))
        self._closing.push_async_callback(store_calls.close)
        return store_calls

    async def _open_wire(self, clock: SystemClock) -> WireClient:
        upstream, region = self._settings.upstream, self._settings.region
        network = Network(own_addresses=(self.address,), default_endpoint=upstream)
        wire = WireClient(network, clock=clock, draw_fraction=draw_fraction)
        self._closing.push_async_callback(wire.close)
        if upstream is not None:
            await refuse_own_address(wire, upstream, region)
        return wire

    def _make_supervisor(self, surroundings: Surroundings) -> Supervisor:
        settings = self._settings
        return Supervisor(
            surroundings,
            EngineSettings(
                ramp=settings.ramp,
                long_poll_s=settings.long_poll_s,
                streams=settings.streams,
                is_verbose=settings.is_verbose,
            ),
        )

    def _make_watch(
        self,
        wire: WireClient,
        registry: FunctionRegistry,
        store_calls: StoreThread,
        changed: Callable[[str], None],
    ) -> UpstreamWatch | None:
        url = self._settings.functions_url
        if url is None:
            return None
        functions = UpstreamFunctions(wire, url, registry.declare)
        return UpstreamWatch(functions, store_calls, changed)

    def _make_context(
        self,
        surroundings: Surroundings,
        supervisor: Supervisor,
        functions: OpenFunctions,
        deployed: DeployedFunctions,
        look_up: UpstreamFunctions | None,
    ) -> ApiContext:
        settings = self._settings
        return ApiContext(
            store_calls=surroundings.store,
            sources=surroundings.sources,
            functions=surroundings.functions,
            declared=functions.registry,
            deployed=deployed,
            code_source=functions.code_source,
            roles=functions.role_check,
            look_up=look_up,
            direct_invoker=surroundings.slots,
            mappings=supervisor,
            metrics=surroundings.metrics,
            clock=surroundings.clock,
            draw_uuid=draw_uuid,
            settings=ApiSettings(
                account=settings.account_id,
                region=settings.region,
                filters_max=settings.filters_max,
                hosts=names_of_port(settings.host, settings.allowed_hosts),
                callers=settings.callers,
                open_metrics=settings.open_metrics,
            ),
        )

    async def _take_up_declarations(self, context: ApiContext) -> None:
        """Bring the store into agreement with what is declared, while nothing polls."""
        calls = context.store_calls
        await calls.run(lambda store: store.replace_functions(self._declared_functions))
        scope = Scope(self._settings.account_id, self._settings.region)
        await Reconciliation(context, scope=scope).run(self._declared_mappings)
        mappings = await calls.run(lambda store: store.list_mappings())
        needed = open_files_needed(mappings, self._declared_functions)
        warning = raise_open_files_limit(needed, open_files_spare(mappings))
        if warning is not None:
            self._log.warning(warning)

    async def _supervise(self, supervisor: Supervisor) -> None:
        """Start the engine and wait until it has taken up its mappings."""
        started = asyncio.Event()
        self._supervising = asyncio.create_task(supervisor.run(started), name="supervisor")
        self._supervising.add_done_callback(lambda _: started.set())
        self._closing.push_async_callback(self._stop_engine, supervisor, self._supervising)
        await started.wait()
        if self._supervising.done():
            self._supervising.result()

    async def _stop_engine(self, supervisor: Supervisor, supervising: asyncio.Task[None]) -> None:
        supervisor.stop()
        _, late = await asyncio.wait({supervising}, timeout=self._settings.drain_s)
        for task in late:
            self._log.warning(
                "not everything ended in time; the rest comes again",
                drain_s=self._settings.drain_s,
            )
            task.cancel()
            await asyncio.wait({task})

    async def _stop_functions(self, registry: FunctionRegistry) -> None:
        # What runs still was invoked directly: it has what is left of the time.
        left_s = self._drained_s - asyncio.get_running_loop().time()
        await registry.stop(max(0.0, left_s))

    def _make_deployed(
        self, store_calls: StoreThread, registry: FunctionRegistry, changed: Callable[[str], None]
    ) -> DeployedFunctions:
        database = database_path(parse_url(self._settings.store_url))
        deployed = DeployedFunctions(
            store_calls,
            self._closing.enter_context(open_code_store(database)),
            registry,
            rules=DeploymentRules(
                check_runtime=choose_runtime,
                check_code=partial(check_code, nodejs_client=self._settings.nodejs_client),
                draw_id=draw_uuid,
                warn=self._log.warning,
                changed=changed,
            ),
        )
        self._closing.push_async_callback(deployed.close)
        return deployed

    def _log_of(self, mapping: EventSourceMapping) -> Log:
        bound: Log = self._log.bind(mapping=mapping.name or mapping.uuid)
        return bound
