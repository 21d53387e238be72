"""A queue mapping that shapes its retries: back-off and on-failure, with the exact commands."""

from typing import Any

import msgspec
import pytest
from builders import (
    DESTINATION_ARN,
    FIFO_ARN,
    RAISED,
    ConsumerLife,
    batch,
    counted,
    deleted,
    give_back,
    grant,
    message,
    messages,
    polling_consumer,
    queue_policy,
    return_slots,
    send,
)

from penstock.core import queue_contract as q
from penstock.core.discards import DESTINATION_ATTEMPTS_MAX, DISCARDS_HELD_MAX, DISCARDS_MAX
from penstock.core.queue_description import DESCRIBE_EVERY_MS
from penstock.model.message import Message, MessageBatch, QueueAttributes, VisibilityChange
from penstock.model.queue_options import QueueOptions, RetryBackoff

BACKOFF = QueueOptions(backoff=RetryBackoff(first_s=2, maximum_s=10))
ON_FAILURE = QueueOptions(on_failure_arn=DESTINATION_ARN, max_receive_count=3)


def failing_consumer(received: tuple[Message, ...], **policy: Any) -> ConsumerLife:
    """A consumer whose batch 1 of these messages is in flight; receive 2 is running."""
    life = polling_consumer(**policy)
    life.feed(q.MessagesReceived(1, received))
    life.feed(grant(1))
    return life


def failed(received: tuple[Message, ...]) -> q.InvocationFailed:
    """The input that says that the function failed with batch 1."""
    return q.InvocationFailed(MessageBatch(1, received), "Unhandled", RAISED, b'"no"')


# Back-off.


def test_back_off_hides_what_failed_by_its_receives() -> None:
    received = (counted("m1", 1), counted("m2", 3), counted("m3", 9))
    life = failing_consumer(received, options=BACKOFF)

    commands = life.feed(failed(received))

    changes = zip(received, (2, 8, 10), strict=True)
    delayed = q.ChangeVisibility(tuple(VisibilityChange(*change) for change in changes))
    assert commands == [return_slots(1), delayed]


def test_back_off_hides_only_what_a_partial_failure_names() -> None:
    received = (counted("m1", 1), counted("m2", 2))
    life = failing_consumer(received, options=BACKOFF)

    commands = life.feed(q.InvocationPartiallyFailed(MessageBatch(1, received), frozenset({"m2"})))

    delayed = give_back((received[1],), after_s=4)
    assert commands == [return_slots(1), delayed, q.DeleteMessages((received[0],), attempt=1)]


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param(q.InvocationSucceeded(batch(1)), id="succeeded"),
        pytest.param(q.InvocationRejected(batch(1), "429"), id="did-not-run"),
        pytest.param(q.InvocationOutcomeUnknown(batch(1), "reset"), id="unknown"),
    ],
)
def test_back_off_leaves_alone_what_did_not_fail(ended: q.InvocationEnded) -> None:
    life = failing_consumer(messages(1), options=BACKOFF)

    assert not any(isinstance(each, q.ChangeVisibility) for each in life.feed(ended))


def test_back_off_comes_after_an_extension_under_way() -> None:
    options = QueueOptions(heartbeat_s=30, backoff=RetryBackoff(first_s=2))
    life = failing_consumer(messages(1), options=options, function_timeout_s=60)
    life.wake()

    ended = life.feed(failed(messages(1)))

    # An extension that landed last would hide it for 30 s.
    assert ended == [return_slots(1)]
    assert life.feed(q.VisibilityExtended(1)) == [give_back(messages(1), after_s=2)]


def test_back_off_is_waited_for_at_a_stop() -> None:
    life = failing_consumer(messages(1), options=BACKOFF)
    life.feed(q.StopRequested())
    life.feed(q.MessagesReceived(2, ()))

    life.feed(failed(messages(1)))

    assert not life.machine.is_finished()
    life.feed(q.VisibilityChanged(1))
    assert life.machine.is_finished()


def test_back_off_of_a_fifo_queue_delays_a_group_by_its_longest() -> None:
    attributes = b'{"MessageGroupId":"%c","ApproximateReceiveCount":"%d"}'
    received = tuple(
        message(name, attributes=msgspec.Raw(attributes % (ord(name[0]), count)))
        for name, count in (("a1", 1), ("a2", 2), ("b1", 1))
    )
    life = failing_consumer(received, options=BACKOFF, queue_arn=FIFO_ARN)

    commands = life.feed(failed(received))

    changes = zip(received, (4, 4, 2), strict=True)
    assert commands[1] == q.ChangeVisibility(tuple(VisibilityChange(*each) for each in changes))


