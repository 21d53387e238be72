"""Rules of docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html.

Batches are described in docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html.
What was recorded of AWS, for both kinds of streams, is here too.
"""

import itertools

import pytest
from shard_play import (
    FETCH_MS,
    WALL_MS,
    ShardPlay,
    fail,
    fail_on,
    policy,
    record,
    records,
    report,
    succeed,
)

from penstock.core import shard_contract as s
from penstock.core.stream_event import EVENT_ENVELOPE_BYTES_MAX
from penstock.model.failure import Condition, InvocationTrace
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.stream import AfterSequenceNumber, StreamBatch

RECORD_BYTES_MAX = PAYLOAD_BYTES_MAX - EVENT_ENVELOPE_BYTES_MAX - 1


def discards(play: ShardPlay) -> list[tuple[list[str], str, int]]:
    """What was discarded: which records, why, and after how many invocations."""
    return [
        (
            [each.sequence_number for each in entry.discard.records],
            entry.discard.condition.value,
            entry.discard.invoke_count,
        )
        for entry in play.journal
    ]


# Batches.


def test_a_batch_is_invoked_at_once_without_a_batching_window() -> None:
    """Without MaximumBatchingWindowInSeconds Lambda invokes as soon as records are available."""
    play = ShardPlay(records(1, 2)).run(100)

    assert play.invoked == [(FETCH_MS, [1, 2], None)]


@pytest.mark.parametrize(
    ("count", "expected_ms"),
    [pytest.param(3, FETCH_MS, id="full"), pytest.param(2, FETCH_MS + 5_000, id="not-full")],
)
def test_a_batch_waits_for_its_window_or_its_size(count: int, expected_ms: int) -> None:
    """Lambda gathers records until the window expires, the batch is full, or has 6 MB."""
    asked = policy(batch_size=3, batching_window_s=5)

    play = ShardPlay(records(*range(count)), asked=asked).run(10_000)

    assert [at_ms for at_ms, _, _ in play.invoked] == [expected_ms]


def test_a_batching_window_begins_anew_after_an_invocation() -> None:
    """After an invocation the next window begins: what came meanwhile waits for it (C)."""
    play = ShardPlay(records(1), asked=policy(batching_window_s=5))
    play.duration_ms = 7_000
    play.run(6_000)
    play.shard += records(2)

    play.run(30_000)

    first_ms = FETCH_MS + 5_000
    assert [at_ms for at_ms, _, _ in play.invoked] == [first_ms, first_ms + 7_000 + 5_000]


def test_a_batch_holds_at_most_6_mb() -> None:
    """A batch closes before its payload would exceed 6 MB."""
    half = RECORD_BYTES_MAX // 2

    play = ShardPlay(records(1, 2, 3, size=half)).run(1_000)

    assert play.batches == [[1, 2], [3]]


def test_a_record_above_6_mb_is_discarded() -> None:
    """A record that cannot fit into 6 MB is not invoked: it goes to the destination.

    AWS does not document the condition's name for streams; it is Kafka's (C).
    """
    shard = [record(1), record(2, size=RECORD_BYTES_MAX + 1), record(3)]

    play = ShardPlay(shard).run(1_000)

    assert play.batches == [[1], [3]]
    assert discards(play) == [(["2"], "MaximumPayloadSizeExceeded", 1)]
    assert play.checkpoint.position == AfterSequenceNumber("3")


# MaximumRetryAttempts.


@pytest.mark.parametrize("retries", [0, 1, 2, 3])
def test_retries_do_not_count_the_first_attempt(retries: int) -> None:
    """With N retries a batch is invoked N + 1 times.

    Recorded: approximateInvokeCount is 2, 3 and 4 with 1, 2 and 3 retries.
    """
    asked = policy(maximum_retry_attempts=retries)

    play = ShardPlay(records(1), asked=asked, function=fail).run(60_000)

    assert play.batches == [[1]] * (retries + 1)
    assert discards(play) == [(["1"], "RetryAttemptsExhausted", retries + 1)]
    trace = play.journal[0].discard.trace
    assert (trace.executed_version, trace.function_error) == ("$LATEST", "Unhandled")


