"""Which signals stop a command, and which end it at once."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
from gateway_rig import run

from penstock.local.stop_signals import take_stop_signals


@pytest.fixture(autouse=True)
def _own_hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


async def taken(*sent: signal.Signals) -> list[str]:
    """Send this process signals; say what was done, until nothing more is to come."""
    done: list[str] = []
    stop = asyncio.Event()
    ended = asyncio.Event()
    take_stop_signals(
        stop, on_first=lambda: done.append("stop"), on_second=lambda again: done.append(again.name)
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, ended.set)
    for each in (*sent, signal.SIGUSR1):
        os.kill(os.getpid(), each)
    await ended.wait()
    return done


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_first_signal_stops(first: signal.Signals) -> None:
    async def main() -> None:
        assert await taken(first) == ["stop"]

    run(main())


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_is_impatience(second: signal.Signals) -> None:
    async def main() -> None:
        assert await taken(signal.SIGTERM, second) == ["stop", second.name]

    run(main())


def test_second_hangup_is_none() -> None:
    async def main() -> None:
        assert await taken(signal.SIGHUP, signal.SIGHUP) == ["stop"]

    run(main())


def test_hangup_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def main() -> None:
        assert await taken(signal.SIGHUP) == []

    run(main())
