"""A mapping of a FIFO queue: each test states the exact commands."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from builders import (
    FIFO_ARN,
    ConsumerLife,
    give_back,
    grant,
    grouped,
    invoke,
    polling_consumer,
    queue_policy,
    request_slots,
    return_slots,
)

from penstock.core import queue_contract as q
from penstock.core.receives import ATTEMPT_MS_MAX
from penstock.core.scaling import RampPolicy
from penstock.model.message import Message, MessageBatch
from penstock.model.queue_options import QueueOptions

STEADY = RampPolicy(initial=100, per_minute=0)
LARGE_BODY = "x" * 1024 * 1024
ONE_GROUP = QueueOptions(fifo_one_group=True)


def fifo_consumer(**policy: Any) -> ConsumerLife:
    """A consumer of a FIFO queue: its first receive, number 1, is running."""
    return polling_consumer(ramp=STEADY, **{"queue_arn": FIFO_ARN, **policy})


def run(batch_id: int, received: tuple[Message, ...]) -> q.Invoke:
    """The command that invokes these messages."""
    return invoke(MessageBatch(batch_id, received), queue_arn=FIFO_ARN)


def receive(receive_id: int, *, wait_s: int = 20, attempt: int | None = None) -> q.Receive:
    """The command that receives ten messages, as an attempt of its own unless told."""
    return q.Receive(receive_id, 10, wait_s, 30, attempt or receive_id)


def failed(batch_id: int, received: tuple[Message, ...]) -> q.InvocationFailed:
    """The input that says that the function failed with these messages."""
    return q.InvocationFailed(MessageBatch(batch_id, received), "Unhandled")


def succeeded(batch_id: int, received: tuple[Message, ...]) -> q.InvocationSucceeded:
    """The input that says that the function succeeded with these messages."""
    return q.InvocationSucceeded(MessageBatch(batch_id, received))


# One receive is one batch.


def test_fifo_receive_asks_for_the_batch_size_and_names_its_attempt() -> None:
    life = fifo_consumer(batch_size=4)

    first = life.feed(q.MessagesReceived(1, ()))

    assert first == [q.Receive(2, 4, 20, 30, attempt_number=2)]


def test_fifo_receive_of_several_groups_is_one_batch() -> None:
    life = fifo_consumer()

    wanted = life.feed(q.MessagesReceived(1, grouped("a1 b1 a2")))

    assert wanted == [request_slots(1)]
    assert life.feed(grant(1)) == [run(1, grouped("a1 b1 a2")), receive(2)]


def test_fifo_groups_are_in_flight_in_parallel() -> None:
    life = fifo_consumer(batch_size=1)
    life.feed(q.MessagesReceived(1, grouped("a1")))

    started = life.feed(grant(3))
    commands = life.feed(q.MessagesReceived(2, grouped("b1")))

    second = [q.Receive(each, 1, 0, 30, attempt_number=each) for each in (2, 3)]
    assert started == [run(1, grouped("a1")), *second]
    assert commands[0] == run(2, grouped("b1"))


def test_fifo_keeps_to_maximum_concurrency() -> None:
    life = fifo_consumer(batch_size=1, maximum_concurrency=2)
    life.feed(q.MessagesReceived(1, grouped("a1")))
    life.feed(grant(2))

    commands = life.feed(q.MessagesReceived(2, grouped("b1")))

    assert commands == [run(2, grouped("b1"))]


def test_fifo_deletes_at_once_while_others_are_in_flight() -> None:
    life = fifo_consumer(batch_size=1)
    life.feed(q.MessagesReceived(1, grouped("a1")))
    life.feed(grant(3))
    life.feed(q.MessagesReceived(2, grouped("b1")))

    commands = life.feed(succeeded(1, grouped("a1")))

    # A delete that waits for company would keep its group locked.
    assert q.DeleteMessages(grouped("a1"), attempt=1) in commands


def test_fifo_batch_that_failed_is_left_with_all_its_groups() -> None:
    life = fifo_consumer()
    life.feed(q.MessagesReceived(1, grouped("a1 b1")))
    life.feed(grant(1))

    assert life.feed(failed(1, grouped("a1 b1"))) == [return_slots(1)]


def test_fifo_partial_failure_deletes_what_is_not_named() -> None:
    life = fifo_consumer()
    received = grouped("a1 a2 a3")
    life.feed(q.MessagesReceived(1, received))
    life.feed(grant(1))

    ended = q.InvocationPartiallyFailed(MessageBatch(1, received), frozenset({"a2"}))

    # Order is the function's care, unless the mapping is strict.
    others = (received[0], received[2])
    assert life.feed(ended) == [return_slots(1), q.DeleteMessages(others, attempt=1)]


def test_fifo_strict_is_passed_on_with_the_invocation() -> None:
    life = fifo_consumer(options=QueueOptions(fifo_strict=True))
    life.feed(q.MessagesReceived(1, grouped("a1")))

    [invoked, _] = life.feed(grant(1))

    assert invoked == msgspec.structs.replace(run(1, grouped("a1")), fifo_strict=True)


# One group per batch.


def test_fifo_one_group_makes_a_batch_of_each_group() -> None:
    life = fifo_consumer(options=ONE_GROUP)

    wanted = life.feed(q.MessagesReceived(1, grouped("a1 b1 a2 c1")))
    started = life.feed(grant(2))

    assert wanted == [request_slots(3)]
    assert started == [run(1, grouped("a1 a2")), run(2, grouped("b1"))]
    assert life.feed(grant(1)) == [run(3, grouped("c1")), receive(2)]


def test_fifo_one_group_s_failure_delays_no_other_group() -> None:
    life = fifo_consumer(options=ONE_GROUP)
    life.feed(q.MessagesReceived(1, grouped("a1 b1 c1")))
    life.feed(grant(1))

    commands = life.feed(failed(1, grouped("a1")))

    assert commands == [return_slots(1)]
    assert life.feed(grant(2))[:2] == [run(2, grouped("b1")), run(3, grouped("c1"))]


def test_fifo_one_group_may_be_turned_on_while_the_mapping_runs() -> None:
    life = fifo_consumer()
    life.feed(q.PolicyChanged(queue_policy(queue_arn=FIFO_ARN, options=ONE_GROUP)))

    assert life.feed(q.MessagesReceived(1, grouped("a1 b1"))) == [request_slots(2)]


# A group's second batch waits.


def split_consumer() -> tuple[ConsumerLife, tuple[Message, ...]]:
    """A consumer whose receive was split in two: batch 1 is in flight, and batch 2 waits."""
    life = fifo_consumer()
    received = grouped("a1 a2 a3 a4 a5 a6 a7", LARGE_BODY)
    life.feed(q.MessagesReceived(1, received))
    life.feed(grant(1))
    return life, received


def test_fifo_receive_above_the_payload_quota_runs_one_part_after_the_other() -> None:
    life, received = split_consumer()

    waiting = life.feed(grant(1))
    commands = life.feed(succeeded(1, received[:5]))

    # There is no work for a second slot until the first part has ended.
    assert waiting == [return_slots(1)]
    assert commands[:2] == [return_slots(1), q.DeleteMessages(received[:5], attempt=1)]
    assert life.feed(grant(1))[0] == run(2, received[5:])


def test_fifo_second_part_goes_back_when_the_first_fails() -> None:
    life, received = split_consumer()

    commands = life.feed(failed(1, received[:5]))

    assert commands == [return_slots(1), give_back(received[5:])]


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param(lambda batch: q.InvocationRejected(batch, "429"), id="rejected"),
        pytest.param(lambda batch: q.InvocationOutcomeUnknown(batch, "reset"), id="unknown"),
        pytest.param(
            lambda batch: q.InvocationPartiallyFailed(batch, frozenset({"a5"})), id="partly-failed"
        ),
    ],
)
def test_fifo_second_part_goes_back_when_the_first_comes_again(
    ended: Callable[[MessageBatch], q.InvocationEnded],
) -> None:
    life, received = split_consumer()

    commands = life.feed(ended(MessageBatch(1, received[:5])))

    assert give_back(received[5:]) in commands


def test_fifo_message_that_is_received_again_waits_for_its_own_first_run() -> None:
    life = fifo_consumer(function_timeout_s=60)
    life.feed(q.MessagesReceived(1, grouped("a1")))
    life.feed(grant(1))

    # The visibility timeout is shorter than the function: the message comes a second time.
    again = life.feed(q.MessagesReceived(2, grouped("a1")), after_ms=31_000)
    ended = life.feed(succeeded(1, grouped("a1")))

    assert again == [receive(3)]
    assert ended == [return_slots(1), q.DeleteMessages(grouped("a1"), attempt=1), request_slots(1)]


def test_fifo_group_of_an_unknown_outcome_waits_until_it_must_have_ended() -> None:
    life = fifo_consumer()
    life.feed(q.MessagesReceived(1, grouped("a1")))
    life.feed(grant(1))
    life.feed(q.InvocationOutcomeUnknown(MessageBatch(1, grouped("a1")), "reset"))

    received = life.feed(q.MessagesReceived(2, grouped("a1")), after_ms=1_000)

    assert received == [receive(3)]
    assert life.wake() == [return_slots(1), request_slots(1)]
    assert life.now_ms == 3_000


def test_fifo_batch_that_waits_for_its_group_holds_up_no_other() -> None:
    life = fifo_consumer()
    parts = (*grouped("a1", LARGE_BODY * 4), *grouped("a2", LARGE_BODY * 4))
    life.feed(q.MessagesReceived(1, parts))

    started = life.feed(grant(1))
    life.feed(q.MessagesReceived(2, grouped("b1")))

    assert started == [run(1, parts[:1]), receive(2)]
    assert life.feed(grant(1))[0] == run(3, grouped("b1"))
    assert life.feed(succeeded(1, parts[:1]))[1:] == [
        q.DeleteMessages(parts[:1], attempt=1),
        request_slots(1),
    ]


def test_fifo_batch_behind_a_returned_one_goes_back_too() -> None:
    life = fifo_consumer()
    first, last = grouped("a1", LARGE_BODY * 4), grouped("b2", LARGE_BODY * 4)
    mixed = (*grouped("a2", LARGE_BODY * 4), *grouped("b1"))
    life.feed(q.MessagesReceived(1, first + mixed + last))
    life.feed(grant(1))

    commands = life.feed(failed(1, first))

    # b2 may not run before b1, which went back with a2.
    assert commands[1:3] == [give_back(mixed), give_back(last)]


def test_fifo_batch_that_goes_back_waits_for_its_extension_under_way() -> None:
    life, received = split_consumer()
    extension = q.ExtendVisibility(1, received[5:], 30)
    assert extension in life.wake()

    commands = life.feed(failed(1, received[:5]))

    assert commands == [return_slots(1)]
    assert life.feed(q.VisibilityExtended(1))[0] == give_back(received[5:])


# Receives whose answer was lost.


def test_fifo_receive_whose_answer_was_lost_is_repeated_by_its_number() -> None:
    life = fifo_consumer()

    life.feed(q.ReceiveFailed(1, "reset"))

    assert life.wake() == [receive(2, attempt=1), q.DescribeQueue()]
    assert life.feed(q.MessagesReceived(2, ()))[0] == receive(3)


def test_fifo_receive_is_not_repeated_when_the_server_has_forgotten_it() -> None:
    life = fifo_consumer()

    life.feed(q.ReceiveFailed(1, "reset"), after_ms=ATTEMPT_MS_MAX)

    assert life.wake()[0] == receive(2)


# Standard queues.


def test_fair_queue_s_groups_do_not_wait_for_each_other() -> None:
    life = polling_consumer(ramp=STEADY, batch_size=1)
    life.feed(q.MessagesReceived(1, grouped("a1 a2")))

    commands = life.feed(grant(2))

    batches = [invoke(MessageBatch(1, grouped("a1"))), invoke(MessageBatch(2, grouped("a2")))]
    assert commands[:2] == batches