def test_a_batch_that_was_discarded_is_followed_by_the_next() -> None:
    """After a batch is discarded Lambda continues with the shard's next batches."""
    asked = policy(maximum_retry_attempts=1, batch_size=2)

    play = ShardPlay(records(1, 2, 3), asked=asked, function=fail_on(1)).run(60_000)

    assert play.batches == [[1, 2], [1, 2], [3]]


def test_a_batch_without_limits_is_tried_until_it_succeeds() -> None:
    """By default (-1) a failed batch blocks its shard until it succeeds, or expires."""
    play = ShardPlay(records(1, 2), asked=policy(), function=fail)
    play.run(3_600_000)
    play.function = succeed

    play.run(120_000)

    assert play.journal == []
    assert play.checkpoint.position == AfterSequenceNumber("2")


def test_retries_back_off_up_to_a_minute() -> None:
    """Retries wait from 0.4 s on, twice as long each time, and a minute at most (C)."""
    play = ShardPlay(records(1), function=fail).run(600_000)

    began_ms = [at_ms for at_ms, _, _ in play.invoked]
    waits_ms = [later - first for first, later in itertools.pairwise(began_ms)]
    expected_ms = [400 << n for n in range(8)] + [60_000] * 9
    assert len(waits_ms) == len(expected_ms)
    assert all(
        0.75 * expected <= wait <= expected
        for wait, expected in zip(waits_ms, expected_ms, strict=True)
    )


def rejected(batch: StreamBatch, _window: s.WindowInvocation | None) -> s.InvocationEnded:
    return s.InvocationRejected(batch, "throttled", is_throttle=True)


def test_an_invocation_that_did_not_take_place_uses_up_no_retry() -> None:
    """Errors before the invocation (throttles) do not count towards MaximumRetryAttempts."""
    play = ShardPlay(records(1), asked=policy(maximum_retry_attempts=0), function=rejected)
    play.run(600_000)
    play.function = succeed

    play.run(60_000)

    assert len(play.invoked) > 60
    assert play.journal == []
    assert play.checkpoint.position == AfterSequenceNumber("1")


def test_an_invocation_that_did_not_take_place_is_bound_by_age() -> None:
    """If the error is before the invocation, Lambda retries until the records expire."""
    asked = policy(maximum_record_age_s=60)

    play = ShardPlay(records(1), asked=asked, function=rejected).run(61_000)

    assert discards(play) == [(["1"], "RecordAgeExceeded", 1)]


def test_an_unknown_outcome_waits_for_the_functions_timeout() -> None:
    """A connection that was lost: the function may still run, so its shard waits (C).

    Where the timeout is not known, it is Lambda's longest, 900 s.
    """
    asked = policy(function_timeout_s=None, maximum_retry_attempts=1)
    play = ShardPlay(records(1), asked=asked)
    play.function = lambda batch, _: s.InvocationOutcomeUnknown(batch, "cut")

    play.run(2_000_000)

    assert [at_ms for at_ms, _, _ in play.invoked] == [FETCH_MS, FETCH_MS + 900_000]
    assert discards(play) == [(["1"], "RetryAttemptsExhausted", 2)]


# MaximumRecordAgeInSeconds.


def test_a_record_that_grows_too_old_while_it_is_retried_is_discarded() -> None:
    """Recorded: with an age of 60 s and endless retries, 8 invocations, and no responseContext."""
    asked = policy(maximum_record_age_s=60)

    play = ShardPlay(records(1), asked=asked, function=fail).run(65_000)

    [(numbers, condition, invoke_count)] = discards(play)
    assert (numbers, condition) == (["1"], "RecordAgeExceeded")
    assert 7 <= invoke_count <= 9
    assert play.journal[0].discard.trace == InvocationTrace("r")


def test_a_record_that_is_too_old_when_it_is_read_is_never_invoked() -> None:
    """Recorded: discarded with approximateInvokeCount 1, though nothing was invoked."""
    asked = policy(maximum_record_age_s=60, maximum_retry_attempts=0)

    play = ShardPlay([record(1, arrived_ms=WALL_MS - 61_000)], asked=asked).run(1_000)

    assert play.invoked == []
    assert discards(play) == [(["1"], "RecordAgeExceeded", 1)]


