"""Runs the service of one process from its start to its drained end."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import uvloop

from penstock.core.scaling import RampPolicy
from penstock.engine.surroundings import STREAMS_OF_LOCAL_SERVERS, StreamSettings
from penstock.functions.function_logs import FunctionLogs
from penstock.local.project_file import Project
from penstock.local.project_tables import ServiceTable
from penstock.local.stop_signals import take_stop_signals
from penstock.node_settings import ServiceSettings
from penstock.service import Service

LOOPBACK_DEFAULT = "127.0.0.1"
MIB = 1024 * 1024
LONG_POLL_S = 20  # SQS: the longest; each receive is billed


def service_settings(
    project: Project,
    *,
    address: tuple[str, int],
    store_url: str,
    is_verbose: bool,
    function_environment: Mapping[str, str] | None = None,
) -> ServiceSettings:
    """Join what the file says with what the command has decided.

    Args:
        project: The file; its ``[service]`` gives all that is not an argument here.
        address: Host and port to listen on.
        store_url: For example ``sqlite:////var/lib/penstock/penstock.db``.
        is_verbose: Log every batch.
        function_environment: Added to the environment of every local function.
    """
    declared = project.service
    return ServiceSettings(
        host=address[0],
        port=address[1],
        account_id=declared.account_id,
        region=project.region,
        store_url=store_url,
        drain_s=declared.drain_s,
        long_poll_s=LONG_POLL_S if declared.long_poll_s is None else declared.long_poll_s,
        function_environment=dict(function_environment or {}),
        allowed_hosts=tuple(name.lower() for name in declared.allowed_hosts),
        open_metrics=declared.open_metrics,
        upstream=declared.upstream,
        functions_upstream=declared.functions == "upstream",
        filters_max=declared.filters_max,
        function_logs=FunctionLogs(declared.function_logs),
        assumes_roles=declared.assume_role,
        nodejs_client=declared.nodejs_client,
        ramp=RampPolicy(
            initial=declared.queue_ramp.initial,
            per_minute=declared.queue_ramp.per_minute,
            maximum=declared.queue_ramp.maximum,
        ),
        streams=_stream_settings(declared),
        is_verbose=is_verbose,
    )


def _stream_settings(declared: ServiceTable) -> StreamSettings:
    return msgspec.structs.replace(
        STREAMS_OF_LOCAL_SERVERS if declared.stream_pace == "local" else StreamSettings(),
        held_bytes_max=declared.read_ahead_mb * MIB,
        iterator_age_warning_ms=declared.iterator_age_warning_s * 1000,
    )


def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's main coroutine on uvloop, to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def run_until_signalled(
    service: Service,
    on_ready: Callable[[], None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Start the service and stop it gracefully on a signal; a second one ends it at once.

    Args:
        service: Not yet started.
        on_ready: Called when it has started.
        on_stop: Called when it begins to stop.

    Raises:
        ConfigurationError: It cannot start as configured.
    """
    stop = asyncio.Event()
    take_stop_signals(stop, on_first=on_stop, on_second=lambda received: os._exit(128 + received))
    await service.start()
    try:
        on_ready()
        await service.run_until(stop)
    finally:
        await service.stop()
