"""A driver that is cancelled before its commands have begun leaves nothing behind."""

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

from penstock.driver import Driver
from penstock.engine.clock import SystemClock
from penstock.model.instant import Instant


class OneCommand:
    """Answers every input with one command, and is never finished."""

    def handle(self, inp: str, _now: Instant) -> list[str]:
        return [f"{inp} command"]

    def deadline_ms(self) -> int | None:
        return None

    def is_finished(self) -> bool:
        return False


def test_driver_cancelled_at_once_ends_commands_that_never_began() -> None:
    commands: list[Coroutine[Any, Any, str | None]] = []

    async def main() -> None:
        first_ends: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def wait(_command: str) -> str:
            return await first_ends

        def carry_out(command: str) -> Coroutine[Any, Any, str | None]:
            commands.append(wait(command))
            return commands[-1]

        driver: Driver[str, str] = Driver(
            OneCommand(), carry_out, clock=SystemClock(), deadline_reached="deadline"
        )
        life = asyncio.create_task(driver.run("first"))
        asyncio.get_running_loop().call_soon(first_ends.set_result, "second")
        asyncio.get_running_loop().call_soon(life.cancel)
        await asyncio.wait([life])

    asyncio.run(main())

    states = [inspect.getcoroutinestate(command) for command in commands]
    assert states == [inspect.CORO_CLOSED, inspect.CORO_CLOSED]
