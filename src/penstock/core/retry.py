"""What follows a failure: how long to wait, whether to split, when to give up."""

import msgspec

RETRY_FIRST_MS = 400  # eight attempts in the first minute, as recorded of AWS
RETRY_MS_MAX = 60_000
SPLIT_FIRST_MS = 50  # a split narrows a poison record down: it need not wait like a retry
SPLIT_MS_MAX = 1_000  # a function that is down is not called much oftener than that


def backoff_ms(attempt: int, *, first_ms: int, maximum_ms: int, spread: int = 0) -> int:
    """Exponential back-off: doubles per attempt up to a maximum, minus up to a quarter.

    Args:
        attempt: Counts from 1.
        first_ms: The delay after the first attempt.
        maximum_ms: Never more than this.
        spread: Any number, for example an id: parts those that failed together by up to a quarter
            of the delay, the same way in every run.
    """
    delay_ms = min(maximum_ms, first_ms << min(attempt - 1, 30))
    return delay_ms - delay_ms * (spread * 37 % 100) // 400


class RetryPolicy(msgspec.Struct, frozen=True):
    """How a stream mapping treats a failed batch.

    Attributes:
        maximum_retry_attempts: 0..10000, not counting the first attempt; None: no limit.
        bisects: BisectBatchOnFunctionError.
    """

    maximum_retry_attempts: int | None = None
    bisects: bool = False


class FailedBatch(msgspec.Struct, frozen=True):
    """A batch whose function has just failed.

    Attributes:
        record_count: 0 for a tumbling window's last invocation.
        attempts: Failed attempts that count, this one not included.
        splits: Failures in a row, before this one, after which its lane has split a batch.
        spread: As ``backoff_ms``'s.
    """

    record_count: int
    attempts: int
    splits: int = 0
    spread: int = 0


class Retry(msgspec.Struct, frozen=True):
    """Invoke the same records again after a while."""

    delay_ms: int


class Bisect(msgspec.Struct, frozen=True):
    """Invoke the first half after a while, and the second when the first is done.

    Attributes:
        index: Where the second half begins; both have records.
    """

    index: int
    delay_ms: int


class GiveUp(msgspec.Struct, frozen=True):
    """Discard the records: their attempts are used up."""


def after_failure(failed: FailedBatch, policy: RetryPolicy) -> Retry | Bisect | GiveUp:
    """Say what becomes of a batch whose function failed.

    Splitting uses up no attempt; a batch of one record cannot be split. Attempts count the first:
    with a maximum of N retries, N + 1 failures are the end.

    Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html; the delays:
        docs/semantics.md#stream-failures
    """
    if policy.bisects and failed.record_count > 1:
        delay_ms = backoff_ms(failed.splits + 1, first_ms=SPLIT_FIRST_MS, maximum_ms=SPLIT_MS_MAX)
        return Bisect(failed.record_count // 2, delay_ms)
    attempts = failed.attempts + 1
    maximum = policy.maximum_retry_attempts
    if maximum is not None and attempts > maximum:
        return GiveUp()
    return Retry(
        backoff_ms(attempts, first_ms=RETRY_FIRST_MS, maximum_ms=RETRY_MS_MAX, spread=failed.spread)
    )
