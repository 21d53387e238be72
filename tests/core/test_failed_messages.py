"""What becomes of messages whose function failed."""

from typing import Any

import pytest
from builders import (
    DESTINATION_ARN,
    FIFO_ARN,
    RAISED,
    at,
    batch,
    counted,
    give_back,
    held_batch,
    message,
    messages,
    queue_policy,
    send,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from penstock.core.failed_messages import (
    FailedMessages,
    back_off,
    cut_into_calls,
    select_failed,
)
from penstock.core.queue_contract import (
    ChangeVisibility,
    InvocationFailed,
    InvocationPartiallyFailed,
    SendToDestination,
)
from penstock.core.renewals import Renewals
from penstock.model.message import Message, VisibilityChange
from penstock.model.queue_options import QueueOptions, RetryBackoff

BACKOFF = RetryBackoff(first_s=2, maximum_s=60)
BOTH = QueueOptions(backoff=BACKOFF, on_failure_arn=DESTINATION_ARN)


def failed_with(
    *failed: Message, options: QueueOptions = BOTH, max_receive_count: int | None = 3, **policy: Any
) -> FailedMessages:
    """Failed messages of batch 1, at time 0."""
    taking = FailedMessages(Renewals())
    held = held_batch(1, failed)
    failure = InvocationFailed(held.to_batch(), "raised", RAISED, b'"no"')
    taking.take(held, failure, queue_policy(options=options, **policy), max_receive_count, at(0))
    return taking


def start(
    taking: FailedMessages, now_ms: int = 0, *, is_stopping: bool = False
) -> list[ChangeVisibility | SendToDestination]:
    """Give what may be done at that moment."""
    return taking.start_due(at(now_ms), is_stopping=is_stopping)


def in_group(message_id: str, receive_count: int) -> Message:
    """A message of the group that its id begins with."""
    attributes = '{"MessageGroupId":"%s","ApproximateReceiveCount":"%d"}'
    return message(
        message_id, attributes=Raw((attributes % (message_id[0], receive_count)).encode())
    )


# Nothing to do.


@pytest.mark.parametrize(
    ("options", "max_receive_count"),
    [
        pytest.param(QueueOptions(), 3, id="no-option"),
        pytest.param(QueueOptions(on_failure_arn=DESTINATION_ARN), None, id="no-last-receive"),
        pytest.param(QueueOptions(on_failure_arn=DESTINATION_ARN), 4, id="not-the-last-receive"),
    ],
)
def test_failed_message_is_left_to_its_visibility_timeout(
    options: QueueOptions, max_receive_count: int | None
) -> None:
    taking = failed_with(counted("m1", 3), options=options, max_receive_count=max_receive_count)

    assert (start(taking), len(taking), taking.discards.deadline_ms()) == ([], 0, None)


# Back-off.


@pytest.mark.parametrize(
    ("receive_count", "delay_s"),
    [
        pytest.param(0, 2, id="unknown"),
        pytest.param(1, 2, id="first"),
        pytest.param(2, 4, id="second"),
        pytest.param(5, 32, id="fifth"),
        pytest.param(6, 60, id="at-the-maximum"),
        pytest.param(1_000, 60, id="long-after"),
    ],
)
def test_back_off_doubles_with_each_receive(receive_count: int, delay_s: int) -> None:
    failed = counted("m1", receive_count)

    assert back_off([failed], BACKOFF, is_fifo=False) == (VisibilityChange(failed, delay_s),)


@pytest.mark.parametrize(
    ("is_fifo", "expected"),
    [
        pytest.param(False, [2, 8, 4], id="standard-each-its-own"),
        pytest.param(True, [8, 8, 4], id="fifo-the-longest-of-its-group"),
    ],
)
def test_back_off_of_a_group_is_its_longest(*, is_fifo: bool, expected: list[int]) -> None:
    failed = [in_group("a1", 1), in_group("a2", 3), in_group("b1", 2)]

    changes = back_off(failed, BACKOFF, is_fifo=is_fifo)

    assert [change.timeout_s for change in changes] == expected


@given(st.integers(0, 10_000), st.integers(1, 43_200), st.integers(1, 43_200))
def test_back_off_stays_within_what_was_asked_for(count: int, first_s: int, last_s: int) -> None:
    [change] = back_off([counted("m1", count)], RetryBackoff(first_s, last_s), is_fifo=False)

    assert min(first_s, last_s) <= change.timeout_s <= last_s


def test_back_off_is_asked_for_when_the_batch_has_failed() -> None:
    taking = failed_with(counted("m1", 1), counted("m2", 1))

    assert len(taking) == 1
    assert start(taking) == [give_back((counted("m1", 1), counted("m2", 1)), after_s=2)]
    assert len(taking) == 0


def test_back_off_ends_twelve_hours_after_the_receive() -> None:
    taking, held = FailedMessages(Renewals()), held_batch(1)
    options = QueueOptions(backoff=RetryBackoff(first_s=43_200, maximum_s=43_200))
    failure = InvocationFailed(held.to_batch(), "raised")
    taking.take(held, failure, queue_policy(options=options), None, at(10_001))

    # SQS refuses more; a second is for the way there.
    assert start(taking) == [give_back(messages(1), after_s=43_188)]


def test_back_off_waits_for_an_extension_under_way() -> None:
    taking, held = FailedMessages(Renewals()), held_batch(1)
    held.renewals = 1
    failure = InvocationFailed(held.to_batch(), "raised")
    taking.take(held, failure, queue_policy(options=BOTH), None, at(0))

    assert (start(taking), len(taking)) == ([], 1)
    held.renewals = 0
    assert start(taking) == [give_back(messages(1), after_s=2)]


def test_back_off_of_a_fifo_queue_goes_by_its_groups() -> None:
    failed = (in_group("a1", 1), in_group("a2", 3))

    taking = failed_with(*failed, max_receive_count=None, queue_arn=FIFO_ARN)

    assert start(taking) == [give_back(failed, after_s=8)]


# On-failure.


def test_message_is_sent_after_its_last_receive_and_the_others_are_delayed() -> None:
    last, beyond, other = counted("m1", 3), counted("m2", 4), counted("m3", 2)

    taking = failed_with(last, other, beyond)

    assert len(taking) == 3
    assert start(taking) == [give_back((other,), after_s=4), send(1, last), send(2, beyond)]
    assert start(taking) == []


def test_message_that_is_sent_is_not_delayed() -> None:
    assert start(failed_with(counted("m1", 3))) == [send(1, counted("m1", 3))]


# The parts.


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        pytest.param(InvocationFailed(batch(1, 2), "raised"), ["m1", "m2"], id="all"),
        pytest.param(
            InvocationPartiallyFailed(batch(1, 2), frozenset({"m2"})), ["m2"], id="those-named"
        ),
    ],
)
def test_select_failed_of_a_batch(
    failure: InvocationFailed | InvocationPartiallyFailed, expected: list[str]
) -> None:
    assert [each.message_id for each in select_failed(messages(2), failure)] == expected


def test_changes_are_cut_into_calls_of_ten() -> None:
    changes = [VisibilityChange(each, 0) for each in messages(11)]

    assert cut_into_calls(changes) == [give_back(messages(10)), give_back(messages(1, first=11))]
    assert cut_into_calls([]) == []
