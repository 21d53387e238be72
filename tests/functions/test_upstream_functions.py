"""Functions of an upstream: what it tells of them, and what becomes of what it does not tell."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from aiohttp import web
from api_fakes import QUEUE_ARN
from wire_builders import make_wire

from penstock.functions import upstream_watch
from penstock.functions.lambda_api import LambdaApiInvoker
from penstock.functions.registry import FunctionRegistry
from penstock.functions.upstream_functions import UpstreamFunctions
from penstock.functions.upstream_watch import UpstreamWatch
from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError, FunctionNotFoundError, InvokeUnavailableError
from penstock.model.function import CONCURRENCY_DEFAULT, Function, LambdaFunction
from penstock.model.mapping import EventSourceMapping
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
SCOPE = Scope("000000000000", "us-east-1")
ROLE = "arn:aws:iam::000000000000:role/r"
FUNCTION = Function(
    scope=SCOPE,
    name="f",
    hosting=LambdaFunction(arn=ARN),
    timeout_s=7,
    memory_mb=256,
    concurrency=3,
    role=ROLE,
)


class Upstream:
    """An upstream's Lambda: what it answers by path and qualifier, and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[str] = []
        self.declared: Sequence[Function] = ()
        self.url = ""

    def put(self, *, qualifier: str = "", concurrency: Any = None, **members: Any) -> None:
        """Have a function ``f``."""
        configuration = {"FunctionArn": ARN, "Timeout": 7, "MemorySize": 256, "Role": ROLE}
        query = f"?Qualifier={qualifier}" if qualifier else ""
        self.answers[f"/2015-03-31/functions/f/configuration{query}"] = (
            200,
            configuration | members,
        )
        self.answers["/2019-09-30/functions/f/concurrency"] = (200, concurrency or {})

    async def answer(self, request: web.Request) -> web.Response:
        """Answer as Lambda does."""
        self.asked.append(f"{request.method} {request.raw_path}")
        status, body = self.answers.get(request.raw_path, (404, {"Message": "not found"}))
        return web.Response(status=status, body=msgspec.json.encode(body))

    def functions(self) -> UpstreamFunctions:
        """Make what is tested."""

        def declare(functions: Sequence[Function]) -> None:
            self.declared = functions

        return UpstreamFunctions(make_wire(), self.url, declare)


Scenario = Callable[[Upstream], Coroutine[Any, Any, None]]


def run_with_upstream(scenario: Scenario) -> None:
    async def main() -> None:
        upstream = Upstream()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", upstream.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with asyncio.timeout(20):
                await scenario(upstream)
        finally:
            await runner.cleanup()

    asyncio.run(main())


@pytest.fixture(name="store")
def fixture_store() -> Iterator[SqlStore]:
    store = SqlStore("sqlite://")
    row = EventSourceMapping(
        uuid="u1", scope=SCOPE, event_source_arn=QUEUE_ARN, function_arn=ARN, batch_size=10
    )
    store.insert_mapping(row)
    yield store
    store.close()


def test_function_is_what_the_upstream_tells() -> None:
    async def scenario(upstream: Upstream) -> None:
        upstream.put(concurrency={"ReservedConcurrentExecutions": 3})

        found = await upstream.functions().refresh(ARN)

        assert found == FUNCTION
        assert upstream.declared == (FUNCTION,)
        assert upstream.asked == [
            "GET /2015-03-31/functions/f/configuration",
            "GET /2019-09-30/functions/f/concurrency",
        ]

    run_with_upstream(scenario)


def test_function_that_has_reserved_nothing_for_itself_has_no_concurrency() -> None:
    async def scenario(upstream: Upstream) -> None:
        upstream.put(concurrency={"ReservedConcurrentExecutions": 0})

        found = await upstream.functions().refresh(ARN)

        assert found is not None
        assert found.concurrency == 0

    run_with_upstream(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((200, {}), id="none reserved"),
        pytest.param((501, {"message": "no such operation"}), id="no such operation"),
        pytest.param((404, {}), id="not found"),
    ],
)
def test_function_without_reserved_concurrency_has_the_default(answer: tuple[int, Any]) -> None:
    async def scenario(upstream: Upstream) -> None:
        upstream.put()
        upstream.answers["/2019-09-30/functions/f/concurrency"] = answer

        found = await upstream.functions().refresh(ARN)

        assert found is not None
        assert found.concurrency == CONCURRENCY_DEFAULT

    run_with_upstream(scenario)


def test_qualifier_is_asked_for_and_may_be_missing_alone() -> None:
    async def scenario(upstream: Upstream) -> None:
        upstream.put()
        upstream.put(qualifier="live", Timeout=30)
        functions = upstream.functions()

        found = [await functions.refresh(arn) for arn in (ARN, f"{ARN}:live", f"{ARN}:gone")]

        assert [each and each.timeout_s for each in found] == [7, 30, None]
        assert [each.timeout_s for each in upstream.declared] == [30]

    run_with_upstream(scenario)


