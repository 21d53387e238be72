"""Which function an ARN means, where it runs, and what a change of declarations does."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from penstock.functions.deployment import Deployment
from penstock.functions.registry import FunctionRegistry
from penstock.model.arn import Scope
from penstock.model.deployed_function import Alias, FunctionState
from penstock.model.errors import (
    FunctionNotActiveError,
    FunctionNotFoundError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
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


class UnstoppableHost(FakeHost):
    """A host that fails when it is stopped."""

    async def stop(self, drain_s: float) -> None:
        """Fail."""
        raise ZeroDivisionError(drain_s)


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
        self.fraction = 0.0
        super().__init__(self.open_host, FakeEndpoints(), draw_fraction=lambda: self.fraction)
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
    async def main() -> None:
        registry = Registry(function(), function(name="other"))
        registry.opening = [UnstoppableHost, FakeHost]
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


def deployment(*, second_timeout_s: int = 3, concurrency: int = 10, **changes: Any) -> Deployment:
    """Give a deployed function of versions 1 and 2, and an alias of both."""
    functions = {
        version: msgspec.structs.replace(
            function(timeout_s=timeout_s), version=version, concurrency=concurrency
        )
        for version, timeout_s in (("$LATEST", 3), ("1", 3), ("2", second_timeout_s))
    }
    given: dict[str, Any] = {
        "functions": functions,
        "states": dict.fromkeys(functions, FunctionState.ACTIVE),
        "aliases": {"prod": Alias(name="prod", version="1", revision_id="", weights={"2": 0.25})},
    }
    return Deployment(**given | changes)


@pytest.mark.parametrize(
    ("suffix", "version"),
    [("", "$LATEST"), (":$LATEST", "$LATEST"), (":1", "1"), (":2", "2"), (":prod", "1")],
)
def test_deployed_function_is_found_by_version_and_alias(suffix: str, version: str) -> None:
    registry = Registry()
    registry.deploy(ORDERS, deployment())

    found = registry.find(ORDERS + suffix)

    assert found is not None
    assert found.version == version


@pytest.mark.parametrize("suffix", [":3", ":other"])
def test_version_that_is_not_there_is_not_found(run: Run, suffix: str) -> None:
    async def main() -> None:
        registry = Registry()
        registry.deploy(ORDERS, deployment())
        assert registry.find(ORDERS + suffix) is None
        with pytest.raises(FunctionNotFoundError):
            await registry.invoke(ORDERS + suffix, b"")

    run(main())


def test_alias_takes_the_longest_timeout_of_its_versions() -> None:
    registry = Registry()
    registry.deploy(ORDERS, deployment(second_timeout_s=60))

    found = registry.find(f"{ORDERS}:prod")

    assert found is not None
    assert found.timeout_s == 60


def test_each_version_has_a_host_and_says_that_it_ran(run: Run) -> None:
    async def main() -> None:
        registry = Registry()
        registry.deploy(ORDERS, deployment())
        results = [await registry.invoke(ORDERS + each, b"") for each in ("", ":1", ":1", ":2")]
        assert [result.executed_version for result in results] == ["$LATEST", "1", "1", "2"]
        assert [host.function.version for host in registry.opened] == ["$LATEST", "1", "2"]

    run(main())


def test_alias_sends_its_weight_to_the_other_version(run: Run) -> None:
    async def main() -> None:
        registry = Registry()
        registry.deploy(ORDERS, deployment())
        versions = []
        for registry.fraction in (0.1, 0.3):
            versions.append((await registry.invoke(f"{ORDERS}:prod", b"")).executed_version)
        assert versions == ["2", "1"]

    run(main())


def test_function_that_is_not_active_is_not_run(run: Run) -> None:
    async def main() -> None:
        registry = Registry()
        states = {"$LATEST": FunctionState.PENDING, "1": FunctionState.FAILED}
        registry.deploy(ORDERS, deployment(states=states))
        for suffix, state in (("", "Pending"), (":1", "Failed")):
            with pytest.raises(FunctionNotActiveError, match=f"in the following state: {state}"):
                await registry.invoke(ORDERS + suffix, b"")
        assert registry.opened == []

    run(main())


def test_deploying_drains_only_what_changed(run: Run) -> None:
    async def main() -> None:
        registry = Registry()
        registry.deploy(ORDERS, deployment())
        for suffix in (":1", ":2"):
            await registry.invoke(ORDERS + suffix, b"")
        registry.deploy(ORDERS, deployment(second_timeout_s=9))
        assert [host.stops for host in registry.opened] == [[], [3]]
        assert (await registry.invoke(f"{ORDERS}:2", b"")).payload.startswith(b"9 ")

    run(main())


def test_host_that_fails_while_it_drains_is_told_of(run: Run) -> None:
    async def main() -> None:
        registry = Registry()
        registry.opening = [UnstoppableHost]
        registry.deploy(ORDERS, deployment())
        await registry.invoke(ORDERS, b"")
        registry.deploy(ORDERS, None)
        [failure] = await registry.drain()
        assert isinstance(failure, ZeroDivisionError)

    run(main())


def test_removed_deployment_drains_and_is_waited_for(run: Run) -> None:
    async def main() -> None:
        registry = Registry()
        registry.deploy(ORDERS, deployment())
        await registry.invoke(ORDERS, b"")
        registry.deploy(ORDERS, None)
        assert registry.folders_in_use() == {"/code"}
        await registry.drain()
        assert registry.folders_in_use() == frozenset()
        assert registry.find(ORDERS) is None

    run(main())


def test_declared_function_hides_a_deployed_one(run: Run) -> None:
    async def main() -> None:
        registry = Registry()
        registry.deploy(ORDERS, deployment())
        await registry.invoke(ORDERS, b"")
        registry.declare([function(timeout_s=9)])
        assert registry.opened[0].stops == [3]
        assert registry.find(f"{ORDERS}:1") is None
        assert (await registry.invoke(ORDERS, b"")).payload.startswith(b"9 ")
        assert registry.find_declared(ORDERS) == function(timeout_s=9)
        registry.declare([])
        assert registry.find(f"{ORDERS}:1") is not None

    run(main())


def test_concurrency_of_zero_runs_nothing(run: Run) -> None:
    async def main() -> None:
        registry = Registry()
        registry.deploy(ORDERS, deployment(concurrency=0))
        with pytest.raises(InvokeThrottledError):
            await registry.invoke(ORDERS, b"")
        assert registry.opened == []

    run(main())


def test_invocation_that_met_a_leaving_host_runs_on_the_next(run: Run) -> None:
    class Leaving(FakeHost):
        async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
            del function_arn, payload
            registry.deploy(ORDERS, deployment(second_timeout_s=9))
            raise InvokeUnavailableError("it was stopped")

    registry = Registry()

    async def main() -> None:
        registry.deploy(ORDERS, deployment())
        registry.opening = [Leaving]
        assert (await registry.invoke(f"{ORDERS}:2", b"")).payload.startswith(b"9 ")

    run(main())


def test_invocation_that_met_a_broken_host_is_not_tried_again(run: Run) -> None:
    class Broken(FakeHost):
        async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
            raise InvokeUnavailableError(f"{function_arn} {payload!r}")

    async def main() -> None:
        registry = Registry()
        registry.deploy(ORDERS, deployment())
        registry.opening = [Broken]
        with pytest.raises(InvokeUnavailableError):
            await registry.invoke(ORDERS, b"")

    run(main())
