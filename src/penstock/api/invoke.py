"""HTTP handler of Invoke: RequestResponse and DryRun."""

import base64
from collections.abc import Mapping

from aiohttp import web

from penstock.api.bodies import decode_json, read_body
from penstock.api.context import ApiContext
from penstock.api.errors import (
    ACCESS_DENIED,
    INVALID_REQUEST_CONTENT,
    REQUEST_TOO_LARGE,
    RESOURCE_CONFLICT,
    SERVICE,
    TOO_MANY_REQUESTS,
    ApiError,
    invalid_parameter,
)
from penstock.api.functions.names import function_not_found, read_reference
from penstock.api.shapes import check_parameters
from penstock.model.arn import Scope
from penstock.model.errors import (
    FunctionNotActiveError,
    FunctionNotFoundError,
    InvokeAccessDeniedError,
    InvokeError,
    InvokeRefusedError,
    InvokeThrottledError,
)
from penstock.model.function import PAYLOAD_BYTES_MAX, FunctionResult

PAYLOAD_S_MAX = 60.0  # ours, for 6 MB to come
LOG_TAIL_BYTES_MAX = 4096  # AWS: X-Amz-Log-Result holds the last 4 KB
_HEADERS = {
    "X-Amz-Invocation-Type": "InvocationType",
    "X-Amz-Log-Type": "LogType",
    "X-Amz-Client-Context": "ClientContext",
    "X-Amz-Durable-Execution-Name": "DurableExecutionName",
    "X-Amz-Tenant-Id": "TenantId",
}
_NOT_YET = ("ClientContext", "DurableExecutionName", "TenantId")


class InvokeHandler:
    """Runs a function for the caller and gives back its own bytes.

    Source: docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def invoke(self, request: web.Request, scope: Scope) -> web.Response:
        """Invoke."""
        parameters = _read_parameters(request)
        check_parameters("Invoke", parameters)
        invocation_type = _check_is_implemented(parameters)
        reference = read_reference(parameters["FunctionName"], scope, parameters.get("Qualifier"))
        arn = reference.arn
        # AWS names the operation otherwise in this one text.
        payload = await read_body(
            request,
            "InvokeFunction",
            bytes_max=PAYLOAD_BYTES_MAX,
            s_max=PAYLOAD_S_MAX,
            too_large=REQUEST_TOO_LARGE,
        )
        payload = payload or b"{}"
        decode_json(payload, INVALID_REQUEST_CONTENT)
        if self._context.functions.find(arn) is None:
            raise function_not_found(arn)
        if invocation_type == "DryRun":
            return web.Response(status=204)
        try:
            result = await self._context.direct_invoker.invoke(arn, payload)
        except InvokeError as exc:
            raise _invoke_error(exc, arn) from exc
        return _answer(result, with_log=parameters.get("LogType") == "Tail")


def _read_parameters(request: web.Request) -> dict[str, str]:
    """Give the members of Invoke from where the model puts them.

    Raises:
        ApiError: The query has another one than Qualifier.
    """
    for name in request.query:
        if name != "Qualifier":
            raise invalid_parameter(f"Invoke has no parameter {name} in its query")
    parameters = {"FunctionName": request.match_info["FunctionName"], **request.query}
    for header, name in _HEADERS.items():
        if header in request.headers:
            parameters[name] = request.headers[header]
    return parameters


def _check_is_implemented(parameters: Mapping[str, str]) -> str:
    """Give the invocation type, unless the request asks for what this version lacks."""
    for name in _NOT_YET:
        if name in parameters:
            raise invalid_parameter(f"This version of Penstock does not implement {name} yet.")
    invocation_type = parameters.get("InvocationType", "RequestResponse")
    if invocation_type == "Event":
        raise invalid_parameter(
            "Penstock does not invoke asynchronously: the InvocationType Event is not offered. Use "
            "RequestResponse, or put a queue before the function, with a mapping."
        )
    return invocation_type


def _invoke_error(error: InvokeError, arn: str) -> ApiError:
    match error:
        case InvokeThrottledError():
            return ApiError(
                TOO_MANY_REQUESTS,
                "Rate Exceeded.",
                reason="ReservedFunctionConcurrentInvocationLimitExceeded",
            )
        case FunctionNotActiveError():
            return ApiError(RESOURCE_CONFLICT, str(error))
        case FunctionNotFoundError():
            return function_not_found(arn)
        case InvokeAccessDeniedError():
            return ApiError(ACCESS_DENIED, str(error))
        case InvokeRefusedError():
            return ApiError(INVALID_REQUEST_CONTENT, str(error))
        case _:
            return ApiError(SERVICE, str(error))


def _answer(result: FunctionResult, *, with_log: bool) -> web.Response:
    headers = {"X-Amz-Executed-Version": result.executed_version}
    if result.request_id:
        headers["x-amzn-RequestId"] = result.request_id
    if result.function_error is not None:
        headers["X-Amz-Function-Error"] = result.function_error
    if with_log:
        tail = result.log_tail[-LOG_TAIL_BYTES_MAX:]
        headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
    return web.Response(body=result.payload, headers=headers, content_type="application/json")