def test_back_off_may_be_turned_on_and_off_while_the_mapping_runs() -> None:
    life = failing_consumer(messages(1))
    life.feed(q.PolicyChanged(queue_policy(options=BACKOFF)))
    life.feed(q.PolicyChanged(queue_policy()))

    assert life.feed(failed(messages(1))) == [return_slots(1)]


# On-failure.


def test_on_failure_gets_a_message_at_its_last_receive_and_then_it_is_deleted() -> None:
    received = (counted("m1", 2), counted("m2", 3))
    life = failing_consumer(received, options=ON_FAILURE)

    sent = life.feed(failed(received))
    accepted = life.feed(q.DestinationAccepted(1))

    assert sent == [return_slots(1), send(1, received[1])]
    assert accepted == [q.DeleteMessages((received[1],), attempt=1)]


@pytest.mark.parametrize(
    ("own_maximum", "queue_maximum", "is_last"),
    [
        pytest.param(None, 3, True, id="the-queue-s"),
        pytest.param(None, 4, False, id="not-yet-the-queue-s"),
        pytest.param(3, 9, True, id="the-tag-s-first"),
        pytest.param(9, 3, True, id="the-queue-s-first"),
        pytest.param(None, None, False, id="none"),
    ],
)
def test_on_failure_counts_by_the_tag_or_the_queue(
    own_maximum: int | None, queue_maximum: int | None, *, is_last: bool
) -> None:
    options = QueueOptions(on_failure_arn=DESTINATION_ARN, max_receive_count=own_maximum)
    life = failing_consumer((counted("m1", 3),), options=options)
    life.feed(q.QueueDescribed(QueueAttributes(30, queue_maximum)))

    commands = life.feed(failed((counted("m1", 3),)))

    assert (send(1, counted("m1", 3)) in commands) is is_last


def test_on_failure_is_asked_a_few_times_and_then_the_message_is_left() -> None:
    last = (counted("m1", 3),)
    life = failing_consumer(last, options=ON_FAILURE)
    life.feed(q.MessagesReceived(2, ()))
    commands, sent = life.feed(failed(last)), 0

    while send(1, last[0]) in commands:
        sent += 1
        life.feed(q.DestinationFailed(1, "no answer"))
        commands = life.wake()

    # After the last attempt only the queue is looked at anew.
    assert (sent, commands) == (DESTINATION_ATTEMPTS_MAX, [q.DescribeQueue()])
    assert life.now_ms == DESCRIBE_EVERY_MS


def test_on_failure_that_refuses_for_good_leaves_the_message() -> None:
    last = (counted("m1", 3),)
    life = failing_consumer(last, options=ON_FAILURE)
    life.feed(failed(last))

    assert life.feed(q.DestinationFailed(1, "AccessDenied", is_final=True)) == []
    assert life.machine.deadline_ms() == DESCRIBE_EVERY_MS


def test_on_failure_and_back_off_go_together() -> None:
    received = (counted("m1", 1), counted("m2", 3))
    options = msgspec.structs.replace(ON_FAILURE, backoff=BACKOFF.backoff)
    life = failing_consumer(received, options=options)

    commands = life.feed(failed(received))

    delayed = give_back((received[0],), after_s=2)
    assert commands == [return_slots(1), delayed, send(1, received[1])]


def test_on_failure_is_not_asked_for_what_never_ran() -> None:
    last = (counted("m1", 3),)
    life = failing_consumer(last, options=ON_FAILURE)

    assert life.feed(q.InvocationRejected(MessageBatch(1, last), "429")) == [return_slots(1)]


def test_on_failure_is_waited_for_at_a_stop() -> None:
    last = (counted("m1", 3),)
    life = failing_consumer(last, options=ON_FAILURE)
    life.feed(q.StopRequested())
    life.feed(q.MessagesReceived(2, ()))
    life.feed(failed(last))

    assert not life.machine.is_finished()
    assert life.feed(q.DestinationAccepted(1)) == [q.DeleteMessages(last, attempt=1)]
    life.feed(deleted(*last))
    assert life.machine.is_finished()


def test_on_failure_is_asked_once_even_if_a_stop_has_begun() -> None:
    life = failing_consumer((last := (counted("m1", 3),)), options=ON_FAILURE)
    life.feed(q.StopRequested())

    assert life.feed(failed(last)) == [return_slots(1), send(1, last[0])]
    life.feed(q.DestinationFailed(1, "no answer"))

    # A second attempt is not waited for.
    life.feed(q.MessagesReceived(2, ()))
    assert life.machine.is_finished()


