"""Simulated on-failure destinations: they take discards in, or do not, or do and nobody hears."""

from typing import Protocol

from penstock.model.errors import (
    DestinationError,
    DestinationRefusedError,
    DestinationUnavailableError,
)
from penstock.model.failure import FailureReport
from penstock.ports import Destination
from penstock.simulation.chance import Chance
from penstock.simulation.faults import StreamFaultRates
from penstock.simulation.streams.report import ReportedDiscard, decode_report
from penstock.simulation.trace import Trace

SLOW_MS_MAX = 5_000


class DiscardWatch(Protocol):
    """Told of discards."""

    def discard_sent(self, discard: ReportedDiscard) -> None:
        """The engine hands a discard to its destination."""
        ...

    def discard_kept(self, discard: ReportedDiscard) -> None:
        """The destination has it."""
        ...

    def discard_told(self, discard: ReportedDiscard) -> None:
        """The engine knows that the destination has it."""
        ...


class SimulatedDestinations:
    """Keeps ``ports.Destinations``, and ``ports.Destination`` for each of them.

    Attributes:
        broken: While set, nothing is taken in, and this is why.
    """

    def __init__(
        self,
        *,
        chance: Chance[StreamFaultRates],
        watch: DiscardWatch,
        trace: Trace,
    ) -> None:
        self._chance = chance
        self._watch = watch
        self._trace = trace
        self.broken: DestinationError | None = None

    async def open(self, arn: str) -> Destination:
        """Make a destination writable."""
        del arn
        if self.broken is not None:
            raise self.broken
        return self

    async def send(self, report: FailureReport) -> None:
        """Keep a report, or fail to."""
        discard = decode_report(report)
        self._watch.discard_sent(discard)
        rates = self._chance.rates
        is_slow = self._chance.strikes(rates.destination_slow)
        await self._chance.wait_ms(self._chance.rng.randint(0, SLOW_MS_MAX if is_slow else 20))
        if self.broken is not None:
            raise self.broken
        if self._chance.strikes(rates.destination_refused):
            raise DestinationRefusedError("not this one")
        details = (discard.mapping_uuid, discard.condition.value, *discard.numbers())
        self._trace.note("destination", "keeps", *details)
        self._watch.discard_kept(discard)
        if self._chance.strikes(rates.destination_answer_lost):
            raise DestinationUnavailableError("the connection broke")
        await self._chance.wait_ms(self._chance.rng.randint(0, 20))
        self._watch.discard_told(discard)
