"""A queue mapping with a batching window: each test states the exact commands."""

import pytest
from builders import (
    ConsumerLife,
    batch,
    give_back,
    grant,
    invoke,
    message,
    messages,
    polling_consumer,
    queue_policy,
    receive,
    request_slots,
)

from penstock.core import queue_contract as q
from penstock.core.scaling import RampPolicy
from penstock.model.message import MessageBatch
from penstock.model.queue_options import QueueOptions

STEADY = RampPolicy(initial=100, per_minute=0)
LARGE_BODY = "x" * 1024 * 1024


def gathering_consumer(
    *, batch_size: int = 100, window_s: int = 5, visibility_timeout_s: int = 30
) -> ConsumerLife:
    """A consumer with a window: its first receive, number 1, is running."""
    return polling_consumer(
        ramp=STEADY,
        batch_size=batch_size,
        batching_window_s=window_s,
        visibility_timeout_s=visibility_timeout_s,
    )


# One window.


def test_window_holds_a_batch_over_several_receives() -> None:
    life = gathering_consumer()

    first = life.feed(q.MessagesReceived(1, messages(2)))
    paused = life.wake()
    second = life.feed(q.MessagesReceived(2, messages(3, first=3)), after_ms=2_500)

    # What trickles in during half a second comes with one receive; no slot is asked for.
    assert (first, paused, second) == ([], [receive(2, 10, 20)], [])


def test_window_ends_with_its_time_counted_from_its_first_message() -> None:
    life = gathering_consumer()
    life.feed(q.MessagesReceived(1, messages(2)), after_ms=1_000)
    life.wake()
    life.feed(q.MessagesReceived(2, messages(3, first=3)), after_ms=3_500)
    life.wake()

    assert life.wake() == [request_slots(1)]
    assert life.now_ms == 6_000
    assert life.feed(grant(1)) == [invoke(batch(1, 5))]


def test_window_ends_early_when_its_batch_is_full() -> None:
    life = gathering_consumer(batch_size=15)
    life.feed(q.MessagesReceived(1, messages(10)))

    wanted = life.feed(q.MessagesReceived(2, messages(5, first=11)))

    # One is for the batch; two are for what three full receives would bring.
    assert wanted == [request_slots(3)]
    # A second receive would be of five: it waits until it can be of ten.
    assert life.feed(grant(1)) == [invoke(batch(1, 15)), receive(3, 10, 0)]


def test_window_ends_early_before_six_megabytes_are_exceeded() -> None:
    life = gathering_consumer()
    received = tuple(message(f"m{number}", LARGE_BODY) for number in range(7))

    wanted = life.feed(q.MessagesReceived(1, received))
    started = life.feed(grant(1))

    assert wanted == [request_slots(1)]
    # The rest waits in the next window; two batches are not held above the slots.
    assert started == [invoke(MessageBatch(1, received[:5]))]
    assert life.wake() == [receive(2, 3, 20)]


def test_window_gathers_the_next_batch_while_one_is_in_flight() -> None:
    life = gathering_consumer()
    life.feed(q.MessagesReceived(1, messages(2)))
    life.wake()
    life.wake()

    started = life.feed(grant(1))
    life.feed(q.MessagesReceived(2, messages(1, first=3)), after_ms=1_000)

    assert started == [invoke(batch(1, 2))]
    assert life.wake() == [receive(3, 10, 20)]
    assert life.wake() == [request_slots(1)]
    assert life.now_ms == 11_000


def test_window_that_ended_receives_nothing_until_it_has_a_slot() -> None:
    life = gathering_consumer()
    life.feed(q.MessagesReceived(1, messages(2)))
    life.wake()
    life.wake()

    # What a receive under way brings goes along.
    late = life.feed(q.MessagesReceived(2, messages(1, first=3)))

    assert (life.now_ms, late) == (5_000, [])
    assert life.feed(grant(1)) == [invoke(batch(1, 3))]
    assert life.wake() == [receive(3, 10, 20)]


# How much is received.


def test_window_receives_in_parallel_while_receives_come_back_full() -> None:
    life = gathering_consumer()

    commands = life.feed(q.MessagesReceived(1, messages(10)))

    assert commands == [receive(2, 10, 0), receive(3, 10, 0), request_slots(1)]


def test_window_holds_no_more_than_one_batch_above_the_free_slots() -> None:
    life = gathering_consumer(batch_size=25)

    commands = life.feed(q.MessagesReceived(1, messages(10)))

    assert commands == [receive(2, 10, 0), request_slots(1)]
    life.feed(q.MessagesReceived(2, messages(10, first=11)))
    life.feed(q.MessagesReceived(3, messages(5, first=21)))
    assert life.feed(q.DeadlineReached(), after_ms=1_000) == []


def test_window_with_slots_receives_for_them_too() -> None:
    life = gathering_consumer(batch_size=15)
    life.feed(q.MessagesReceived(1, messages(10)))

    # The open batch has room for five, and the slot's batch for fifteen.
    assert life.feed(grant(1)) == [receive(3, 10, 0)]


