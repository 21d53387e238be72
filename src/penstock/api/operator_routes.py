"""The service's own operations: what an operator and a monitoring system ask for.

::

    GET         /penstock/v1/mappings/{Mapping}/position           by uuid or name
    POST        /penstock/v1/mappings/{Mapping}/position
    GET         /penstock/v1/mappings/{Mapping}/position/changes
    GET DELETE  /penstock/v1/failures
    GET DELETE  /penstock/v1/failures/{Failure}
    POST        /penstock/v1/failures/{Failure}/redrive
    GET         /penstock/v1/status
    GET         /penstock/v1/check
    POST        /penstock/v1/filter/explain
    GET         /metrics
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from penstock.api.check import CheckHandlers
from penstock.api.context import ApiContext
from penstock.api.failures import FailureHandlers
from penstock.api.filter_explain import FilterHandlers
from penstock.api.position import PositionHandlers
from penstock.api.status import StatusHandlers
from penstock.engine.turns import next_turn
from penstock.model.arn import Scope

LambdaHandler = Callable[[web.Request, Scope], Awaitable[web.StreamResponse]]

OPERATIONS_PATH = "/penstock/v1"
METRICS_PATH = "/metrics"


def operator_routes(context: ApiContext) -> list[tuple[str, str, LambdaHandler]]:
    """Give method, path and handler of each; their callers sign as those of Lambda's API do."""
    positions, failures = PositionHandlers(context), FailureHandlers(context)
    position_path = OPERATIONS_PATH + "/mappings/{Mapping}/position"
    failures_path = OPERATIONS_PATH + "/failures"
    failure_path = failures_path + "/{Failure}"

    async def show_metrics(_request: web.Request) -> web.Response:
        pieces = []
        for piece in context.metrics.render():
            pieces.append(piece)
            await next_turn()
        headers = {"Content-Type": context.metrics.content_type}
        return web.Response(body=b"".join(pieces), headers=headers)

    routes: list[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]] = [
        ("GET", position_path, positions.show),
        ("POST", position_path, positions.change),
        ("GET", position_path + "/changes", positions.list_changes),
        ("GET", failures_path, failures.list_page),
        ("DELETE", failures_path, failures.purge),
        ("GET", failure_path, failures.get),
        ("DELETE", failure_path, failures.delete),
        ("POST", failure_path + "/redrive", failures.redrive),
        ("GET", OPERATIONS_PATH + "/status", StatusHandlers(context).show),
        ("GET", OPERATIONS_PATH + "/check", CheckHandlers(context).check),
        ("POST", OPERATIONS_PATH + "/filter/explain", FilterHandlers(context).explain),
        ("GET", METRICS_PATH, show_metrics),
    ]
    return [(method, path, without_scope(handler)) for method, path, handler in routes]


def without_scope(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> LambdaHandler:
    """Let a handler be called for any region: an operator sees all of the service."""

    async def handle(request: web.Request, _scope: Scope) -> web.StreamResponse:
        return await handler(request)

    return handle
