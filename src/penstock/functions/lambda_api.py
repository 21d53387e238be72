"""Functions behind an Invoke endpoint: AWS Lambda itself, or any server that speaks its API.

Source: docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import base64
import functools
from urllib.parse import quote

import msgspec

from penstock.aws.client import ServiceClient, WireClient
from penstock.aws.errors import (
    AnswerError,
    AnswerTooLargeError,
    CredentialsError,
    Fault,
    TransportError,
    WireError,
)
from penstock.aws.exchange import ExchangeRules, HttpResponse, Timeouts, WantedHeaders
from penstock.aws.json_protocol import UNREADABLE, parse_error
from penstock.model.arn import parse_arn
from penstock.model.errors import (
    ConfigurationError,
    FunctionNotFoundError,
    InvocationOutcomeUnknownError,
    InvokeAccessDeniedError,
    InvokeError,
    InvokeRefusedError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
from penstock.model.function import (
    LATEST,
    PAYLOAD_BYTES_MAX,
    Function,
    FunctionErrorKind,
    FunctionResult,
    InvokeEndpoint,
    LambdaFunction,
    LocalProcess,
)

ANSWER_BYTES_MAX = PAYLOAD_BYTES_MAX + 64 * 1024  # the payload, and what a server wraps around it
MARGIN_S = 30.0  # beyond the function's own timeout: a cold start, the network
INVOCATIONS_PATH = "/2015-03-31/functions/{}/invocations"
REMOTES_MAX = 512  # kept: the same few are invoked again and again; callers choose qualifiers

_HTTP_OK = 200
_HTTP_BAD_GATEWAY = 502
_TIMED_OUT = b"Task timed out after "
_ERROR_BY_STATUS: dict[int, type[InvokeError]] = {
    404: FunctionNotFoundError,
    504: InvocationOutcomeUnknownError,  # the server behind the gateway may have run it
}
_ERROR_BY_FAULT: dict[Fault, type[InvokeError]] = {
    Fault.THROTTLED: InvokeThrottledError,
    Fault.TRANSIENT: InvokeUnavailableError,
    Fault.DENIED: InvokeAccessDeniedError,
    Fault.REFUSED: InvokeRefusedError,
}


class _ErrorObject(msgspec.Struct, frozen=True, rename="camel"):
    """What a runtime interface client reports of a handler that raised."""

    error_message: str
    error_type: str


_error_object_decoder = msgspec.json.Decoder(_ErrorObject)


class LambdaApiInvoker:
    """Invokes functions over Lambda's API; never retries.

    Args:
        wire: Signs and sends.
        lambda_url: Where functions of AWS Lambda are; None: where AWS SDKs would find them.
    """

    def __init__(self, wire: WireClient, *, lambda_url: str | None = None) -> None:
        self._wire = wire
        self._lambda_url = lambda_url

    async def invoke(self, function: Function, function_arn: str, payload: bytes) -> FunctionResult:
        """Run a function once, to its end.

        Args:
            function: Hosted by an Invoke endpoint or by AWS Lambda.
            function_arn: As the mapping names it; its qualifier is passed on to AWS Lambda,
                unless the hosting's own ARN has one.
            payload: The event, at most ``PAYLOAD_BYTES_MAX``.

        Raises:
            InvocationOutcomeUnknownError: It may have run.
            InvokeError: Any other: it did not run.
        """
        is_emulator = isinstance(function.hosting, InvokeEndpoint)
        try:
            service, target = await self._open(function, function_arn)
            response = await service.send(
                service.find_form("POST", target, _HEADERS),
                payload,
                _rules(function.timeout_s),
                unsigned_allowed=is_emulator,
            )
        except AnswerTooLargeError as exc:  # it did run, to its end
            return _report_error(str(exc), "Function.ResponseSizeTooLarge")
        except (WireError, ConfigurationError) as exc:
            raise _to_invoke_error(exc, function.name) from exc
        emulated = _read_emulated_error(response) if is_emulator else None
        if emulated is not None:
            return emulated
        if response.status != _HTTP_OK:
            error = parse_error(response)
            raise _to_invoke_error(error, function.name) from error
        return _read_result(response)

    async def _open(self, function: Function, function_arn: str) -> tuple[ServiceClient, str]:
        match function.hosting:
            case InvokeEndpoint(url=url):
                region = function.scope.region
                service = await self._wire.open_url(url, service="lambda", region=region)
                is_whole = service.endpoint.path.endswith("/invocations")
                return service, "" if is_whole else INVOCATIONS_PATH.format("function")
            case LambdaFunction(arn=arn):
                region, target = _find_remote(arn, function_arn)
                return await self._open_lambda(region), target
            case LocalProcess():
                raise InvokeRefusedError(f"{function.name} runs here, not behind an endpoint")

    async def _open_lambda(self, region: str) -> ServiceClient:
        if self._lambda_url is None:
            return await self._wire.open("lambda", region)
        return await self._wire.open_url(self._lambda_url, service="lambda", region=region)


_TOLD = WantedHeaders(
    "x-amz-function-error", "x-amz-executed-version", "x-amz-log-result", "x-amzn-requestid"
)
_HEADERS = (("Content-Type", "application/json"), ("X-Amz-Log-Type", "Tail"))


@functools.cache
def _rules(timeout_s: int) -> ExchangeRules:
    """Give the limits of an invocation; a new connection each, or one that is idle."""
    limit_s = timeout_s + MARGIN_S
    return ExchangeRules(
        timeouts=Timeouts(first_byte_s=limit_s, total_s=limit_s + MARGIN_S),
        is_long=True,
        answer_bytes_max=ANSWER_BYTES_MAX,
    )


@functools.lru_cache(REMOTES_MAX)
def _find_remote(arn: str, asked_arn: str) -> tuple[str, str]:
    """Give the region of a function of AWS Lambda, and the target of its Invoke as it was asked."""
    return parse_arn(arn).region, INVOCATIONS_PATH.format(quote(_qualify(arn, asked_arn), safe=""))


def _qualify(arn: str, asked_arn: str) -> str:
    """Give the hosting's ARN the qualifier that was asked for, if it has none of its own."""
    _, _, own_qualifier = parse_arn(arn).resource.removeprefix("function:").partition(":")
    _, _, asked = parse_arn(asked_arn).resource.removeprefix("function:").partition(":")
    return arn if own_qualifier or not asked else f"{arn}:{asked}"


