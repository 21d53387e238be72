"""From the command line of ``penstock serve`` to the running service."""

import contextlib
import os
from pathlib import Path
from typing import Literal

import botocore.session
import msgspec
import structlog
from botocore.exceptions import BotoCoreError

from penstock.local.callers_file import read_callers
from penstock.local.gateway import named_upstream, open_gateway
from penstock.local.logs import LogFormat, LogLevel, configure_logs, parse_log_settings
from penstock.local.project_file import REGION_DEFAULT, Project, read_project
from penstock.local.project_source import is_template
from penstock.local.ready_line import ReadyLine
from penstock.local.service_run import (
    LOOPBACK_DEFAULT,
    run_on_uvloop,
    run_until_signalled,
    service_settings,
)
from penstock.local.stop_signals import STOPPING
from penstock.local.upstream_choice import UpstreamChoice
from penstock.model.caller import Caller
from penstock.model.errors import ConfigurationError
from penstock.node_settings import ServiceSettings
from penstock.service import Service

PORT_DEFAULT = 4567
_STORE_NAME = "penstock.db"
_SQLITE = "sqlite:///"


class ServeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The command line; None leaves the choice to the file and the defaults."""

    project_file: Path
    host: str | None = None
    port: int | None = None
    store_url: str | None = None
    callers: Path | None = None
    upstream: str | None = None
    functions: Literal["here", "upstream"] | None = None


def start_serve(request: ServeRequest, *, log_format: str, log_level: str) -> None:
    """Run ``penstock serve`` until it is told to stop.

    Raises:
        ConfigurationError: The file, the address, the store or the credentials cannot be used.
    """
    logs = parse_log_settings(log_format, log_level)
    configure_logs(logs)
    if is_template(request.project_file):
        raise ConfigurationError(
            f"{request.project_file}: templates are for penstock dev; serve takes a penstock.toml"
        )
    project = read_project(
        request.project_file,
        find_region=_find_sdk_region,
        chosen=UpstreamChoice(request.upstream, request.functions),
    )
    _refuse_resources(project)
    ports = (request.port, project.service.port, PORT_DEFAULT)
    beside = request.project_file.absolute().parent / _STORE_NAME
    settings = service_settings(
        project,
        address=(
            request.host or project.service.host or LOOPBACK_DEFAULT,
            next(port for port in ports if port is not None),
        ),
        is_verbose=logs.level is LogLevel.DEBUG,
        store_url=request.store_url or _anchor_store(project) or f"sqlite:///{beside}",
    )
    settings = msgspec.structs.replace(settings, callers=_find_callers(request, project))
    run_on_uvloop(_serve(settings, project, logs.format))


async def _serve(settings: ServiceSettings, project: Project, log_format: LogFormat) -> None:
    """Run the service, and the gateway to its upstream where it has one, until a signal comes."""
    async with contextlib.AsyncExitStack() as closing:
        fallback = None
        if settings.upstream is not None:
            upstream = named_upstream(settings.upstream, has_functions=settings.functions_upstream)
            fallback = (await closing.enter_async_context(open_gateway(upstream))).forward
        service = Service(
            settings, functions=project.functions, mappings=project.mappings, fallback=fallback
        )

        def tell() -> None:
            host, port = service.address
            endpoint = f"http://{host}:{port}"
            ReadyLine(
                command="serve",
                endpoint=endpoint,
                project=project,
                next_step=f"curl {endpoint}/penstock/v1/health",
            ).tell(log_format)

        def tell_of_stop() -> None:
            structlog.get_logger().info(STOPPING)

        await run_until_signalled(service, tell, tell_of_stop)


def _refuse_resources(project: Project) -> None:
    if project.resources:
        name = project.resources[0].name
        raise ConfigurationError(
            f"{project.path}: serve makes no queues, streams, tables, topics or buckets"
            f" ({name!r}): make them where your endpoints are, remove them from the file and"
            " name them by their ARNs, or use penstock dev"
        )


def _find_callers(request: ServeRequest, project: Project) -> tuple[Caller, ...]:
    """Read the file that the command line names, else the project file's, relative to it."""
    path = request.callers
    if path is None and project.service.callers is not None:
        path = request.project_file.absolute().parent / project.service.callers
    return () if path is None else read_callers(path)


def _find_sdk_region() -> str:
    """Find the region as AWS's clients do; without one, the API's usual default."""
    session = botocore.session.Session()
    try:
        region: str | None = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    except BotoCoreError as exc:
        raise ConfigurationError(f"the AWS configuration cannot be used: {exc}") from exc
    return region or REGION_DEFAULT


def _anchor_store(project: Project) -> str | None:
    """Take the file's store; a relative SQLite path in it is relative to the file's folder."""
    store = project.service.store
    if store is None or project.path is None or not store.startswith(_SQLITE):
        return store
    return f"{_SQLITE}{project.path.absolute().parent / store.removeprefix(_SQLITE)}"
