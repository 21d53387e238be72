"""The slots of functions that one machine holds, uses and wants."""

from penstock.simulation.machines.rule import RuleBrokenError

BACK = "every slot comes back, once"


class SlotBook:
    """Slots by the function's name.

    Attributes:
        wanted: Those that are asked for, and not on their way yet.
        asked: Those that the machine asked for and that have not come.
        is_contended: The machine must take it that others want its slots.
        owed: Those whose invocations have ended in this turn, while they were contended.
    """

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.used: dict[str, int] = {}
        self.wanted: dict[str, int] = {}
        self.asked: dict[str, int] = {}
        self.is_contended = True
        self.owed: dict[str, int] = {}

    @property
    def held_count(self) -> int:
        """Count all that are held."""
        return sum(self.held.values())

    def free(self, function: str) -> int:
        """Count those that are held for what is to come."""
        return self.held.get(function, 0) - self.used.get(function, 0)

    def request(self, function: str, count: int) -> None:
        """The machine wants so many, in place of what it wanted before."""
        if count < 0:
            raise RuleBrokenError("slots are counted from 0", count)
        self.wanted[function] = self.asked[function] = count

    def grant(self, function: str, count: int) -> None:
        """Some of the wanted are on their way."""
        self.wanted[function] -= count

    def take(self, function: str, count: int) -> None:
        """They have come."""
        self.held[function] = self.held.get(function, 0) + count
        self.asked[function] = max(0, self.asked.get(function, 0) - count)

    def begin(self, function: str) -> None:
        """An invocation takes one."""
        if self.free(function) <= 0:
            raise RuleBrokenError("no more invocations than the function has slots", function)
        self.used[function] = self.used.get(function, 0) + 1

    def end(self, function: str) -> None:
        """An invocation is over: its slot goes back in this turn, if others may want it."""
        self.used[function] -= 1
        if self.is_contended:
            self.owed[function] = self.owed.get(function, 0) + 1

    def give_back(self, function: str, count: int) -> None:
        """Slots go back."""
        if not 1 <= count <= self.free(function):
            raise RuleBrokenError(BACK, count, "of", self.free(function), "to", function)
        self.held[function] -= count
        self.owed[function] = max(0, self.owed.get(function, 0) - count)

    def check_owed(self) -> None:
        """What others may want has gone back."""
        if any(self.owed.values()):
            raise RuleBrokenError(BACK, "when its invocation ends", self.owed)

    def check_left(self, function: str | None) -> None:
        """Of no other function is a slot held that nothing uses."""
        for each, count in self.held.items():
            if each != function and count != self.used.get(each, 0):
                raise RuleBrokenError(BACK, count, "are held of", each)
