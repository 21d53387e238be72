"""When an assumed role's credentials are renewed, used, and asked for again after a failure."""

import pytest

from penstock.core.role_renewal import FAILURES_KEPT_MS, RETRY_MS_MAX, RoleRenewal

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000


def taken(life_ms: int = HOUR_MS) -> RoleRenewal:
    renewal = RoleRenewal()
    renewal.taken(START_MS, expires_ms=START_MS + life_ms)
    return renewal


def test_nothing_taken_is_due_and_unusable() -> None:
    renewal = RoleRenewal()

    assert (renewal.is_due(START_MS), renewal.is_usable(START_MS)) == (True, False)


@pytest.mark.parametrize(
    ("age_ms", "is_due", "is_usable"),
    [
        pytest.param(0, False, True, id="fresh"),
        pytest.param(45 * MINUTE_MS - 1, False, True, id="before-the-longest-timeout"),
        pytest.param(45 * MINUTE_MS, True, True, id="at-it"),
        pytest.param(59 * MINUTE_MS - 1, True, True, id="before-the-last-minute"),
        pytest.param(59 * MINUTE_MS, True, False, id="in-it"),
    ],
)
def test_an_hour_is_renewed_a_longest_timeout_ahead(
    age_ms: int,
    is_due: bool,  # noqa: FBT001
    is_usable: bool,  # noqa: FBT001
) -> None:
    renewal = taken()

    now_ms = START_MS + age_ms

    assert (renewal.is_due(now_ms), renewal.is_usable(now_ms)) == (is_due, is_usable)


def test_short_credentials_are_used_for_most_of_their_life() -> None:
    renewal = taken(life_ms=20_000)

    assert not renewal.is_due(START_MS + 14_999)
    assert renewal.is_due(START_MS + 15_000)
    assert renewal.is_usable(START_MS + 17_999)
    assert not renewal.is_usable(START_MS + 18_000)


def test_credentials_that_have_ended_already_are_not_used() -> None:
    renewal = taken(life_ms=-MINUTE_MS)

    assert (renewal.is_due(START_MS), renewal.is_usable(START_MS)) == (True, False)


def test_each_failure_waits_longer_than_the_last_up_to_a_maximum() -> None:
    renewal = RoleRenewal()
    delays_ms = []
    now_ms = START_MS
    for _ in range(7):
        renewal.failed(now_ms)
        delays_ms.append(next(d for d in range(0, 60_000, 1000) if renewal.is_due(now_ms + d)))
        now_ms += delays_ms[-1]

    assert delays_ms == [1000, 2000, 4000, 8000, 16_000, RETRY_MS_MAX, RETRY_MS_MAX]


def test_failed_renewal_leaves_what_is_there_usable() -> None:
    renewal = taken()
    now_ms = START_MS + 50 * MINUTE_MS

    renewal.failed(now_ms)

    assert (renewal.is_due(now_ms), renewal.is_usable(now_ms)) == (False, True)


def test_success_ends_the_series_of_failures() -> None:
    renewal = RoleRenewal()
    for _ in range(5):
        renewal.failed(START_MS)

    renewal.taken(START_MS, expires_ms=START_MS + HOUR_MS)
    renewal.failed(START_MS + 50 * MINUTE_MS)

    assert renewal.is_due(START_MS + 50 * MINUTE_MS + 1000)


def test_clock_that_was_set_back_does_not_keep_from_asking() -> None:
    renewal = RoleRenewal()

    renewal.failed(START_MS)

    assert renewal.is_due(START_MS - HOUR_MS)


def test_nothing_is_worth_keeping_before_the_first_answer() -> None:
    assert not RoleRenewal().is_worth_keeping(START_MS)


def test_credentials_are_worth_keeping_while_they_are_used() -> None:
    renewal = taken()

    kept = [renewal.is_worth_keeping(START_MS + minutes * MINUTE_MS) for minutes in (0, 58, 59)]

    assert kept == [True, True, False]


def test_failure_is_worth_keeping_while_it_keeps_attempts_apart() -> None:
    renewal = RoleRenewal()
    renewal.failed(START_MS)

    ages_ms = (-1, 0, FAILURES_KEPT_MS - 1, FAILURES_KEPT_MS)
    kept = [renewal.is_worth_keeping(START_MS + age_ms) for age_ms in ages_ms]

    assert kept == [False, True, True, False]
