"""The retry quota: who may retry, what it takes, what comes back."""

import pytest

from penstock.aws.errors import (
    AnswerError,
    ConnectionLostError,
    CredentialsError,
    Fault,
    WireError,
)
from penstock.aws.retry_quota import (
    BACKOFF_S_MAX,
    FAILURE_COST,
    THROTTLE_COST,
    TOKENS_MAX,
    Retry,
    RetryQuota,
)

LOST = ConnectionLostError("lost", written=True, answered=False)


def _answer(fault: Fault) -> AnswerError:
    return AnswerError(status=500, code="Code", message="", fault=fault)


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        pytest.param(_answer(Fault.THROTTLED), Retry(1, THROTTLE_COST, 1.0), id="throttle"),
        pytest.param(_answer(Fault.TRANSIENT), Retry(1, FAILURE_COST, 0.05), id="failure"),
        pytest.param(LOST, Retry(1, FAILURE_COST, 0.05), id="lost-answer"),
        pytest.param(_answer(Fault.REFUSED), None, id="refusal"),
        pytest.param(_answer(Fault.DENIED), None, id="denial"),
        pytest.param(CredentialsError("none"), None, id="no-credentials"),
    ],
)
def test_first_retry_of_an_error(error: WireError, retry: Retry | None) -> None:
    quota = RetryQuota()

    assert quota.take(error, None) == retry
    assert quota.tokens == TOKENS_MAX - (0 if retry is None else retry.cost)


def test_limit_of_the_wait_doubles_up_to_a_maximum() -> None:
    quota = RetryQuota()
    throttle = _answer(Fault.THROTTLED)
    limits = []

    last = None
    for _ in range(7):
        last = quota.take(throttle, last)
        assert last is not None
        limits.append(last.pause_s_max)

    assert limits == [1, 2, 4, 8, 16, BACKOFF_S_MAX, BACKOFF_S_MAX]


def test_retries_end_where_the_tokens_do() -> None:
    quota = RetryQuota()
    taken = 0

    while quota.take(LOST, None) is not None:
        taken += 1

    assert taken == TOKENS_MAX // FAILURE_COST
    assert 0 <= quota.tokens < FAILURE_COST


def test_retry_that_succeeds_gives_its_tokens_back() -> None:
    quota = RetryQuota()
    first = quota.take(LOST, None)
    second = quota.take(_answer(Fault.THROTTLED), first)

    quota.give_back(second)

    assert quota.tokens == TOKENS_MAX - FAILURE_COST


def test_call_that_succeeds_at_once_gives_one_token_and_never_above_all() -> None:
    quota = RetryQuota()
    quota.give_back(None)
    assert quota.tokens == TOKENS_MAX

    quota.take(LOST, None)
    quota.give_back(None)

    assert quota.tokens == TOKENS_MAX - FAILURE_COST + 1
