"""From the command line of ``penstock dev`` to its running stack."""

import asyncio
import os
from pathlib import Path

import msgspec

from penstock.local.child_process import EXIT_CONFIGURATION, ChildStartError
from penstock.local.dev import (
    PORT_DEFAULT,
    DevOptions,
    DevStack,
    local_credentials,
    run_dev,
)
from penstock.local.embedded_aws import LOOPBACK
from penstock.local.logs import configure_logs, parse_log_settings
from penstock.local.project_file import PROJECT_FILE_DEFAULT, Project, read_project
from penstock.local.ready_line import ReadyLine, format_exports
from penstock.model.errors import ConfigurationError


class DevRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The command line; None leaves the choice to the file and the defaults."""

    project_file: Path | None = None
    host: str | None = None
    port: int | None = None
    data: Path | None = None


def start_dev(request: DevRequest, *, log_format: str, log_level: str) -> None:
    """Run ``penstock dev`` until it is told to stop.

    Raises:
        ConfigurationError: The file, the port or a resource cannot be used.
        ChildStartError: A child cannot start, though nothing is wrong with the configuration.
    """
    logs = parse_log_settings(log_format, log_level)
    configure_logs(logs)
    default = Path(PROJECT_FILE_DEFAULT)
    project = read_project(request.project_file or (default if default.is_file() else None))
    _refuse_keys_of_serve(project)
    ports = (request.port, project.service.port, PORT_DEFAULT)
    options = DevOptions(
        host=request.host or project.service.host or LOOPBACK,
        port=next(port for port in ports if port is not None),
        data=request.data,
        logs=logs,
    )
    stack = DevStack(project, options, environment=os.environ)
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


def _refuse_keys_of_serve(project: Project) -> None:
    service = project.service
    if service.store is not None:
        raise ConfigurationError(
            f"{project.path}: service.store: dev keeps its store in the folder --data names;"
            " remove the key, or use penstock serve"
        )
    for key in ("callers", "upstream"):
        if getattr(service, key) is not None:
            raise ConfigurationError(
                f"{project.path}: service.{key}: dev is for this machine alone, takes any"
                " credentials, and has its own embedded AWS; remove the key, or use penstock serve"
            )
