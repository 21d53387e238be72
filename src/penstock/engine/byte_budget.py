"""The node's budget of bytes, as fetches ask for it: ``core/byte_budget.py`` decides."""

import asyncio

from penstock.core.byte_budget import ByteLedger


class NodeBudget:
    """The budget of one node; every running shard has an account."""

    def __init__(self, capacity_bytes: int) -> None:
        self._ledger = ByteLedger(capacity_bytes)
        self._waiting: dict[str, asyncio.Future[None]] = {}

    @property
    def held_bytes(self) -> int:
        """Count what all shards hold or are about to read."""
        return self._ledger.held_bytes

    def open_account(self, name: str) -> "BudgetAccount":
        """Give a shard its account; the name is unique among what runs."""
        return BudgetAccount(self, self._ledger, name)

    async def wait_for_room(self, name: str, count_bytes: int) -> None:
        """Wait until the account has room for so many bytes."""
        granted = self._ledger.want(name, count_bytes)
        if granted == [name]:
            return
        room = asyncio.get_running_loop().create_future()
        self._waiting[name] = room
        try:
            self.wake(granted)
            await room
        finally:
            del self._waiting[name]
            if room.cancelled():
                self.wake(self._ledger.withdraw(name))

    def wake(self, granted: list[str]) -> None:
        """Let those go on whose wish was granted."""
        for name in granted:
            room = self._waiting[name]
            if not room.done():
                room.set_result(None)


class BudgetAccount:
    """Keeps ``ports.ByteBudget`` for one shard.

    Attributes:
        has_room: Room was taken, and the fetch that took it has not ended.
    """

    def __init__(self, budget: NodeBudget, ledger: ByteLedger, name: str) -> None:
        self._budget = budget
        self._ledger = ledger
        self._name = name
        self.has_room = False

    async def take(self, count_bytes: int) -> None:
        """Wait until there is room for an answer of so many bytes."""
        self.has_room = True
        await self._budget.wait_for_room(self._name, count_bytes)

    def report_held(self, count_bytes: int) -> None:
        """Say how many bytes of records the shard holds now."""
        self._budget.wake(self._ledger.set_held(self._name, count_bytes))

    def end_fetch(self) -> None:
        """The fetch that took room has ended, and what it brought has been reported."""
        self.has_room = False
        self._budget.wake(self._ledger.end_given(self._name))

    def close(self) -> None:
        """The shard has ended: what it holds is free."""
        self._budget.wake(self._ledger.leave(self._name))
