"""An event loop whose time is virtual: waiting costs nothing, and every run is the same.

Built on documented seams only: a selector that never waits, ``loop.time``, and a task factory.
``asyncio``'s task groups, timeouts, queues and events work on it unchanged. No threads and no
sockets belong inside.
"""

import asyncio
import itertools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from penstock.model.instant import Instant

ResultT = TypeVar("ResultT")

WALL_MS_AT_START = 1_767_225_600_000  # 2026-01-01: a wall clock that differs from the monotonic one
TURNS_WITHOUT_TIME_MAX = 200_000  # more turns of the loop at one moment are a machine that spins


class DeadlockError(Exception):
    """Every task waits and no timer is armed: nothing can ever happen again."""


class LivelockError(Exception):
    """The loop turns and turns, and its time does not move."""


class _VirtualSelector(selectors.DefaultSelector):
    """Polls with 0; where the real one would wait, the clock jumps instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise DeadlockError("every task waits and no timer is armed")
        if timeout > 0:
            self.now_s += timeout
            self._turns = 0
        self._turns += 1
        if self._turns > TURNS_WITHOUT_TIME_MAX:
            self._turns = 0  # The tasks must still be ended.
            raise LivelockError(f"the loop turns and turns at {self.now_s:.3f} s")
        return ready


class _NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set is the same in each run: a task group cancels by such a set."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        number: int,
        **options: Any,  # noqa: ANN401 - what asyncio hands on
    ) -> None:
        self._number = number  # before super, which puts the task into a set
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop; ``time`` starts at 0 and moves only when nothing is ready.

    Attributes:
        defects: Exceptions that reached the loop's exception handler: nobody else would see them.
    """

    def __init__(self) -> None:
        # Before super: its constructor reads the time.
        self._virtual = _VirtualSelector()
        self.defects: list[BaseException] = []
        super().__init__(self._virtual)
        self.set_exception_handler(self._keep_defect)
        numbers = itertools.count()
        self.set_task_factory(
            lambda loop, coroutine, **options: _NumberedTask(
                coroutine, next(numbers), loop=loop, **options
            )
        )

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.now_s

    def _keep_defect(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        defect = context.get("exception") or RuntimeError(context["message"])
        self.defects.append(defect)


class VirtualClock:
    """Keeps ``ports.Clock`` on a virtual loop; its wall clock can jump."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wall_offset_ms = WALL_MS_AT_START

    def now(self) -> Instant:
        """Read both clocks."""
        # Everything is armed in whole milliseconds: round takes out the float's last digit only.
        monotonic_ms = round(self._loop.time() * 1000)
        return Instant(monotonic_ms, monotonic_ms + self._wall_offset_ms)

    def jump_wall(self, by_ms: int) -> None:
        """Set the wall clock forward or, with a negative number, back."""
        self._wall_offset_ms += by_ms


async def pass_s(delay_s: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(delay_s)


def run_virtual(main: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Run ``main()`` to its end on a loop of its own.

    Raises:
        DeadlockError: Nothing can happen any more; the message names the tasks that wait.
        LivelockError: The loop spins without its time moving.
        ExceptionGroup: A callback of the loop raised, although ``main`` ended well.
    """
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(main())
    except DeadlockError as exc:
        names = sorted(task.get_name() for task in asyncio.all_tasks(loop))
        raise DeadlockError(f"{exc}; waiting: {', '.join(names)}") from exc
    finally:
        try:
            _end_tasks(loop)
        finally:
            loop.close()
    if loop.defects:
        raise BaseExceptionGroup("raised in callbacks of the loop", loop.defects)
    return result


def _end_tasks(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
