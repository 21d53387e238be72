"""The back-off before another try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.retry import backoff_ms


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
