"""The service as a child of ``penstock dev``: its sources are the embedded AWS.

Run as ``python -m penstock.local.service_child FD SETTINGS``; FD is the lifeline and SETTINGS the
JSON of ``ServiceChildSettings``. The AWS configuration is the environment's, which the parent made.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from penstock.local.child_process import EXIT_CONFIGURATION
from penstock.local.gateway import embedded_upstream, open_gateway
from penstock.local.lifeline import Lifeline
from penstock.local.logs import LogLevel, LogSettings, configure_logs
from penstock.local.project_snapshot import read_snapshot
from penstock.local.service_run import run_on_uvloop, run_until_signalled, service_settings
from penstock.local.table_streams import find_table_streams
from penstock.model.errors import ConfigurationError, SourceUnavailableError
from penstock.service import Service

# Disabling and deleting a mapping wait for its long poll, and here nobody pays for receives.
LONG_POLL_S_OF_DEV = 3
_EXIT_AGAIN = 1  # nothing is wrong with the configuration: the parent starts it again


class ServiceChildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent tells the service.

    Attributes:
        project: The file that ``project_snapshot.py`` wrote.
        upstream: The embedded AWS, ``http://127.0.0.1:PORT``.
        function_environment: Test keys and the endpoint of the gateway.
    """

    project: str
    host: str
    port: int
    store_url: str
    upstream: str
    function_environment: dict[str, str]
    logs: LogSettings


async def serve(settings: ServiceChildSettings, lifeline: Lifeline) -> None:
    """Serve both APIs on one port until a signal comes."""
    project = read_snapshot(Path(settings.project))
    table = project.service
    table = msgspec.structs.replace(
        table,
        long_poll_s=LONG_POLL_S_OF_DEV if table.long_poll_s is None else table.long_poll_s,
        stream_pace=table.stream_pace or "local",
    )
    project = msgspec.structs.replace(project, service=table)
    mappings = await asyncio.to_thread(find_table_streams, project, settings.upstream)
    async with open_gateway(embedded_upstream(settings.upstream, project.region)) as gateway:
        told = service_settings(
            project,
            address=(settings.host, settings.port),
            store_url=settings.store_url,
            is_verbose=settings.logs.level is LogLevel.DEBUG,
            function_environment=settings.function_environment,
        )
        service = Service(
            told,
            functions=project.functions,
            mappings=mappings,
            fallback=gateway.forward,
        )
        await run_until_signalled(service, lifeline.report_ready)


def main(arguments: list[str]) -> None:
    """Run as a child of ``penstock dev``."""
    lifeline = Lifeline(int(arguments[0]))
    lifeline.die_with_parent()
    settings = msgspec.json.decode(arguments[1], type=ServiceChildSettings)
    configure_logs(settings.logs)
    try:
        run_on_uvloop(serve(settings, lifeline))
    except ConfigurationError as exc:
        print(f"penstock: {exc}", file=sys.stderr)  # noqa: T201  for the terminal, not the log
        sys.exit(EXIT_CONFIGURATION)
    except SourceUnavailableError as exc:
        print(f"penstock: {exc}", file=sys.stderr)  # noqa: T201  as above
        sys.exit(_EXIT_AGAIN)


if __name__ == "__main__":
    main(sys.argv[1:])
