"""From the command line of ``penstock dev`` to its running stack."""

import asyncio
import functools
import os
from pathlib import Path

import msgspec

from penstock.local.child_process import EXIT_CONFIGURATION, ChildStartError
from penstock.local.dev import (
    PORT_DEFAULT,
    DevOptions,
    DevStack,
    WatchedProject,
    claim_port,
    endpoint_of,
    local_credentials,
    run_dev,
    tell_omissions,
)
from penstock.local.embedded_aws import LOOPBACK
from penstock.local.file_watch import FileWatch
from penstock.local.logs import LogSettings, configure_logs, parse_log_settings
from penstock.local.project_file import Project
from penstock.local.project_source import ProjectSource, find_project_file, parse_parameter
from penstock.local.ready_line import ReadyLine, format_exports
from penstock.local.temporary_folder import temporary_folder
from penstock.model.errors import ConfigurationError

_INLINE_FOLDER = "inline"


class DevRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The command line; None leaves the choice to the file and the defaults.

    Attributes:
        project_file: ``penstock.toml``, a template, or a folder that has one of them.
        parameters: Of a template, each ``KEY=VALUE``.
    """

    project_file: Path | None = None
    parameters: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    data: Path | None = None
    watch: bool = False


def start_dev(request: DevRequest, *, log_format: str, log_level: str) -> None:
    """Run ``penstock dev`` until it is told to stop.

    Raises:
        ConfigurationError: The file, the port or a resource cannot be used.
        ChildStartError: A child cannot start, though nothing is wrong with the configuration.
    """
    logs = parse_log_settings(log_format, log_level)
    configure_logs(logs)
    source = ProjectSource(
        path=find_project_file(request.project_file),
        parameters=dict(map(parse_parameter, request.parameters)),
    )
    if request.watch and source.path is None:
        raise ConfigurationError("--watch: there is no file to watch here; name one")
    if request.data is not None:
        _make_folder(request.data)
    with temporary_folder("penstock-dev-") as working:
        _run(source, request, logs, working)


def _run(source: ProjectSource, request: DevRequest, logs: LogSettings, working: Path) -> None:
    host, port = request.host or LOOPBACK, PORT_DEFAULT if request.port is None else request.port
    if source.is_template:
        # The queues of a template have URLs: the port must be known before it is read.
        port = claim_port(host, port)
    read = functools.partial(
        source.read, endpoint=endpoint_of(host, port), inline_folder=working / _INLINE_FOLDER
    )
    watched = None
    if request.watch and source.path is not None:
        watched = WatchedProject(FileWatch(source.path), read)
    project = read()
    if not source.is_template:
        host, port = _address(request, project)
    options = DevOptions(
        working=working, host=host, port=port, data=request.data, logs=logs, watched=watched
    )
    stack = DevStack(project, options, environment=os.environ)
    tell_omissions(project)
    _run_stack(stack, project, logs)


def _address(request: DevRequest, project: Project) -> tuple[str, int]:
    """Choose host and port: the command line's, the file's, or the default."""
    service = project.service
    host = request.host or service.host or LOOPBACK
    ports = (request.port, service.port, PORT_DEFAULT)
    return host, next(port for port in ports if port is not None)


def _run_stack(stack: DevStack, project: Project, logs: LogSettings) -> None:
    ready = ReadyLine(
        command="dev",
        endpoint=stack.endpoint,
        project=project,
        next_step=format_exports(local_credentials(stack.endpoint, project.region)),
    )
    try:
        asyncio.run(run_dev(stack, lambda: ready.tell(logs.format)))
    except ChildStartError as exc:
        if exc.exit_code == EXIT_CONFIGURATION:
            raise SystemExit(EXIT_CONFIGURATION) from exc  # the child has said why
        raise


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigurationError(f"--data {data}: {exc.strerror}") from exc
