"""The only loop: feed inputs to a machine, carry out its commands, wake it at its deadline.

A machine decides (``handle(input, now) -> commands``); the driver does. It is the lean form of the
contract: a finished command's input goes straight to ``handle``, and the one timer is armed anew
only for a deadline that comes nearer: one that fires early looks again. ``handle`` is never
re-entered, because completions arrive in tasks of their own, on a later turn of the loop, and what
carrying a command out sends is fed when all commands of its input have begun.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from penstock.model.instant import Instant
from penstock.ports import Clock

InputT = TypeVar("InputT")
CommandT = TypeVar("CommandT")
InputT_contra = TypeVar("InputT_contra", contravariant=True)


class Machine(Protocol[InputT_contra, CommandT]):
    """A pure decision maker."""

    def handle(self, inp: InputT_contra, now: Instant) -> list[CommandT]:
        """Take one input in; give back what must be done."""
        ...

    def deadline_ms(self) -> int | None:
        """Monotonic time at which the driver must feed its wake-up input; None: no timer."""
        ...

    def is_finished(self) -> bool:
        """Tell whether the machine's life is over: nothing is in flight and nothing will start."""
        ...


class Driver(Generic[InputT, CommandT]):
    """Runs one machine until it is finished.

    Args:
        machine: Owned by this driver alone; nobody else calls ``handle``.
        carry_out: Starts a command. It gives back a coroutine whose result, unless None, is fed to
            the machine; or None for a command that is done at once and has no completion.
            Expected failures are inputs: an exception from it is a defect and ends ``run``.
        clock: Its monotonic time must be the running loop's.
        deadline_reached: The input that says a deadline was reached.
        observe: Called after each ``handle`` with the input and its commands, for metrics and logs.
    """

    def __init__(
        self,
        machine: Machine[InputT, CommandT],
        carry_out: Callable[[CommandT], Coroutine[Any, Any, InputT | None] | None],
        *,
        clock: Clock,
        deadline_reached: InputT,
        observe: Callable[[InputT, list[CommandT]], None] | None = None,
    ) -> None:
        self._machine = machine
        self._carry_out = carry_out
        self._clock = clock
        self._deadline_reached = deadline_reached
        self._observe = observe
        self._timer: asyncio.TimerHandle | None = None
        self._armed_ms = 0
        self._deadline_ms: int | None = None
        self._sent: deque[InputT] = deque()  # while feeding; as many as commands send
        self._is_feeding = False
        self._tasks: asyncio.TaskGroup | None = None
        self._finished = asyncio.Event()
        # Commands whose task has not had its first turn: one that is cancelled before never begins.
        self._unbegun: set[Coroutine[Any, Any, InputT | None]] = set()

    async def run(self, first: InputT) -> None:
        """Feed ``first`` and run until the machine is finished; cancelling cancels all commands.

        Raises:
            ExceptionGroup: The machine, a command or ``observe`` raised: a defect, wherever it
                came up.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                try:
                    self._feed(first)
                    await self._finished.wait()
                finally:
                    # What is being cancelled may still take its time: feed nothing more.
                    self._tasks = None
                    if self._timer is not None:
                        self._timer.cancel()
        finally:
            for running in self._unbegun:
                running.close()

    def send(self, inp: InputT) -> None:
        """Feed an input that answers no command; dropped once the machine is finished.

        One from outside is fed on a later turn, one that carrying a command out sends right after
        the commands of the present input.
        """
        if self._is_feeding:
            self._sent.append(inp)
        else:
            asyncio.get_running_loop().call_soon(self._feed_from_loop, inp)

    def _feed(self, inp: InputT) -> None:
        if self._tasks is None or self._finished.is_set():
            return
        tasks = self._tasks
        # A machine that breaks here is fed nothing more; the group ends in a later turn only.
        self._tasks = None
        self._is_feeding = True
        machine = self._machine
        self._feed_one(inp, tasks)
        is_finished = machine.is_finished()
        while self._sent and not is_finished:
            self._feed_one(self._sent.popleft(), tasks)
            is_finished = machine.is_finished()
        self._is_feeding = False
        self._tasks = tasks
        if is_finished:
            self._arm(None)
            self._finished.set()
        else:
            self._arm(machine.deadline_ms())

    def _feed_one(self, inp: InputT, tasks: asyncio.TaskGroup) -> None:
        commands = self._machine.handle(inp, self._clock.now())
        if self._observe is not None:
            self._observe(inp, commands)
        for command in commands:
            running = self._carry_out(command)
            if running is not None:
                self._start(running, tasks, name=type(command).__name__)

    def _start(
        self, running: Coroutine[Any, Any, InputT | None], tasks: asyncio.TaskGroup, *, name: str
    ) -> None:
        self._unbegun.add(running)
        tasks.create_task(self._complete(running), name=name)

    def _feed_from_loop(self, inp: InputT) -> None:
        tasks = self._tasks
        try:
            self._feed(inp)
        except Exception as exc:
            if tasks is None:
                raise
            # The loop only logs what a callback raises; a task of the group ends ``run`` with it.
            tasks.create_task(_end_with(exc), name=type(inp).__name__)

    async def _complete(self, running: Coroutine[Any, Any, InputT | None]) -> None:
        self._unbegun.discard(running)
        try:
            inp = await running
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # To a task group a cancelled task is no failure: the machine would wait for ever.
            raise RuntimeError("a command was cancelled by something of its own") from exc
        if inp is not None:
            self._feed(inp)

    def _arm(self, deadline_ms: int | None) -> None:
        self._deadline_ms = deadline_ms
        if self._timer is not None:
            if deadline_ms is None or self._armed_ms <= deadline_ms:
                return
            self._timer.cancel()
        if deadline_ms is not None:
            self._armed_ms = deadline_ms
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline_ms / 1000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._deadline_ms is None:
            return
        if self._clock.now().monotonic_ms < self._deadline_ms:
            self._arm(self._deadline_ms)
            return
        # Until the machine has said when it wants to be woken again: not.
        self._deadline_ms = None
        self._feed_from_loop(self._deadline_reached)


async def _end_with(defect: Exception) -> None:
    raise defect
