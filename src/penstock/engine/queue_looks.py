"""How many queues are looked at at once: at a start all mappings want to, and not only then.

Looks and deletes share few connections to a server (``aws/transport.py``), first come, first
served: without a bound ten thousand looks would stand before the delete of a message.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LOOKS_MAX = 16  # of one region's queues: they have one server
TURN_S_MAX = 1.0


class QueueLooks:
    """The turns of one node's looks, by region.

    A look that takes longer than ``TURN_S_MAX`` goes on, and its turn passes: a queue that hangs
    does not delay the others.
    """

    def __init__(self) -> None:
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(_make_turns)

    @asynccontextmanager
    async def turn(self, region: str) -> AsyncIterator[None]:
        """Wait for a turn to look at a queue of a region."""
        turns = self._turns[region]
        await turns.acquire()
        held = [turns]

        def pass_on() -> None:
            while held:
                held.pop().release()

        limit = asyncio.get_running_loop().call_later(TURN_S_MAX, pass_on)
        try:
            yield
        finally:
            limit.cancel()
            pass_on()


def _make_turns() -> asyncio.Semaphore:
    return asyncio.Semaphore(LOOKS_MAX)
