"""Which function an ARN means, where it runs, and what a change of declarations does."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from penstock.functions.registry import FunctionRegistry
from penstock.model.arn import Scope
from penstock.model.errors import FunctionNotFoundError, InvokeUnavailableError
from penstock.model.function import (
    Function,
    FunctionResult,
    Hosting,
    InvokeEndpoint,
    LambdaFunction,
    LocalProcess,
)

Run = Callable[[Coroutine[Any, Any, None]], None]

ORDERS = "arn:aws:lambda:eu-west-1:000000000000:function:orders"
PROCESS = LocalProcess(code="/code", handler="app.handler")
ENDPOINT = InvokeEndpoint(url="http://127.0.0.1:9000")
LAMBDA = LambdaFunction(arn=ORDERS)


def function(hosting: Hosting = PROCESS, *, name: str = "orders", timeout_s: int = 3) -> Function:
    scope = Scope("000000000000", "eu-west-1")
    return Function(scope=scope, name=name, hosting=hosting, timeout_s=timeout_s)


class FakeHost:
    """A host that tells which function it was opened for."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.stops: list[float] = []
        self.is_stopped = False

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Answer at once."""
        return FunctionResult(f"{self.function.timeout_s} {function_arn} ".encode() + payload)

    def request_stop(self, drain_s: float) -> None:
        """Keep the request."""
        self.stops.append(drain_s)

    async def stop(self, drain_s: float) -> None:
        """Be stopped."""
        self.stops.append(drain_s)
        self.is_stopped = True


class FakeEndpoints:
    """Every endpoint there is."""

    async def invoke(self, function: Function, function_arn: str, payload: bytes) -> FunctionResult:
        """Tell what was invoked."""
        return FunctionResult(f"{function.name} elsewhere {function_arn} ".encode() + payload)


class Registry(FunctionRegistry):
    """A registry whose hosts can be looked at."""

    def __init__(self, *functions: Function) -> None:
        self.opened: list[FakeHost] = []
        self.opening: list[type[FakeHost]] = []
        super().__init__(self.open_host, FakeEndpoints(), draw_fraction=lambda: 0.0)
        self.declare(functions)

    def open_host(self, function: Function) -> FakeHost:
        """Open a host that can be looked at."""
        kind = self.opening.pop(0) if self.opening else FakeHost
        self.opened.append(kind(function))
        return self.opened[-1]


def test_host_is_opened_at_the_first_invocation_and_kept(run: Run) -> None:
    async def main() -> None:
        registry = Registry(function())
        assert registry.opened == []
        assert (await registry.invoke(ORDERS, b"{}")).payload == f"3 {ORDERS} {{}}".encode()
        await registry.invoke(ORDERS, b"{}")
        assert len(registry.opened) == 1

    run(main())


@pytest.mark.parametrize("hosting", [ENDPOINT, LAMBDA])
def test_function_that_runs_elsewhere_is_invoked_there(run: Run, hosting: Hosting) -> None:
    async def main() -> None:
        registry = Registry(function(hosting))
        result = await registry.invoke(ORDERS, b"{}")
        assert result.payload == f"orders elsewhere {ORDERS} {{}}".encode()

    run(main())


@pytest.mark.parametrize(
    ("hosting", "suffix", "is_found"),
    [
        pytest.param(PROCESS, "", True, id="process"),
        pytest.param(PROCESS, ":$LATEST", True, id="process-latest"),
        pytest.param(PROCESS, ":1", False, id="process-version"),
        pytest.param(ENDPOINT, ":live", False, id="endpoint-alias"),
        pytest.param(LAMBDA, ":live", True, id="lambda-alias"),
        pytest.param(PROCESS, "2", False, id="other-name"),
    ],
)
def test_arn_finds_the_function(run: Run, hosting: Hosting, suffix: str, *, is_found: bool) -> None:
    async def main() -> None:
        registry = Registry(function(hosting))
        assert registry.find(ORDERS + suffix) == (function(hosting) if is_found else None)
        if is_found:
            assert (ORDERS + suffix).encode() in (
                await registry.invoke(ORDERS + suffix, b"")
            ).payload
        else:
            with pytest.raises(FunctionNotFoundError, match="Function not found: arn:aws:lambda"):
                await registry.invoke(ORDERS + suffix, b"")

    run(main())


def test_changed_function_drains_its_host_and_gets_another(run: Run) -> None:
    async def main() -> None:
        registry = Registry(function())
        await registry.invoke(ORDERS, b"")
        registry.declare([function(timeout_s=9)])
        assert registry.opened[0].stops == [3]
        assert (await registry.invoke(ORDERS, b"")).payload.startswith(b"9 ")

    run(main())


def test_host_that_broke_down_is_replaced(run: Run) -> None:
    async def main() -> None:
        registry = Registry(function())
        await registry.invoke(ORDERS, b"")
        registry.opened[0].is_stopped = True
        await registry.invoke(ORDERS, b"")
        assert len(registry.opened) == 2

    run(main())


def test_removed_function_drains_and_is_not_found_any_more(run: Run) -> None:
    async def main() -> None:
        registry = Registry(function())
        await registry.invoke(ORDERS, b"")
        registry.declare([])
        assert registry.opened[0].stops == [3]
        with pytest.raises(FunctionNotFoundError):
            await registry.invoke(ORDERS, b"")

    run(main())


def test_same_declaration_leaves_hosts_alone(run: Run) -> None:
    async def main() -> None:
        registry = Registry(function())
        await registry.invoke(ORDERS, b"")
        registry.declare([function(), function(name="other")])
        assert registry.opened[0].stops == []

    run(main())


def test_stop_ends_all_hosts_those_that_drain_too(run: Run) -> None:
    async def main() -> None:
        registry = Registry(function(), function(name="other"))
        await registry.invoke(ORDERS, b"")
        await registry.invoke(ORDERS.replace("orders", "other"), b"")
        registry.declare([function(name="other")])
        await registry.stop(5)
        assert [host.is_stopped for host in registry.opened] == [True, True]

    run(main())


def test_host_that_fails_to_stop_leaves_no_other_running(run: Run) -> None:
    class Broken(FakeHost):
        async def stop(self, drain_s: float) -> None:
            raise ZeroDivisionError(drain_s)

    async def main() -> None:
        registry = Registry(function(), function(name="other"))
        registry.opening = [Broken, FakeHost]
        await registry.invoke(ORDERS, b"")
        await registry.invoke(ORDERS.replace("orders", "other"), b"")
        with pytest.raises(ExceptionGroup) as raised:
            await registry.stop(5)
        assert raised.group_contains(ZeroDivisionError)
        assert registry.opened[1].is_stopped

    run(main())


@pytest.mark.parametrize("hosting", [PROCESS, ENDPOINT])
def test_function_is_there_but_not_invoked_once_the_service_stops(
    run: Run, hosting: Hosting
) -> None:
    async def main() -> None:
        registry = Registry(function(hosting))
        await registry.stop(5)
        assert registry.find(ORDERS) is not None
        with pytest.raises(InvokeUnavailableError, match="the service is stopping"):
            await registry.invoke(ORDERS, b"")
        with pytest.raises(FunctionNotFoundError):
            await registry.invoke(f"{ORDERS}2", b"")

    run(main())
