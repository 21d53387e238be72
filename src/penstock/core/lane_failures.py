"""What becomes of a lane's batch that failed, did not run, or must be discarded.

Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html, recorded answers
    of AWS, and docs/semantics.md#stream-failures
"""

import zlib
from collections.abc import Iterator
from typing import assert_never

from penstock.core import shard_contract as s
from penstock.core.lane import Discarding, Lane, PendingBatch
from penstock.core.retry import (
    SPLIT_FIRST_MS,
    Bisect,
    FailedBatch,
    GiveUp,
    Retry,
    RetryPolicy,
    after_failure,
    backoff_ms,
)
from penstock.core.tumbling_window import TumblingWindow
from penstock.model.failure import Condition, Discard, InvocationTrace
from penstock.model.function import TIMEOUT_S_MAX
from penstock.model.instant import Instant
from penstock.model.stream import StreamBatch

REJECTION_FIRST_MS = 200
REJECTION_MS_MAX = 10_000  # the end of a throttle or an outage is noticed that soon
DESTINATION_MS_MAX = 300_000  # discards wait so long for a destination that takes nothing
DESTINATION_FIRST_MS = 500
DESTINATION_RETRY_MS_MAX = 30_000


class LaneFailures:
    """Decides for all lanes of one shard.

    Args:
        ids: Numbers batches and discards.

    Attributes:
        spread: Parts what failed together, for ``backoff_ms``.
    """

    def __init__(self, policy: s.ShardPolicy, shard_id: str, *, ids: Iterator[int]) -> None:
        self.spread = zlib.crc32(shard_id.encode())
        self._policy = policy
        self._shard_id = shard_id
        self._ids = ids
        self._failing_since_ms: int | None = None  # since when the destination takes nothing
        self._retry = RetryPolicy(
            policy.maximum_retry_attempts, policy.bisect_batch_on_function_error
        )

    def fail(self, lane: Lane, reason: str, trace: InvocationTrace, now: Instant) -> None:
        """The function failed with the lane's first pending batch."""
        pending = lane.pending[0]
        batch = pending.batch
        pending.reason, pending.trace, pending.rejections = reason, trace, 0
        failed = FailedBatch(
            len(batch.records), pending.attempts, lane.splits, self.spread + batch.id
        )
        match after_failure(failed, self._retry):
            case Bisect(index, delay_ms):
                pending.due_ms = now.monotonic_ms + delay_ms
                self._split(lane, index)
            case Retry(delay_ms):
                pending.attempts += 1
                pending.due_ms = now.monotonic_ms + delay_ms
            case GiveUp():
                pending.attempts += 1
                pending.is_given_up = True
                pending.due_ms = now.monotonic_ms
            case never:
                assert_never(never)

    def _split(self, lane: Lane, index: int) -> None:
        """Put the halves of the first pending batch into its place; they are due when it was."""
        pending = lane.pending[0]
        records = pending.batch.records
        halves = (records[:index], records[index:])
        parts = [StreamBatch(next(self._ids), lane.index, half) for half in halves]
        lane.replace_first(*map(pending.part, parts))
        lane.splits += 1

    def cut(self, lane: Lane, index: int, trace: InvocationTrace, now: Instant) -> None:
        """The records before ``index`` are done: the rest begins anew, with all its attempts.

        Source: recorded answers of AWS (a record that failed last in its batch came once with it
            and four times alone, with three retries)
        """
        pending = lane.pending[0]
        rest = StreamBatch(next(self._ids), lane.index, pending.batch.records[index:])
        lane.replace_first(
            PendingBatch(
                rest,
                due_ms=now.monotonic_ms + SPLIT_FIRST_MS,
                trace=trace,
                reason="the function reported it as failed",
            )
        )
        lane.splits = 0

    def reject(self, lane: Lane, reason: str, now: Instant) -> None:
        """The function did not run: try again after a while; no attempt is used up."""
        pending = lane.pending[0]
        pending.rejections += 1
        pending.reason = reason
        pending.due_ms = now.monotonic_ms + backoff_ms(
            pending.rejections,
            first_ms=REJECTION_FIRST_MS,
            maximum_ms=REJECTION_MS_MAX,
            spread=self.spread + pending.batch.id,
        )

    def lose(self, lane: Lane, reason: str) -> None:
        """The outcome is unknown: it counts as a failure, and nothing follows until it has ended.

        Source: docs/semantics.md#stream-failures (AWS does not lose its own invocations)
        """
        pending = lane.pending[0]
        pending.reason, pending.rejections = reason, 0
        timeout_s = self._policy.function_timeout_s or TIMEOUT_S_MAX
        pending.due_ms = pending.started_ms + timeout_s * 1000
        lane.held_slot_until_ms = pending.due_ms
        match after_failure(FailedBatch(len(pending.batch.records), pending.attempts), self._retry):
            case Bisect(index):
                self._split(lane, index)
            case Retry():
                pending.attempts += 1
            case GiveUp():
                pending.attempts += 1
                pending.is_given_up = True
            case never:
                assert_never(never)

    def discard(
        self,
        pending: PendingBatch,
        condition: Condition,
        window: TumblingWindow | None,
        now: Instant,
    ) -> Discarding:
        """Make the discard of a batch."""
        records, batch_size = pending.batch.records, len(pending.batch.records)
        if pending.is_final:
            assert window is not None, "only a tumbling window has a last invocation"
            records, batch_size = window.ends(), window.record_count
        trace = pending.trace
        if condition is not Condition.RETRY_ATTEMPTS_EXHAUSTED:
            # Recorded: the record has no responseContext then.
            trace = InvocationTrace(trace.request_id)
        discard = Discard(
            id=next(self._ids),
            lane=pending.batch.lane,
            shard_id=self._shard_id,
            records=records,
            batch_size=batch_size,
            condition=condition,
            invoke_count=max(1, pending.attempts),
            trace=trace,
            discarded_ms=now.wall_ms,
            reason=pending.reason,
        )
        return Discarding(discard, is_final=pending.is_final, due_ms=now.monotonic_ms)

    def note_accepted(self) -> None:
        """The destination takes discards."""
        self._failing_since_ms = None

    def send_due(self, discarding: Discarding, now: Instant) -> list[s.Command]:
        """Give the sending of a discard, if it is due."""
        if discarding.due_ms is None or discarding.due_ms > now.monotonic_ms:
            return []
        discarding.due_ms = None
        return [s.SendToDestination(discarding.discard, discarding.window)]

    def will_send_again(self, discarding: Discarding, now: Instant) -> bool:
        """The destination did not take it: plan the next try; False when its time is over.

        Its time is that of all discards together: one behind another would wait for hours.
        """
        if self._failing_since_ms is None:
            self._failing_since_ms = now.monotonic_ms
        if now.monotonic_ms - self._failing_since_ms >= DESTINATION_MS_MAX:
            return False
        discarding.failures += 1
        discarding.due_ms = now.monotonic_ms + backoff_ms(
            discarding.failures,
            first_ms=DESTINATION_FIRST_MS,
            maximum_ms=DESTINATION_RETRY_MS_MAX,
            spread=self.spread + discarding.discard.id,
        )
        return True
