"""Checks how often things are tried: an idle mapping costs little, a failing one backs off."""

from collections.abc import Sequence

import msgspec

from penstock.simulation.ledger import Books, HandedMessage, Rule
from penstock.simulation.ramp_audit import RampAudit

IDLE_MS = 45_000  # two long polls, and some
FAILING_WINDOW_MS = 10_000
FAILING_RECEIVES_MAX = 20  # per window; a doubling back-off from 200 ms makes 6
ATTEMPT_MS = 240_000  # SQS knows an attempt for five minutes, which began before it was heard of
REJECTED_WINDOW_MS = 5_000
REJECTED_MAX = 10  # per window; a doubling back-off from 150 ms makes 6


class AuditedReceives(msgspec.Struct):
    """The receives of one queue's mapping.

    Attributes:
        running_count: Receives under way.
        short_count: Those of them that do not wait for messages.
        filled_count: Receives that have brought something, since the last long poll began.
        wasted_count: Those since then that have found nothing, and did not wait for it.
        lost_attempts: Of a FIFO queue: when each attempt that has failed was first made, and when
            it failed.
        lost_before: Those that had failed before a change after which the consumer may be new, and
            know nothing of them, or the same.
        attempts_ms: Those that may still succeed.
        active_ms: When a message last moved.
        failing_starts_ms: Receives begun since the first failure that no success has followed;
            None while they succeed.
    """

    running_count: int = 0
    short_count: int = 0
    filled_count: int = 0
    wasted_count: int = 0
    lost_attempts: dict[str, tuple[int, int]] = {}
    lost_before: set[str] = set()
    attempts_ms: dict[str, int] = {}
    active_ms: int = 0
    failing_starts_ms: list[int] | None = None


class PaceAudit:
    """The auditor's watch."""

    def __init__(self, books: Books, ramps: RampAudit) -> None:
        self._books = books
        self._ramps = ramps
        self._receives: dict[str, AuditedReceives] = {}

    def message_moved(self, queue_arn: str) -> None:
        """Take note that a message was handed out or invoked: the mapping is not idle."""
        self._of(queue_arn).active_ms = self._books.now_ms()

    def receive_started(self, queue_arn: str, wait_s: int, attempt_id: str | None = None) -> None:
        """Check a receive that begins."""
        now_ms = self._books.now_ms()
        receives = self._of(queue_arn)
        if attempt_id is not None:
            self._check_attempt(receives, attempt_id)
        receives.running_count += 1
        self._ramps.receive_started(self._books.mappings[queue_arn])
        receives.short_count += wait_s == 0
        if wait_s:
            receives.filled_count = receives.wasted_count = 0
        if receives.running_count > 1 and now_ms - receives.active_ms > IDLE_MS:
            self._books.report(Rule.IDLE_POLLS, f"{receives.running_count} on idle {queue_arn}")
        starts_ms = receives.failing_starts_ms
        if starts_ms is None:
            return
        starts_ms.append(now_ms)
        recent = [at_ms for at_ms in starts_ms if now_ms - at_ms < FAILING_WINDOW_MS]
        if len(recent) > FAILING_RECEIVES_MAX:
            text = f"{len(recent)} receives of {queue_arn} in {FAILING_WINDOW_MS} ms, all failed"
            self._books.report(Rule.HOT_LOOP, text)
        receives.failing_starts_ms = recent

    def _check_attempt(self, receives: AuditedReceives, attempt_id: str) -> None:
        """Check that what may have been handed out is asked for again while the server knows it.

        Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
            API_ReceiveMessage.html (ReceiveRequestAttemptId)
        """
        now_ms = self._books.now_ms()
        lost = receives.lost_attempts
        is_new = attempt_id not in lost and attempt_id not in receives.lost_before
        began_ms, _ = lost.pop(attempt_id, (now_ms, now_ms))
        receives.attempts_ms[attempt_id] = began_ms
        # One that begins at the moment of another's failure may have been asked for before it.
        known = [
            each
            for each, (at_ms, failed_ms) in lost.items()
            if now_ms - at_ms < ATTEMPT_MS and failed_ms < now_ms
        ]
        if is_new and known:
            self._books.report(Rule.REPEATED, f"{attempt_id} is new; {known} were lost")

    def consumer_changed(self, queue_arn: str) -> None:
        """Take note of a consumer that may be new, and know nothing of earlier attempts."""
        receives = self._of(queue_arn)
        receives.lost_before.update(receives.lost_attempts)
        receives.lost_attempts.clear()

    def receive_ended(
        self, queue_arn: str, wait_s: int, attempt_id: str | None = None, *, has_failed: bool
    ) -> None:
        """Take note of a receive's end; one that has failed may have lost its answer."""
        receives = self._of(queue_arn)
        if attempt_id is not None:
            began_ms = receives.attempts_ms.pop(attempt_id)
            if has_failed:
                receives.lost_attempts[attempt_id] = (began_ms, self._books.now_ms())
        receives.running_count -= 1
        receives.short_count -= wait_s == 0
        if not has_failed:
            receives.failing_starts_ms = None
        elif receives.failing_starts_ms is None:
            receives.failing_starts_ms = []

    def answered(self, queue_arn: str, wait_s: int, bodies: Sequence[bytes]) -> None:
        """Check what a receive has brought: those in parallel bring something, but for the last.

        Each that comes back full lets one more run beside it; an empty one leaves but a long poll.
        """
        mapping = self._books.mappings[queue_arn]
        receives = self._of(queue_arn)
        if bodies:
            receives.filled_count += 1
            self._ramps.received(mapping, sum(map(len, bodies)))
            return
        is_idle = not (
            mapping.running_count
            or self._books.held(mapping)
            or mapping.lost
            or mapping.was_rejected
        )
        self._ramps.found_nothing(mapping, is_idle=is_idle)
        receives.wasted_count += wait_s == 0
        if self._books.is_calm and receives.wasted_count > receives.filled_count + 1:
            text = f"{receives.wasted_count} receives of {queue_arn} found nothing at once"
            self._books.report(Rule.WASTED, f"{text}; {receives.filled_count} brought something")

    def is_receiving_shortly(self, queue_arn: str) -> bool:
        """Tell whether a receive runs that does not wait: its slot is bound until it ends."""
        return self._of(queue_arn).short_count > 0

    def invoked(self, copy: HandedMessage) -> None:
        """Check a message that is invoked, perhaps once more."""
        self.message_moved(copy.message.queue_arn)
        if copy.rejected_ms:
            now_ms = self._books.now_ms()
            recent = [at_ms for at_ms in copy.rejected_ms if now_ms - at_ms < REJECTED_WINDOW_MS]
            if len(recent) > REJECTED_MAX:
                text = f"{copy.message.message_id} was rejected {len(recent)} times"
                self._books.report(Rule.HOT_LOOP, f"{text} in {REJECTED_WINDOW_MS} ms")

    def _of(self, queue_arn: str) -> AuditedReceives:
        return self._receives.setdefault(queue_arn, AuditedReceives())
