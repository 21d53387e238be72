"""Turns of a machine's world: what happens next, on virtual time, and the machine's deadlines.

There is no loop of asyncio and no driver. What a driver guarantees is kept: one input at a time; a
completion comes on a later turn than its command; ``DeadlineReached`` when the time has come.
"""

import heapq
from collections.abc import Callable

from penstock.driver import Machine
from penstock.model.instant import Instant
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.trace import Trace

WALL_MS = 1_700_000_000_000  # wall time and monotonic time must not be taken for each other
SAME_MOMENT_MAX = 2_000  # more turns at one moment are a loop


class Turns:
    """The time of one world, and what is to happen.

    Args:
        keeps_trace: Keep every event; else the last ones.

    Attributes:
        now_ms: Virtual time.
        trace: What happened.
        turn_count: How many turns there were.
    """

    def __init__(self, *, keeps_trace: bool) -> None:
        self.now_ms = 0
        self.turn_count = 0
        self.trace = Trace(lambda: self.now_ms, keeps_all=keeps_trace)
        self._coming: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._same_moment = 0

    @property
    def now(self) -> Instant:
        """The moment on both clocks."""
        return Instant(self.now_ms, WALL_MS + self.now_ms)

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Let something happen after a time; 0: on a later turn of this moment."""
        self._number += 1
        heapq.heappush(self._coming, (self.now_ms + delay_ms, self._number, action))

    def clear(self) -> None:
        """Let nothing happen of what was to come."""
        self._coming.clear()

    def take_turn(self, deadline_ms: int | None, wake: Callable[[], None], until_ms: int) -> bool:
        """Do what comes next: the machine's deadline, or what was to happen.

        Returns:
            False: nothing comes until then.
        """
        first_ms = self._coming[0][0] if self._coming else None
        is_deadline = deadline_ms is not None and (first_ms is None or deadline_ms <= first_ms)
        next_ms = deadline_ms if is_deadline else first_ms
        if next_ms is None or next_ms > until_ms:
            self.now_ms = max(self.now_ms, until_ms)
            return False
        self._count_turn(next_ms)
        if is_deadline:
            wake()
        else:
            heapq.heappop(self._coming)[2]()
        return True

    def _count_turn(self, next_ms: int) -> None:
        self.turn_count += 1
        self._same_moment = self._same_moment + 1 if next_ms <= self.now_ms else 0
        if self._same_moment > SAME_MOMENT_MAX:
            raise RuleBrokenError("time goes on", "turns without an end at", self.now_ms)
        self.now_ms = max(self.now_ms, next_ms)


def check_deadline(machine: Machine[object, object], now_ms: int) -> None:
    """A machine wants to be woken later than now: else its driver would spin."""
    deadline_ms = machine.deadline_ms()
    if deadline_ms is not None and deadline_ms <= now_ms:
        raise RuleBrokenError("a machine does not spin", "its deadline is", deadline_ms)
