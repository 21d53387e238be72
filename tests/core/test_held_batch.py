"""How long messages are hidden, and what is known of a batch of them."""

import tracemalloc

import pytest
from builders import at, batch, held_batch, hiding, messages
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.held_batch import VISIBILITY_MS_MAX, HeldBatch, Visibility
from penstock.model.queue_options import QueueOptions

HEARTBEAT = QueueOptions(heartbeat_s=30)


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
    visibility = hiding(timeout_s, function_timeout_s=function_timeout_s)

    assert (visibility.hidden_ms, visibility.renew_after_ms) == (hidden_ms, renew_after_ms)


def test_visibility_is_the_queue_s_own_without_a_heartbeat() -> None:
    expected = Visibility(
        timeout_s=60,
        hidden_ms=57_000,
        renew_after_ms=28_500,
        is_heartbeat=False,
        queue_timeout_s=60,
    )

    assert hiding(60) == expected


def test_visibility_of_a_heartbeat_need_not_fit_the_function() -> None:
    expected = Visibility(
        timeout_s=30,
        hidden_ms=28_500,
        renew_after_ms=14_250,
        is_heartbeat=True,
        queue_timeout_s=60,
    )

    assert hiding(60, function_timeout_s=900, options=HEARTBEAT) == expected


def test_visibility_parts_its_time_for_retries_and_for_company() -> None:
    visibility = hiding(30)

    assert (visibility.renew_retry_ms, visibility.company_ms) == (7_125, 3_562)


@given(st.integers(0, 43_200), st.none() | st.integers(1, 900), st.none() | st.integers(10, 3_600))
def test_visibility_is_renewed_before_it_ends_and_not_in_a_loop(
    timeout_s: int, function_timeout_s: int | None, heartbeat_s: int | None
) -> None:
    options = QueueOptions(heartbeat_s=heartbeat_s)
    visibility = hiding(timeout_s, function_timeout_s=function_timeout_s, options=options)

    assert visibility.hidden_ms // 4 <= visibility.renew_after_ms < visibility.hidden_ms
    assert visibility.hidden_ms < visibility.timeout_s * 1000
    assert visibility.company_ms < visibility.renew_after_ms


def test_batch_counts_its_time_from_when_it_was_received() -> None:
    held = HeldBatch(1, hiding(), at(1_000))

    moments = (held.received_ms, held.renew_at_ms, held.hidden_until_ms)
    assert moments == (1_000, 15_250, 29_500)
    assert (held.is_open, held.renewals, held.attempt) == (True, 0, 0)


def test_batch_gives_what_is_invoked() -> None:
    held = held_batch(7, messages(2))

    assert held.to_batch() == batch(7, 2)


def test_batch_that_is_closed_may_go() -> None:
    held = HeldBatch(1, hiding(), at(0))
    held.due_ms = 5_000

    held.close()

    assert (held.is_open, held.due_ms) == (False, 0)


@pytest.mark.parametrize(
    ("due_ms", "now_ms", "is_returning", "expected"),
    [
        pytest.param(0, 0, False, True, id="at-once"),
        pytest.param(200, 199, False, False, id="not-due"),
        pytest.param(200, 200, False, True, id="due"),
        pytest.param(0, 28_499, False, True, id="just-hidden"),
        pytest.param(0, 28_500, False, False, id="visible"),
        pytest.param(0, 0, True, False, id="goes-back"),
    ],
)
def test_batch_may_be_invoked_when_it_is_due_and_hidden(
    due_ms: int, now_ms: int, *, is_returning: bool, expected: bool
) -> None:
    held = held_batch(1)
    held.due_ms, held.is_returning = due_ms, is_returning

    assert held.is_ready(at(now_ms)) is expected


@pytest.mark.parametrize(
    ("moment_ms", "expected"),
    [
        pytest.param(60_000, 60_000, id="as-asked"),
        pytest.param(VISIBILITY_MS_MAX, VISIBILITY_MS_MAX - 25_000, id="no-longer-than-sqs"),
    ],
)
def test_batch_is_extended_no_longer_than_sqs_lets_it(moment_ms: int, expected: int) -> None:
    held = held_batch(1, received_ms=5_000)

    held.renew_until(moment_ms)

    # An extension at the last moment hides it for 30 s more: until twelve hours after its receive.
    assert held.renew_until_ms == expected


def test_batch_has_room_again_for_what_it_lost() -> None:
    held = held_batch(1, messages(2))
    first, second = held.messages
    held.size_bytes = 1_000
    held.hide(second, 60_000)

    held.drop_visible(at(30_000))

    assert held.messages == [second]
    assert held.size_bytes == 1_000 - len(first.body)


def test_part_is_hidden_as_its_messages_were() -> None:
    held = held_batch(1, messages(4))
    for index, message in enumerate(held.messages):
        held.hide(message, 40_000 + index * 1_000)
    held.fail_to_extend(held.messages[3])

    part = held.part(-1, held.messages[2:])

    assert (part.id, part.messages, part.unrenewed) == (-1, held.messages[2:], [])
    assert (part.hidden_until_ms, part.to_extend()) == (42_000, held.messages[2:])


def test_part_does_not_extend_what_the_batch_did_not() -> None:
    held = held_batch(1, messages(3))
    held.show(held.messages[1])

    part = held.part(-1, held.messages[1:])

    assert (part.hidden_until_ms, part.to_extend()) == (0, held.messages[2:])


def test_parts_of_a_large_batch_take_no_more_room_than_their_messages() -> None:
    held = held_batch(1, messages(1_000))
    for message in held.messages:
        held.hide(message, 40_000)

    tracemalloc.start()
    parts = [held.part(-1, held.messages[start : start + 10]) for start in range(0, 1_000, 10)]
    size_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(parts) == 100
    assert size_bytes < 500_000
