"""The wire client as the tests of this folder use it."""

import asyncio
from collections.abc import Collection

from penstock.aws.client import WireClient
from penstock.aws.network import Network
from penstock.model.instant import Instant


class StandingClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.instant = Instant(monotonic_ms=0, wall_ms=1_700_000_000_000)

    def now(self) -> Instant:
        """Read both clocks."""
        return self.instant

    def advance_ms(self, delay_ms: int) -> None:
        """Move both clocks forward."""
        self.instant = self.instant.plus_ms(delay_ms)


def make_wire(
    own_addresses: Collection[tuple[str, int]] = (), *, default_endpoint: str | None = None
) -> WireClient:
    """Make a wire client whose retries do not wait."""
    network = Network(own_addresses=own_addresses, default_endpoint=default_endpoint)
    return WireClient(network, clock=StandingClock(), draw_fraction=lambda: 0.0)


class Budget:
    """Room for answers, which can be kept back; notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_asked = asyncio.Event()

    async def take(self, count_bytes: int) -> None:
        """Wait until there is room."""
        self.asked.append(count_bytes)
        self.is_asked.set()
        await self.is_open.wait()
