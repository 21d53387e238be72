"""Calls of the store that take time and fail, so that a crash can strike before or after one."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from penstock.model.errors import PenstockError, StoreUnavailableError
from penstock.ports import Store
from penstock.simulation.chance import Chance
from penstock.simulation.faults import StreamFaultRates
from penstock.simulation.trace import Trace

ResultT = TypeVar("ResultT")

CALL_MS_MAX = 5
SLOW_MS_MAX = 1_000


class SimulatedStoreCalls:
    """Keeps ``ports.StoreCalls``: one call after another, in virtual time.

    A call has its effect somewhere in the middle of its time.

    Attributes:
        trouble_ms: When a call last failed, or took long.
    """

    def __init__(
        self,
        store: Store,
        *,
        chance: Chance[StreamFaultRates],
        trace: Trace,
    ) -> None:
        self._store = store
        self._chance = chance
        self._trace = trace
        self._waiting: deque[Callable[[], None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_spared = False
        self._is_troubled = False
        self.trouble_ms = -(10**9)

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Run a call; once begun it runs to its end, whoever waits for it."""
        asker: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append(lambda: self._begin(call, asker))
        if self._timer is None:
            self._begin_next()
        return await asker

    def spare_next(self) -> None:
        """Let the next call succeed: without a store no node starts."""
        self._is_spared = True

    def cut_off(self) -> None:
        """The node was killed: what has not had its effect never will."""
        self._note_trouble()
        self._is_troubled = False
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def note_pause(self) -> None:
        """Take note of a pause that ends: what was under way has taken long."""
        self.trouble_ms = self._chance.now_ms()

    def _begin_next(self) -> None:
        self._timer = None
        if self._waiting:
            self._waiting.popleft()()

    def _begin(self, call: Callable[[Store], ResultT], asker: "asyncio.Future[ResultT]") -> None:
        rates = self._chance.rates
        is_spared, self._is_spared = self._is_spared, False
        is_slow = self._chance.strikes(rates.store_slow)
        is_failing = not is_spared and self._chance.strikes(rates.store_unavailable)
        is_lost = not is_spared and self._chance.strikes(rates.store_answer_lost)
        self._is_troubled = is_slow or is_failing or is_lost
        self._note_trouble()
        longest_ms = SLOW_MS_MAX if is_slow else CALL_MS_MAX
        after_ms = self._chance.rng.randint(0, longest_ms)

        def take_effect() -> None:
            answer: ResultT | None = None
            error: PenstockError | None = None
            if is_failing:
                error = StoreUnavailableError("the store is away")
            else:
                try:
                    answer = call(self._store)
                except PenstockError as refused:
                    error = refused
                if is_lost:
                    error = StoreUnavailableError("the connection broke")
            if error is not None:
                self._trace.note("store", "fails", error)
            self._timer = self._chance.later(after_ms, lambda: self._end(asker, answer, error))

        self._timer = self._chance.later(self._chance.rng.randint(0, longest_ms), take_effect)

    def _end(
        self,
        asker: "asyncio.Future[ResultT]",
        answer: ResultT | None,
        error: PenstockError | None,
    ) -> None:
        self._note_trouble()
        self._is_troubled = False
        if not asker.done():
            if error is not None:
                asker.set_exception(error)
            else:
                asker.set_result(answer)  # type: ignore[arg-type]
        self._begin_next()

    def _note_trouble(self) -> None:
        if self._is_troubled:
            self.trouble_ms = self._chance.now_ms()
