"""What happened in a simulated world, in order."""

import collections
import hashlib
from collections.abc import Callable

_LAST_MAX = 120


class Trace:
    """The events of one run; the last ones, or all of them.

    Args:
        now_ms: Virtual time.
        keeps_all: Keep every event, to print or to compare runs; else only the last.
    """

    def __init__(self, now_ms: Callable[[], int], *, keeps_all: bool = False) -> None:
        self._now_ms = now_ms
        self._events: collections.deque[tuple[object, ...]] = collections.deque(
            maxlen=None if keeps_all else _LAST_MAX
        )
        self._count = 0
        self._watches: dict[int, list[Callable[[], None]]] = {}

    @property
    def count(self) -> int:
        """Count the events so far, those no longer kept included."""
        return self._count

    def note(self, subject: str, verb: str, *details: object) -> None:
        """Write an event down; formatted only when it is read."""
        self._events.append((self._now_ms(), subject, verb, *details))
        self._count += 1
        if self._watches:
            for watch in self._watches.pop(self._count, ()):
                watch()

    def watch(self, count: int, callback: Callable[[], None]) -> None:
        """Call back at the event of that number: a moment that no clock would hit."""
        self._watches.setdefault(count, []).append(callback)

    def lines(self) -> list[str]:
        """Format the kept events, one per line."""
        return [
            f"{event[0]:>9} ms  {event[1]:<12} {event[2]:<18} " + " ".join(map(str, event[3:]))
            for event in self._events
        ]

    def digest(self) -> str:
        """Condense the kept events: equal for equal runs."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
