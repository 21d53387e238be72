"""How many invocations of one queue mapping may be in flight."""

import msgspec

from penstock.model.instant import Instant
from penstock.model.mapping import ProvisionedPollers

INVOCATIONS_PER_POLLER = 10
BYTES_PER_POLLER_SECOND = 1024 * 1024
_MS_PER_MINUTE = 60_000
_MS_PER_SECOND = 1_000
THROTTLE_PAUSE_MS = 1_000  # throttles of one burst count once


class RampPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a queue mapping's concurrency rises; the defaults are AWS's.

    Attributes:
        initial: Invocations at first, and again after it was idle.
        per_minute: By how many it rises while there is a backlog.
        maximum: Never more than this.
        minimum: Trouble lowers it no further.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """

    initial: int = 5
    per_minute: int = 300
    maximum: int = 1_250
    minimum: int = 1


def ramp_policy_of(pollers: ProvisionedPollers | None, on_demand: RampPolicy) -> RampPolicy:
    """Give the ramp of a mapping; with pollers of its own it begins at their minimum, and stays.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html (provisioned mode)
    """
    if pollers is None:
        return on_demand
    return RampPolicy(
        initial=pollers.minimum * INVOCATIONS_PER_POLLER,
        per_minute=1_000,
        maximum=pollers.maximum * INVOCATIONS_PER_POLLER,
        minimum=pollers.minimum * INVOCATIONS_PER_POLLER,
    )


class PollerThroughput:
    """What provisioned pollers may receive: 1 MB/s each, up to a second's worth at once.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html (provisioned mode)
    """

    def __init__(self) -> None:
        self._credit_bytes: float = BYTES_PER_POLLER_SECOND
        self._counted_at_ms = 0

    def take(self, size_bytes: int, concurrency: int, now: Instant) -> None:
        """Take note of received bytes, under the pollers that this concurrency stands for."""
        self._credit_bytes = self._credit(concurrency, now) - size_bytes
        self._counted_at_ms = now.monotonic_ms

    def opens_ms(self, concurrency: int, now: Instant) -> int:
        """Say from when on more may be received; the past or now: at once."""
        if self._credit(concurrency, now) > 0:
            return now.monotonic_ms
        rate = _pollers(concurrency) * BYTES_PER_POLLER_SECOND
        # Counted from the last receive: the same moment, whenever it is asked for.
        return self._counted_at_ms + 1 + int(-self._credit_bytes * _MS_PER_SECOND / rate)

    def _credit(self, concurrency: int, now: Instant) -> float:
        rate = _pollers(concurrency) * BYTES_PER_POLLER_SECOND
        elapsed_ms = now.monotonic_ms - self._counted_at_ms
        return min(rate, self._credit_bytes + rate * elapsed_ms / _MS_PER_SECOND)


def _pollers(concurrency: int) -> int:
    return max(1, -(-concurrency // INVOCATIONS_PER_POLLER))


class ConcurrencyRamp:
    """The limit of one mapping: it rises while there is a backlog and falls on trouble.

    Rules:
        1. It starts at ``initial`` and rises by ``per_minute`` while receives come back full.
        2. An idle mapping starts anew at ``initial``.
        3. A throttle halves it; a burst of throttles within a second counts once.
        4. A function error takes one off (not with ReportBatchItemFailures).
        5. It is at least ``minimum`` and at most ``maximum`` and MaximumConcurrency.
    """

    def __init__(self, policy: RampPolicy, maximum_concurrency: int | None) -> None:
        self._policy = policy
        self._maximum = _lowest(policy.maximum, maximum_concurrency)
        self._last_level = float(policy.initial)
        self._rising_since_ms: int | None = None
        self._throttled_at_ms: int | None = None

    def limit(self, now: Instant) -> int:
        """Count the invocations that may be in flight now."""
        level = self._last_level if self._rising_since_ms is None else self._level(now)
        return max(1, min(self._maximum, int(max(self._policy.minimum, level))))

    def is_rising(self, now: Instant) -> bool:
        """Tell whether the limit will be higher later without any further input."""
        return self._rising_since_ms is not None and self.limit(now) < self._maximum

    def change_policy(self, policy: RampPolicy, maximum_concurrency: int | None) -> None:
        """Apply a changed MaximumConcurrency, or changed pollers, at once."""
        self._policy = policy
        self._maximum = _lowest(policy.maximum, maximum_concurrency)

    def note_backlog(self, now: Instant) -> None:
        """There is more than is taken: rise from now on."""
        if self._rising_since_ms is None:
            self._rising_since_ms = now.monotonic_ms

    def note_drained(self, now: Instant) -> None:
        """Messages come, but no more than are taken: stay at this level."""
        self._last_level = min(float(self._maximum), self._level(now))
        self._rising_since_ms = None

    def note_idle(self) -> None:
        """Nothing came and nothing runs: start anew."""
        self._last_level = float(self._policy.initial)
        self._rising_since_ms = None

    def note_throttle(self, now: Instant) -> None:
        """The function had no capacity: halve, once per burst."""
        throttled_at_ms = self._throttled_at_ms
        if throttled_at_ms is not None and now.monotonic_ms - throttled_at_ms < THROTTLE_PAUSE_MS:
            return
        self._throttled_at_ms = now.monotonic_ms
        self._lower_to(self.limit(now) / 2, now)

    def note_function_error(self, now: Instant) -> None:
        """The function failed: take one off."""
        self._lower_to(self.limit(now) - 1, now)

    def _lower_to(self, level: float, now: Instant) -> None:
        self._last_level = max(1.0, level)
        if self._rising_since_ms is not None:
            self._rising_since_ms = now.monotonic_ms

    def _level(self, now: Instant) -> float:
        if self._rising_since_ms is None:
            return self._last_level
        elapsed_ms = now.monotonic_ms - self._rising_since_ms
        return self._last_level + self._policy.per_minute * elapsed_ms / _MS_PER_MINUTE


def _lowest(maximum: int, maximum_concurrency: int | None) -> int:
    return maximum if maximum_concurrency is None else min(maximum, maximum_concurrency)
