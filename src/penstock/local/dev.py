"""``penstock dev``: a small parent of two children, the service and the embedded AWS.

::

    penstock dev ──lifeline──> embedded AWS (moto)   on a loopback port of its own
         │                          ^
         │                          │ forwards, polls
         └───────lifeline──> service (gateway + Lambda's API)   on the one public port

The embedded AWS comes first, then what the file declares in it, then the service, which makes the
mappings. A child that ends is started again; after the embedded AWS its resources are made again,
and the service's mappings find them by their ARNs. Only a table's stream has another ARN than
before: where a mapping reads one, the service is started again too.

The parent alone reads the file, and gives the service what it read. With ``--watch`` a changed file
goes the same way: what it adds is made, and the service is started again with it. A change that
cannot be read, made or started is told, and what ran before goes on.
"""

import asyncio
import functools
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from penstock.listening import explain_no_listening, is_loopback
from penstock.local.child_process import (
    EXIT_CONFIGURATION,
    ChildProcess,
    ChildStartError,
    pause,
)
from penstock.local.embedded_aws import (
    LOOPBACK,
    EmbeddedAwsSettings,
    require_moto,
    reserve_port,
)
from penstock.local.file_watch import LOOK_INTERVAL_S, FileWatch
from penstock.local.logs import LogSettings
from penstock.local.project_changes import ProjectChanges, compare_projects, describe_resource
from penstock.local.project_file import Project
from penstock.local.project_snapshot import write_snapshot
from penstock.local.resources import TEST_KEY, change_resources, create_resources
from penstock.local.service_child import ServiceChildSettings
from penstock.local.stop_signals import STOPPING, take_stop_signals
from penstock.model.errors import ConfigurationError, SourceUnavailableError

PORT_DEFAULT = 4566
_EXIT_AT_ONCE = 130  # as shells say: ended by Ctrl-C
_STOP_MARGIN_S = 5.0  # beyond the drain, to close what is open
_EMBEDDED_STOP_S = 2.0  # it has nothing to save
_EMBEDDED_LOSS = (
    "its messages, records and items and the resources made through the API are gone,"
    " what the file declares is made anew"
)
_STORE_NAME = "penstock.db"

_log = structlog.get_logger("penstock.dev")


class WatchedProject(msgspec.Struct, frozen=True):
    """A project's file that is read again when it has changed.

    Attributes:
        file: Watched since before the file was read for the first time.
    """

    file: FileWatch
    read: Callable[[], Project]


class DevOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How ``dev`` was asked to run.

    Attributes:
        port: 0 takes a free one.
        working: Folder of this run, which is removed after it.
        data: Folder that keeps the store; None keeps it as long as ``dev`` runs.
        on_line: Takes each line the service prints; None leaves it stdout.
        watched: The project's file; None: it is not watched.
    """

    working: Path
    host: str = LOOPBACK
    port: int = PORT_DEFAULT
    data: Path | None = None
    logs: LogSettings = LogSettings()
    on_line: Callable[[bytes], None] | None = None
    watched: WatchedProject | None = None


class DevStack:
    """The two children, and what they are told.

    Args:
        project: What to declare.
        options: Where and how.
        environment: The user's; its AWS settings are kept from the children, so that they can
            never touch anything but the embedded AWS.

    Raises:
        ConfigurationError: The port is taken, or the embedded AWS is not installed.
    """

    def __init__(
        self, project: Project, options: DevOptions, *, environment: Mapping[str, str]
    ) -> None:
        require_moto()
        self._project = project
        self._started_project: Project | None = None
        self._is_going_back = False
        self._declared, self._served = asyncio.Event(), asyncio.Event()
        self._options = options
        self._environment = environment
        self._port = claim_port(options.host, options.port)
        self._children: list[ChildProcess] = []

    @property
    def endpoint(self) -> str:
        """What AWS_ENDPOINT_URL must be."""
        return endpoint_of(self._options.host, self._port)

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Run both children until ``stop``, then drain and end them.

        Raises:
            ConfigurationError: A resource of the file cannot be made.
            ChildStartError: A child cannot start.
        """
        folder = self._options.working if self._options.data is None else self._options.data
        with reserve_port() as reserved:
            embedded_port: int = reserved.getsockname()[1]
            upstream = f"http://{LOOPBACK}:{embedded_port}"
            embedded = self._make_embedded_aws(embedded_port, upstream)
            service = self._make_service(upstream, folder.absolute())
            self._children = [service, embedded]
            try:
                declare = functools.partial(self._declare, embedded, service, upstream)
                await _run_until(
                    stop,
                    embedded.keep_running(declare, loss=_EMBEDDED_LOSS),
                    self._keep_service(service, on_ready),
                    self._watch(service, upstream),
                )
            finally:
                await service.stop(self._project.service.drain_s + _STOP_MARGIN_S)
                await embedded.stop(_EMBEDDED_STOP_S)

    def kill(self) -> None:
        """End both children at once."""
        for child in self._children:
            child.kill()

    async def _declare(self, embedded: ChildProcess, service: ChildProcess, upstream: str) -> None:
        """Make what the file declares, in an embedded AWS that has just started."""
        try:
            await asyncio.to_thread(create_resources, self._project, upstream)
        except SourceUnavailableError as exc:
            embedded.kill()
            raise ChildStartError(str(exc), exit_code=1) from exc
        if self._declared.is_set() and self._project.mapping_tables:
            _log.info("the tables' streams are new, starting the service again")
            service.end()
        self._declared.set()

    async def _keep_service(self, service: ChildProcess, on_ready: Callable[[], None]) -> None:
        await self._declared.wait()
        while True:
            try:
                await service.keep_running(functools.partial(self._note_served, on_ready))
            except ChildStartError as exc:
                if exc.exit_code != EXIT_CONFIGURATION or not self._go_back():
                    raise

    async def _note_served(self, on_ready: Callable[[], None]) -> None:
        """The service has started, with the project as it is now."""
        if self._is_going_back:
            self._is_going_back = False
            _log.info("the service is back")
        is_first = self._started_project is None
        self._started_project = self._project
        self._served.set()
        if is_first:
            on_ready()

    async def _watch(self, service: ChildProcess, upstream: str) -> None:
        await self._served.wait()
        async for project in self._changed_projects():
            self._served.clear()
            if await self._change_to(project, upstream):
                service.end()
                await self._served.wait()

    def _go_back(self) -> bool:
        """Take up the project that ran before; False: there is none, or it is that one."""
        before = self._started_project
        if before is None or before == self._project:
            return False
        _log.error("the changed file cannot be used, going back to what ran before it")
        self._project, self._is_going_back = before, True
        write_snapshot(before, self._options.working)
        return True

    async def _changed_projects(self) -> AsyncIterator[Project]:
        """Read the project whenever its file has changed; what cannot be read is told.

        A comment, or a bad edit that is taken back, changes the file and not the project.
        """
        watched = self._options.watched
        while watched is not None:
            await pause(LOOK_INTERVAL_S)
            if not watched.file.has_changed():
                continue
            try:
                project = await asyncio.to_thread(watched.read)
            except ConfigurationError as exc:
                _log.error(f"{exc}; what runs goes on")
                continue
            if project == self._project:
                _log.info(f"{project.path} has changed, with nothing to start the service for")
            else:
                yield project

    async def _change_to(self, project: Project, upstream: str) -> bool:
        """Make what a changed file adds; tell whether the service must start again with it."""
        try:
            changes = compare_projects(self._project, project)
            await asyncio.to_thread(change_resources, project, changes, upstream)
        except ConfigurationError as exc:
            _log.error(f"{exc}; what runs goes on")
            return False
        except SourceUnavailableError as exc:
            _log.warning(f"{exc}; what runs goes on, and the edit is tried again")
            if self._options.watched is not None:
                self._options.watched.file.tell_again()
            return False
        tell_omissions(project, before=self._project)
        _tell_changes(project, changes)
        self._project = project
        write_snapshot(project, self._options.working)
        return True

    def _make_embedded_aws(self, port: int, upstream: str) -> ChildProcess:
        return ChildProcess(
            "embedded AWS",
            "penstock.local.embedded_aws",
            settings=EmbeddedAwsSettings(
                port, self._project.service.account_id, self._options.logs
            ),
            environment=self._child_environment(upstream),
        )

    def _make_service(self, upstream: str, folder: Path) -> ChildProcess:
        options, project = self._options, self._project
        snapshot = write_snapshot(project, options.working)
        return ChildProcess(
            "service",
            "penstock.local.service_child",
            settings=ServiceChildSettings(
                project=str(snapshot),
                host=options.host,
                port=self._port,
                store_url=f"sqlite:///{folder / _STORE_NAME}",
                upstream=upstream,
                function_environment=local_credentials(self.endpoint, project.region),
                logs=options.logs,
            ),
            environment=self._child_environment(upstream),
            on_line=options.on_line,
        )

    def _child_environment(self, upstream: str) -> dict[str, str]:
        return local_aws_environment(self._environment, upstream, self._project.region)


