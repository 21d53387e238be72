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

        Of what is no ``Exception``, such as pytest's own outcomes, the test learns at once.
        """
        answered: asyncio.Future[ResultT] = self.loop.create_future()

        def run() -> None:
            try:
                result = call()
            except Exception as exc:  # noqa: BLE001 - whoever waits gets it
                answered.set_exception(exc)
            except BaseException:
                answered.cancel()
                raise
            else:
                answered.set_result(result)

        self._calls.append(run)
        self.loop.stop()
        return await answered

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
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            ended = asyncio.gather(*tasks, return_exceptions=True)
            ended.add_done_callback(lambda _: self.loop.stop())
            while not ended.done():
                self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def _turn(self) -> None:
        self._is_turning = True
        try:
            self._is_told = False
            self.loop.run_forever()
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
