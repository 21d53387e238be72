"""Runs a handler as Lambda's runtime client does, on a virtual clock.

Source: github.com/aws/aws-lambda-python-runtime-interface-client (the error object, the context)
"""

import asyncio
import functools
import importlib
import inspect
import sys
import traceback
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import msgspec
from awslambdaric.lambda_runtime_exception import FaultException
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller, to_json

from penstock.core.environment_contract import Exited, TimedOut
from penstock.functions.host.failures import error_payload, status_of
from penstock.functions.host.runtime_api import RESPONSE_BYTES_MAX, RESPONSE_TOO_LARGE
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function
from penstock.model.function_log import log_group
from penstock.model.suggestion import suggest

Handler = Callable[[Any, Any], Any]

_THIS_FILE = __file__


class Answer(msgspec.Struct, frozen=True):
    """What a run of a handler came to.

    Attributes:
        payload: What it returned, or Lambda's error object; JSON.
    """

    payload: bytes
    is_error: bool = False


class TimeIsOver(BaseException):
    """The function's timeout was reached while its handler slept."""


class LambdaContext:
    """What Lambda's runtime client tells a handler of its invocation.

    Attributes:
        memory_limit_in_mb: Text, as there.
        slept_ms: Virtual time that the handler has taken for itself.
    """

    client_context = None
    tenant_id = None

    def __init__(
        self,
        function: Function,
        request_id: str,
        *,
        invoked_arn: str,
        log_stream_name: str,
        elapsed_ms: Callable[[], int],
    ) -> None:
        self.aws_request_id = request_id
        self.function_name = function.name
        self.function_version = "$LATEST"
        self.invoked_function_arn = invoked_arn
        self.memory_limit_in_mb = str(function.memory_mb)
        self.log_group_name = log_group(function.name)
        self.log_stream_name = log_stream_name
        self.identity = _Identity()
        self.slept_ms = 0
        self._timeout_ms = function.timeout_s * 1000
        self._elapsed_ms = elapsed_ms

    def get_remaining_time_in_millis(self) -> int:
        """Give the virtual milliseconds until the function's timeout."""
        return max(0, self._timeout_ms - self.slept_ms - self._elapsed_ms())

    def log(self, msg: object) -> None:
        """Print, as Lambda's own does."""
        sys.stdout.write(str(msg))

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass for this handler.

        Raises:
            TimeIsOver: The function's timeout is reached.
        """
        self.slept_ms += round(seconds * 1000)
        if self.get_remaining_time_in_millis() == 0:
            raise TimeIsOver


class _Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


def find_handler(name: str) -> Handler:
    """Find a handler by ``module.function``, as Lambda's Handler names it.

    Raises:
        ConfigurationError: There is none of that name.
    """
    module_name, dot, function_name = name.replace("/", ".").rpartition(".")
    if not dot or not module_name or not function_name:
        raise ConfigurationError(f"handler {name!r} is not of the form MODULE.FUNCTION")
    try:
        module = importlib.import_module(module_name)
    except Exception as exc:
        refused = ConfigurationError(
            f"handler {name!r}: module {module_name!r} cannot be imported: "
            f"{type(exc).__name__}: {exc}"
        )
        if isinstance(exc, ModuleNotFoundError) and exc.name == module_name:
            raise refused from None  # all that it would show is where we have looked
        raise refused from exc
    handler: Handler | None = getattr(module, function_name, None)
    if not callable(handler):
        choices = suggest(function_name, _functions_of(module), "functions in it")
        raise ConfigurationError(
            f"handler {name!r}: module {module_name!r} has no function {function_name!r}; {choices}"
        )
    return handler


def _functions_of(module: ModuleType) -> list[str]:
    """Name what a module defines that can be called; what it has imported is left out."""
    return [
        name
        for name, bound in vars(module).items()
        if callable(bound) and getattr(bound, "__module__", "") == module.__name__
    ]


def call_handler(
    handler: Handler, payload: bytes, context: LambdaContext
) -> Answer | Awaitable[object]:
    """Run a handler; one that is a coroutine function is only begun."""
    try:
        returned = handler(msgspec.json.decode(payload), context)
        if inspect.isawaitable(returned):
            return returned
        return answer_of(returned, context.aws_request_id)
    except SystemExit as exc:
        return exited(context.aws_request_id, exc)
    except Exception as exc:  # noqa: BLE001 - whatever it raises is the function's error
        return raised(exc, context.aws_request_id)


async def finish_handler(begun: Awaitable[object], request_id: str) -> Answer:
    """Run a coroutine handler to its end; what is no ``Exception`` is raised, but for an exit."""
    try:
        return answer_of(await begun, request_id)
    except SystemExit as exc:
        return exited(request_id, exc)
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return raised(exc, request_id)
    except Exception as exc:  # noqa: BLE001 - whatever it raises is the function's error
        return raised(exc, request_id)


@functools.cache
def _marshaller() -> LambdaMarshaller:
    return LambdaMarshaller()


def answer_of(returned: object, request_id: str) -> Answer:
    """Write what a handler returned, as the runtime client does; or the error that it cannot."""
    try:
        written, _ = _marshaller().marshal_response(returned)
    except FaultException as fault:
        return _error(fault.msg, fault.exception_type, fault.trace or [], request_id)
    payload = written if isinstance(written, bytes) else written.encode()
    if len(payload) > RESPONSE_BYTES_MAX:
        return Answer(RESPONSE_TOO_LARGE, is_error=True)
    return Answer(payload)


def raised(exc: BaseException, request_id: str) -> Answer:
    """Give the error object of an exception; its stack begins in the handler."""
    frames = traceback.extract_tb(exc.__traceback__)
    while frames and frames[0].filename == _THIS_FILE:
        del frames[0]
    return _error(str(exc), type(exc).__name__, traceback.format_list(frames), request_id)


def exited(request_id: str, end: SystemExit) -> Answer:
    """Give the error object of a process that ended before it answered."""
    code = 0 if end.code is None else end.code if isinstance(end.code, int) else 1
    return Answer(error_payload(Exited(status_of(code)), request_id, 0), is_error=True)


def timed_out(request_id: str, timeout_s: int) -> Answer:
    """Give the error object of a function that ran into its timeout."""
    return Answer(error_payload(TimedOut(), request_id, timeout_s), is_error=True)


def _error(message: str, error_type: str, stack: list[str], request_id: str) -> Answer:
    error = {
        "errorMessage": message,
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": stack,
    }
    return Answer(to_json(error).encode(), is_error=True)
