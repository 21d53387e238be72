"""The declared functions, and the way to run each of them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

from penstock.model.arn import unqualified_function_arn
from penstock.model.errors import FunctionNotFoundError, InvokeUnavailableError
from penstock.model.function import (
    Function,
    FunctionResult,
    InvokeEndpoint,
    LambdaFunction,
    LocalProcess,
)

LATEST = "$LATEST"


class EndpointInvoker(Protocol):
    """Invokes functions that run elsewhere."""

    async def invoke(self, function: Function, function_arn: str, payload: bytes) -> FunctionResult:
        """Keep ``ports.FunctionInvoker.invoke`` for a function of another hosting."""
        ...


class Host(Protocol):
    """Runs one local function; ``functions/host/host.py`` keeps it."""

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run the function once."""
        ...

    def request_stop(self, drain_s: float) -> None:
        """Begin to stop, without waiting."""
        ...

    async def stop(self, drain_s: float) -> None:
        """Stop and wait for it."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Tell whether it takes no invocation any more, and runs nothing."""
        ...


class FunctionRegistry:
    """Keeps ``ports.FunctionInvoker`` over the functions declared last.

    Args:
        open_host: Makes the host of a local function; called at its first invocation.
        endpoint_invoker: Runs the functions of every other hosting.
    """

    def __init__(
        self, open_host: Callable[[Function], Host], endpoint_invoker: EndpointInvoker
    ) -> None:
        self._open_host = open_host
        self._endpoint_invoker = endpoint_invoker
        self._functions: dict[str, Function] = {}
        self._hosts: dict[str, Host] = {}
        self._leaving: list[Host] = []
        self._is_stopping = False

    def declare(self, functions: Sequence[Function]) -> None:
        """Make these the functions there are.

        A function that is gone or changed drains: what it runs goes on to its end, within its own
        timeout; the next invocation of a changed one starts with its new configuration.
        """
        declared = {function.arn: function for function in functions}
        self._leaving = [host for host in self._leaving if not host.is_stopped]
        for arn, host in list(self._hosts.items()):
            before = self._functions[arn]
            if declared.get(arn) != before:
                host.request_stop(before.timeout_s)
                self._leaving.append(self._hosts.pop(arn))
        self._functions = declared

    def find(self, function_arn: str) -> Function | None:
        """Give the function's present configuration.

        Versions and aliases exist only for functions of AWS Lambda, which knows them itself.
        """
        unqualified = unqualified_function_arn(function_arn)
        function = self._functions.get(unqualified)
        if function is None or isinstance(function.hosting, LambdaFunction):
            return function
        qualifier = function_arn[len(unqualified) + 1 :] or LATEST
        return function if qualifier == LATEST else None

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run the function where it is hosted.

        Raises:
            FunctionNotFoundError: Not declared, or a qualifier that a local function has not.
            InvokeUnavailableError: ``stop`` was called.
            InvokeError: As ``ports.FunctionInvoker.invoke``.
        """
        function = self.find(function_arn)
        if function is None:
            raise FunctionNotFoundError(
                f"Function not found: {function_arn}; declare it, without version or alias"
            )
        if self._is_stopping:
            raise InvokeUnavailableError(f"function {function.name}: the service is stopping")
        match function.hosting:
            case LocalProcess():
                return await self._host_of(function).invoke(function_arn, payload)
            case InvokeEndpoint() | LambdaFunction():
                return await self._endpoint_invoker.invoke(function, function_arn, payload)
            case _ as never:
                assert_never(never)

    async def stop(self, drain_s: float) -> None:
        """End every local process; what runs has ``drain_s`` to end by itself.

        The functions can still be found, but no more be invoked.

        Raises:
            BaseExceptionGroup: A host failed; the others were stopped all the same.
        """
        self._is_stopping = True
        hosts = [*self._leaving, *self._hosts.values()]
        self._hosts = {}
        self._leaving = []
        for host in hosts:
            host.request_stop(drain_s)
        stops = (host.stop(drain_s) for host in hosts)
        ended = await asyncio.gather(*stops, return_exceptions=True)
        failures = [failure for failure in ended if failure is not None]
        if failures:
            raise BaseExceptionGroup("functions did not stop as they should", failures)

    def _host_of(self, function: Function) -> Host:
        host = self._hosts.get(function.arn)
        if host is None or host.is_stopped:
            host = self._hosts[function.arn] = self._open_host(function)
        return host
