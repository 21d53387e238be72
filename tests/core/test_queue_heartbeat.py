"""A queue mapping with a visibility heartbeat: each test states the exact commands."""

import pytest
from builders import (
    ConsumerLife,
    batch,
    grant,
    invoke,
    invoking_consumer,
    messages,
    polling_consumer,
    queue_policy,
    receive,
    return_slots,
    waiting_consumer,
)

from penstock.core import queue_contract as q
from penstock.core.queue_description import DESCRIBE_EVERY_MS
from penstock.core.scaling import RampPolicy
from penstock.model.message import QueueAttributes
from penstock.model.queue_options import QueueOptions

# Received for 30 s, of which 28,500 ms are relied on; extended after half of that.
HEARTBEAT = QueueOptions(heartbeat_s=30)
PERIOD_MS = 14_250
STEADY = RampPolicy(initial=100, per_minute=0)


def extend(renewal_id: int, count: int = 1, *, timeout_s: int = 30) -> q.ExtendVisibility:
    """The command that hides messages m1, m2 and so on for another period."""
    return q.ExtendVisibility(renewal_id, messages(count), timeout_s)


def beating_consumer(
    count: int = 1, *, function_timeout_s: int | None = 60, visibility_timeout_s: int = 30
) -> ConsumerLife:
    """A consumer whose batch 1 is in flight under a heartbeat; receive 2 is running."""
    return invoking_consumer(
        count,
        function_timeout_s=function_timeout_s,
        visibility_timeout_s=visibility_timeout_s,
        options=HEARTBEAT,
    )


def beats(life: ConsumerLife, until_ms: int) -> list[int]:
    """Let time pass; give the moments of the extensions, all of which go well."""
    moments: list[int] = []
    while (deadline_ms := life.machine.deadline_ms()) is not None and deadline_ms <= until_ms:
        for command in life.wake():
            match command:
                case q.ExtendVisibility(renewal_id):
                    moments.append(life.now_ms)
                    life.feed(q.VisibilityExtended(renewal_id))
                case q.DescribeQueue():
                    life.feed(q.QueueDescribed(QueueAttributes(30)))
    return moments


# The receive, and what waits.


def test_heartbeat_receives_with_its_own_timeout() -> None:
    life = ConsumerLife(options=HEARTBEAT)
    life.feed(q.Started())

    commands = life.feed(q.QueueDescribed(QueueAttributes(900)))

    assert commands == [receive(1, 10, 20, visibility_timeout_s=30)]


def test_heartbeat_keeps_hidden_what_waits_for_a_slot() -> None:
    life = waiting_consumer(2, visibility_timeout_s=900, options=HEARTBEAT)

    assert life.wake() == [extend(1, 2)]
    assert life.now_ms == PERIOD_MS


# While the function runs.


def test_heartbeat_extends_what_is_in_flight_until_it_ends() -> None:
    life = beating_consumer(2)

    first = life.wake()
    life.feed(q.VisibilityExtended(1), after_ms=100)
    second = life.wake()
    life.feed(q.VisibilityExtended(2))

    assert (first, second, life.now_ms) == ([extend(1, 2)], [extend(2, 2)], 2 * PERIOD_MS)
    life.feed(q.InvocationSucceeded(batch(1, 2)))
    assert life.machine.deadline_ms() == DESCRIBE_EVERY_MS


def test_without_a_heartbeat_nothing_in_flight_is_extended() -> None:
    life = invoking_consumer(function_timeout_s=30)

    assert life.machine.deadline_ms() == DESCRIBE_EVERY_MS


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param(q.InvocationFailed(batch(1), "Unhandled"), id="failed"),
        pytest.param(
            q.InvocationPartiallyFailed(batch(1), frozenset({"m1"})), id="partially-failed"
        ),
    ],
)
def test_heartbeat_ends_with_a_failure_so_that_the_message_comes_again(
    ended: q.InvocationEnded,
) -> None:
    life = beating_consumer()

    commands = life.feed(ended, after_ms=1_000)

    assert commands == [return_slots(1)]
    assert beats(life, 200_000) == []


def test_heartbeat_extends_again_soon_when_an_extension_failed() -> None:
    life = beating_consumer()
    life.wake()

    life.feed(q.ExtendVisibilityFailed(1, "no answer"))

    assert life.wake() == [extend(2)]
    assert life.now_ms == PERIOD_MS + 7_125


def test_heartbeat_stops_when_the_function_s_timeout_has_passed() -> None:
    life = beating_consumer(function_timeout_s=60)

    # Nobody tells how the invocation ended; it may have begun after a minute.
    assert beats(life, 200_000) == [PERIOD_MS * count for count in range(1, 9)]


def test_heartbeat_of_a_short_function_outlasts_a_slow_start() -> None:
    life = beating_consumer(function_timeout_s=5)

    assert beats(life, 200_000) == [PERIOD_MS]


