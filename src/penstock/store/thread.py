"""Where the synchronous store runs: on one thread of its own, or inline in a simulation."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from penstock.ports import Store

ResultT = TypeVar("ResultT")


class StoreThread:
    """Runs store calls one after another on one thread, so that a flush never stops the loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Run ``call`` on the store's thread; see ``ports.StoreCalls``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, call, self._store)

    async def close(self) -> None:
        """Wait for the calls before this one, then close the store and end the thread."""
        await self.run(lambda store: store.close())
        self._executor.shutdown()


class InlineStore:
    """Runs store calls at once, on the caller's own thread: a virtual-time loop has no other."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Run ``call`` now; see ``ports.StoreCalls``."""
        return call(self._store)

    async def close(self) -> None:
        """Close the store."""
        self._store.close()
