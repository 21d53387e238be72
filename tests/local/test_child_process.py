"""A child is started, watched and started again; it never outlives its parent."""

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import pytest
from gateway_rig import run
from structlog.testing import capture_logs

from penstock.local.child_process import EXIT_CONFIGURATION, ChildProcess, ChildStartError


class Script(msgspec.Struct):
    exit_code: int | None = None


class Scripted:
    """A scripted child, and the pids of the processes it ran as."""

    def __init__(self, exit_code: int | None = None) -> None:
        self.pids: list[int] = []
        self.started = asyncio.Semaphore(0)
        self.child = ChildProcess(
            "child",
            "scripted_child",
            settings=Script(exit_code),
            environment={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
            on_line=lambda line: self.pids.append(int(line.split()[1])),
        )

    async def on_ready(self) -> None:
        self.started.release()


def test_child_that_ends_is_started_again() -> None:
    async def main() -> None:
        scripted = Scripted()
        keeper = asyncio.create_task(
            scripted.child.keep_running(scripted.on_ready, loss="its messages are gone")
        )
        await scripted.started.acquire()

        scripted.child.kill()
        await scripted.started.acquire()

        keeper.cancel()
        await scripted.child.stop(5)
        assert len(set(scripted.pids)) == 2

    with capture_logs() as logs:
        run(main())
    assert [line["event"] for line in logs] == [
        "the child ended, starting it again; its messages are gone",
        "the child is back",
    ]


def test_child_that_is_told_to_end_is_started_again() -> None:
    async def main() -> None:
        scripted = Scripted()
        scripted.child.end()  # before its first start: nothing
        keeper = asyncio.create_task(scripted.child.keep_running(scripted.on_ready))
        await scripted.started.acquire()

        scripted.child.end()
        await scripted.started.acquire()

        keeper.cancel()
        await scripted.child.stop(5)
        assert len(set(scripted.pids)) == 2

    with capture_logs() as logs:
        run(main())
    assert logs[0]["exit_code"] == -signal.SIGTERM


def test_configuration_error_ends_at_once() -> None:
    async def main() -> None:
        scripted = Scripted(EXIT_CONFIGURATION)

        with pytest.raises(ChildStartError) as caught:
            await scripted.child.keep_running(scripted.on_ready)

        assert caught.value.exit_code == EXIT_CONFIGURATION
        assert len(scripted.pids) == 1

    run(main())


def test_five_starts_in_a_row_are_enough() -> None:
    async def main() -> None:
        scripted = Scripted(1)

        with pytest.raises(ChildStartError, match=r"the child did not start \(exit code 1\)"):
            await scripted.child.keep_running(scripted.on_ready)

        assert len(scripted.pids) == 5

    run(main())


def test_stop_ends_the_child_gracefully() -> None:
    async def main() -> None:
        scripted = Scripted()
        await scripted.child.start()

        await scripted.child.stop(5)

        assert await scripted.child.wait() == -signal.SIGTERM

    run(main())


def test_stop_before_start_is_nothing() -> None:
    run(Scripted().child.stop(5))


def test_lost_lifeline_ends_the_child() -> None:
    async def main() -> None:
        scripted = Scripted()
        await scripted.child.start()

        scripted.child.drop_lifeline()

        assert await scripted.child.wait() == -signal.SIGKILL

    run(main())
