"""Simulated on-failure destinations: they take discards in, or do not, or do and nobody hears."""

import asyncio
from random import Random
from typing import Protocol

from penstock.model.errors import (
    DestinationError,
    DestinationRefusedError,
    DestinationUnavailableError,
)
from penstock.model.failure import Discard
from penstock.ports import Destination
from penstock.simulation.faults import FaultModel, StreamFaultRates
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
        faults: FaultModel[StreamFaultRates],
        rng: Random,
        loop: asyncio.AbstractEventLoop,
        watch: DiscardWatch,
        trace: Trace,
    ) -> None:
        self._faults = faults
        self._rng = rng
        self._loop = loop
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
        rates = self._faults.rates
        is_slow = self._faults.strikes(rates.destination_slow, self._rng)
        await self._wait_ms(self._rng.randint(0, SLOW_MS_MAX if is_slow else 20))
        if self.broken is not None:
            raise self.broken
        if self._faults.strikes(rates.destination_refused, self._rng):
            raise DestinationRefusedError("not this one")
        numbers = [record.sequence_number for record in discard.records]
        self._trace.note("destination", "keeps", mapping_uuid, discard.condition.value, *numbers)
        self._watch.discard_kept(mapping_uuid, discard, event)
        if self._faults.strikes(rates.destination_answer_lost, self._rng):
            raise DestinationUnavailableError("the connection broke")
        await self._wait_ms(self._rng.randint(0, 20))
        self._watch.discard_told(mapping_uuid, discard, event)

    async def _wait_ms(self, delay_ms: int) -> None:
        waited: asyncio.Future[None] = self._loop.create_future()
        at_s = round(self._loop.time() * 1000 + delay_ms) / 1000
        self._loop.call_at(at_s, lambda: None if waited.done() else waited.set_result(None))
        await waited


class SimulatedDestination:
    """Keeps ``ports.Destination`` for one mapping."""

    def __init__(self, destinations: SimulatedDestinations, mapping_uuid: str) -> None:
        self._destinations = destinations
        self._mapping_uuid = mapping_uuid

    async def send(self, discard: Discard, event: bytes) -> None:
        """Record a discard."""
        await self._destinations.send(self._mapping_uuid, discard, event)
