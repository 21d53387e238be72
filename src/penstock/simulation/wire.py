"""The way between a client and a simulated server: it takes time, and it loses things."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from penstock.model.errors import PenstockError, SourceThrottledError, SourceUnavailableError
from penstock.simulation.chance import Chance
from penstock.simulation.faults import WireRates

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
        self._wire.refuse(self.asker, error)


class Wire:
    """Carries calls of one client to one server.

    Args:
        latency_ms_max: One way, while nothing is slow.

    Attributes:
        broken: While set, no call reaches the server, and this is why.
    """

    def __init__(self, chance: Chance[WireRates], *, latency_ms_max: int = _LATENCY_MS_MAX) -> None:
        self._chance = chance
        self._latency_ms_max = latency_ms_max
        self.broken: PenstockError | None = None

    async def call(self, serve: Callable[[Reply[AnswerT]], None]) -> AnswerT:
        """Carry a call over and wait for its answer; the server goes on when the caller is gone."""
        asker: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        rates = self._chance.rates
        if self.broken is not None:
            error, delay_ms = self.broken, self._chance.rng.randint(1, _CONNECT_TIMEOUT_MS)
            self._chance.later(delay_ms, lambda: _fail(asker, error))
        elif self._chance.strikes(rates.source_throttled):
            self.refuse(asker, SourceThrottledError("slower, please"))
        elif self._chance.strikes(rates.request_lost):
            self.refuse(asker, SourceUnavailableError("the request was lost"))
        else:
            self._chance.later(self._draw_latency_ms(), lambda: serve(Reply(self, asker)))
        return await asker

    def carry_back(self, asker: "asyncio.Future[AnswerT]", answer: AnswerT) -> None:
        """Bring an answer to its asker, or lose it."""
        if self._chance.strikes(self._chance.rates.answer_lost):
            self.refuse(asker, SourceUnavailableError("the answer was lost"))
        else:
            self._chance.later(self._draw_latency_ms(), lambda: _answer(asker, answer))

    def refuse(self, asker: "asyncio.Future[AnswerT]", error: PenstockError) -> None:
        """Bring an error to the asker."""
        self._chance.later(self._draw_latency_ms(), lambda: _fail(asker, error))

    def _draw_latency_ms(self) -> int:
        if self._chance.strikes(self._chance.rates.slow):
            return self._chance.rng.randint(1, _SLOW_MS_MAX)
        return self._chance.rng.randint(0, self._latency_ms_max)


def _answer(asker: "asyncio.Future[AnswerT]", answer: AnswerT) -> None:
    if not asker.done():
        asker.set_result(answer)


def _fail(asker: "asyncio.Future[AnswerT]", error: Exception) -> None:
    if not asker.done():
        asker.set_exception(error)