def test_function_that_is_gone_is_no_longer_declared() -> None:
    async def scenario(upstream: Upstream) -> None:
        upstream.put()
        functions = upstream.functions()
        await functions.refresh(ARN)
        upstream.answers.clear()

        assert await functions.refresh(ARN) is None
        assert upstream.declared == ()

    run_with_upstream(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, {"message": "broken"}), id="failure"),
        pytest.param((403, {"message": "denied"}), id="denied"),
        pytest.param((200, []), id="no object"),
        pytest.param((200, {"Timeout": 0}), id="no timeout"),
    ],
)
def test_upstream_that_does_not_tell_leaves_what_was_known(answer: tuple[int, Any]) -> None:
    async def scenario(upstream: Upstream) -> None:
        upstream.put()
        functions = upstream.functions()
        known = await functions.refresh(ARN)
        upstream.answers["/2015-03-31/functions/f/configuration"] = answer

        with pytest.raises(InvokeUnavailableError, match="does not tell of the function arn:"):
            await functions.refresh(ARN)
        assert (functions.known(ARN), upstream.declared) == (known, (known,))

    run_with_upstream(scenario)


def test_upstream_of_another_account_is_refused_with_the_fix() -> None:
    async def scenario(upstream: Upstream) -> None:
        upstream.put(FunctionArn=ARN.replace("000000000000", "123456789012"))

        with pytest.raises(ConfigurationError, match='set account_id = "123456789012"'):
            await upstream.functions().refresh(ARN)

    run_with_upstream(scenario)


def test_function_is_invoked_at_the_upstream_whatever_the_aws_configuration_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")

    async def scenario(upstream: Upstream) -> None:
        upstream.put()
        invoker = LambdaApiInvoker(make_wire(), lambda_url=upstream.url)
        path = f"/2015-03-31/functions/{ARN.replace(':', '%3A')}%3Alive/invocations"
        upstream.answers[path] = (200, {"ran": True})
        registry = FunctionRegistry(
            lambda _: pytest.fail("no local function"), invoker, draw_fraction=lambda: 0.0
        )
        await UpstreamFunctions(make_wire(), upstream.url, registry.declare).refresh(ARN)

        result = await registry.invoke(f"{ARN}:live", b"{}")

        assert result.payload == b'{"ran":true}'
        with pytest.raises(FunctionNotFoundError):
            await registry.invoke(f"{ARN}:gone", b"{}")

    run_with_upstream(scenario)


def test_watch_tells_what_has_changed_and_nothing_else(store: SqlStore) -> None:
    async def scenario(upstream: Upstream) -> None:
        upstream.put()
        told: list[str] = []
        watch = UpstreamWatch(upstream.functions(), InlineStore(store), told.append)

        await watch.look()
        await watch.look()
        upstream.put(Timeout=9)
        await watch.look()

        assert told == [ARN, ARN]

    run_with_upstream(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, {"message": "a defect"}), id="a defect of the upstream"),
        pytest.param((200, {"Timeout": 901}), id="an answer that cannot be used"),
        pytest.param((200, {"FunctionArn": ARN.replace("0" * 12, "1" * 12)}), id="account"),
    ],
)
def test_watch_asks_for_the_others_when_one_is_not_told(
    store: SqlStore, answer: tuple[int, Any]
) -> None:
    row = msgspec.structs.replace(store.list_mappings()[0], uuid="u0", function_arn=f"{ARN}:bad")
    store.insert_mapping(row)

    async def scenario(upstream: Upstream) -> None:
        upstream.put()
        upstream.answers["/2015-03-31/functions/f/configuration?Qualifier=bad"] = answer
        told: list[str] = []

        await UpstreamWatch(upstream.functions(), InlineStore(store), told.append).look()

        assert told == [ARN]

    run_with_upstream(scenario)


def test_watch_finds_a_function_that_comes_later_soon(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_watch, "MISSING_S", 0.01)

    async def scenario(upstream: Upstream) -> None:
        stop, found = asyncio.Event(), asyncio.Event()
        watch = UpstreamWatch(upstream.functions(), InlineStore(store), lambda _: found.set())
        await watch.look()
        watching = asyncio.create_task(watch.run(stop))
        upstream.put()
        await found.wait()
        stop.set()
        await watching

        assert [function.arn for function in upstream.declared] == [ARN]

    run_with_upstream(scenario)


def test_watch_outlives_an_upstream_that_is_away(store: SqlStore) -> None:
    async def scenario(upstream: Upstream) -> None:
        functions = UpstreamFunctions(make_wire(), "http://127.0.0.1:1", lambda _: None)
        told: list[str] = []

        await UpstreamWatch(functions, InlineStore(store), told.append).look()

        assert told == []
        assert upstream.asked == []

    run_with_upstream(scenario)


def test_defect_of_the_watch_is_its_task_s_result(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_watch, "MISSING_S", 0.01)

    def fail(_: str) -> None:
        raise ZeroDivisionError

    async def scenario(upstream: Upstream) -> None:
        watch = UpstreamWatch(upstream.functions(), InlineStore(store), fail)
        await watch.look()
        upstream.put()

        async with watch.running() as watching:
            await asyncio.wait({watching})

            assert isinstance(watching.exception(), ZeroDivisionError)

    run_with_upstream(scenario)
