"""The back-off before another try, and what follows a failure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.retry import (
    Bisect,
    FailedBatch,
    GiveUp,
    Retry,
    RetryPolicy,
    after_failure,
    backoff_ms,
)

BISECTING = RetryPolicy(bisects=True)


@pytest.mark.parametrize(
    ("attempt", "expected_ms"),
    [
        pytest.param(1, 100, id="first"),
        pytest.param(2, 200, id="second-doubles"),
        pytest.param(5, 1_600, id="fifth"),
        pytest.param(7, 5_000, id="maximum"),
        pytest.param(1_000_000, 5_000, id="far-beyond"),
    ],
)
def test_backoff_doubles_up_to_its_maximum(attempt: int, expected_ms: int) -> None:
    assert backoff_ms(attempt, first_ms=100, maximum_ms=5_000) == expected_ms


@given(st.integers(1, 100), st.integers(0, 10**9))
def test_backoff_spread_takes_at_most_a_quarter_off(attempt: int, spread: int) -> None:
    whole_ms = backoff_ms(attempt, first_ms=100, maximum_ms=5_000)

    spread_ms = backoff_ms(attempt, first_ms=100, maximum_ms=5_000, spread=spread)

    assert whole_ms * 3 / 4 <= spread_ms <= whole_ms


def test_backoff_spread_parts_neighbours() -> None:
    delays_ms = {backoff_ms(3, first_ms=1_000, maximum_ms=10_000, spread=n) for n in range(10)}

    assert len(delays_ms) == 10


def test_backoff_spread_is_the_same_in_every_run() -> None:
    assert backoff_ms(1, first_ms=400, maximum_ms=400, spread=1) == 363


@pytest.mark.parametrize(
    ("failed", "policy", "expected"),
    [
        pytest.param(FailedBatch(3, 0), RetryPolicy(), Retry(400), id="first-failure"),
        pytest.param(FailedBatch(3, 99), RetryPolicy(), Retry(60_000), id="no-limit"),
        pytest.param(FailedBatch(3, 0), RetryPolicy(0), GiveUp(), id="no-retries"),
        pytest.param(FailedBatch(3, 1), RetryPolicy(2), Retry(800), id="one-retry-is-left"),
        pytest.param(FailedBatch(3, 2), RetryPolicy(2), GiveUp(), id="none-is-left"),
        pytest.param(FailedBatch(3, 0), BISECTING, Bisect(1, 50), id="bisects"),
        pytest.param(FailedBatch(4, 0, 9), BISECTING, Bisect(2, 1_000), id="bisects-on"),
        pytest.param(FailedBatch(4, 0), RetryPolicy(0, bisects=True), Bisect(2, 50), id="always"),
        pytest.param(FailedBatch(1, 0), BISECTING, Retry(400), id="one-record-cannot-be-split"),
        pytest.param(FailedBatch(0, 0), BISECTING, Retry(400), id="nor-none"),
    ],
)
def test_failure_is_followed_by(
    failed: FailedBatch, policy: RetryPolicy, expected: Retry | Bisect | GiveUp
) -> None:
    assert after_failure(failed, policy) == expected


@given(st.integers(1, 10_000), st.integers(0, 5))
def test_bisecting_ends_in_single_records_that_each_have_all_their_attempts(
    count: int, retries: int
) -> None:
    policy = RetryPolicy(retries, bisects=True)
    size, splits = count, 0

    while isinstance(verdict := after_failure(FailedBatch(size, 0, splits), policy), Bisect):
        assert 0 < verdict.index < size
        size, splits = max(verdict.index, size - verdict.index), splits + 1
    verdicts = [after_failure(FailedBatch(size, n), policy) for n in range(retries + 1)]

    assert size == 1
    assert splits <= count.bit_length()
    assert [isinstance(each, GiveUp) for each in verdicts] == [False] * retries + [True]
