"""Pools: long calls never delay short ones, short ones are bounded and served in turn."""

import asyncio
import contextlib

import pytest
from scripted_server import Conversation, RunFixture, no_tls, serve

from penstock.aws.errors import Phase, PhaseTimeoutError
from penstock.aws.exchange import ExchangeRules, HttpRequest, Timeouts
from penstock.aws.transport import DirectTransport

pytest_plugins = ["wire_fixtures"]

GET = HttpRequest("GET", "/", (("Host", "test"),))
LONG = ExchangeRules(is_long=True)
SHORT = ExchangeRules()
POLL = HttpRequest("GET", "/poll", (("Host", "test"),))
POLL_COUNT = 100


class HoldingServer:
    """Answers ``/poll`` when released, anything else at once, and notes the order."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.first_poll_arrived = asyncio.Event()
        self.all_polls_arrived = asyncio.Event()
        self.poll_count = 0
        self.answered: list[str] = []

    async def __call__(self, conversation: Conversation) -> None:
        """Converse as a script."""
        while True:
            request = await conversation.read_request()
            if request.target == "/poll":
                self.poll_count += 1
                self.first_poll_arrived.set()
                if self.poll_count == POLL_COUNT:
                    self.all_polls_arrived.set()
                await self.release.wait()
            self.answered.append(request.target)
            await conversation.answer()


def test_hundred_idle_long_polls_never_delay_another_call(run: RunFixture) -> None:
    server = HoldingServer()

    async def scenario() -> None:
        async with serve(server) as origin, asyncio.TaskGroup() as tasks:
            transport = DirectTransport(no_tls)
            for _ in range(POLL_COUNT):
                tasks.create_task(transport.exchange(origin, POLL, LONG))
            await server.all_polls_arrived.wait()
            await transport.exchange(origin, GET, SHORT)
            assert server.answered == ["/"]
            server.release.set()

    run(scenario())

    assert server.answered == ["/"] + ["/poll"] * POLL_COUNT


def test_short_calls_beyond_the_bound_wait_their_turn(run: RunFixture) -> None:
    targets: list[str] = []
    arrived, release = asyncio.Event(), asyncio.Event()

    async def converse(conversation: Conversation) -> None:
        while True:
            targets.append((await conversation.read_request()).target)
            arrived.set()
            await release.wait()
            await conversation.answer()

    async def scenario() -> None:
        async with serve(converse) as origin, asyncio.TaskGroup() as tasks:
            transport = DirectTransport(no_tls, short_connections_max=1)
            for index in range(4):
                request = HttpRequest("GET", f"/{index}", GET.headers)
                tasks.create_task(transport.exchange(origin, request, SHORT))
            await arrived.wait()
            assert targets == ["/0"]
            release.set()

    run(scenario())

    assert targets == ["/0", "/1", "/2", "/3"]


def test_waiting_for_a_connection_has_a_limit(run: RunFixture) -> None:
    server = HoldingServer()
    impatient = ExchangeRules(timeouts=Timeouts(pool_s=0.05))

    async def scenario() -> None:
        async with serve(server) as origin, asyncio.TaskGroup() as tasks:
            transport = DirectTransport(no_tls, short_connections_max=1)
            tasks.create_task(transport.exchange(origin, POLL, SHORT))
            await server.first_poll_arrived.wait()
            with pytest.raises(PhaseTimeoutError) as caught:
                await transport.exchange(origin, GET, impatient)
            assert (caught.value.phase, caught.value.written) == (Phase.POOL, False)
            server.release.set()

    run(scenario())


def test_cancelled_waiter_loses_no_turn(run: RunFixture) -> None:
    server = HoldingServer()

    async def scenario() -> None:
        async with serve(server) as origin, asyncio.TaskGroup() as tasks:
            transport = DirectTransport(no_tls, short_connections_max=1)
            tasks.create_task(transport.exchange(origin, POLL, SHORT))
            await server.first_poll_arrived.wait()
            waiter = tasks.create_task(transport.exchange(origin, GET, SHORT))
            last = tasks.create_task(transport.exchange(origin, GET, SHORT))
            first_look = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(first_look.set_result, None)
            await first_look  # both wait for the connection now
            server.release.set()
            waiter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiter
            assert (await last).status == 200

    run(scenario())

    assert server.answered == ["/poll", "/"]