def test_only_the_records_that_are_too_old_leave_their_batch() -> None:
    """Recorded: of 6 records with the first expired, it was discarded and 5 were delivered."""
    shard = [record(1, arrived_ms=WALL_MS - 61_000), *records(2, 3, 4, 5, 6)]

    play = ShardPlay(shard, asked=policy(maximum_record_age_s=60, batch_size=10)).run(1_000)

    assert play.batches == [[2, 3, 4, 5, 6]]
    assert discards(play) == [(["1"], "RecordAgeExceeded", 1)]


# BisectBatchOnFunctionError.


def test_a_bisected_batch_is_worked_on_in_order() -> None:
    """The first half is tried, and split again, until it is done; then the second."""
    asked = policy(bisect_batch_on_function_error=True, maximum_retry_attempts=0)

    play = ShardPlay(records(*range(8)), asked=asked, function=fail_on(2, 5)).run(60_000)

    assert play.batches == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1, 2, 3],
        [0, 1],
        [2, 3],
        [2],
        [3],
        [4, 5, 6, 7],
        [4, 5],
        [4],
        [5],
        [6, 7],
    ]


def test_splitting_a_batch_does_not_count_as_a_retry() -> None:
    """Splitting a batch does not consume the retry quota: the poison record has all its own."""
    asked = policy(bisect_batch_on_function_error=True, maximum_retry_attempts=2)

    play = ShardPlay(records(*range(4)), asked=asked, function=fail_on(0)).run(60_000)

    assert play.batches.count([0]) == 3
    assert discards(play) == [(["0"], "RetryAttemptsExhausted", 3)]


def test_splits_wait_a_moment() -> None:
    """The halves are tried soon: after 50 ms, doubling up to a second while all fails (C)."""
    asked = policy(bisect_batch_on_function_error=True)

    play = ShardPlay(records(*range(64)), asked=asked, function=fail_on(0)).run(3_000)

    began_ms = [at_ms for at_ms, _, _ in play.invoked][:7]
    assert [later - first for first, later in itertools.pairwise(began_ms)] == [
        50,
        100,
        200,
        400,
        800,
        1_000,
    ]


@pytest.mark.parametrize("reports", [False, True])
def test_a_failed_invocation_is_bisected_whatever_the_response_types(*, reports: bool) -> None:
    """A failed invocation is bisected regardless of ReportBatchItemFailures."""
    asked = policy(bisect_batch_on_function_error=True, report_batch_item_failures=reports)

    play = ShardPlay(records(1, 2), asked=asked, function=fail_on(2)).run(200)

    assert play.batches[:3] == [[1, 2], [1], [2]]


def test_a_batch_is_cut_at_the_lowest_record_that_is_reported() -> None:
    """With both, a batch is bisected at the returned sequence number: only the rest is retried."""
    asked = policy(bisect_batch_on_function_error=True, maximum_retry_attempts=0)

    play = ShardPlay(records(*range(6)), asked=asked, function=report(4)).run(60_000)

    assert play.batches[:2] == [[0, 1, 2, 3, 4, 5], [4, 5]]


def test_a_report_of_the_first_record_counts_as_a_failure() -> None:
    """Nothing was done then: an attempt is used up, and the batch is bisected (C)."""
    asked = policy(maximum_retry_attempts=1)
    plain = ShardPlay(records(1, 2), asked=asked, function=report(1)).run(60_000)

    asked = policy(maximum_retry_attempts=0, bisect_batch_on_function_error=True)
    bisected = ShardPlay(records(1, 2), asked=asked, function=report(1)).run(60_000)

    assert plain.batches == [[1, 2], [1, 2]]
    assert bisected.batches == [[1, 2], [1], [2]]


def test_the_retry_counter_begins_anew_after_progress() -> None:
    """Recorded: the sixth record of 6 fails, BatchSize 3, 3 retries: it is delivered 5 times.

    The failure's approximateInvokeCount is 4, its batchSize 1, and its functionError null.
    """
    asked = policy(batch_size=3, maximum_retry_attempts=3, batching_window_s=1)

    play = ShardPlay(records(*range(6)), asked=asked, function=report(5)).run(60_000)

    assert play.batches == [[0, 1, 2], [3, 4, 5], [5], [5], [5], [5]]
    [entry] = play.journal
    assert (entry.discard.invoke_count, entry.discard.batch_size) == (4, 1)
    assert entry.discard.condition is Condition.RETRY_ATTEMPTS_EXHAUSTED
    assert entry.discard.trace.function_error is None
