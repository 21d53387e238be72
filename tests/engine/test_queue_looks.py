"""How many queues are looked at at once."""

import asyncio

from penstock.engine.queue_looks import LOOKS_MAX, TURN_S_MAX, QueueLooks
from penstock.simulation.loop import run_virtual


class Looking:
    """Looks that last until they are told to end."""

    def __init__(self) -> None:
        self.looks = QueueLooks()
        self.began: list[str] = []
        self.end = asyncio.Event()

    async def look(self, region: str) -> None:
        async with self.looks.turn(region):
            self.began.append(region)
            await self.end.wait()


async def pass_s(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    passed = asyncio.Event()
    loop.call_later(seconds, passed.set)
    await passed.wait()


def test_looks_beyond_the_bound_wait_for_their_turn() -> None:
    async def scenario() -> None:
        looking = Looking()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(LOOKS_MAX + 1):
                tasks.create_task(looking.look("a"))
            tasks.create_task(looking.look("b"))
            await pass_s(TURN_S_MAX / 2)
            assert looking.began == ["a"] * LOOKS_MAX + ["b"]
            looking.end.set()
        assert looking.began.count("a") == LOOKS_MAX + 1

    run_virtual(scenario)


def test_looks_that_hang_pass_their_turns_on_once() -> None:
    async def scenario() -> None:
        looking = Looking()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3 * LOOKS_MAX):
                tasks.create_task(looking.look("a"))
            await pass_s(TURN_S_MAX * 1.5)
            assert len(looking.began) == 2 * LOOKS_MAX
            looking.end.set()
            await pass_s(TURN_S_MAX * 2)
        looking.end.clear()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2 * LOOKS_MAX):
                tasks.create_task(looking.look("b"))
            await pass_s(TURN_S_MAX / 2)
            assert looking.began.count("b") == LOOKS_MAX
            looking.end.set()

    run_virtual(scenario)
