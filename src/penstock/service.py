"""The only wiring: settings -> store, adapters, engine, API."""

import asyncio
import contextlib
import dataclasses
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from penstock.api.application import build_application
from penstock.api.context import ApiContext, ApiSettings
from penstock.api.server_log import ServerLogger
from penstock.aws.client import WireClient
from penstock.core.scaling import RampPolicy
from penstock.declared_mappings import DeclaredMapping, Reconciliation
from penstock.destinations.aws_destinations import AwsDestinations
from penstock.engine.clock import SystemClock
from penstock.engine.identity import draw_fraction, draw_uuid
from penstock.engine.metrics import NodeMetrics
from penstock.engine.open_files import open_files_needed, raise_open_files_limit
from penstock.engine.queue_log import Log
from penstock.engine.slots import SlotLedger
from penstock.engine.supervisor import Supervisor
from penstock.engine.surroundings import EngineSettings, StreamSettings, Surroundings
from penstock.functions.code_downloads import S3Code
from penstock.functions.code_store import CodeStore
from penstock.functions.deployed_functions import DeployedFunctions, DeploymentRules
from penstock.functions.host.check import check_function, check_runtime
from penstock.functions.host.host import FunctionHost, HostSettings
from penstock.functions.lambda_api import LambdaApiInvoker
from penstock.functions.registry import FunctionRegistry
from penstock.functions.upstream_functions import UpstreamFunctions, refuse_own_address
from penstock.functions.upstream_watch import UpstreamWatch
from penstock.listening import LISTEN_BACKLOG, listen, names_of_port, refuse_open_port
from penstock.model.arn import Scope
from penstock.model.caller import Caller
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping
from penstock.sources.aws_sources import AwsSources
from penstock.store.lock import hold_store
from penstock.store.sql import SqlStore
from penstock.store.sqlite import database_path, parse_url
from penstock.store.thread import StoreThread

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADER_BYTES_MAX = 64 * 1024  # presigned URLs and session tokens outgrow aiohttp's 8 KB
SHUTDOWN_GRACE_S = 1.0  # for requests that are still answered when everything else has ended


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is told.

    Attributes:
        host: An address of this machine; one beyond loopback only with callers.
        account_id: Owns mappings and functions.
        region: For requests that name none.
        store_url: ``sqlite:////absolute/path``.
        drain_s: Limit for what is in flight to end when the service stops.
        long_poll_s: 0..20; how long an idle receive waits.
        ramp: How fast the concurrency of queue mappings rises.
        streams: How streams are read, and the bounds of what is held of them.
        function_environment: Added to every local function's variables.
        allowed_hosts: Names beyond loopback by which this port may be addressed.
        callers: One of them must have signed each request; none: signatures are not verified.
        open_metrics: ``/metrics`` needs no signature.
        upstream: Where services are that the AWS configuration names no endpoint for; the fallback
            forwards to it.
        functions_upstream: Functions are those of the upstream.
        filters_max: 1..10; how many filters a mapping may have.
        nodejs_client: The folder in which npm installed the runtime client of Node.js functions;
            None looks beside the service only.
        is_verbose: Log every batch.
    """

    host: str = "127.0.0.1"
    port: int = 4567
    account_id: str = "000000000000"
    region: str = "us-east-1"
    store_url: str
    drain_s: int = 30
    long_poll_s: int = 20
    ramp: RampPolicy = RampPolicy()
    streams: StreamSettings = StreamSettings()
    function_environment: dict[str, str] = {}
    allowed_hosts: tuple[str, ...] = ()
    callers: tuple[Caller, ...] = ()
    open_metrics: bool = False
    upstream: str | None = None
    functions_upstream: bool = False
    filters_max: int = 5
    nodejs_client: str | None = None
    is_verbose: bool = False


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
        """
        assert self._supervising is not None, "start() has not been called"  # noqa: S101
        asked = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({asked, self._supervising}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if self._supervising.done():
            self._supervising.result()

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
        self._closing.enter_context(hold_store(settings.store_url))
        store_calls = StoreThread(SqlStore(settings.store_url))
        self._closing.push_async_callback(store_calls.close)
        wire = WireClient(
            clock=clock,
            draw_fraction=draw_fraction,
            own_addresses=(self.address,),
            default_endpoint=settings.upstream,
        )
        self._closing.push_async_callback(wire.close)
        if settings.upstream is not None:
            await refuse_own_address(wire, settings.upstream, settings.region)
        registry = self._make_registry(clock, wire)
        slots = SlotLedger(registry)
        deployed = self._make_deployed(store_calls, registry, slots)
        surroundings = Surroundings(
            store=store_calls,
            sources=AwsSources(wire),
            destinations=AwsDestinations(wire),
            functions=registry,
            slots=slots,
            clock=clock,
            draw_uuid=draw_uuid,
            metrics=NodeMetrics(clock),
            log_of=self._log_of,
        )
        supervisor = self._make_supervisor(surroundings)
        context = self._make_context(surroundings, supervisor, registry, deployed, S3Code(wire))
        watch = None
        if settings.upstream is not None and settings.functions_upstream:
            upstream = UpstreamFunctions(wire, settings.upstream, registry.declare)
            context = dataclasses.replace(context, look_up=upstream)
            watch = UpstreamWatch(
                upstream, store_calls, (supervisor.function_changed, slots.function_changed)
            )
        runner = _make_runner(build_application(context, fallback=self._fallback))
        self._closing.push_async_callback(runner.cleanup)
        self._closing.push_async_callback(self._stop_functions, registry)
        registry.declare(self._declared_functions)
        if watch is None:
            await deployed.open()
            self._warn_of_hidden(deployed)
        else:
            await watch.look()
        await self._take_up_declarations(context)
        await self._supervise(supervisor)
        if watch is not None:
            await self._closing.enter_async_context(watch.running())
        await runner.setup()
        await web.SockSite(runner, self._listener, backlog=LISTEN_BACKLOG).start()

    async def _check_functions(self) -> None:
        for function in self._declared_functions:
            warning = await asyncio.to_thread(
                check_function, function, nodejs_client=self._settings.nodejs_client
            )
            if warning is not None:
                self._log.warning(warning)

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

    def _make_context(
        self,
        surroundings: Surroundings,
        supervisor: Supervisor,
        registry: FunctionRegistry,
        deployed: DeployedFunctions,
        code_source: S3Code,
    ) -> ApiContext:
        settings = self._settings
        return ApiContext(
            store_calls=surroundings.store,
            sources=surroundings.sources,
            functions=surroundings.functions,
            declared=registry,
            deployed=deployed,
            code_source=code_source,
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
        raise_open_files_limit(open_files_needed(mappings, self._declared_functions))

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

    def _make_registry(self, clock: SystemClock, wire: WireClient) -> FunctionRegistry:
        host_settings = HostSettings(
            inherited_environment=os.environ,
            extra_environment=self._settings.function_environment,
            nodejs_client=self._settings.nodejs_client,
        )

        def open_host(function: Function) -> FunctionHost:
            return FunctionHost(
                function,
                clock=clock,
                draw_request_id=draw_uuid,
                log=self._log_line,
                settings=host_settings,
            )

        settings = self._settings
        lambda_url = settings.upstream if settings.functions_upstream else None
        invoker = LambdaApiInvoker(wire, lambda_url=lambda_url)
        return FunctionRegistry(open_host, invoker, draw_fraction=draw_fraction)

    def _make_deployed(
        self, store_calls: StoreThread, registry: FunctionRegistry, slots: SlotLedger
    ) -> DeployedFunctions:
        deployed = DeployedFunctions(
            store_calls,
            CodeStore(self._code_folder()),
            registry,
            rules=DeploymentRules(
                check_runtime=check_runtime,
                draw_id=draw_uuid,
                warn=self._log.warning,
                changed=slots.function_changed,
            ),
        )
        self._closing.push_async_callback(deployed.close)
        return deployed

    def _code_folder(self) -> Path:
        """Give the place of deployed functions' code: beside the store, as long as the store."""
        database = database_path(parse_url(self._settings.store_url))
        if database is None:
            made = tempfile.TemporaryDirectory(prefix="penstock-code-")
            return Path(self._closing.enter_context(made))
        return Path(f"{database.resolve()}.code")

    def _warn_of_hidden(self, deployed: DeployedFunctions) -> None:
        for function in self._declared_functions:
            if deployed.get(function.scope, function.name) is not None:
                self._log.warning(
                    f"function {function.name}: the project file declares it, so the function of "
                    "this name that was created through the API is hidden until it does no more; "
                    "it is kept, with its code"
                )

    def _log_line(self, function_name: str, line: str) -> None:
        self._log.info(line, function=function_name)

    def _log_of(self, mapping: EventSourceMapping) -> Log:
        bound: Log = self._log.bind(mapping=mapping.name or mapping.uuid)
        return bound


def _make_runner(application: web.Application) -> web.AppRunner:
    return web.AppRunner(
        application,
        access_log=None,
        logger=ServerLogger(),
        shutdown_timeout=SHUTDOWN_GRACE_S,
        lingering_time=SHUTDOWN_GRACE_S,
        auto_decompress=False,  # the fallback passes bodies on as they came
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
    )
