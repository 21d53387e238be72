"""Which window a record is in, and when it ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shard_play import WALL_MS, record

from penstock.core.shard_contract import WindowInvocation
from penstock.core.tumbling_window import QUIET_MS, STATE_BYTES_MAX, TumblingWindow


def opened(length_s: int = 60, at_ms: int = WALL_MS) -> TumblingWindow:
    window = TumblingWindow(length_s)
    assert window.admits(record(1, arrived_ms=at_ms))
    return window


@given(st.integers(0, 2 * WALL_MS), st.integers(1, 900))
def test_window_is_a_whole_multiple_of_its_length(arrived_ms: int, length_s: int) -> None:
    told = opened(length_s, arrived_ms).invocation(is_final=False)

    assert told.start_ms % (length_s * 1000) == 0
    assert told.start_ms <= arrived_ms < told.end_ms
    assert told.end_ms - told.start_ms == length_s * 1000


def test_window_takes_a_record_of_an_earlier_one_as_its_own() -> None:
    window = opened()

    assert window.admits(record(2, arrived_ms=WALL_MS - 120_000))


def test_window_ends_with_a_record_of_a_later_one() -> None:
    window = opened()

    assert not window.admits(record(2, arrived_ms=WALL_MS + 60_000))

    assert window.is_ending
    assert not window.admits(record(3))


@pytest.mark.parametrize(
    ("late_ms", "expected"),
    [pytest.param(QUIET_MS - 1, False, id="before"), pytest.param(QUIET_MS, True, id="at")],
)
def test_window_that_is_quiet_ends_a_while_after_its_end(late_ms: int, *, expected: bool) -> None:
    window = opened()

    window.note_caught_up(window.end_ms + late_ms)

    assert window.is_ending is expected


def test_window_that_is_not_open_does_not_end() -> None:
    window = TumblingWindow(60)

    window.note_caught_up(WALL_MS)
    window.end()

    assert not window.is_ending


def test_window_ends_early_when_its_state_is_too_large() -> None:
    window = opened()
    window.keep_state(b"x" * STATE_BYTES_MAX)
    assert not window.is_ending

    window.keep_state(b"x" * (STATE_BYTES_MAX + 1))

    told = window.invocation(is_final=True)
    assert (window.is_ending, told.is_terminated_early) == (True, True)


def test_window_tells_its_state_and_drops_it_at_the_end() -> None:
    window = opened()
    window.keep_state(b'{"n":1}')
    before = window.invocation(is_final=False)

    window.close()

    assert before.state == b'{"n":1}'
    assert window.admits(record(9))
    assert window.invocation(is_final=False) == WindowInvocation(
        start_ms=before.start_ms, end_ms=before.end_ms
    )
    assert not window.has_state


def test_window_names_its_ends() -> None:
    window = opened()
    one = window.ends()
    window.take(record(1, arrived_ms=WALL_MS), 1)
    same = window.ends()
    window.take(record(4), 3)

    assert [each.sequence_number for each in one] == ["1"]
    assert [each.sequence_number for each in same] == ["1"]
    assert [each.sequence_number for each in window.ends()] == ["1", "4"]
    assert window.record_count == 4
