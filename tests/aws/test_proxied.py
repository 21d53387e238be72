"""A configured proxy is used: the same calls, the same errors."""

import asyncio

import pytest
from scripted_server import (
    Conversation,
    ReceivedRequest,
    RunFixture,
    Script,
    always,
    no_tls,
    serve,
)
from wire_builders import make_wire

from penstock.aws.errors import (
    AnswerTooLargeError,
    ConnectFailedError,
    ConnectionLostError,
    Phase,
    PhaseTimeoutError,
    TransportError,
)
from penstock.aws.exchange import ExchangeRules, HttpRequest, HttpResponse, Origin, Timeouts
from penstock.aws.proxied import ProxiedTransport

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

FAR = Origin("http", "sqs.example", 80)
POST = HttpRequest("POST", "/a%3Ab", (("Host", "sqs.example"), ("X-Amz-Target", "T")), b"{}")

IMPATIENT = ExchangeRules(timeouts=Timeouts(pool_s=0.05))


async def _exchange(script: Script, rules: ExchangeRules) -> HttpResponse:
    async with serve(script) as proxy:
        transport = ProxiedTransport(str(proxy), no_tls)
        try:
            return await transport.exchange(FAR, POST, rules)
        finally:
            await transport.close()


def test_proxy_is_asked_for_the_far_server(run: RunFixture) -> None:
    seen: list[ReceivedRequest] = []

    async def converse(conversation: Conversation) -> None:
        seen.append(await conversation.read_request())
        await conversation.answer(b"hello", head="X-Far: yes\r\n")

    response = run(_exchange(converse, ExchangeRules()))

    assert (response.status, response.body, response.header("x-far")) == (200, b"hello", "yes")
    assert (seen[0].target, seen[0].body) == ("http://sqs.example/a%3Ab", b"{}")
    assert seen[0].headers["host"] == "sqs.example"


def test_cookies_of_a_server_are_not_sent_back(run: RunFixture) -> None:
    seen: list[ReceivedRequest] = []

    async def converse(conversation: Conversation) -> None:
        for _ in range(2):
            seen.append(await conversation.read_request())
            await conversation.answer(head="Set-Cookie: a=b\r\n")

    async def scenario() -> None:
        async with serve(converse) as proxy:
            transport = ProxiedTransport(str(proxy), no_tls)
            for _ in range(2):
                await transport.exchange(FAR, POST, ExchangeRules())
            await transport.close()

    run(scenario())
    assert ["cookie" in request.headers for request in seen] == [False, False]


def test_wire_client_takes_the_proxy_of_the_environment(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> HttpResponse:
        async with serve(always(b"through")) as proxy:
            monkeypatch.setenv("HTTP_PROXY", str(proxy))
            wire = make_wire()
            service = await wire.open_url("http://far.example", service="sqs", region="r")
            try:
                return await service.send(service.open_form("GET", "/", ()), b"", ExchangeRules())
            finally:
                await wire.close()

    assert run(scenario()).body == b"through"


async def _hang_up(conversation: Conversation) -> None:
    await conversation.read_request()


async def _say_nothing(conversation: Conversation) -> None:
    await conversation.wait_for_end()


async def _stop_midway(conversation: Conversation) -> None:
    await conversation.read_request()
    await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param(_hang_up, ConnectionLostError, id="lost"),
        pytest.param(_stop_midway, ConnectionLostError, id="truncated"),
        pytest.param(_say_nothing, PhaseTimeoutError, id="silent"),
        pytest.param(always(bytes(2000)), AnswerTooLargeError, id="huge"),
    ],
)
def test_failures_after_the_request_count_as_written(
    run: RunFixture, script: Script, error: type[TransportError]
) -> None:
    rules = ExchangeRules(timeouts=Timeouts(first_byte_s=0.05, body_s=0.05), answer_bytes_max=1000)

    with pytest.raises(error) as caught:
        run(_exchange(script, rules))

    assert caught.value.written


def test_proxy_that_is_away_was_never_written_to(run: RunFixture) -> None:
    async def scenario() -> None:
        async with serve(_hang_up) as proxy:
            pass
        transport = ProxiedTransport(str(proxy), no_tls)
        with pytest.raises(ConnectFailedError) as caught:
            await transport.exchange(FAR, POST, ExchangeRules())
        assert not caught.value.written
        await transport.close()

    run(scenario())


def test_busy_proxy_connections_are_waited_for_within_limits(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.aws.proxied.SHORT_CONNECTIONS_MAX", 1)
    release, arrived = asyncio.Event(), asyncio.Event()

    async def hold(conversation: Conversation) -> None:
        await conversation.read_request()
        arrived.set()
        await release.wait()
        await conversation.answer()

    async def scenario() -> None:
        async with serve(hold) as proxy, asyncio.TaskGroup() as tasks:
            transport = ProxiedTransport(str(proxy), no_tls)
            first = tasks.create_task(transport.exchange(FAR, POST, ExchangeRules()))
            await arrived.wait()
            with pytest.raises(PhaseTimeoutError) as caught:
                await transport.exchange(FAR, POST, IMPATIENT)
            assert (caught.value.phase, caught.value.written) == (Phase.CONNECT, False)
            release.set()
            await first
            await transport.close()

    run(scenario())
