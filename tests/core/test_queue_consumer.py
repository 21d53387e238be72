"""A queue mapping polls, invokes and deletes: each test states the exact commands."""

import pytest
from builders import (
    FUNCTION_ARN,
    ConsumerLife,
    batch,
    grant,
    invoke,
    invoking_consumer,
    message,
    messages,
    polling_consumer,
    queue_policy,
    receive,
    request_slots,
    return_slots,
    waiting_consumer,
)

from penstock.core import queue_contract as q
from penstock.core.queue_description import DESCRIBE_EVERY_MS
from penstock.core.receives import RECEIVES_MAX
from penstock.core.scaling import RampPolicy
from penstock.model.message import MessageBatch, QueueAttributes

DESCRIBED = q.QueueDescribed(QueueAttributes(30))
LARGE_BODY = "x" * 1024 * 1024  # SQS's limit; escapes can make it longer on the wire
STEADY = RampPolicy(initial=100, per_minute=0)

# Starting and polling.


def test_consumer_describes_the_queue_before_it_receives() -> None:
    life = ConsumerLife()

    assert life.feed(q.Started()) == [q.DescribeQueue()]
    assert life.feed(DESCRIBED) == [receive(1, 10, 20)]


@pytest.mark.parametrize(
    ("queue_timeout_s", "timeout_s"),
    [pytest.param(300, 300, id="the-queue-s"), pytest.param(0, 1, id="none-at-all")],
)
def test_consumer_says_how_long_what_it_receives_is_hidden(
    queue_timeout_s: int, timeout_s: int
) -> None:
    life = ConsumerLife()
    life.feed(q.Started())

    commands = life.feed(q.QueueDescribed(QueueAttributes(queue_timeout_s)))

    assert commands == [receive(1, 10, 20, visibility_timeout_s=timeout_s)]


def test_consumer_idle_keeps_one_long_poll_that_holds_no_slot() -> None:
    life = polling_consumer()

    assert life.feed(q.MessagesReceived(1, ()), after_ms=20_000) == [receive(2, 10, 20)]
    assert life.feed(q.MessagesReceived(2, ()), after_ms=20_000) == [receive(3, 10, 20)]


def test_consumer_long_polls_as_its_policy_says() -> None:
    life = ConsumerLife(long_poll_s=1)
    life.feed(q.Started())

    assert life.feed(DESCRIBED) == [receive(1, 10, 1)]


def test_consumer_reads_the_attributes_anew_now_and_then() -> None:
    life = polling_consumer()

    assert life.machine.deadline_ms() == DESCRIBE_EVERY_MS
    assert life.wake() == [q.DescribeQueue()]
    assert life.machine.deadline_ms() is None


# One batch.


def test_consumer_wants_a_slot_for_what_it_received() -> None:
    life = polling_consumer()

    assert life.feed(q.MessagesReceived(1, messages(3))) == [request_slots(1)]


def test_consumer_invokes_once_a_slot_is_granted_and_polls_on() -> None:
    life = waiting_consumer(3)

    commands = life.feed(grant(1))

    assert commands == [invoke(batch(1, 3)), receive(2, 10, 20)]


def test_consumer_invokes_with_what_the_mapping_says() -> None:
    life = waiting_consumer(report_batch_item_failures=True)

    commands = life.feed(grant(1))

    expected = q.Invoke(batch(1), FUNCTION_ARN, queue_policy().queue_arn, True)  # noqa: FBT003
    assert commands == [expected, receive(2, 10, 20)]


def test_consumer_cuts_what_it_received_to_the_batch_size() -> None:
    life = polling_consumer(batch_size=4)
    life.feed(q.MessagesReceived(1, messages(4)))

    started = life.feed(grant(4))
    commands = life.feed(q.MessagesReceived(2, messages(10, first=5)))

    assert started == [invoke(batch(1, 4)), receive(2, 10, 0)]
    assert commands[:3] == [
        invoke(batch(2, 4, first=5)),
        invoke(batch(3, 4, first=9)),
        invoke(batch(4, 2, first=13)),
    ]


def test_consumer_deletes_after_success_and_gives_the_slot_back() -> None:
    life = invoking_consumer(3)

    commands = life.feed(q.InvocationSucceeded(batch(1, 3)))

    assert commands == [return_slots(1), q.DeleteMessages(messages(3), attempt=1)]


