"""Checks how fast a mapping's concurrency rises, and what provisioned pollers receive.

The auditor keeps an upper bound of each mapping's limit: it begins at the initial value, always
rises as if there were a backlog, and falls with each throttle and each error that the engine was
told of. An idle mapping begins anew.

Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html, and docs/semantics.md where
    AWS gives no number
"""

import math

import msgspec

from penstock.core.scaling import RampPolicy
from penstock.model.mapping import EventSourceMapping
from penstock.simulation.ledger import ROW_GRACE_MS, AuditedMapping, Books, Rule
from penstock.simulation.option_tags import options_of

PER_POLLER = 10  # AWS: concurrent invocations of one event poller
POLLERS_PER_MINUTE = 1_000  # AWS: additional invocations of provisioned mode, per minute
AWS_RAMP = RampPolicy(initial=5, per_minute=300, maximum=1_250, minimum=1)
POLLER_BYTES_PER_S = 1024 * 1024
ROUNDING = 1e-6  # a level that rises in many small steps falls short of the sum
BURST_MS = 1_000  # throttles of so long count once


class _Ramp(msgspec.Struct):
    """The upper bound of one mapping's limit.

    Attributes:
        before: What it was before it fell last.
        credit_bytes: What its pollers may still receive; negative: they must wait.
        received_ms: When they last received something.
        told_ms: When the engine was last told of a throttle.
        is_burst_unsure: What runs may have begun amid a burst, and counts it from there.
    """

    level: float
    at_ms: int
    before: float = 0.0
    fell_ms: int = -BURST_MS
    throttled_ms: int = -BURST_MS
    credit_bytes: float = POLLER_BYTES_PER_S
    counted_ms: int = 0
    received_ms: int = -1
    told_ms: int = -BURST_MS
    is_burst_unsure: bool = False


class RampAudit:
    """The auditor's eyes at scaling."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._ramps: dict[str, _Ramp] = {}

    def began(self, mapping: AuditedMapping) -> None:
        """Take note that a mapping's row was written: what runs by it may have begun anew."""
        ramp = self._rise(mapping)
        ramp.level = max(ramp.level, self._initial(mapping))
        ramp.is_burst_unsure = True

    def node_started(self) -> None:
        """Take note of a new engine: it begins anew, and has received nothing yet."""
        for queue_arn, ramp in self._ramps.items():
            self.began(self._books.mappings[queue_arn])
            ramp.credit_bytes = math.inf

    def first_limit(self, mapping: AuditedMapping) -> int:
        """Count the invocations that may run of a mapping that was idle."""
        return self._limit_at(mapping, self._initial(mapping))

    def dispatched(self, mapping: AuditedMapping) -> None:
        """Check a batch that is sent to its function, before it is counted."""
        ramp = self._rise(mapping)
        limit = self._limit(mapping, ramp)
        if mapping.running_count >= limit:
            text = f"{mapping.running_count} are running; the ramp is at {limit}"
            self._books.report(Rule.RAMP, text)

    def throttled(self, mapping: AuditedMapping) -> None:
        """Take note of a throttle that the engine was told of: it halves, once per burst."""
        ramp, now_ms = self._rise(mapping), self._books.now_ms()
        is_new_burst = now_ms - ramp.told_ms >= BURST_MS
        ramp.told_ms = now_ms
        if is_new_burst:
            ramp.is_burst_unsure = False
        if not ramp.is_burst_unsure and now_ms - ramp.throttled_ms >= BURST_MS:
            ramp.throttled_ms = now_ms
            self._lower(ramp, self._limit(mapping, ramp) / 2)

    def failed(self, mapping: AuditedMapping) -> None:
        """Take note of an error that the engine was told of: it takes one off."""
        ramp = self._rise(mapping)
        self._lower(ramp, self._limit(mapping, ramp) - 1.0)

    def found_nothing(self, mapping: AuditedMapping, *, is_idle: bool) -> None:
        """Take note of a receive that came back empty."""
        ramp = self._rise(mapping)
        initial = self._initial(mapping)
        if is_idle and ramp.level > initial:
            self._lower(ramp, initial)
        ramp.level = max(ramp.level, initial)

    def receive_started(self, mapping: AuditedMapping) -> None:
        """Check a receive: provisioned pollers have a throughput."""
        if any(row.provisioned_pollers is None for row in self._rows(mapping)):
            return
        ramp = self._count_credit(mapping)
        # One that begins at the moment of another's answer may have been asked for before it.
        if ramp.credit_bytes <= 0 and ramp.received_ms < self._books.now_ms():
            text = f"{-ramp.credit_bytes:.0f} bytes above what its pollers may receive"
            self._books.report(Rule.POLLER_BYTES, text)

    def received(self, mapping: AuditedMapping, size_bytes: int) -> None:
        """Take note of what a receive brought."""
        ramp = self._count_credit(mapping)
        ramp.credit_bytes -= size_bytes
        ramp.received_ms = self._books.now_ms()

    def _rows(self, mapping: AuditedMapping) -> tuple[EventSourceMapping, ...]:
        return mapping.rows_since(self._books.now_ms() - ROW_GRACE_MS)

    def _rise(self, mapping: AuditedMapping) -> _Ramp:
        now_ms = self._books.now_ms()
        ramp = self._ramps.get(mapping.queue_arn)
        if ramp is None:
            ramp = self._ramps[mapping.queue_arn] = _Ramp(self._initial(mapping), now_ms)
        per_minute = max(self._policy(row).per_minute for row in mapping.rows_since(ramp.at_ms))
        ramp.level += per_minute * (now_ms - ramp.at_ms) / 60_000
        ramp.at_ms = now_ms
        return ramp

    def _lower(self, ramp: _Ramp, level: float) -> None:
        ramp.before, ramp.fell_ms = ramp.level, self._books.now_ms()
        ramp.level = max(1.0, level)

    def _limit(self, mapping: AuditedMapping, ramp: _Ramp) -> int:
        """Count the invocations that may run now; what just fell may not have got about yet."""
        level = ramp.level
        if self._books.now_ms() - ramp.fell_ms <= ROW_GRACE_MS:
            level = max(level, ramp.before)
        return self._limit_at(mapping, level)

    def _limit_at(self, mapping: AuditedMapping, level: float) -> int:
        limits: list[int] = []
        for row in self._rows(mapping):
            policy = self._policy(row)
            most = options_of(row.tags).concurrency or row.maximum_concurrency or policy.maximum
            limits.append(min(policy.maximum, most, int(max(policy.minimum, level + ROUNDING))))
        return max(1, *limits)

    def _initial(self, mapping: AuditedMapping) -> float:
        return max(self._policy(row).initial for row in self._rows(mapping))

    def _policy(self, row: EventSourceMapping) -> RampPolicy:
        pollers = row.provisioned_pollers
        if pollers is None:
            return self._books.ramp
        return RampPolicy(
            initial=PER_POLLER * pollers.minimum,
            per_minute=POLLERS_PER_MINUTE,
            maximum=PER_POLLER * pollers.maximum,
            minimum=PER_POLLER * pollers.minimum,
        )

    def _count_credit(self, mapping: AuditedMapping) -> _Ramp:
        ramp = self._rise(mapping)
        pollers = -(-self._limit(mapping, ramp) // PER_POLLER)
        rate = pollers * POLLER_BYTES_PER_S
        elapsed_s = (self._books.now_ms() - ramp.counted_ms) / 1000
        ramp.credit_bytes = min(rate, ramp.credit_bytes + rate * elapsed_s)
        ramp.counted_ms = self._books.now_ms()
        return ramp
