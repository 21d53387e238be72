"""Turns a virtual loop from a plain test function, and runs handlers while the loop stands still.

A handler is called outside the loop, so that it may do what a handler does: block, or run a loop of
its own with ``asyncio.run``. Only a coroutine that it gives back runs on the virtual loop.
"""

import asyncio
import collections
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from penstock.model.errors import ConfigurationError
from penstock.simulation.loop import VirtualLoop, pass_s

ResultT = TypeVar("ResultT")

_CLOSING_TURNS = 100


class VirtualRun:
    """A virtual loop, and the turning of it.

    Attributes:
        loop: Its time begins at 0.
    """

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self._calls: collections.deque[Callable[[], None]] = collections.deque()
        self._is_turning = False
        self._is_told = False
        self._is_late = False
        self._raised: BaseException | None = None

    @property
    def now_ms(self) -> int:
        """Virtual milliseconds since the run began."""
        return round(self.loop.time() * 1000)

    def tell(self) -> None:
        """Something has happened: whoever waits for something looks, in a later turn."""
        if not self._is_told:
            self._is_told = True
            self.loop.call_soon(self.loop.stop)

    async def call_outside(self, call: Callable[[], ResultT]) -> ResultT:
        """Call while the loop stands still; what it raises is raised here.

        What is no ``Exception``, such as pytest's own outcomes, is raised in the test, at once;
        whoever waits here waits on.
        """
        answered: asyncio.Future[ResultT] = self.loop.create_future()

        def run() -> None:
            try:
                result = call()
            except Exception as exc:  # noqa: BLE001 - whoever waits gets it
                answered.set_exception(exc)
            else:
                answered.set_result(result)

        self._calls.append(run)
        self.loop.stop()
        return await answered

    async def run_apart(
        self, work: Coroutine[Any, Any, ResultT], *, limit_ms: int
    ) -> ResultT | None:
        """Run a coroutine in a task of its own; None, and its end, when its time is over.

        What it raises that is no ``Exception`` is raised in the test, as by ``call_outside``.
        """
        task = self.loop.create_task(self._keep_apart(work))
        try:
            done, _ = await asyncio.wait([task], timeout=limit_ms / 1000)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            return None
        return task.result()

    async def _keep_apart(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        try:
            return await work
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as exc:  # noqa: BLE001 - not lost: the next turn raises it
            self._raised = exc
            self.loop.stop()
            never: asyncio.Future[ResultT] = self.loop.create_future()
            return await never

    async def wait_ms(self, delay_ms: int) -> None:
        """Let virtual time pass for whoever waits."""
        await pass_s(delay_ms / 1000)

    def complete(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a coroutine to its end, and give back its result; its errors are raised here."""
        try:
            self._check_may_turn()
        except ConfigurationError:
            work.close()
            raise
        task = self.loop.create_task(work)
        task.add_done_callback(lambda _: self.tell())
        while not task.done():
            self._turn()
        return task.result()

    def turn_until(self, is_done: Callable[[], bool], until_ms: int) -> bool:
        """Let time pass until something is so; False when it is not so at ``until_ms``."""
        self._check_may_turn()
        self._is_late = False
        timer = self.loop.call_at(until_ms / 1000, self._note_late)
        try:
            while not is_done():
                if self._is_late:
                    return False
                self._turn()
            return True
        finally:
            timer.cancel()

    def close(self) -> None:
        """End every task, and the loop."""
        try:
            self._end_tasks()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    def _end_tasks(self) -> None:
        """Cancel what runs; what goes on all the same, after a few turns, is left behind."""
        for _ in range(_CLOSING_TURNS):
            tasks = asyncio.all_tasks(self.loop)
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def _turn(self) -> None:
        self._is_turning = True
        try:
            self._is_told = False
            self.loop.run_forever()
            raised, self._raised = self._raised, None
            if raised is not None:
                raise raised
            while self._calls:
                self._calls.popleft()()
        finally:
            self._is_turning = False

    def _note_late(self) -> None:
        self._is_late = True
        self.loop.stop()

    def _check_may_turn(self) -> None:
        if self.loop.is_closed():
            raise ConfigurationError("this Penstock is closed: its test is over")
        if self._is_turning:
            raise ConfigurationError("a handler cannot let time pass for all: use penstock.sleep")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise ConfigurationError(
            "an event loop runs already: write the test as a plain function, not as async def"
        )
