"""Something that is opened when it is first needed, and anew after it failed."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

OpenedT = TypeVar("OpenedT")


class Opened(Generic[OpenedT]):
    """A source or a destination, shared by the shards of one mapping.

    Two that need it in the same moment may both open it; the later one is kept.

    Attributes:
        opened: It; None while it is not open.
    """

    def __init__(self, open_it: Callable[[], Awaitable[OpenedT]]) -> None:
        self._open_it = open_it
        self.opened: OpenedT | None = None

    async def get(self) -> OpenedT:
        """Give it, opened; whatever opening raises is raised here."""
        opened = self.opened
        if opened is None:
            opened = self.opened = await self._open_it()
        return opened

    def drop(self) -> None:
        """It failed: open it anew next time."""
        self.opened = None