def test_heartbeat_of_an_unknown_timeout_stops_after_lambda_s_longest() -> None:
    life = beating_consumer(function_timeout_s=None)

    assert beats(life, 2_000_000)[-1] == 126 * PERIOD_MS == 1_795_500


def test_heartbeat_of_an_unknown_outcome_goes_on_until_the_timeout() -> None:
    life = beating_consumer(function_timeout_s=20)
    life.feed(q.InvocationOutcomeUnknown(batch(1), "reset"), after_ms=1_000)

    assert life.wake() == [extend(1)]
    life.feed(q.VisibilityExtended(1))
    assert life.wake() == [return_slots(1)]
    assert (life.now_ms, beats(life, 200_000)) == (20_000, [])


def test_heartbeat_stops_twelve_hours_after_the_receive() -> None:
    life = waiting_consumer(options=QueueOptions(heartbeat_s=3_600))

    moments = beats(life, 13 * 3_600_000)

    # Another would hide it beyond the twelve hours.
    assert (len(moments), moments[-1]) == (23, 23 * 1_710_000)


def test_heartbeats_of_several_batches_share_a_call() -> None:
    life = polling_consumer(batch_size=1, function_timeout_s=60, options=HEARTBEAT)
    life.feed(q.MessagesReceived(1, messages(3)))
    life.feed(grant(3))

    # Four receives are full, and bring a batch that would be due 2 s later.
    life.feed(q.MessagesReceived(2, messages(1, first=4)), after_ms=2_000)

    assert extend(1, 4) in [*life.wake(), *life.wake()]


# Stops.


def test_heartbeat_goes_on_during_a_stop() -> None:
    life = beating_consumer()
    life.feed(q.StopRequested())
    life.feed(q.MessagesReceived(2, ()))

    assert life.wake() == [extend(1)]
    life.feed(q.VisibilityExtended(1))
    assert life.wake() == [extend(2)]
    ended = life.feed(q.InvocationSucceeded(batch(1)))
    assert ended == [return_slots(1), q.DeleteMessages(messages(1), attempt=1)]


# A function that does not run.


def test_heartbeat_of_a_rejected_batch_goes_on_for_the_queue_s_own_timeout() -> None:
    life = beating_consumer(visibility_timeout_s=60)
    moments: list[int] = []

    commands = life.feed(q.InvocationRejected(batch(1), "429"))
    while q.Forget(batch(1)) not in commands:
        commands = life.wake()
        for command in commands:
            match command:
                case q.ExtendVisibility(renewal_id):
                    moments.append(life.now_ms)
                    life.feed(q.VisibilityExtended(renewal_id))
                case q.RequestSlots(_, 1):
                    life.feed(grant(1))
                    life.feed(q.InvocationRejected(batch(1), "429"))

    # It comes again when its last extension ends.
    assert moments == [PERIOD_MS, 2 * PERIOD_MS, 3 * PERIOD_MS, 4 * PERIOD_MS]
    assert life.now_ms == 60_000


def test_heartbeat_that_is_turned_on_begins_with_the_next_try() -> None:
    life = invoking_consumer()
    life.feed(q.InvocationRejected(batch(1), "429"))
    life.feed(q.PolicyChanged(queue_policy(options=HEARTBEAT, function_timeout_s=60)))
    life.wake()

    assert life.feed(grant(1), after_ms=15_000) == [invoke(batch(1)), extend(1)]


# Updates.


def test_heartbeat_turned_off_does_not_lengthen_what_a_receive_asked_for() -> None:
    life = polling_consumer(visibility_timeout_s=300, options=QueueOptions(heartbeat_s=10))
    life.feed(q.PolicyChanged(queue_policy()))
    life.feed(q.MessagesReceived(1, messages(1)))

    # They are hidden for 10 s, not for the 300 s that the next receive is going to ask for.
    assert life.wake() == [extend(1, timeout_s=300)]
    assert life.now_ms == 4_750


def test_heartbeat_turned_on_does_not_lengthen_what_a_receive_asked_for() -> None:
    life = polling_consumer()
    life.feed(q.PolicyChanged(queue_policy(options=QueueOptions(heartbeat_s=3_600))))
    life.feed(q.MessagesReceived(1, messages(1)))

    assert life.wake() == [extend(1, timeout_s=3_600)]
    assert life.now_ms == PERIOD_MS


def test_heartbeat_changed_does_not_lengthen_an_extension_under_way() -> None:
    life = waiting_consumer(visibility_timeout_s=300, options=QueueOptions(heartbeat_s=10))
    life.wake()

    life.feed(q.PolicyChanged(queue_policy()))
    life.feed(q.VisibilityExtended(1))

    # The extension under way was for 10 s, too.
    assert life.wake() == [extend(2, timeout_s=300)]
    assert life.now_ms == 2 * 4_750