def local_aws_environment(
    environment: Mapping[str, str], endpoint: str, region: str
) -> dict[str, str]:
    """Make an environment in which every AWS client talks to ``endpoint`` and to nothing else."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    unproxied = ",".join(filter(None, [kept.get("NO_PROXY"), LOOPBACK, "localhost", "::1"]))
    return {
        **kept,
        **local_credentials(endpoint, region),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": unproxied,
        "no_proxy": unproxied,
    }


def local_credentials(endpoint: str, region: str) -> dict[str, str]:
    """The settings that every AWS client needs to use ``dev``."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": TEST_KEY,
        "AWS_SECRET_ACCESS_KEY": TEST_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


def endpoint_of(host: str, port: int) -> str:
    """Give the URL at which a client of this machine reaches what listens there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def claim_port(host: str, port: int) -> int:
    """Check that a port can be listened on, before anything is started; 0 chooses a free one.

    Raises:
        ConfigurationError: It is in use, or the host is not a loopback address of this machine.
    """
    if not is_loopback(host):
        raise ConfigurationError(
            f"host {host!r} is not a loopback address: dev knows no callers, and whoever reaches"
            " its port may run functions; give --host 127.0.0.1 or ::1, or let penstock serve"
            " --callers FILE listen there"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise ConfigurationError(explain_no_listening(host, port, exc)) from exc
        chosen: int = probe.getsockname()[1]
        return chosen


async def run_dev(stack: DevStack, on_ready: Callable[[], None]) -> None:
    """Run until Ctrl-C, SIGTERM or SIGHUP, which drain; a second one ends everything at once."""
    stop = asyncio.Event()

    def end_at_once(_: signal.Signals) -> None:
        stack.kill()
        raise SystemExit(_EXIT_AT_ONCE)

    take_stop_signals(stop, on_first=lambda: _log.info(STOPPING), on_second=end_at_once)
    await stack.run(stop, on_ready)


async def _run_until(stop: asyncio.Event, *mains: Coroutine[Any, Any, None]) -> None:
    """Run all until ``stop`` or the first error, which is raised as it is."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(main) for main in mains]
            await stop.wait()
            for task in running:
                task.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from group


def tell_omissions(project: Project, *, before: Project | None = None) -> None:
    """Say what of a template is not made, but for what was said before."""
    told = () if before is None else before.omissions
    for omission in project.omissions:
        if not omission.is_needless and omission not in told:
            _log.warning(str(omission))


def _tell_changes(project: Project, changes: ProjectChanges) -> None:
    told = {
        "made": [describe_resource(each) for each in changes.made],
        "changed": [describe_resource(each) for each in changes.adjusted],
        "mappings": changes.mappings,
        "functions": changes.functions,
    }
    _log.info(
        f"{project.path} has changed, starting the service again",
        **{key: ", ".join(names) for key, names in told.items() if names},
    )
    for name in changes.gone:
        _log.warning(f"{name} is no longer in {project.path}; it stays until dev ends")
    for name in changes.kept:
        _log.warning(f"{name} has changed and cannot be changed as it is; start dev again for that")
