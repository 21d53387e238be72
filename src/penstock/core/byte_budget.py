"""How many bytes of fetched records a node holds, and which shard may fetch more.

Rules:
    1. Room is given in the order in which it was asked for, and only while all fits.
    2. An account that holds nothing is given room for one answer all the same: what others hold,
       for example because their function hangs, never stops a healthy shard. So the bound is the
       capacity and one answer per shard.
    3. What is given counts until the account says what it really holds.
"""


class ByteLedger:
    """The accounts of one node."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._held: dict[str, int] = {}
        self._given: dict[str, int] = {}
        self._held_bytes = 0
        self._waiting: dict[str, int] = {}  # insertion order is the order of waiting

    @property
    def held_bytes(self) -> int:
        """Count what all accounts hold or were given room for."""
        return self._held_bytes

    def want(self, account: str, count_bytes: int) -> list[str]:
        """Ask for room; at most once at a time per account.

        Returns:
            The accounts whose wish is granted by this.
        """
        assert account not in self._waiting, f"{account} asks twice"
        self._waiting[account] = count_bytes
        return self._grant()

    def withdraw(self, account: str) -> list[str]:
        """Give up a wish, as a fetch that is cut off does; the accounts that are granted theirs."""
        self._waiting.pop(account, None)
        return self._grant()

    def set_held(self, account: str, count_bytes: int) -> list[str]:
        """Say how many bytes of records an account holds; what it was given stays counted."""
        self._held_bytes += count_bytes - self._held.get(account, 0)
        self._held[account] = count_bytes
        return self._grant()

    def end_given(self, account: str) -> list[str]:
        """Its fetch has ended, and what it brought is told by ``set_held``."""
        self._held_bytes -= self._given.pop(account, 0)
        return self._grant()

    def leave(self, account: str) -> list[str]:
        """Forget an account and all that it holds."""
        self._waiting.pop(account, None)
        self._held_bytes -= self._held.pop(account, 0) + self._given.pop(account, 0)
        return self._grant()

    def _grant(self) -> list[str]:
        granted: list[str] = []
        if not self._waiting:
            return granted
        is_blocked = False
        for account, count_bytes in list(self._waiting.items()):
            fits = not is_blocked and self._held_bytes + count_bytes <= self._capacity_bytes
            if fits or self._holds_nothing(account):
                del self._waiting[account]
                self._given[account] = self._given.get(account, 0) + count_bytes
                self._held_bytes += count_bytes
                granted.append(account)
            else:
                is_blocked = True
        return granted

    def _holds_nothing(self, account: str) -> bool:
        return not self._held.get(account) and not self._given.get(account)