def test_consumer_partial_failure_deletes_the_others() -> None:
    life = invoking_consumer(3)

    commands = life.feed(q.InvocationPartiallyFailed(batch(1, 3), frozenset({"m2"})))

    others = (message("m1"), message("m3"))
    assert commands == [return_slots(1), q.DeleteMessages(others, attempt=1)]


def test_consumer_partial_failure_of_all_deletes_nothing() -> None:
    life = invoking_consumer(2)

    commands = life.feed(q.InvocationPartiallyFailed(batch(1, 2), frozenset({"m1", "m2"})))

    assert commands == [return_slots(1)]


def test_consumer_leaves_failed_messages_to_their_visibility_timeout() -> None:
    life = invoking_consumer(3)

    assert life.feed(q.InvocationFailed(batch(1, 3), "Unhandled")) == [return_slots(1)]
    assert life.machine.deadline_ms() == DESCRIBE_EVERY_MS


def test_consumer_keeps_the_slot_of_an_unknown_outcome_until_the_functions_timeout() -> None:
    life = invoking_consumer(3)

    assert life.feed(q.InvocationOutcomeUnknown(batch(1, 3), "reset"), after_ms=1_000) == []

    assert life.wake() == [return_slots(1)]
    assert life.now_ms == 3_000
    assert life.machine.deadline_ms() == DESCRIBE_EVERY_MS


def test_consumer_keeps_the_slot_of_an_unknown_timeout_for_lambda_s_longest() -> None:
    life = invoking_consumer(function_timeout_s=None)

    commands = life.feed(q.InvocationOutcomeUnknown(batch(1), "reset"))
    while return_slots(1) not in commands:
        commands = life.wake()

    assert life.now_ms == 900_000


def test_consumer_that_stops_keeps_no_slot_of_an_unknown_outcome() -> None:
    life = invoking_consumer(3)
    life.feed(q.InvocationOutcomeUnknown(batch(1, 3), "reset"))

    assert return_slots(1) in life.feed(q.StopRequested(abandon_receives=True))


# The over-pull rule, and receives in parallel.


def test_consumer_receives_nothing_while_a_batch_waits() -> None:
    life = waiting_consumer(3)

    assert life.feed(q.DeadlineReached(), after_ms=5_000) == []
    assert life.feed(DESCRIBED) == []


def test_consumer_receives_in_parallel_when_a_receive_came_back_full() -> None:
    life = waiting_consumer(10)

    # One slot for the batch that waits, one for each of two receives, and no more than asked for.
    commands = life.feed(grant(3))

    assert commands == [invoke(batch(1, 10)), receive(2, 10, 0), receive(3, 10, 0)]


def test_consumer_full_receive_wants_slots_for_one_receive_more() -> None:
    life = polling_consumer()

    assert life.feed(q.MessagesReceived(1, messages(10))) == [request_slots(3)]


def test_consumer_receives_in_parallel_only_with_slots() -> None:
    life = waiting_consumer(10)

    commands = life.feed(grant(1))

    assert commands == [invoke(batch(1, 10)), receive(2, 10, 0)]
    assert life.feed(grant(1)) == [receive(3, 10, 0)]


def test_consumer_full_receives_invoke_at_once_with_the_slots_they_came_for() -> None:
    life = waiting_consumer(10)
    life.feed(grant(3))

    commands = life.feed(q.MessagesReceived(2, messages(10, first=11)))

    # Three receives are wanted now, but the ramp stands at five and two of those are in flight.
    assert commands == [
        invoke(batch(2, 10, first=11)),
        receive(4, 10, 0),
        request_slots(2),
    ]


def test_consumer_shrinks_when_a_receive_is_not_full() -> None:
    life = waiting_consumer(10)
    life.feed(grant(3))

    commands = life.feed(q.MessagesReceived(2, messages(1, first=11)))

    # The receive that still runs is the one that holds no slot.
    assert commands == [invoke(batch(2, 1, first=11)), return_slots(1)]


def test_consumer_gives_slots_back_when_a_receive_is_empty() -> None:
    life = waiting_consumer(10)
    life.feed(grant(3))

    commands = life.feed(q.MessagesReceived(2, ()))

    assert commands == [return_slots(2)]


def test_consumer_long_polls_again_without_a_slot_after_a_burst() -> None:
    life = waiting_consumer(10)
    life.feed(grant(3))
    life.feed(q.MessagesReceived(2, ()))

    commands = life.feed(q.MessagesReceived(3, ()))

    assert commands == [receive(4, 10, 20)]


