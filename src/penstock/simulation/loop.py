"""An event loop whose time is virtual: waiting costs nothing, and every run is the same.

Built on documented seams only: a selector that never waits, ``loop.time``, and a task factory.
``asyncio``'s task groups, timeouts, queues and events work on it unchanged. No threads and no
sockets belong inside.
"""

import asyncio
import contextvars
import functools
import itertools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from penstock.model.instant import Instant

ResultT = TypeVar("ResultT")
ArgumentTs = TypeVarTuple("ArgumentTs")
HandleT = TypeVar("HandleT", bound=asyncio.Handle)

WALL_MS_AT_START = 1_767_225_600_000  # 2026-01-01: a wall clock that differs from the monotonic one
TURNS_WITHOUT_TIME_MAX = 200_000  # more turns of the loop at one moment are a machine that spins


# The way in which callbacks of the world run: none of them is of a node that may be paused.
OUTSIDE = contextvars.Context()
_IS_OF_NODE: contextvars.ContextVar[bool] = contextvars.ContextVar("is_of_node", default=False)


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


class _Pausable:
    """A callback of a node: when its time comes in a pause, it waits for the pause's end.

    Attributes:
        handle: The loop's, which whoever armed it may cancel meanwhile.
    """

    handle: asyncio.Handle

    def __init__(
        self,
        loop: "VirtualLoop",
        callback: Callable[[], object],
        context: contextvars.Context,
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._context = context

    def __call__(self) -> None:
        if self._loop.is_paused:
            self._loop.hold(self)
        else:
            self._callback()

    def call_again(self) -> None:
        """Run now, unless that was cancelled during the pause."""
        if not self.handle.cancelled():
            self._loop.call_soon(self._call_unless_cancelled, context=self._context)

    def _call_unless_cancelled(self) -> None:
        if not self.handle.cancelled():
            self()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop; ``time`` starts at 0 and moves only when nothing is ready.

    Attributes:
        defects: Exceptions that reached the loop's exception handler: nobody else would see them.
        is_paused: The node does nothing; time passes, and the world goes on.
    """

    def __init__(self) -> None:
        # Before super: its constructor reads the time.
        self._virtual = _VirtualSelector()
        self.defects: list[BaseException] = []
        self.is_paused = False
        self._held: list[_Pausable] = []
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

    def call_soon(
        self,
        callback: Callable[[*ArgumentTs], object],
        *args: *ArgumentTs,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Call back on the next turn; in a pause what reaches the node from outside waits.

        What the node itself goes on with it does: a pause begins when it has done all that it had
        to at that moment, so that nothing was decided before it and is done after it.
        """
        is_from_outside = self.is_paused and not _IS_OF_NODE.get()
        if not (is_from_outside and _is_of_node(context)):
            return super().call_soon(callback, *args, context=context)
        return self._arm(super().call_soon, callback, args, context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*ArgumentTs], object],
        *args: *ArgumentTs,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a time; in a pause what is of the node waits."""
        if not _is_of_node(context):
            return super().call_at(when, callback, *args, context=context)
        arm = functools.partial(super().call_at, when)
        return self._arm(arm, callback, args, context)

    def _arm(
        self,
        arm: Callable[..., HandleT],
        callback: Callable[..., object],
        args: tuple[object, ...],
        context: contextvars.Context | None,
    ) -> HandleT:
        context = context or contextvars.copy_context()
        pausable = _Pausable(self, functools.partial(callback, *args), context)
        handle = arm(pausable, context=context)
        pausable.handle = handle
        return handle

    def hold(self, pausable: _Pausable) -> None:
        """Keep a callback of the node until the pause ends."""
        self._held.append(pausable)

    def resume(self) -> None:
        """End a pause: what was due meanwhile happens now, in the order in which it was due."""
        self.is_paused = False
        held, self._held = self._held, []
        for pausable in held:
            pausable.call_again()

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


def node_context() -> contextvars.Context:
    """Give a context for what belongs to a node: it, and all that it begins, can be paused."""
    context = OUTSIDE.copy()
    context.run(_IS_OF_NODE.set, True)  # noqa: FBT003 - a variable's value
    return context


def _is_of_node(context: contextvars.Context | None) -> bool:
    if context is None:
        return _IS_OF_NODE.get()
    return context.get(_IS_OF_NODE, False)


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
    loop.resume()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
