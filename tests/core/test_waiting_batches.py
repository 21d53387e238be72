"""Batches that wait for a slot or for their next try, and how long they may."""

import pytest
from builders import at, batch, queue_policy
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.queue_contract import ExtendVisibility, Forget
from penstock.core.waiting_batches import Visibility, WaitingBatches

# 30 s less the twentieth that passed before the answer arrived: hidden for 28,500 ms.
VISIBILITY = Visibility(30, queue_policy(function_timeout_s=3))


def waiting_batches(count: int) -> WaitingBatches:
    """Batches 1, 2 and so on, received at time 0."""
    waiting = WaitingBatches()
    for batch_id in range(1, count + 1):
        waiting.add(batch(batch_id), VISIBILITY, at(0))
    return waiting


@pytest.mark.parametrize(
    ("timeout_s", "function_timeout_s", "hidden_ms", "renew_after_ms"),
    [
        pytest.param(30, 3, 28_500, 14_250, id="half-way"),
        pytest.param(30, 20, 28_500, 8_500, id="room-for-the-function"),
        pytest.param(30, 30, 28_500, 7_125, id="no-room-a-quarter"),
        pytest.param(30, None, 28_500, 14_250, id="timeout-unknown"),
        pytest.param(0, 3, 950, 237, id="visible-at-once"),
        pytest.param(43_200, 900, 41_040_000, 20_520_000, id="longest"),
    ],
)
def test_visibility_leaves_room_for_the_function(
    timeout_s: int, function_timeout_s: int | None, hidden_ms: int, renew_after_ms: int
) -> None:
    visibility = Visibility(timeout_s, queue_policy(function_timeout_s=function_timeout_s))

    assert (visibility.hidden_ms, visibility.renew_after_ms) == (hidden_ms, renew_after_ms)


@given(st.integers(0, 43_200), st.none() | st.integers(1, 900))
def test_visibility_is_renewed_before_it_ends_and_not_in_a_loop(
    timeout_s: int, function_timeout_s: int | None
) -> None:
    visibility = Visibility(timeout_s, queue_policy(function_timeout_s=function_timeout_s))

    assert visibility.hidden_ms // 4 <= visibility.renew_after_ms < visibility.hidden_ms
    assert visibility.hidden_ms < visibility.timeout_s * 1000


def test_waiting_batches_are_taken_oldest_first() -> None:
    waiting = waiting_batches(2)

    taken = [waiting.take_ready(at(0)) for _ in range(3)]

    assert [one and one.batch for one in taken] == [batch(1), batch(2), None]
    assert len(waiting) == 0


def test_waiting_batches_all_go_back_at_once() -> None:
    waiting = waiting_batches(2)

    assert waiting.take_returnable() == [batch(1), batch(2)]
    assert (len(waiting), waiting.deadline_ms(at(0))) == (0, None)


def test_waiting_batch_that_was_rejected_waits_for_its_next_try() -> None:
    waiting = waiting_batches(1)
    taken = waiting.take_ready(at(0))
    assert taken is not None

    waiting.add_rejected(taken, at(1_000))

    # The first back-off is 200 ms, less what parts batch 1 from the others.
    assert waiting.deadline_ms(at(1_000)) == 1_182
    assert (waiting.ready_count(at(1_181)), waiting.take_ready(at(1_181))) == (0, None)
    assert (waiting.ready_count(at(1_182)), waiting.take_ready(at(1_182))) == (1, taken)


def test_waiting_batch_that_was_rejected_does_not_hold_up_another() -> None:
    waiting = waiting_batches(2)
    rejected = waiting.take_ready(at(0))
    assert rejected is not None
    waiting.add_rejected(rejected, at(0))

    taken = waiting.take_ready(at(0))

    assert taken is not None
    assert taken.batch == batch(2)


def test_waiting_batch_that_was_rejected_is_not_hidden_any_longer() -> None:
    waiting = waiting_batches(1)
    taken = waiting.take_ready(at(0))
    assert taken is not None
    waiting.add_rejected(taken, at(0))

    assert waiting.renew_due(VISIBILITY, at(28_499)) == []
    assert waiting.forget_visible(at(28_499)) == []
    assert waiting.forget_visible(at(28_500)) == [Forget(batch(1))]
    assert len(waiting) == 0


def test_waiting_batch_is_renewed_once_at_a_time() -> None:
    waiting = waiting_batches(1)

    assert waiting.renew_due(VISIBILITY, at(14_249)) == []
    assert waiting.renew_due(VISIBILITY, at(14_250)) == [ExtendVisibility(batch(1), 30)]
    assert waiting.renew_due(VISIBILITY, at(14_251)) == []
    assert waiting.deadline_ms(at(14_251)) is None


def test_waiting_batch_renewed_is_hidden_from_when_it_was_asked_for() -> None:
    waiting = waiting_batches(1)
    waiting.renew_due(VISIBILITY, at(14_250))

    waiting.end_renewal(1, VISIBILITY, at(20_000), is_extended=True)

    assert waiting.forget_visible(at(14_250 + 28_499)) == []
    assert waiting.deadline_ms(at(20_000)) == 14_250 + 14_250
    assert waiting.forget_visible(at(14_250 + 28_500)) == [Forget(batch(1))]


def test_waiting_batch_whose_renewal_failed_is_renewed_again_soon() -> None:
    waiting = waiting_batches(1)
    waiting.renew_due(VISIBILITY, at(14_250))

    waiting.end_renewal(1, VISIBILITY, at(15_000), is_extended=False)

    assert waiting.deadline_ms(at(15_000)) == 15_000 + 7_125
    assert waiting.renew_due(VISIBILITY, at(22_125)) == [ExtendVisibility(batch(1), 30)]
    waiting.end_renewal(1, VISIBILITY, at(22_200), is_extended=False)
    assert waiting.forget_visible(at(28_500)) == [Forget(batch(1))]


@pytest.mark.parametrize(
    ("is_extended", "visible_ms"),
    [pytest.param(True, 14_250 + 28_500, id="ok"), pytest.param(False, 28_500, id="no")],
)
def test_waiting_batch_that_left_is_extended_and_not_extended_again(
    *, is_extended: bool, visible_ms: int
) -> None:
    waiting = waiting_batches(1)
    waiting.renew_due(VISIBILITY, at(14_250))
    taken = waiting.take_ready(at(14_300))
    assert taken is not None
    waiting.add_rejected(taken, at(14_400))

    waiting.end_renewal(1, VISIBILITY, at(14_500), is_extended=is_extended)

    assert waiting.renew_due(VISIBILITY, at(visible_ms - 1)) == []
    assert waiting.forget_visible(at(visible_ms - 1)) == []
    assert waiting.forget_visible(at(visible_ms)) == [Forget(batch(1))]


def test_waiting_batch_is_not_forgotten_while_its_extension_is_under_way() -> None:
    waiting = waiting_batches(1)
    waiting.renew_due(VISIBILITY, at(14_250))

    assert waiting.forget_visible(at(28_500)) == []
    assert waiting.take_ready(at(28_500)) is None
    waiting.end_renewal(1, VISIBILITY, at(28_600), is_extended=True)

    assert waiting.forget_visible(at(28_600)) == []
    assert waiting.take_ready(at(28_600)) is not None


def test_waiting_batch_goes_back_only_when_its_extension_has_ended() -> None:
    waiting = waiting_batches(2)
    waiting.renew_due(VISIBILITY, at(14_250))
    assert waiting.take_returnable() == []

    waiting.end_renewal(1, VISIBILITY, at(14_300), is_extended=True)

    assert waiting.take_returnable() == [batch(1)]
