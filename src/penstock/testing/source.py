"""What every source of a test has: an ARN, entries by identity, and mappings that read it."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec

from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError
from penstock.simulation.chance import Chance
from penstock.simulation.faults import FaultRates
from penstock.testing.chronicle import MappingChronicle
from penstock.testing.faults import FaultPlan
from penstock.testing.history import Kind, Step
from penstock.testing.identities import Identities
from penstock.testing.values import Entry


class Surface(msgspec.Struct, frozen=True):
    """What sources work with.

    Attributes:
        chance: Dice that never strike, and the timers of the virtual loop.
        tell: Called when something has changed.
    """

    scope: Scope
    loop: asyncio.AbstractEventLoop
    chance: Chance[FaultRates]
    identities: Identities
    faults: FaultPlan
    to_wall_ms: Callable[[int], int]
    tell: Callable[[], None]

    def now_ms(self) -> int:
        """Read virtual time."""
        return self.chance.now_ms()

    def wall_ms(self) -> int:
        """Read the virtual wall clock, Unix ms."""
        return self.to_wall_ms(self.now_ms())

    def arn_of(self, service: str, resource: str) -> str:
        """Name a resource."""
        return f"arn:aws:{service}:{self.scope.region}:{self.scope.account}:{resource}"


class Source:
    """A queue or a stream of a test.

    Attributes:
        arn: Its EventSourceArn.
        name: QueueName, StreamName or TableName.
        entries: What was put, by message id or sequence number.
        chronicles: Of the mappings that read it.

    Raises:
        ConfigurationError: AWS takes no such name.
    """

    NAME: ClassVar[str]

    def __init__(self, surface: Surface, name: str, arn: str) -> None:
        if not re.fullmatch(self.NAME, name):
            raise ConfigurationError(f"name {name!r}: AWS takes {self.NAME}")
        self.name = name
        self.arn = arn
        self.entries: dict[str, Entry] = {}
        self.chronicles: list[MappingChronicle] = []
        self._surface = surface
        self._puts: list[Step] = []

    def read_by(self, chronicle: MappingChronicle) -> None:
        """A mapping reads it: what was put before belongs to its history."""
        self.chronicles.append(chronicle)
        chronicle.history.steps += self._puts

    def _add(self, value: object, identity: str, *, shard: str = "", body: object = None) -> Entry:
        entry = Entry(len(self.entries) + 1, value, identity, shard, body)
        self.entries[identity] = entry
        return entry

    def _note_put(self, entries: Sequence[Entry]) -> None:
        if entries:
            step = Step(self._surface.now_ms(), Kind.PUT, tuple(entries))
            self._puts.append(step)
            for chronicle in self.chronicles:
                chronicle.history.steps.append(step)
            self._surface.tell()
