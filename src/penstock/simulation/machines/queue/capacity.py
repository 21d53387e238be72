"""How many may run at once and be received at once, counted beside the machine.

Written from docs/semantics.md ("Receiving and batches", "Provisioned pollers") and AWS's page on
the scaling of queues; it shares no code with ``core``.
"""

from penstock.simulation.machines.queue.plan import QueueMachinePlan, QueueSettings

MEGABYTE = 1024 * 1024
PER_POLLER = 10  # invocations
POLLERS_PER_MINUTE = 1_000  # invocations, by which provisioned pollers rise
THROTTLES_MS = 1_000  # throttles within that count once
RECEIVE_MAX = 10
RECEIVES_MAX = 50
RECEIVED_MAX = 64 * MEGABYTE  # what receives in parallel may bring


class RampBook:
    """The concurrency of a mapping: it rises with a backlog, and falls on trouble."""

    def __init__(self, plan: QueueMachinePlan, settings: QueueSettings) -> None:
        self._plan = plan
        self._rising_from_ms: int | None = None
        self._throttled_ms: int | None = None
        self.update(settings)
        self._level: float = self._initial

    def _maximum_of(self, settings: QueueSettings) -> int:
        """The least of what AWS, the node, the mapping and its tags let run at once."""
        if settings.pollers is not None:
            return settings.pollers.maximum * PER_POLLER
        maxima = [self._plan.maximum]
        if settings.maximum_concurrency is not None:
            maxima.append(settings.maximum_concurrency)
        if "penstock:concurrency" in settings.tags:
            maxima = [self._plan.maximum, 1]
        return min(maxima)

    def update(self, settings: QueueSettings) -> None:
        """The mapping changes; where it stands it stays, within its new bounds."""
        pollers = settings.pollers
        self._maximum = self._maximum_of(settings)
        self._initial = self._plan.initial if pollers is None else pollers.minimum * PER_POLLER
        self._minimum = 1 if pollers is None else pollers.minimum * PER_POLLER
        self._per_minute = self._plan.per_minute if pollers is None else POLLERS_PER_MINUTE

    def limit(self, now_ms: int) -> int:
        """Count what may run now."""
        return max(1, min(self._maximum, max(self._minimum, int(self._at(now_ms)))))

    def is_rising(self, now_ms: int) -> bool:
        """Tell whether more may run later, whatever happens."""
        return self._rising_from_ms is not None and self.limit(now_ms) < self._maximum

    def note_backlog(self, now_ms: int) -> None:
        """A receive came back full."""
        if self._rising_from_ms is None:
            self._rising_from_ms = now_ms

    def note_drained(self, now_ms: int) -> None:
        """A receive brought something, and no more than that was there."""
        self._level = min(float(self._maximum), self._at(now_ms))
        self._rising_from_ms = None

    def note_idle(self) -> None:
        """Nothing came, nothing waits and nothing runs."""
        self._level, self._rising_from_ms = self._initial, None

    def note_throttle(self, now_ms: int) -> None:
        """By half; a burst counts once."""
        if self._throttled_ms is None or now_ms - self._throttled_ms >= THROTTLES_MS:
            self._throttled_ms = now_ms
            self._fall_to(self.limit(now_ms) / 2, now_ms)

    def note_error(self, now_ms: int) -> None:
        """By one."""
        self._fall_to(self.limit(now_ms) - 1, now_ms)

    def _fall_to(self, level: float, now_ms: int) -> None:
        self._level = max(1.0, level)
        if self._rising_from_ms is not None:
            self._rising_from_ms = now_ms

    def _at(self, now_ms: int) -> float:
        if self._rising_from_ms is None:
            return self._level
        return self._level + self._per_minute * (now_ms - self._rising_from_ms) / 60_000


class ReceiveBook:
    """How many receives may run at once: one more for each that came back full.

    Attributes:
        wanted: So many.
        retry_ms: After a failure: when the next may begin.
    """

    def __init__(self) -> None:
        self.wanted = 1
        self.retry_ms = 0
        self.failures = 0

    def end(self, asked: int, count: int, size_bytes: int, *, has_window: bool) -> None:
        """One has ended well."""
        self.failures = 0
        if has_window and count == asked < RECEIVE_MAX:
            return  # it was asked only for what its batch had room for: that it came says nothing
        if count >= asked:
            room = max(1, RECEIVED_MAX // max(1, size_bytes))
            self.wanted = min(RECEIVES_MAX, room, self.wanted + 1)
        else:
            self.wanted = max(1, self.wanted - 1) if count else 1

    def fail(self, now_ms: int) -> None:
        """One has failed: those that began before the last pause are no news."""
        self.wanted = 1
        if now_ms >= self.retry_ms:
            self.failures += 1
            self.retry_ms = now_ms + min(5_000, 200 << (self.failures - 1))


class ThroughputBook:
    """1 MB per second and poller, of a second's worth at once."""

    def __init__(self) -> None:
        self._credit: float = MEGABYTE
        self._at_ms = 0

    def take(self, size_bytes: int, limit: int, now_ms: int) -> None:
        """Bytes were received."""
        self._credit = self._credit_at(limit, now_ms) - size_bytes
        self._at_ms = now_ms

    def is_open(self, limit: int, now_ms: int) -> bool:
        """Tell whether there is some of it left."""
        return self._credit_at(limit, now_ms) > 0

    def opens_ms(self, limit: int) -> int:
        """Say when there is some of it again."""
        rate = max(1, -(-limit // PER_POLLER)) * MEGABYTE
        return self._at_ms + 1 + int(-self._credit * 1000 / rate)

    def _credit_at(self, limit: int, now_ms: int) -> float:
        rate = max(1, -(-limit // PER_POLLER)) * MEGABYTE
        return min(rate, self._credit + rate * (now_ms - self._at_ms) / 1000)
