"""What the parts of a world stand on together: one loop, clock, trace, store, and node."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from penstock.model.function import TIMEOUT_S_MAX
from penstock.model.mapping import EventSourceMapping
from penstock.ports import Store
from penstock.simulation.loop import VirtualClock, VirtualLoop, pass_s
from penstock.simulation.node import Node
from penstock.simulation.requests import FindRow, Requests
from penstock.simulation.streams.store_calls import SimulatedStoreCalls
from penstock.simulation.trace import Trace

_NEVER_MS = -(10**9)


class Ground:
    """Begins with time and trace; the rest is there once it is opened.

    Attributes:
        row_changed: Set when a mapping's row was written.
        store: What survives a node, looked into without its calls.
        requests: How users change mappings.
        is_undisturbed: Nobody else on this ground has faults or incidents.
        has_untimed: A function was gone once: what was lost of it may run as long as any may, and
            a stop waits for that.
    """

    store: Store
    node: Node
    requests: Requests

    def __init__(self, *, keeps_trace: bool = False, is_undisturbed: bool = True) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "no other can be paused"
        self.loop = loop
        self._awake = asyncio.Lock()  # held while the node is paused, or about to end
        self.clock = VirtualClock(self.loop)
        self.trace = Trace(lambda: self.clock.now().monotonic_ms, keeps_all=keeps_trace)
        self.row_changed = asyncio.Event()
        self.is_undisturbed = is_undisturbed
        self.has_untimed = False
        self._calls: SimulatedStoreCalls | None = None

    def open(
        self,
        store: Store,
        node: Node,
        requests: Requests,
        *,
        calls: SimulatedStoreCalls | None = None,
    ) -> None:
        """Say what stands here; ``calls``: of the store, where they take time and fail."""
        self.store = store
        self.node = node
        self.requests = requests
        self._calls = calls

    @property
    def trouble_ms(self) -> int:
        """When a call of the store last failed, or took long."""
        return _NEVER_MS if self._calls is None else self._calls.trouble_ms

    def start_node(self) -> None:
        """Start the node: its first call of the store is not one that fails."""
        if self._calls is not None:
            self._calls.spare_next()
        self.node.start()

    async def crash_node(self) -> None:
        """Kill the node, and what it asks of the store with it."""
        async with self._awake:
            if self._calls is not None:
                self._calls.cut_off()
            await self.node.crash()

    async def stop_node(self, limit_s: float) -> None:
        """Stop the node gracefully; one that is paused stops when it goes on.

        Raises:
            TimeoutError: It has not stopped within so many seconds, and for what is untimed.
        """
        more_s = TIMEOUT_S_MAX if self.has_untimed else 0
        async with self._awake, asyncio.timeout(limit_s + more_s):
            await self.node.stop()

    async def pause_node(self, for_ms: int) -> None:
        """Stop the node's process for a while, as SIGSTOP does: it learns of it by its clock."""
        async with self._awake:
            if not self.node.is_running:
                return
            self.loop.is_paused = True
            try:
                await pass_s(0.001)  # for what it has begun in this moment
                self.node.pause()
                await pass_s(for_ms / 1000)
            finally:
                if self._calls is not None:
                    self._calls.note_pause()
                self.node.resume()
                self.loop.resume()

    async def wait_until_awake(self) -> None:
        """Wait until the node is not paused: it answers nobody until then."""
        async with self._awake:
            pass

    async def live(self, life: Coroutine[Any, Any, None], *broken: asyncio.Event) -> None:
        """Let a world live until its end, or until a rule is broken.

        Args:
            life: The world's; cut off where a rule is broken.
            broken: Set by whoever judges.
        """
        living = self.loop.create_task(life, name="world")
        judges = [self.loop.create_task(each.wait(), name="judge") for each in broken]
        await asyncio.wait([living, *judges], return_when=asyncio.FIRST_COMPLETED)
        for task in (*judges, living):
            task.cancel()
        await asyncio.wait([living, *judges])
        if not living.cancelled():
            living.result()

    async def wait_for_row(self, find: FindRow) -> EventSourceMapping:
        """Wait until a row is there."""
        while (row := find()) is None:
            self.row_changed.clear()
            await self.row_changed.wait()
        return row
