"""Opens what runs functions on a node: hosts, roles, logs, and what acts for them."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple

import structlog

from penstock.aws.client import WireClient
from penstock.aws.roles import ExecutionRoles
from penstock.engine.clock import SystemClock
from penstock.engine.identity import draw_fraction, draw_uuid
from penstock.engine.metrics import NodeMetrics
from penstock.functions.code_downloads import S3Code
from penstock.functions.function_logs import open_function_logs
from penstock.functions.host.host import FunctionHost, HostSettings
from penstock.functions.host.role import HostRole
from penstock.functions.lambda_api import LambdaApiInvoker
from penstock.functions.log_delivery import LogDelivery
from penstock.functions.registry import FunctionRegistry
from penstock.functions.role_check import RoleCheck
from penstock.listening import SHUTDOWN_GRACE_S
from penstock.model.function import Function
from penstock.node_settings import ServiceSettings


class OpenFunctions(NamedTuple):
    """What runs functions, and what acts for them.

    Attributes:
        wire_for: Gives what carries the calls that are made for a function, by its ARN.
        role_check: None: no role is assumed.
        code_source: Where the API fetches code that is named, not sent.
    """

    registry: FunctionRegistry
    wire_for: Callable[[str], WireClient]
    role_check: RoleCheck | None
    code_source: S3Code


class NodeFunctions:
    """The opener of one node's functions.

    Args:
        settings: The node's.
        closing: Closes what is opened here, roles and logs, after the functions have ended.
        drained_s: Until when, on the loop's clock, what is in flight at a stop may take.
        log: Takes the functions' lines.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        closing: contextlib.AsyncExitStack,
        drained_s: Callable[[], float],
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._settings = settings
        self._closing = closing
        self._drained_s = drained_s
        self._log = log

    async def open(
        self, wire: WireClient, clock: SystemClock, metrics: NodeMetrics
    ) -> OpenFunctions:
        """Open what runs functions, and what acts and logs for them.

        Each needs another: roles are of the functions that the registry has, logs are written as a
        role, and what the registry opens is given both.
        """

        def find_function(function_arn: str) -> Function | None:
            return registry.find(function_arn)

        roles = self._open_roles(wire, find_function)
        wire_for = (lambda _: wire) if roles is None else roles.wire_for
        logs = await self._open_logs(wire, wire_for, metrics)
        settings = HostSettings(
            inherited_environment=os.environ,
            extra_environment=self._settings.function_environment,
            nodejs_client=self._settings.nodejs_client,
        )

        def open_host(function: Function) -> FunctionHost:
            role = None
            if roles is not None:
                credentials = roles.credentials_for(f"{function.arn}:{function.version}")
                role = HostRole(function.name, credentials, clock)
            return FunctionHost(
                function,
                clock=clock,
                draw_request_id=draw_uuid,
                log=self._log_line,
                settings=settings,
                role=role,
                logs=logs,
            )

        invoker = LambdaApiInvoker(wire, lambda_url=self._settings.functions_url)
        registry = FunctionRegistry(open_host, invoker, draw_fraction=draw_fraction)
        role_check = None if roles is None else RoleCheck(roles, clock)
        return OpenFunctions(registry, wire_for, role_check, S3Code(wire))

    def _open_roles(
        self, wire: WireClient, find_function: Callable[[str], Function | None]
    ) -> ExecutionRoles | None:
        """Open what assumes functions' roles; None where everything acts as the service."""
        if not self._settings.assumes_roles:
            return None
        roles = ExecutionRoles(wire, find_function, self._log)
        self._closing.callback(roles.close)
        return roles

    async def _open_logs(
        self, wire: WireClient, wire_for: Callable[[str], WireClient], metrics: NodeMetrics
    ) -> LogDelivery | None:
        settings = self._settings
        logs = await open_function_logs(
            settings.function_logs, wire, wire_for, region=settings.region, log=self._log
        )
        if logs is not None:
            metrics.watch_lost_log_lines(logs.lost_count)
            self._closing.push_async_callback(self._stop_logs, logs)
        return logs

    async def _stop_logs(self, logs: LogDelivery) -> None:
        # The functions have ended, and what they printed last is short: it always has its chance.
        left_s = self._drained_s() - asyncio.get_running_loop().time()
        await logs.stop(max(SHUTDOWN_GRACE_S, left_s))

    def _log_line(self, function_name: str, line: str) -> None:
        self._log.info(line, function=function_name)
