"""Simulated on-failure destinations: they take discards in, or do not, or do and nobody hears."""

from typing import Protocol

from penstock.model.errors import (
    DestinationError,
    DestinationRefusedError,
    DestinationUnavailableError,
)
from penstock.model.failure import Discard
from penstock.ports import Destination
from penstock.simulation.chance import Chance
from penstock.simulation.faults import StreamFaultRates
from penstock.simulation.trace import Trace

SLOW_MS_MAX = 5_000


class DiscardWatch(Protocol):
    """Told of discards."""

    def discard_sent(self, mapping_uuid: str, discard: Discard, event: bytes) -> None:
        """The engine hands a discard to its destination."""
        ...

    def discard_kept(self, mapping_uuid: str, discard: Discard, event: bytes) -> None:
        """The destination has it."""
        ...

    def discard_told(self, mapping_uuid: str, discard: Discard, event: bytes) -> None:
        """The engine knows that the destination has it."""
        ...


class SimulatedDestinations:
    """Keeps ``ports.Destinations``.

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

    async def open(
        self, arn: str, mapping_uuid: str, function_arn: str, stream_arn: str
    ) -> Destination:
        """Make a destination writable."""
        del arn, function_arn, stream_arn
        if self.broken is not None:
            raise self.broken
        return SimulatedDestination(self, mapping_uuid)

    async def send(self, mapping_uuid: str, discard: Discard, event: bytes) -> None:
        """Record a discard, or fail to."""
        self._watch.discard_sent(mapping_uuid, discard, event)
        rates = self._chance.rates
        is_slow = self._chance.strikes(rates.destination_slow)
        await self._chance.wait_ms(self._chance.rng.randint(0, SLOW_MS_MAX if is_slow else 20))
        if self.broken is not None:
            raise self.broken
        if self._chance.strikes(rates.destination_refused):
            raise DestinationRefusedError("not this one")
        numbers = [record.sequence_number for record in discard.records]
        self._trace.note("destination", "keeps", mapping_uuid, discard.condition.value, *numbers)
        self._watch.discard_kept(mapping_uuid, discard, event)
        if self._chance.strikes(rates.destination_answer_lost):
            raise DestinationUnavailableError("the connection broke")
        await self._chance.wait_ms(self._chance.rng.randint(0, 20))
        self._watch.discard_told(mapping_uuid, discard, event)


class SimulatedDestination:
    """Keeps ``ports.Destination`` for one mapping."""

    def __init__(self, destinations: SimulatedDestinations, mapping_uuid: str) -> None:
        self._destinations = destinations
        self._mapping_uuid = mapping_uuid

    async def send(self, discard: Discard, event: bytes) -> None:
        """Record a discard."""
        await self._destinations.send(self._mapping_uuid, discard, event)
