"""The transport over real sockets: every shape of an answer, every way it can fail to come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from scripted_server import Conversation, RunFixture, Script, always, in_turn, no_tls, serve

from penstock.aws.connection import HttpConnection
from penstock.aws.errors import (
    AnswerMalformedError,
    AnswerTooLargeError,
    ConnectFailedError,
    ConnectionLostError,
    Phase,
    PhaseTimeoutError,
)
from penstock.aws.exchange import ExchangeRules, HttpRequest, HttpResponse, Origin, Timeouts
from penstock.aws.transport import DirectTransport

pytest_plugins = ["wire_fixtures"]

GET = HttpRequest("GET", "/", (("Host", "test"),))
LARGE = HttpRequest("POST", "/", (("Host", "test"),), bytes(6 * 1024 * 1024))
TWICE = ExchangeRules(is_idempotent=True)
ONCE = ExchangeRules(is_idempotent=False)
OK = b"HTTP/1.1 200 OK\r\n"
TICK_S = 0.05


@contextlib.asynccontextmanager
async def _transport_to(script: Script) -> AsyncIterator[tuple[DirectTransport, Origin]]:
    async with serve(script) as origin:
        transport = DirectTransport(no_tls)
        yield transport, origin
        await transport.close()


async def _exchange(
    script: Script, request: HttpRequest = GET, rules: ExchangeRules = ONCE
) -> HttpResponse:
    async with _transport_to(script) as (transport, origin):
        return await transport.exchange(origin, request, rules)


def _sends(*pieces: bytes, then_waits: bool = False) -> Script:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.send(*pieces)
        if then_waits:
            await conversation.wait_for_end()

    return converse


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((OK + b"Content-Length: 5\r\n\r\nhello",), id="content-length"),
        pytest.param((OK + b"Content-Length: 5\r\n\r\nhe", b"llo"), id="in-pieces"),
        pytest.param(
            (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n"),
            id="chunked",
        ),
        pytest.param((b"HTTP/1.0 200 OK\r\n\r\nhe", b"llo"), id="until-close"),
        pytest.param((OK + b"Connection: close\r\n\r\nhello",), id="connection-close"),
        pytest.param(
            (b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 5\r\n\r\nhello"),
            id="after-an-interim-answer",
        ),
    ],
)
def test_exchange_reads_every_framing(run: RunFixture, pieces: tuple[bytes, ...]) -> None:
    response = run(_exchange(_sends(*pieces)))

    assert (response.status, response.body) == (200, b"hello")


def test_exchange_gives_headers_in_any_case(run: RunFixture) -> None:
    response = run(_exchange(always(b"", head="x-AMZN-RequestId: 42\r\n")))

    assert response.header("X-Amzn-Requestid") == "42"
    assert response.header("X-Other") is None


def test_trailers_are_not_taken_for_headers(run: RunFixture) -> None:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    trailer = b"X-Amz-Function-Error: Unhandled\r\n"

    response = run(_exchange(_sends(head + b"1\r\n1\r\n0\r\n" + trailer + b"\r\n")))

    assert response.headers == ((b"Transfer-Encoding", b"chunked"),)
    assert response.body == b"1"


def test_exchange_gives_answers_of_any_status(run: RunFixture) -> None:
    response = run(_exchange(always(b"<html>", status="500 Internal Server Error")))

    assert (response.status, response.body) == (500, b"<html>")


def test_exchange_keeps_its_connection(run: RunFixture) -> None:
    connection_count = 0

    async def converse(conversation: Conversation) -> None:
        nonlocal connection_count
        connection_count += 1
        await always(b"hello")(conversation)

    async def scenario() -> None:
        async with _transport_to(converse) as (transport, origin):
            for _ in range(3):
                await transport.exchange(origin, GET, ONCE)

    run(scenario())

    assert connection_count == 1


@pytest.mark.parametrize(
    ("pieces", "answered"),
    [
        pytest.param((), False, id="before-the-answer"),
        pytest.param((OK,), True, id="within-the-head"),
        pytest.param((OK + b"Content-Length: 5\r\n\r\nhe",), True, id="within-the-body"),
        pytest.param((OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe",), True, id="in-a-chunk"),
    ],
)
def test_truncated_answer_is_a_lost_connection(
    run: RunFixture, pieces: tuple[bytes, ...], *, answered: bool
) -> None:
    with pytest.raises(ConnectionLostError) as caught:
        run(_exchange(_sends(*pieces)))

    assert (caught.value.written, caught.value.answered) == (True, answered)


def test_connection_that_is_closed_at_once_is_lost(run: RunFixture) -> None:
    async def converse(_: Conversation) -> None:
        return

    with pytest.raises(ConnectionLostError):
        run(_exchange(converse))


def test_connection_lost_before_its_first_exchange_was_not_written_to(run: RunFixture) -> None:
    async def scenario() -> None:
        connection = HttpConnection(asyncio.get_running_loop(), lambda _: None)
        connection.connection_lost(None)
        with pytest.raises(ConnectionLostError) as caught:
            await connection.exchange(GET, ONCE)
        assert not caught.value.written

    run(scenario())


def test_reset_is_a_lost_connection(run: RunFixture) -> None:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        conversation.reset()

    with pytest.raises(ConnectionLostError) as caught:
        run(_exchange(converse))

    assert caught.value.written


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another-protocol"),
        pytest.param(b"\x00" * 100, id="zeros"),
        pytest.param(OK + b"Content-Length: five\r\n\r\n", id="length-not-a-number"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="chunk-not-a-number"),
        pytest.param(
            b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", id="upgrade"
        ),
    ],
)
def test_garbage_is_malformed(run: RunFixture, garbage: bytes) -> None:
    with pytest.raises(AnswerMalformedError):
        run(_exchange(_sends(garbage, then_waits=True)))


def test_defect_of_ours_is_not_blamed_on_the_answer(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: HttpConnection) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(HttpConnection, "on_headers_complete", fail)

    with pytest.raises(ZeroDivisionError):
        run(_exchange(_sends(OK + b"Content-Length: 0\r\n\r\n")))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + b"Content-Length: 99999\r\n\r\n" + bytes(2000), id="body"),
        pytest.param(OK + b"X: " + b"a" * 70_000, id="head"),
    ],
)
def test_huge_answer_is_given_up(run: RunFixture, answer: bytes) -> None:
    rules = ExchangeRules(answer_bytes_max=1000)

    with pytest.raises(AnswerTooLargeError):
        run(_exchange(_sends(answer, then_waits=True), rules=rules))


@pytest.mark.parametrize(
    ("pieces", "timeouts", "phase"),
    [
        pytest.param((), Timeouts(first_byte_s=TICK_S), Phase.FIRST_BYTE, id="no-answer"),
        pytest.param((OK,), Timeouts(body_s=TICK_S), Phase.BODY, id="no-end"),
        pytest.param((OK,), Timeouts(total_s=TICK_S), Phase.BODY, id="total"),
    ],
)
def test_silent_server_is_given_up(
    run: RunFixture, pieces: tuple[bytes, ...], timeouts: Timeouts, phase: Phase
) -> None:
    script = _sends(*pieces, then_waits=True)

    with pytest.raises(PhaseTimeoutError) as caught:
        run(_exchange(script, rules=ExchangeRules(timeouts=timeouts)))

    assert (caught.value.phase, caught.value.written) == (phase, True)


def test_limits_hold_on_a_kept_connection(run: RunFixture) -> None:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.answer()
        await conversation.wait_for_end()

    async def scenario() -> None:
        async with _transport_to(converse) as (transport, origin):
            await transport.exchange(origin, GET, ONCE)
            short = ExchangeRules(timeouts=Timeouts(first_byte_s=TICK_S))
            with pytest.raises(PhaseTimeoutError):
                await transport.exchange(origin, GET, short)

    run(scenario())


def test_kept_connection_closed_under_us_is_replaced_for_an_idempotent_call(
    run: RunFixture,
) -> None:
    async def close_on_second(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.answer(b"first")
        await conversation.read_request()

    async def scenario() -> bytes:
        async with _transport_to(in_turn(close_on_second, always(b"new"))) as (transport, origin):
            await transport.exchange(origin, GET, TWICE)
            return (await transport.exchange(origin, GET, TWICE)).body

    assert run(scenario()) == b"new"


def test_kept_connection_closed_under_us_is_told_to_a_call_that_may_run_once(
    run: RunFixture,
) -> None:
    async def close_on_second(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.answer(b"first")
        await conversation.read_request()

    async def scenario() -> None:
        async with _transport_to(in_turn(close_on_second, always(b"new"))) as (transport, origin):
            await transport.exchange(origin, GET, ONCE)
            with pytest.raises(ConnectionLostError) as caught:
                await transport.exchange(origin, GET, ONCE)
            assert (caught.value.written, caught.value.answered) == (True, False)

    run(scenario())


def test_new_connection_that_is_closed_is_not_tried_again(run: RunFixture) -> None:
    with pytest.raises(ConnectionLostError):
        run(_exchange(in_turn(_sends(), always(b"never")), rules=TWICE))


def test_unasked_answer_is_never_taken_for_the_next(run: RunFixture) -> None:
    poisoned = _sends(OK + b"Content-Length: 1\r\n\r\n1" + OK + b"Content", then_waits=True)

    async def scenario() -> bytes:
        async with _transport_to(in_turn(poisoned, always(b"2"))) as (transport, origin):
            await transport.exchange(origin, GET, ONCE)
            return (await transport.exchange(origin, GET, ONCE)).body

    assert run(scenario()) == b"2"


def test_idle_connection_expires(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.aws.connection.IDLE_S_MAX", TICK_S)
    closed = asyncio.Event()

    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.answer()
        await conversation.wait_for_end()
        closed.set()

    async def scenario() -> None:
        async with _transport_to(converse) as (transport, origin):
            await transport.exchange(origin, GET, ONCE)
            await closed.wait()

    run(scenario())


def test_cancelled_exchange_closes_its_connection(run: RunFixture) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        asked.set()
        await conversation.wait_for_end()
        closed.set()

    async def scenario() -> None:
        async with _transport_to(converse) as (transport, origin), asyncio.TaskGroup() as tasks:
            call = tasks.create_task(transport.exchange(origin, GET, ONCE))
            await asked.wait()
            call.cancel()
            await closed.wait()

    run(scenario())


def test_six_megabytes_reach_a_slow_server_whole(run: RunFixture) -> None:
    async def converse(conversation: Conversation) -> None:
        head = await conversation.read_head()
        remaining = int(head.headers["content-length"])
        while remaining:
            remaining -= len(await conversation.reader.read(8192))
        await conversation.answer(b"whole")

    assert run(_exchange(converse, LARGE)).body == b"whole"


def test_server_that_stops_reading_is_given_up_before_the_request_is_written(
    run: RunFixture,
) -> None:
    released = asyncio.Event()

    async def converse(conversation: Conversation) -> None:
        await conversation.read_head()
        await released.wait()

    with pytest.raises(PhaseTimeoutError) as caught:
        run(_exchange(converse, LARGE, ExchangeRules(timeouts=Timeouts(write_s=TICK_S))))

    assert (caught.value.phase, caught.value.written) == (Phase.WRITE, False)


def test_server_that_goes_while_it_is_written_to_has_not_got_the_request(run: RunFixture) -> None:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_head()
        conversation.reset()

    with pytest.raises(ConnectionLostError) as caught:
        run(_exchange(converse, LARGE))

    assert not caught.value.written


def test_early_answer_ends_the_writing(run: RunFixture) -> None:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_head()
        await conversation.answer(b"too large", status="413 Content Too Large")
        await conversation.wait_for_end()

    assert run(_exchange(converse, LARGE)).status == 413


def test_refused_connection_was_never_written_to(run: RunFixture) -> None:
    async def scenario() -> None:
        async with serve(always(b"")) as origin:
            pass
        with pytest.raises(ConnectFailedError, match=f"http://127.0.0.1:{origin.port}"):
            await DirectTransport(no_tls).exchange(origin, GET, ONCE)

    run(scenario())
