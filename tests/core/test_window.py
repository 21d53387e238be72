"""How received messages become batches."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.window import EVENT_ENVELOPE_BYTES, split_by_limits


def split(sizes: list[int], *, count_max: int, bytes_max: int) -> list[tuple[int, ...]]:
    """Cut items that are their own sizes."""
    return split_by_limits(sizes, count_max=count_max, bytes_max=bytes_max, size_of=int)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([1], [(1,)], id="one"),
        pytest.param([1, 2, 3], [(1, 2, 3)], id="exactly-the-count"),
        pytest.param([1, 2, 3, 4], [(1, 2, 3), (4,)], id="one-above-the-count"),
        pytest.param([40, 42], [(40, 42)], id="exactly-the-bytes"),
        pytest.param([40, 43], [(40,), (43,)], id="one-byte-above"),
        pytest.param([500], [(500,)], id="alone-too-large"),
        pytest.param([1, 500, 2], [(1,), (500,), (2,)], id="too-large-stands-alone"),
    ],
)
def test_split_closes_a_run_at_the_first_limit(
    sizes: list[int], expected: list[tuple[int, ...]]
) -> None:
    assert split(sizes, count_max=3, bytes_max=100) == expected


@given(
    st.lists(st.integers(0, 200), max_size=50),
    st.integers(1, 10),
    st.integers(EVENT_ENVELOPE_BYTES, 300),
)
def test_split_loses_and_reorders_nothing(sizes: list[int], count_max: int, bytes_max: int) -> None:
    runs = split(sizes, count_max=count_max, bytes_max=bytes_max)

    assert list(chain.from_iterable(runs)) == sizes


@given(
    st.lists(st.integers(0, 200), max_size=50),
    st.integers(1, 10),
    st.integers(EVENT_ENVELOPE_BYTES, 300),
)
def test_split_keeps_every_run_within_both_limits(
    sizes: list[int], count_max: int, bytes_max: int
) -> None:
    runs = split(sizes, count_max=count_max, bytes_max=bytes_max)

    assert all(1 <= len(run) <= count_max for run in runs)
    # Each record costs a comma too; only a run of one may be too large.
    totals = [EVENT_ENVELOPE_BYTES + sum(run) + len(run) for run in runs if len(run) > 1]
    assert all(total <= bytes_max for total in totals)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=50), st.integers(1, 10))
def test_split_by_count_alone_gives_the_fewest_runs(sizes: list[int], count_max: int) -> None:
    runs = split(sizes, count_max=count_max, bytes_max=10**9)

    assert len(runs) == -(-len(sizes) // count_max)
