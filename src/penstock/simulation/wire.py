"""The way between a client and a simulated server: it takes time, and it loses things."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Generic, TypeVar

from penstock.model.errors import PenstockError, SourceThrottledError, SourceUnavailableError
from penstock.simulation.faults import FaultModel, WireRates

AnswerT = TypeVar("AnswerT")

_LATENCY_MS_MAX = 8
_SLOW_MS_MAX = 4_000
_CONNECT_TIMEOUT_MS = 1_000


class Reply(Generic[AnswerT]):
    """Where a server's answer goes.

    Attributes:
        asker: Done when the client has gone: nobody will read the answer.
    """

    def __init__(self, wire: "Wire", asker: "asyncio.Future[AnswerT]") -> None:
        self._wire = wire
        self.asker = asker

    def send(self, answer: AnswerT) -> None:
        """Send the answer on its way; it may be lost."""
        self._wire.carry_back(self.asker, answer)

    def refuse(self, error: PenstockError) -> None:
        """Send an error on its way."""
        self._wire.later(self._wire.draw_latency_ms(), lambda: _fail(self.asker, error))


class Wire:
    """Carries calls of one client to one server.

    Attributes:
        broken: While set, no call reaches the server, and this is why.
    """

    def __init__(
        self, faults: FaultModel[WireRates], rng: Random, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._faults = faults
        self._rng = rng
        self._loop = loop
        self.broken: PenstockError | None = None

    async def call(self, serve: Callable[[Reply[AnswerT]], None]) -> AnswerT:
        """Carry a call over and wait for its answer; the server goes on when the caller is gone."""
        asker: asyncio.Future[AnswerT] = self._loop.create_future()
        rates = self._faults.rates
        if self.broken is not None:
            error, delay_ms = self.broken, self._rng.randint(1, _CONNECT_TIMEOUT_MS)
            self.later(delay_ms, lambda: _fail(asker, error))
        elif self._faults.strikes(rates.source_throttled, self._rng):
            throttled = SourceThrottledError("slower, please")
            self.later(self.draw_latency_ms(), lambda: _fail(asker, throttled))
        elif self._faults.strikes(rates.request_lost, self._rng):
            lost = SourceUnavailableError("the request was lost")
            self.later(self.draw_latency_ms(), lambda: _fail(asker, lost))
        else:
            self.later(self.draw_latency_ms(), lambda: serve(Reply(self, asker)))
        return await asker

    def carry_back(self, asker: "asyncio.Future[AnswerT]", answer: AnswerT) -> None:
        """Bring an answer to its asker, or lose it."""
        if self._faults.strikes(self._faults.rates.answer_lost, self._rng):
            lost = SourceUnavailableError("the answer was lost")
            self.later(self.draw_latency_ms(), lambda: _fail(asker, lost))
        else:
            self.later(self.draw_latency_ms(), lambda: _answer(asker, answer))

    def draw_latency_ms(self) -> int:
        """Draw how long one way takes."""
        if self._faults.strikes(self._faults.rates.slow, self._rng):
            return self._rng.randint(1, _SLOW_MS_MAX)
        return self._rng.randint(0, _LATENCY_MS_MAX)

    def later(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call back after a time; 0 is the next turn of the loop."""
        self._loop.call_at(round(self._loop.time() * 1000 + delay_ms) / 1000, callback)


def _answer(asker: "asyncio.Future[AnswerT]", answer: AnswerT) -> None:
    if not asker.done():
        asker.set_result(answer)


def _fail(asker: "asyncio.Future[AnswerT]", error: Exception) -> None:
    if not asker.done():
        asker.set_exception(error)
