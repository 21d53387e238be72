"""An answer is read on only once there is room for it: over real sockets, straight and proxied."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from scripted_server import Conversation, RunFixture, Script, no_tls, serve
from wire_builders import Budget

from penstock.aws.errors import (
    AnswerTooLargeError,
    ConnectionLostError,
    PhaseTimeoutError,
)
from penstock.aws.exchange import ExchangeRules, HttpRequest, HttpResponse, Origin, Timeouts
from penstock.aws.proxied import ProxiedTransport
from penstock.aws.transport import DirectTransport, Transport

pytest_plugins = ["wire_fixtures"]

POST = HttpRequest("POST", "/", (("Host", "far.example"),), b"{}")
FAR = Origin("http", "far.example", 80)
TICK_S = 0.05
BRIEF = Timeouts(body_s=3 * TICK_S, total_s=6 * TICK_S)
LARGE = 16 * 1024 * 1024  # more than the kernel and both ends hold back
OK = b"HTTP/1.1 200 OK\r\n"


def rules_of(
    budget: Budget, timeouts: Timeouts | None = None, answer_bytes_max: int = LARGE
) -> ExchangeRules:
    return ExchangeRules(
        timeouts=timeouts or Timeouts(), answer_bytes_max=answer_bytes_max, admit=budget.take
    )


@pytest.fixture(params=["direct", "proxied"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.asynccontextmanager
async def open_transport(kind: str, script: Script) -> AsyncIterator[tuple[Transport, Origin]]:
    async with serve(script) as origin:
        is_direct = kind == "direct"
        transport: Transport = (
            DirectTransport(no_tls) if is_direct else ProxiedTransport(str(origin), no_tls)
        )
        try:
            yield transport, origin if is_direct else FAR
        finally:
            await transport.close()


def sends(*pieces: bytes) -> Script:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.send(*pieces)
        await conversation.wait_for_end()

    return converse


async def ask_once(kind: str, script: Script, rules: ExchangeRules) -> HttpResponse:
    async with open_transport(kind, script) as (transport, origin):
        return await transport.exchange(origin, POST, rules)


def test_answer_is_not_read_on_before_it_is_admitted(run: RunFixture, kind: str) -> None:
    async def scenario() -> None:
        waiting, passing, sent_whole = Budget(), Budget(), []
        waiting.is_open.clear()

        async def converse(conversation: Conversation) -> None:
            await conversation.read_request()
            await conversation.answer(bytes(LARGE))
            sent_whole.append(conversation)
            await conversation.wait_for_end()

        async with open_transport(kind, converse) as (transport, origin):
            exchange = asyncio.create_task(transport.exchange(origin, POST, rules_of(waiting)))
            await waiting.is_asked.wait()
            await transport.exchange(origin, POST, rules_of(passing))
            assert (len(sent_whole), exchange.done()) == (1, False)
            waiting.is_open.set()
            assert len((await exchange).body) == LARGE
        assert waiting.asked == [LARGE]

    run(scenario())


def test_no_limit_runs_while_the_answer_waits(run: RunFixture, kind: str) -> None:
    async def scenario() -> None:
        waiting, passing = Budget(), Budget()
        waiting.is_open.clear()

        async def converse(conversation: Conversation) -> None:
            await conversation.read_request()
            await conversation.send(OK + b"Content-Length: 9\r\n\r\n", b"part")
            await waiting.is_open.wait()
            await conversation.send(b" two.")
            await conversation.wait_for_end()

        async with open_transport(kind, converse) as (transport, origin):
            rules = rules_of(waiting, BRIEF)
            exchange = asyncio.create_task(transport.exchange(origin, POST, rules))
            await waiting.is_asked.wait()
            for _ in range(3):  # each of them as long as the limits are
                with pytest.raises(PhaseTimeoutError):
                    await transport.exchange(origin, POST, rules_of(passing, BRIEF))
            waiting.is_open.set()
            assert (await exchange).body == b"part two."

    run(scenario())


def test_limits_run_again_once_the_answer_is_admitted(run: RunFixture, kind: str) -> None:
    script = sends(OK + b"Content-Length: 9\r\n\r\n", b"part")

    with pytest.raises(PhaseTimeoutError):
        run(ask_once(kind, script, rules_of(Budget(), BRIEF)))


def test_cancelling_a_waiting_answer_closes_its_connection(run: RunFixture, kind: str) -> None:
    async def scenario() -> None:
        budget, closed = Budget(), asyncio.Event()
        budget.is_open.clear()

        async def converse(conversation: Conversation) -> None:
            await sends(OK + b"Content-Length: 9\r\n\r\n", b"part")(conversation)
            closed.set()

        async with open_transport(kind, converse) as (transport, origin):
            exchange = asyncio.create_task(transport.exchange(origin, POST, rules_of(budget)))
            await budget.is_asked.wait()
            exchange.cancel()
            with pytest.raises(asyncio.CancelledError):
                await exchange
            await closed.wait()

    run(scenario())


def test_refused_admission_closes_the_connection(run: RunFixture, kind: str) -> None:
    async def scenario() -> None:
        closed = asyncio.Event()

        async def converse(conversation: Conversation) -> None:
            await sends(OK + b"Content-Length: 9\r\n\r\n", b"part")(conversation)
            closed.set()

        async def refuse(_: int) -> None:
            raise LookupError

        async with open_transport(kind, converse) as (transport, origin):
            with pytest.raises(LookupError):
                await transport.exchange(origin, POST, ExchangeRules(admit=refuse))
            await closed.wait()

    run(scenario())


def test_answer_that_is_lost_while_it_waits_is_lost(run: RunFixture) -> None:
    async def scenario() -> None:
        budget, resets = Budget(), asyncio.Event()
        budget.is_open.clear()

        async def converse(conversation: Conversation) -> None:
            await conversation.read_request()
            await conversation.send(OK + b"Content-Length: 9\r\n\r\n")
            await resets.wait()
            conversation.reset()

        async with open_transport("direct", converse) as (transport, origin):
            exchange = asyncio.create_task(transport.exchange(origin, POST, rules_of(budget)))
            await budget.is_asked.wait()
            resets.set()
            budget.is_open.set()
            with pytest.raises(ConnectionLostError):
                await exchange

    run(scenario())


def test_closing_the_transport_fails_an_answer_that_waits(run: RunFixture) -> None:
    async def scenario() -> None:
        budget = Budget()
        budget.is_open.clear()
        script = sends(OK + b"Content-Length: 9\r\n\r\n")
        async with open_transport("direct", script) as (transport, origin):
            exchange = asyncio.create_task(transport.exchange(origin, POST, rules_of(budget)))
            await budget.is_asked.wait()
            await transport.close()
            budget.is_open.set()
            with pytest.raises(ConnectionLostError):
                await exchange

    run(scenario())


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((OK + b"Content-Length: 5\r\n\r\nhello",), id="one-piece"),
        pytest.param((OK + b"Content-Length: 5\r\n\r\n", b"hello"), id="in-pieces"),
        pytest.param((OK[:8], OK[8:] + b"Content-Length: 5\r\n\r\nhe", b"llo"), id="in-the-head"),
        pytest.param(
            (b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 5\r\n\r\nhello"),
            id="after-an-interim-answer",
        ),
    ],
)
def test_room_is_asked_for_once_for_the_whole_body(
    run: RunFixture, kind: str, pieces: tuple[bytes, ...]
) -> None:
    budget = Budget()

    response = run(ask_once(kind, sends(*pieces), rules_of(budget)))

    assert (response.body, budget.asked) == (b"hello", [5])


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"Content-Length: 5\r\n\r\nhello",), id="one-piece"),
        pytest.param((b"Content-Length: 5\r\n\r\n", b"hello"), id="in-pieces"),
        pytest.param(
            (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe", b"llo\r\n0\r\n\r\n"), id="no-length"
        ),
    ],
)
def test_error_is_told_while_there_is_no_room(
    run: RunFixture, kind: str, pieces: tuple[bytes, ...]
) -> None:
    async def scenario() -> HttpResponse:
        budget = Budget()
        budget.is_open.clear()
        script = sends(b"HTTP/1.1 400 Bad Request\r\n" + pieces[0], *pieces[1:])
        response = await ask_once(kind, script, rules_of(budget))
        assert budget.asked == []
        return response

    response = run(scenario())

    assert (response.status, response.body) == (400, b"hello")


def test_answer_without_a_length_is_admitted_at_its_bound(run: RunFixture, kind: str) -> None:
    budget = Budget()
    half_a_chunk = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe"

    async def scenario() -> HttpResponse:
        budget.is_open.clear()

        async def converse(conversation: Conversation) -> None:
            await conversation.read_request()
            await conversation.send(half_a_chunk)
            await budget.is_asked.wait()
            budget.is_open.set()
            await conversation.send(b"llo\r\n0\r\n\r\n")
            await conversation.wait_for_end()

        return await ask_once(kind, converse, rules_of(budget, answer_bytes_max=1000))

    assert run(scenario()).body == b"hello"
    assert budget.asked == [1000]


def test_small_chunked_answer_in_one_piece_is_admitted_as_it_is(run: RunFixture) -> None:
    budget = Budget()
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

    run(ask_once("direct", sends(chunked), rules_of(budget)))

    assert budget.asked == [5]


def test_answer_over_its_bound_asks_for_no_room(run: RunFixture, kind: str) -> None:
    budget = Budget()
    script = sends(OK + b"Content-Length: 1001\r\n\r\n", b"part")

    with pytest.raises(AnswerTooLargeError):
        run(ask_once(kind, script, rules_of(budget, answer_bytes_max=1000)))

    assert budget.asked == []


def test_connection_is_kept_after_an_admitted_answer(run: RunFixture) -> None:
    connections: list[Conversation] = []

    async def converse(conversation: Conversation) -> None:
        connections.append(conversation)
        for body in (b"hello", bytes(LARGE)):
            await conversation.read_request()
            await conversation.answer(body)
        await conversation.wait_for_end()

    async def scenario() -> list[int]:
        budget = Budget()
        async with open_transport("direct", converse) as (transport, origin):
            for _ in range(2):
                await transport.exchange(origin, POST, rules_of(budget))
        return budget.asked

    assert run(scenario()) == [5, LARGE]
    assert len(connections) == 1


def test_failure_before_the_answer_asks_for_no_room(run: RunFixture) -> None:
    budget = Budget()
    rules = rules_of(budget, Timeouts(first_byte_s=TICK_S))

    with pytest.raises(PhaseTimeoutError):
        run(ask_once("direct", sends(), rules))

    assert budget.asked == []