@pytest.mark.parametrize("batch_size", [pytest.param(1, id="one"), pytest.param(10, id="ten")])
def test_consumer_keeps_no_slot_while_it_long_polls(batch_size: int) -> None:
    life = invoking_consumer(batch_size, batch_size=batch_size)
    life.feed(grant(1))

    polled = life.feed(q.MessagesReceived(2, ()))
    polled += life.feed(q.MessagesReceived(3, ())) if batch_size == 10 else []

    (poll,) = [command for command in polled if isinstance(command, q.Receive)]
    assert poll.wait_s == 20
    assert return_slots(1) in polled


def test_consumer_receives_in_parallel_up_to_a_maximum() -> None:
    life = polling_consumer(ramp=RampPolicy(initial=1_000))
    receive_id, running = 1, 1

    while running < RECEIVES_MAX + 5 and receive_id < 200:
        commands = life.feed(q.MessagesReceived(receive_id, messages(10)))
        commands += life.feed(grant(10))
        running += sum(isinstance(command, q.Receive) for command in commands) - 1
        receive_id += 1

    assert running == RECEIVES_MAX


def test_consumer_batch_size_one_with_ten_slots_receives_ten() -> None:
    life = polling_consumer(batch_size=1, ramp=STEADY)

    first = life.feed(q.MessagesReceived(1, messages(1)))
    commands = life.feed(grant(21))

    assert first == [request_slots(21)]
    assert commands == [invoke(batch(1)), receive(2, 10, 0), receive(3, 10, 0)]


def test_consumer_batch_size_one_with_three_slots_receives_one_more() -> None:
    life = polling_consumer(batch_size=1, ramp=STEADY)
    life.feed(q.MessagesReceived(1, messages(1)))

    commands = life.feed(grant(4))

    assert commands == [invoke(batch(1)), receive(2, 4, 0)]


def test_consumer_of_a_fast_function_receives_ten_whatever_its_slots() -> None:
    life = invoking_consumer(batch_size=1, ramp=STEADY)
    life.feed(q.MessagesReceived(2, ()))

    life.feed(q.InvocationSucceeded(batch(1)), after_ms=50)

    assert life.feed(q.MessagesReceived(3, messages(1, first=2))) == [request_slots(21)]
    assert life.feed(grant(1)) == [invoke(batch(2, first=2)), receive(4, 10, 0)]


def test_consumer_of_a_slow_function_receives_no_more_than_its_slots_and_one() -> None:
    life = invoking_consumer(batch_size=1, ramp=STEADY)
    life.feed(q.MessagesReceived(2, ()))

    life.feed(q.InvocationSucceeded(batch(1)), after_ms=60_000)

    assert life.feed(q.MessagesReceived(3, messages(1, first=2))) == [request_slots(21)]
    assert life.feed(grant(3)) == [invoke(batch(2, first=2)), receive(4, 3, 0)]


def test_consumer_starts_one_invocation_per_slot() -> None:
    life = polling_consumer(batch_size=1, ramp=STEADY)
    life.feed(q.MessagesReceived(1, messages(3)))

    assert life.feed(grant(2)) == [invoke(batch(1)), invoke(batch(2, first=2))]
    assert life.feed(grant(1))[0] == invoke(batch(3, first=3))


# The payload quota.


def test_consumer_splits_what_would_exceed_the_payload_quota() -> None:
    life = polling_consumer()
    received = tuple(message(f"m{number}", LARGE_BODY) for number in range(10))

    wanted = life.feed(q.MessagesReceived(1, received))
    commands = life.feed(grant(2))

    assert wanted == [request_slots(4)]
    assert commands == [
        invoke(MessageBatch(1, received[:5])),
        invoke(MessageBatch(2, received[5:])),
        receive(2, 10, 0),
    ]


def test_consumer_invokes_a_single_message_above_the_quota_alone() -> None:
    life = polling_consumer()
    too_large = message("m2", LARGE_BODY * 6)
    life.feed(q.MessagesReceived(1, (message("m1"), too_large, message("m3"))))

    commands = life.feed(grant(3))

    assert commands[:3] == [
        invoke(batch(1)),
        invoke(MessageBatch(2, (too_large,))),
        invoke(batch(3, first=3)),
    ]
