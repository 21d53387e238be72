"""The virtual loop: asyncio's own parts work on it, at once and in the right order."""

import asyncio
import time

import pytest

from penstock.simulation.loop import (
    WALL_MS_AT_START,
    DeadlockError,
    LivelockError,
    VirtualClock,
    pass_s,
    run_virtual,
)

THREE_DAYS_S = 3 * 24 * 3600


def test_loop_passes_three_days_at_once() -> None:
    async def main() -> float:
        await pass_s(THREE_DAYS_S)
        return asyncio.get_running_loop().time()

    began_s = time.perf_counter()
    passed_s = run_virtual(main)

    assert passed_s == THREE_DAYS_S
    assert time.perf_counter() - began_s < 5


def test_loop_wakes_tasks_in_the_order_of_their_time() -> None:
    woken: list[int] = []

    async def wait(delay_s: int) -> None:
        await pass_s(delay_s)
        woken.append(delay_s)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for delay_s in (5, 1, 3, 2, 4):
                tasks.create_task(wait(delay_s))

    run_virtual(main)

    assert woken == [1, 2, 3, 4, 5]


def test_loop_times_out_after_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(900):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main) == 900


def test_loop_carries_a_queue() -> None:
    async def main() -> list[int]:
        queue: asyncio.Queue[int] = asyncio.Queue(1)

        async def produce() -> None:
            for number in range(3):
                await pass_s(60)
                await queue.put(number)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(produce())
            return [await queue.get() for _ in range(3)]

    assert run_virtual(main) == [0, 1, 2]


def test_loop_names_the_tasks_of_a_deadlock() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.Event().wait(), name="waits for nobody")

    with pytest.raises(DeadlockError, match="waits for nobody"):
        run_virtual(main)


def test_loop_tells_of_a_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.simulation.loop.TURNS_WITHOUT_TIME_MAX", 100)

    def turn() -> None:
        asyncio.get_running_loop().call_soon(turn)

    async def main() -> None:
        turn()
        await asyncio.Event().wait()

    with pytest.raises(LivelockError, match="turns and turns at 0"):
        run_virtual(main)


def test_loop_raises_what_a_callback_raised() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await pass_s(1)

    with pytest.raises(ExceptionGroup) as raised:
        run_virtual(main)

    assert [type(defect) for defect in raised.value.exceptions] == [ZeroDivisionError]


def test_loop_ends_what_is_left_running() -> None:
    ended: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("lingered")

    async def main() -> asyncio.Task[None]:
        lingering = asyncio.create_task(linger())
        await pass_s(1)
        return lingering

    assert run_virtual(main).cancelled()
    assert ended == ["lingered"]


def test_clock_jumps_on_the_wall_only() -> None:
    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        await pass_s(1.234)
        clock.jump_wall(-3_600_000)
        now = clock.now()
        assert now.monotonic_ms == 1_234
        assert now.wall_ms == WALL_MS_AT_START + 1_234 - 3_600_000

    run_virtual(main)


def order_of_cancellation() -> list[int]:
    cancelled: list[int] = []

    async def wait(number: int) -> None:
        try:
            await pass_s(THREE_DAYS_S)
        finally:
            cancelled.append(number)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(50):
                tasks.create_task(wait(number))
            await pass_s(1)
            tasks.create_task(fail())

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        run_virtual(main)
    return cancelled


def test_loop_cancels_tasks_in_the_same_order_wherever_they_lie_in_memory() -> None:
    orders = {tuple(order_of_cancellation()) for _ in range(5)}

    assert len(orders) == 1