def test_on_failure_asks_for_many_messages_a_few_at_a_time() -> None:
    options = QueueOptions(on_failure_arn=DESTINATION_ARN, max_receive_count=1)
    received = tuple(counted(f"m{number}", 1) for number in range(DISCARDS_MAX + 1))
    window = {"batch_size": len(received), "batching_window_s": 60}
    life = failing_consumer(received, options=options, **window)

    commands = life.feed(failed(received))

    sent = [command for command in commands if isinstance(command, q.SendToDestination)]
    assert [command.discard.message for command in sent] == list(received[:-1])
    assert send(51, received[-1]) in life.feed(q.DestinationAccepted(1))


def many_discards(count: int) -> tuple[ConsumerLife, tuple[Message, ...]]:
    """A consumer whose batch 1 of so many messages is in flight; each is at its last receive."""
    options = QueueOptions(on_failure_arn=DESTINATION_ARN, max_receive_count=1)
    received = tuple(counted(f"m{number}", 1) for number in range(count))
    window = {"batch_size": count, "batching_window_s": 60}
    return failing_consumer(received, options=options, **window), received


def test_on_failure_that_takes_too_few_stops_receiving() -> None:
    life, received = many_discards(DISCARDS_HELD_MAX)
    life.feed(failed(received))

    life.feed(q.MessagesReceived(3, ()))
    stopped = life.feed(q.MessagesReceived(2, ()))
    received_again = life.feed(q.DestinationAccepted(1))

    assert not any(isinstance(each, q.Receive) for each in stopped)
    assert any(isinstance(each, q.Receive) for each in received_again)


def test_on_failure_drops_at_a_stop_what_was_not_sent() -> None:
    life, received = many_discards(DISCARDS_MAX + 1)
    life.feed(failed(received))

    life.feed(q.StopRequested())
    for receive_id in (2, 3):
        life.feed(q.MessagesReceived(receive_id, ()))
    for discard_id in range(1, DISCARDS_MAX + 1):
        commands = life.feed(q.DestinationFailed(discard_id, "no answer"))

    # Neither a second attempt nor a first one is waited for: they come again.
    assert commands == []
    assert life.machine.is_finished()


# While it is recorded a message stays hidden.


@pytest.mark.parametrize(
    "heartbeat_s", [pytest.param(None, id="no-heartbeat"), pytest.param(30, id="heartbeat")]
)
def test_on_failure_keeps_a_message_hidden_until_it_is_recorded(heartbeat_s: int | None) -> None:
    last, other = counted("m1", 3), counted("m2", 2)
    options = msgspec.structs.replace(ON_FAILURE, heartbeat_s=heartbeat_s)
    life = failing_consumer((last, other), options=options)
    life.feed(failed((last, other)), after_ms=1_000)

    extended = life.wake()
    life.feed(q.VisibilityExtended(1))
    extended_again = life.wake()

    assert extended == [q.ExtendVisibility(1, (last,), 30)]
    assert extended_again == [q.ExtendVisibility(2, (last,), 30)]
    assert life.now_ms == 2 * 14_250


def test_on_failure_extends_at_once_what_has_little_time_left() -> None:
    last = (counted("m1", 3),)
    life = failing_consumer(last, options=ON_FAILURE)

    commands = life.feed(failed(last), after_ms=28_000)

    assert q.ExtendVisibility(1, last, 30) in commands


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(q.DestinationAccepted(1), id="accepted"),
        pytest.param(q.DestinationFailed(1, "AccessDenied", is_final=True), id="refused"),
    ],
)
@pytest.mark.parametrize(
    "extended",
    [
        pytest.param(q.VisibilityExtended(1), id="extended"),
        pytest.param(q.ExtendVisibilityFailed(1, "no answer"), id="not-extended"),
    ],
)
def test_on_failure_hides_no_longer_what_was_answered_for(
    answer: q.Input, extended: q.Input
) -> None:
    last = (counted("m1", 3), counted("m2", 3))
    life = failing_consumer(last, options=ON_FAILURE)
    life.feed(failed(last), after_ms=28_000)

    life.feed(answer)
    life.feed(extended)
    # The next one in time is what is left, the other one's.
    while not (commands := [each for each in life.wake() if isinstance(each, q.ExtendVisibility)]):
        pass

    assert commands == [q.ExtendVisibility(2, last[1:], 30)]
