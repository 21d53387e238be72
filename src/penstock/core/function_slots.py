"""Who may run a function how often at once: one ledger per function and node.

Mappings *want* slots and are granted them when they are free; a direct Invoke takes one at once or
is throttled. A slot goes to the waiting mapping that holds the fewest, so none starves another.
"""

import msgspec


class Grant(msgspec.Struct, frozen=True):
    """Slots that now belong to a holder."""

    holder: str
    count: int


class FunctionSlots:
    """The slots of one function.

    Invariants: never more slots are held than there are, but for a concurrency lowered while they
    were held; while a holder waits, no slot is free.

    Attributes:
        concurrency: How many slots there are.
    """

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self._held: dict[str, int] = {}
        self._held_count = 0
        self._mappings: set[str] = set()  # that want slots now and then
        # Insertion order is the order of waiting.
        self._wanted: dict[str, int] = {}

    @property
    def held_count(self) -> int:
        """Count the slots in use."""
        return self._held_count

    @property
    def is_contended(self) -> bool:
        """Tell whether a slot must come back when its invocation ends: somebody else may want it.

        Or more are held than there are, since the concurrency was lowered.
        """
        return len(self._mappings) > 1 or self._held_count > self.concurrency

    def change_concurrency(self, concurrency: int) -> list[Grant]:
        """Apply a changed concurrency; slots held above it are not taken back."""
        self.concurrency = concurrency
        return self._grant()

    def want(self, holder: str, count: int) -> list[Grant]:
        """Say how many more slots the holder wants, in place of what it wanted before."""
        self._mappings.add(holder)
        if count > 0:
            self._wanted[holder] = count
        else:
            self._wanted.pop(holder, None)
        return self._grant()

    def take_one(self, holder: str) -> bool:
        """Take a slot at once, for a direct Invoke; False when there is none."""
        if self._held_count >= self.concurrency:
            return False
        self._take(holder, 1)
        return True

    def free(self, holder: str, count: int) -> list[Grant]:
        """Give slots back; the grants go to those who waited."""
        held = self._held.get(holder, 0)
        assert 0 <= count <= held, f"{holder} frees {count} of {held} slots"
        if held == count:
            self._held.pop(holder, None)
        else:
            self._held[holder] = held - count
        self._held_count -= count
        return self._grant()

    def leave(self, holder: str) -> list[Grant]:
        """Forget a holder: what it held is free, what it wanted is dropped."""
        self._mappings.discard(holder)
        self._wanted.pop(holder, None)
        return self.free(holder, self._held.get(holder, 0))

    def _grant(self) -> list[Grant]:
        if not self._wanted:
            return []
        granted: dict[str, int] = {}
        while self._wanted and self._held_count < self.concurrency:
            # min keeps the first of equals: the one that has waited longest.
            holder = min(self._wanted, key=self._held_by)
            wanted = self._wanted.pop(holder)
            # One that waits alone takes all it may have at once.
            free = self.concurrency - self._held_count
            count = min(wanted, free) if not self._wanted else 1
            if wanted > count:
                self._wanted[holder] = wanted - count
            self._take(holder, count)
            granted[holder] = granted.get(holder, 0) + count
        return [Grant(holder, count) for holder, count in granted.items()]

    def _held_by(self, holder: str) -> int:
        return self._held.get(holder, 0)

    def _take(self, holder: str, count: int) -> None:
        self._held[holder] = self._held.get(holder, 0) + count
        self._held_count += count
