"""The driver on a plain event loop, with a toy machine whose inputs and commands are words."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from penstock.driver import Driver
from penstock.engine.clock import SystemClock
from penstock.model.instant import Instant

Running = Coroutine[Any, Any, str | None] | None
CarryOut = Callable[[str], Running]


class ToyMachine:
    """Answers each input by a script; finished by the input ``stop``.

    Args:
        script: Input -> its commands. An input named ``break`` breaks an invariant.
        timers: Input -> the delay after which a deadline is due; None takes the timer away.
    """

    def __init__(
        self,
        script: Mapping[str, list[str]] | None = None,
        timers: Mapping[str, int | None] | None = None,
    ) -> None:
        self.handled: list[str] = []
        self.moments: list[int] = []
        self._script = script or {}
        self._timers = timers or {}
        self._deadline_ms: int | None = None

    def handle(self, inp: str, now: Instant) -> list[str]:
        if inp == "break":
            raise AssertionError("an invariant is broken")
        self.handled.append(inp)
        self.moments.append(now.monotonic_ms)
        if inp in self._timers:
            delay_ms = self._timers[inp]
            self._deadline_ms = None if delay_ms is None else now.monotonic_ms + delay_ms
        return self._script.get(inp, [])

    def deadline_ms(self) -> int | None:
        return self._deadline_ms

    def is_finished(self) -> bool:
        return "stop" in self.handled


async def echo(command: str) -> str:
    """Complete a command with the input of the same name."""
    return command


def driver_of(
    machine: ToyMachine,
    carry_out: CarryOut = echo,
    observe: Callable[[str, list[str]], None] | None = None,
) -> Driver[str, str]:
    """A driver on the real clock."""
    return Driver(
        machine, carry_out, clock=SystemClock(), deadline_reached="deadline", observe=observe
    )


def run_to_its_end(driver: Driver[str, str], first: str = "start") -> None:
    """Run the driver on a loop of its own, for ten seconds at most."""

    async def run() -> None:
        async with asyncio.timeout(10):
            await driver.run(first)

    asyncio.run(run())


def test_driver_feeds_what_a_command_came_to() -> None:
    machine = ToyMachine({"start": ["one"], "one": ["two", "three"], "three": ["stop"]})

    run_to_its_end(driver_of(machine))

    assert machine.handled == ["start", "one", "two", "three", "stop"]


def test_driver_feeds_nothing_for_a_command_without_a_completion() -> None:
    async def come_to_nothing() -> None:
        carried_out.append("quiet")

    def carry_out(command: str) -> Running:
        if command == "at once":
            carried_out.append(command)
            return None
        return come_to_nothing() if command == "quiet" else echo(command)

    carried_out: list[str] = []
    machine = ToyMachine({"start": ["at once", "quiet", "stop"]})

    run_to_its_end(driver_of(machine, carry_out))

    assert (machine.handled, carried_out) == (["start", "stop"], ["at once", "quiet"])


def test_driver_tells_its_observer_what_happened() -> None:
    observed: list[tuple[str, list[str]]] = []
    machine = ToyMachine({"start": ["stop"]})

    run_to_its_end(driver_of(machine, observe=lambda inp, did: observed.append((inp, did))))

    assert observed == [("start", ["stop"]), ("stop", [])]


def test_driver_names_a_command_s_task_after_its_kind() -> None:
    async def name_of_task() -> str:
        task = asyncio.current_task()
        assert task is not None
        return "stop" if task.get_name() == "str" else "break"

    run_to_its_end(driver_of(ToyMachine({"start": ["name"]}), lambda _: name_of_task()))


def test_driver_wakes_the_machine_at_its_deadline_and_not_before() -> None:
    machine = ToyMachine({"deadline": ["stop"]}, timers={"start": 30, "deadline": None})

    run_to_its_end(driver_of(machine))

    assert machine.handled == ["start", "deadline", "stop"]
    assert machine.moments[1] >= machine.moments[0] + 30


def test_driver_wakes_the_machine_again_and_again() -> None:
    class ThreeTimes(ToyMachine):
        def is_finished(self) -> bool:
            return self.handled.count("deadline") == 3

    machine = ThreeTimes(timers={"start": 1, "deadline": 1})

    run_to_its_end(driver_of(machine))

    assert machine.handled == ["start", "deadline", "deadline", "deadline"]


def test_driver_follows_a_deadline_that_comes_nearer() -> None:
    machine = ToyMachine(
        {"start": ["nearer"], "deadline": ["stop"]},
        timers={"start": 3_600_000, "nearer": 1, "deadline": None},
    )

    run_to_its_end(driver_of(machine))

    assert machine.handled == ["start", "nearer", "deadline", "stop"]


def test_driver_drops_a_deadline_that_is_taken_away() -> None:
    async def later() -> str:
        loop = asyncio.get_running_loop()
        passed = asyncio.Event()
        loop.call_later(0.03, passed.set)
        await passed.wait()
        return "stop"

    def carry_out(command: str) -> Running:
        return later() if command == "later" else echo(command)

    machine = ToyMachine({"start": ["away", "later"]}, timers={"start": 10, "away": None})

    run_to_its_end(driver_of(machine, carry_out))

    assert machine.handled == ["start", "away", "stop"]


def test_driver_never_re_enters_the_machine() -> None:
    def carry_out(command: str) -> Running:
        handled_then.append(list(machine.handled))
        if command == "send":
            driver.send("stop")
        return None

    handled_then: list[list[str]] = []
    machine = ToyMachine({"start": ["send", "again"]})
    driver = driver_of(machine, carry_out)

    run_to_its_end(driver)

    assert handled_then == [["start"], ["start"]]
    assert machine.handled == ["start", "stop"]


def test_driver_takes_an_input_sent_before_its_first_turn() -> None:
    async def run() -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(driver.run("start"))
            driver.send("stop")

    machine = ToyMachine()
    driver = driver_of(machine)

    asyncio.run(run())

    assert machine.handled == ["start", "stop"]


def test_driver_drops_inputs_once_the_machine_is_finished() -> None:
    async def run() -> None:
        async with asyncio.timeout(10):
            await driver.run("start")
        driver.send("late")
        turn = asyncio.Event()
        asyncio.get_running_loop().call_soon(turn.set)
        await turn.wait()

    machine = ToyMachine({"start": ["stop", "late"]})
    driver = driver_of(machine)

    asyncio.run(run())

    assert machine.handled == ["start", "stop"]


@pytest.mark.parametrize(
    ("commands", "timers"),
    [
        pytest.param(["break", "hang"], {}, id="completion"),
        pytest.param(["send", "hang"], {}, id="sent"),
        pytest.param(["hang"], {"start": 1}, id="deadline"),
    ],
)
def test_driver_ends_with_the_machine_s_defect_wherever_it_comes_up(
    commands: list[str], timers: dict[str, int | None]
) -> None:
    def carry_out(command: str) -> Running:
        if command == "send":
            driver.send("break")
            return None
        return hang() if command == "hang" else echo(command)

    machine = ToyMachine({"start": commands}, timers)
    driver = Driver(machine, carry_out, clock=SystemClock(), deadline_reached="break")

    with pytest.raises(ExceptionGroup) as raised:
        run_to_its_end(driver)

    assert [str(error) for error in raised.value.exceptions] == ["an invariant is broken"]


async def hang() -> str:
    """Never come to an end."""
    await asyncio.Event().wait()
    return "never"


def test_driver_ends_with_a_command_s_defect() -> None:
    async def fail() -> str:
        raise ValueError("a defect")

    machine = ToyMachine({"start": ["fail", "hang"]})

    with pytest.raises(ExceptionGroup) as raised:
        run_to_its_end(driver_of(machine, lambda name: fail() if name == "fail" else hang()))

    assert [str(error) for error in raised.value.exceptions] == ["a defect"]


def test_driver_ends_with_a_command_that_was_cancelled_by_something_of_its_own() -> None:
    async def wait_for_another() -> str:
        another = asyncio.create_task(hang())
        asyncio.get_running_loop().call_soon(another.cancel)
        return await another

    with pytest.raises(ExceptionGroup, match="unhandled errors") as raised:
        run_to_its_end(driver_of(ToyMachine({"start": ["wait"]}), lambda _: wait_for_another()))

    assert [type(error) for error in raised.value.exceptions] == [RuntimeError]


def test_driver_cancelled_cancels_its_commands_and_feeds_nothing_more() -> None:
    async def linger() -> str:
        try:
            await hang()
        finally:
            cancelled.set()
            # Past the deadline: its timer must not wake a machine whose driver is ending.
            await hold.wait()
        return "never"

    async def run() -> None:
        task = asyncio.create_task(driver.run("start"))
        asyncio.get_running_loop().call_soon(task.cancel)
        async with asyncio.timeout(10):
            await cancelled.wait()
            asyncio.get_running_loop().call_later(0.03, hold.set)
            with pytest.raises(asyncio.CancelledError):
                await task

    cancelled, hold = asyncio.Event(), asyncio.Event()
    machine = ToyMachine({"start": ["linger"]}, timers={"start": 10})
    driver = driver_of(machine, lambda _: linger())

    asyncio.run(run())

    assert machine.handled == ["start"]