def test_window_of_large_messages_counts_their_bytes() -> None:
    life = gathering_consumer()
    received = tuple(message(f"m{number}", LARGE_BODY) for number in range(10))
    life.feed(q.MessagesReceived(1, received))

    commands = life.feed(grant(1))

    # Batch 2 has the five that it has room for: a sixth closes it, ten would make a third batch.
    assert commands == [invoke(MessageBatch(1, received[:5])), receive(2, 1, 0)]


# What it gathers stays hidden.


def test_window_extends_what_waits_in_it() -> None:
    life = gathering_consumer(window_s=300)
    life.feed(q.MessagesReceived(1, messages(2)))
    life.wake()
    life.feed(q.MessagesReceived(2, messages(1, first=3)), after_ms=5_000)
    life.wake()

    assert life.wake() == [q.ExtendVisibility(1, messages(3), 30)]
    assert life.now_ms == 14_250


def test_window_extends_a_large_batch_ten_messages_at_a_time() -> None:
    life = gathering_consumer(window_s=300)
    life.feed(q.MessagesReceived(1, messages(10)))
    life.feed(q.MessagesReceived(2, messages(1, first=11)))
    life.feed(q.MessagesReceived(3, ()))
    life.wake()

    extended = [q.ExtendVisibility(1, messages(10), 30)]
    assert life.wake() == [*extended, q.ExtendVisibility(2, messages(1, first=11), 30)]


def test_window_ends_early_when_an_extension_fails() -> None:
    life = gathering_consumer(window_s=300)
    life.feed(q.MessagesReceived(1, messages(2)))
    life.wake()
    life.wake()

    wanted = life.feed(q.ExtendVisibilityFailed(1, "no answer"), after_ms=100)

    assert wanted == [request_slots(1)]
    assert life.feed(grant(1)) == [invoke(batch(1, 2))]


def test_window_is_not_given_up_when_only_the_queue_s_timeout_is_short() -> None:
    life = gathering_consumer(window_s=20, visibility_timeout_s=10)
    life.feed(q.MessagesReceived(1, messages(1)))
    extended = 0

    while request_slots(1) not in (commands := life.wake()):
        for command in commands:
            if isinstance(command, q.ExtendVisibility):
                extended += 1
                life.feed(q.VisibilityExtended(command.renewal_id))

    assert (life.now_ms, extended) == (20_000, 4)


# Updates and stops.


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"batch_size": 100, "batching_window_s": 1}, id="window"),
        pytest.param({"batch_size": 100}, id="no-window"),
        pytest.param({"batch_size": 50, "batching_window_s": 300}, id="batch-size"),
    ],
)
def test_window_is_closed_by_an_update_of_its_measure(change: dict[str, int]) -> None:
    life = gathering_consumer(window_s=300)
    life.feed(q.MessagesReceived(1, messages(2)))
    policy = queue_policy(**change)

    assert life.feed(q.PolicyChanged(policy)) == [request_slots(1)]
    assert life.feed(grant(1)) == [invoke(batch(1, 2))]


def test_window_is_extended_in_time_for_what_was_received_with_a_shorter_timeout() -> None:
    life = gathering_consumer(window_s=300, visibility_timeout_s=300)
    life.feed(q.MessagesReceived(1, messages(1)))
    options = QueueOptions(heartbeat_s=10)
    policy = queue_policy(batch_size=100, batching_window_s=300, options=options)
    life.feed(q.PolicyChanged(policy))
    life.wake()

    life.feed(q.MessagesReceived(2, messages(1, first=2)))
    while not (commands := [each for each in life.wake() if isinstance(each, q.ExtendVisibility)]):
        pass

    # The second message is hidden for 10 s, of which 9,500 ms are relied on.
    assert commands == [q.ExtendVisibility(1, messages(2), 10)]
    assert life.now_ms == 1_000 + 4_750


def test_window_goes_on_after_an_update_of_something_else() -> None:
    life = gathering_consumer(window_s=5)
    life.feed(q.MessagesReceived(1, messages(2)))
    policy = queue_policy(batch_size=100, batching_window_s=5, maximum_concurrency=7)

    assert life.feed(q.PolicyChanged(policy)) == []
    assert life.wake() == [receive(2, 10, 20)]


def test_window_goes_back_to_the_queue_at_a_stop() -> None:
    life = gathering_consumer(window_s=300)
    life.feed(q.MessagesReceived(1, messages(2)))

    assert life.feed(q.StopRequested()) == [give_back(messages(2))]


def test_window_goes_back_at_a_stop_when_its_extension_has_ended() -> None:
    life = gathering_consumer(window_s=300)
    life.feed(q.MessagesReceived(1, messages(1)))
    life.wake()
    life.wake()

    stopped = life.feed(q.StopRequested())
    brought = life.feed(q.MessagesReceived(2, messages(1, first=2)))

    assert (stopped, brought) == ([], [])
    assert life.feed(q.VisibilityExtended(1)) == [give_back(messages(2))]
