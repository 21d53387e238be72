"""How many invocations a queue mapping may have in flight, and how fast it may receive."""

from penstock.core.queue_contract import QueuePolicy
from penstock.core.scaling import ConcurrencyRamp, PollerThroughput, RampPolicy, ramp_policy_of
from penstock.model.instant import Instant

RAMP_TICK_MS = 1_000


class MappingCapacity:
    """The ramp of one mapping, or its provisioned pollers.

    Args:
        policy: What the mapping asks for.
        node_ramp: The node's, for mappings without pollers of their own.

    Attributes:
        ramp: Rises and falls with what happens.
    """

    def __init__(self, policy: QueuePolicy, node_ramp: RampPolicy) -> None:
        self._node_ramp = node_ramp
        self._has_pollers = policy.pollers is not None
        self.ramp = ConcurrencyRamp(
            ramp_policy_of(policy.pollers, node_ramp), policy.maximum_concurrency
        )
        self._throughput = PollerThroughput()

    def change_policy(self, policy: QueuePolicy) -> None:
        """Follow an update; what pollers have received still counts."""
        self._has_pollers = policy.pollers is not None
        ramp_policy = ramp_policy_of(policy.pollers, self._node_ramp)
        self.ramp.change_policy(ramp_policy, policy.maximum_concurrency)

    def take(self, size_bytes: int, now: Instant) -> None:
        """Take note of what was received: pollers have a throughput."""
        if self._has_pollers:
            self._throughput.take(size_bytes, self.ramp.limit(now), now)

    def may_receive(self, now: Instant) -> bool:
        """Tell whether the pollers' throughput lets more in now."""
        if not self._has_pollers:
            return True
        return self._throughput.opens_ms(self.ramp.limit(now), now) <= now.monotonic_ms

    def rises_ms(self, now: Instant) -> int | None:
        """Say when more may be invoked without any further input; None: that is not to come."""
        return now.monotonic_ms + RAMP_TICK_MS if self.ramp.is_rising(now) else None

    def opens_ms(self, now: Instant) -> int | None:
        """Say when more may be received; None: now, as far as the throughput goes."""
        if not self._has_pollers:
            return None
        opens_ms = self._throughput.opens_ms(self.ramp.limit(now), now)
        return opens_ms if opens_ms > now.monotonic_ms else None
