"""The dice of one part of a simulated world, and its timers on virtual time."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Generic

from penstock.simulation.faults import FaultModel, RatesT_co
from penstock.simulation.loop import OUTSIDE


class Chance(Generic[RatesT_co]):
    """What a part of a world draws from, and waits with.

    Args:
        faults: What may go wrong, and whether anything does.

    Attributes:
        rng: The part's own dice: no throw of it moves another's.
    """

    def __init__(
        self, faults: FaultModel[RatesT_co], rng: Random, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._faults = faults
        self._loop = loop
        self.rng = rng

    @property
    def rates(self) -> RatesT_co:
        """How often what goes wrong."""
        return self._faults.rates

    @property
    def is_on(self) -> bool:
        """Tell whether anything goes wrong at all."""
        return self._faults.is_on

    def strikes(self, rate: float) -> bool:
        """Throw the dice for one rate; no dice are thrown for what never happens."""
        return rate > 0 and self._faults.is_on and self.rng.random() < rate

    def now_ms(self) -> int:
        """Read virtual time."""
        return round(self._loop.time() * 1000)

    def later(self, delay_ms: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back after a time; 0 is the next turn of the loop."""
        # Whoever asks for it, it happens outside: a node that is paused does not keep it waiting.
        at_s = round(self._loop.time() * 1000 + delay_ms) / 1000
        return self._loop.call_at(at_s, callback, context=OUTSIDE)

    async def wait_ms(self, delay_ms: int) -> None:
        """Let a time pass, in whole milliseconds."""
        waited: asyncio.Future[None] = self._loop.create_future()
        self.later(delay_ms, lambda: None if waited.done() else waited.set_result(None))
        await waited
