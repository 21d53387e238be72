"""The functions, declared and deployed, and the way to run each of them.

A function that is declared hides a deployed one of its name, as long as it is declared.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

import msgspec

from penstock.functions.deployment import Deployment
from penstock.model.arn import Scope, function_qualifier, unqualified_function_arn
from penstock.model.deployed_function import FunctionState
from penstock.model.errors import (
    FunctionNotActiveError,
    FunctionNotFoundError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
from penstock.model.function import (
    LATEST,
    Function,
    FunctionResult,
    InvokeEndpoint,
    LambdaFunction,
    LocalProcess,
)

_NOT_FOUND = (
    "Function not found: {}; declare it in the project file, or create it; a declared function has "
    "no versions and no aliases"
)


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
    """Keeps ``ports.FunctionInvoker`` over the functions there are.

    Args:
        open_host: Makes the host of a local function, one per version; called at its first
            invocation.
        endpoint_invoker: Runs the functions of every other hosting.
        draw_fraction: Draws from [0, 1), for aliases with weights.
    """

    def __init__(
        self,
        open_host: Callable[[Function], Host],
        endpoint_invoker: EndpointInvoker,
        *,
        draw_fraction: Callable[[], float],
    ) -> None:
        self._open_host = open_host
        self._endpoint_invoker = endpoint_invoker
        self._draw_fraction = draw_fraction
        self._functions: dict[str, Function] = {}
        self._deployments: dict[str, Deployment] = {}
        self._hosts: dict[tuple[str, str], tuple[Function, Host]] = {}
        self._leaving: list[tuple[Function, Host]] = []
        self._is_stopping = False

    def declare(self, functions: Sequence[Function]) -> None:
        """Make these the declared functions.

        A function that is gone or changed drains: what it runs goes on to its end, within its own
        timeout; the next invocation of a changed one starts with its new configuration.
        """
        self._functions = {function.arn: function for function in functions}
        self._drain_changed()

    def deploy(self, function_arn: str, deployment: Deployment | None) -> None:
        """Put a deployed function in the place of what was there before; None removes it.

        What has changed drains, as when it is declared anew.
        """
        if deployment is None:
            self._deployments.pop(function_arn, None)
        else:
            self._deployments[function_arn] = deployment
        self._drain_changed()

    def find(self, function_arn: str) -> Function | None:
        """Give the function's present configuration, by version or alias.

        A declared function has versions and aliases only in AWS Lambda, which knows them itself.
        """
        arn = unqualified_function_arn(function_arn)
        qualifier = function_qualifier(function_arn) or LATEST
        function = self._functions.get(arn)
        if function is None:
            deployment = self._deployments.get(arn)
            return None if deployment is None else deployment.find(qualifier)
        if isinstance(function.hosting, LambdaFunction):
            return function
        return function if qualifier == LATEST else None

    def find_declared(self, function_arn: str) -> Function | None:
        """Give a declared function by its unqualified ARN."""
        return self._functions.get(function_arn)

    def list_declared(self, scope: Scope) -> list[Function]:
        """Give the declared functions of a scope."""
        return [function for function in self._functions.values() if function.scope == scope]

    def folders_in_use(self) -> frozenset[str]:
        """Give the code folders of every local function that may be running."""
        hosts = [*self._hosts.values(), *self._leaving]
        return frozenset(
            function.hosting.code
            for function, host in hosts
            if isinstance(function.hosting, LocalProcess) and not host.is_stopped
        )

    async def drain(self) -> list[BaseException]:
        """Wait until nothing runs any more of what was changed or removed by now.

        Returns:
            Why hosts failed; they have ended, too.
        """
        leaving = [
            asyncio.ensure_future(host.stop(function.timeout_s))
            for function, host in self._leaving
            if not host.is_stopped
        ]
        if leaving:
            await asyncio.wait(leaving)  # whoever gives up waiting does not end them
        return _failures_of(await asyncio.gather(*leaving, return_exceptions=True))

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run the function where it is hosted.

        Raises:
            FunctionNotFoundError: There is none, or no such version or alias of it.
            FunctionNotActiveError: It is being created, or its creation failed.
            InvokeUnavailableError: ``stop`` was called.
            InvokeError: As ``ports.FunctionInvoker.invoke``.
        """
        fraction = self._draw_fraction()
        while True:
            function = self._choose(function_arn, fraction)
            if self._is_stopping:
                raise InvokeUnavailableError(f"function {function.name}: the service is stopping")
            match function.hosting:
                case LocalProcess():
                    host = self._host_of(function)
                    try:
                        result = await host.invoke(function_arn, payload)
                    except InvokeUnavailableError:
                        if not self._is_replaced(function):
                            raise
                        continue  # the function was changed before this invocation began
                    return msgspec.structs.replace(result, executed_version=function.version)
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
        hosts = [host for _, host in (*self._leaving, *self._hosts.values())]
        self._hosts = {}
        self._leaving = []
        for host in hosts:
            host.request_stop(drain_s)
        stops = (host.stop(drain_s) for host in hosts)
        failures = _failures_of(await asyncio.gather(*stops, return_exceptions=True))
        if failures:
            raise BaseExceptionGroup("functions did not stop as they should", failures)

    def _choose(self, function_arn: str, fraction: float) -> Function:
        """Give what one invocation runs."""
        arn = unqualified_function_arn(function_arn)
        deployment = None if arn in self._functions else self._deployments.get(arn)
        if deployment is None:
            function = self.find(function_arn)
        else:
            function = deployment.choose(function_qualifier(function_arn) or LATEST, fraction)
        if function is None:
            raise FunctionNotFoundError(_NOT_FOUND.format(function_arn))
        if deployment is not None:
            state = deployment.states[function.version]
            if state is not FunctionState.ACTIVE:
                raise FunctionNotActiveError(
                    "The operation cannot be performed at this time. The function is currently in "
                    f"the following state: {state}"
                )
        return function

    def _host_of(self, function: Function) -> Host:
        if function.concurrency == 0:
            raise InvokeThrottledError(f"function {function.name} has a concurrency of 0")
        known = self._hosts.get((function.arn, function.version))
        if known is not None and not known[1].is_stopped:
            return known[1]
        host = self._open_host(function)
        self._hosts[function.arn, function.version] = (function, host)
        return host

    def _drain_changed(self) -> None:
        """Begin to stop every host whose function is gone or another now."""
        self._leaving = [each for each in self._leaving if not each[1].is_stopped]
        for key, (function, host) in list(self._hosts.items()):
            if self._is_replaced(function):
                host.request_stop(function.timeout_s)
                self._leaving.append(self._hosts.pop(key))

    def _is_replaced(self, function: Function) -> bool:
        """Tell whether a function is no longer what its version runs."""
        declared = self._functions.get(function.arn)
        if declared is not None:
            return declared != function
        deployment = self._deployments.get(function.arn)
        return deployment is None or deployment.functions.get(function.version) != function


def _failures_of(ended: Sequence[BaseException | None]) -> list[BaseException]:
    return [failure for failure in ended if failure is not None]