def _read_result(response: HttpResponse) -> FunctionResult:
    told = response.find_headers(_TOLD)
    error = told.get(b"x-amz-function-error")
    version = told.get(b"x-amz-executed-version")
    log = told.get(b"x-amz-log-result")
    request_id = told.get(b"x-amzn-requestid")
    return FunctionResult(
        response.body,
        error.decode("latin-1") if error is not None else None,
        version.decode("latin-1") if version else LATEST,
        _decode_log(log) if log else b"",
        request_id.decode("latin-1") if request_id else "",
    )


def _decode_log(text: bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:  # a log is never worth an invocation
        return b""


def _read_emulated_error(response: HttpResponse) -> FunctionResult | None:
    """Read a function's error as the runtime interface emulator tells it: by the body alone.

    A handler that raised is an error object with status 200, a process that died one with status
    502, a timeout the bare text ``Task timed out after 3.00 seconds`` with status 200. Taken for a
    result, the messages of such an invocation would be deleted.

    Source: github.com/aws/aws-lambda-runtime-interface-emulator, cmd/aws-lambda-rie/handlers.go
    """
    body = response.body
    if response.status not in {_HTTP_OK, _HTTP_BAD_GATEWAY}:
        return None
    if b"rror" not in body and not body.startswith(_TIMED_OUT):
        return None
    if response.header("x-amz-function-error") is not None:
        return None
    if body.startswith(_TIMED_OUT):
        return _report_error(body.decode("utf-8", "replace"), "Sandbox.Timedout")
    if not _is_error_object(body):
        return None
    return FunctionResult(payload=body, function_error=FunctionErrorKind.UNHANDLED)


def _report_error(message: str, error_type: str) -> FunctionResult:
    payload = msgspec.json.encode(_ErrorObject(message, error_type))
    return FunctionResult(payload=payload, function_error=FunctionErrorKind.UNHANDLED)


def _is_error_object(body: bytes) -> bool:
    """Tell whether a body is ``{"errorMessage": "..", "errorType": "..", ...}``."""
    if b"errorType" not in body:
        return False
    try:
        _error_object_decoder.decode(body)
    except UNREADABLE:
        return False
    return True


def _to_invoke_error(error: WireError | ConfigurationError, name: str) -> InvokeError:
    kind: type[InvokeError]
    match error:
        case TransportError(written=written):
            kind = InvocationOutcomeUnknownError if written else InvokeUnavailableError
        case CredentialsError():
            kind = InvokeAccessDeniedError
        case AnswerError(fault=Fault.TRANSIENT, is_coded=False):
            # Not Lambda's words but a proxy's, and the server behind it may have run the function.
            kind = InvocationOutcomeUnknownError
        case AnswerError(status=status, fault=fault):
            kind = _ERROR_BY_STATUS.get(status) or _ERROR_BY_FAULT[fault]
        case _:
            kind = InvokeRefusedError
    return kind(f"Invoke of {name}: {error}")
