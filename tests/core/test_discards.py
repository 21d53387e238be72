"""Messages that failed at their last receive, on their way to a destination."""

from builders import (
    DESTINATION_ARN,
    RAISED,
    at,
    counted,
    held_batch,
    queue_policy,
    send,
)

from penstock.core.discards import (
    DESTINATION_ATTEMPTS_MAX,
    DISCARDS_HELD_MAX,
    DISCARDS_MAX,
    Discards,
)
from penstock.core.queue_contract import DestinationFailed, InvocationFailed, SendToDestination
from penstock.core.renewals import Renewals
from penstock.model.message import Message
from penstock.model.queue_options import QueueOptions

POLICY = queue_policy(options=QueueOptions(on_failure_arn=DESTINATION_ARN))


def discards_of(*failed: Message, renewals: Renewals | None = None) -> Discards:
    """The discards of batch 1, which failed at time 0."""
    discards, held = Discards(renewals or Renewals()), held_batch(1, failed)
    failure = InvocationFailed(held.to_batch(), "raised", RAISED, b'"no"')
    discards.add(failed, held, failure=failure, policy=POLICY, now=at(0))
    return discards


def start(
    discards: Discards, now_ms: int = 0, *, is_stopping: bool = False
) -> list[SendToDestination]:
    """Give what may be sent at that moment."""
    return discards.start_due(at(now_ms), is_stopping=is_stopping)


def many(count: int) -> list[Message]:
    """Messages m1, m2 and so on, each at its third receive."""
    return [counted(f"m{number}", 3) for number in range(1, count + 1)]


def test_message_that_its_destination_has_may_be_deleted() -> None:
    discards = discards_of(counted("m1", 3))

    assert start(discards) == [send(1, counted("m1", 3))]
    assert discards.accept(1) == (counted("m1", 3),)
    assert len(discards) == 0


def test_message_is_sent_again_with_back_off() -> None:
    discards = discards_of(counted("m1", 3))
    start(discards)

    discards.refuse(DestinationFailed(1, "no answer"), at(1_000))

    assert discards.deadline_ms() == 1_500
    assert start(discards, 1_499) == []
    assert start(discards, 1_500) == [send(1, counted("m1", 3))]
    assert discards.deadline_ms() is None


def test_message_is_sent_a_few_times_and_then_left() -> None:
    discards, now_ms, attempts = discards_of(counted("m1", 3)), 0, 0

    while len(discards):
        attempts += len(start(discards, now_ms))
        discards.refuse(DestinationFailed(1, "no answer"), at(now_ms))
        now_ms = discards.deadline_ms() or now_ms

    assert (attempts, now_ms) == (DESTINATION_ATTEMPTS_MAX, 500 + 1_000 + 2_000 + 4_000)


def test_message_that_is_refused_for_good_is_left_at_once() -> None:
    discards = discards_of(counted("m1", 3))
    start(discards)

    discards.refuse(DestinationFailed(1, "no such queue", is_final=True), at(0))

    assert (len(discards), discards.deadline_ms()) == (0, None)


def test_messages_are_sent_a_few_at_a_time() -> None:
    failed = many(DISCARDS_MAX + 1)
    discards = discards_of(*failed)

    assert len(start(discards)) == DISCARDS_MAX
    assert len(discards) == DISCARDS_MAX + 1
    discards.accept(7)
    assert start(discards) == [send(DISCARDS_MAX + 1, failed[-1])]


def test_discards_are_full_at_their_bound() -> None:
    discards = discards_of(*many(DISCARDS_HELD_MAX))
    start(discards)

    assert discards.is_full
    discards.accept(1)
    assert not discards.is_full


def test_stop_waits_for_the_first_attempt_only() -> None:
    discards = discards_of(counted("m1", 3))

    sent = start(discards, is_stopping=True)
    discards.refuse(DestinationFailed(1, "no answer"), at(0))

    assert sent == [send(1, counted("m1", 3))]
    assert (start(discards, 500, is_stopping=True), len(discards)) == ([], 0)


def test_stop_drops_what_was_not_sent() -> None:
    renewals = Renewals()
    discards = discards_of(*many(DISCARDS_MAX + 10), renewals=renewals)

    sent = start(discards, is_stopping=True)
    for discard_id in range(1, DISCARDS_MAX + 1):
        discards.accept(discard_id)

    assert (len(sent), len(discards)) == (DISCARDS_MAX, 0)
    assert renewals.deadline_ms() is None


def test_message_that_is_being_extended_is_taken_in_when_that_has_ended() -> None:
    renewals, held = Renewals(), held_batch(1, (counted("m1", 3),))
    discards, held.renewals = Discards(renewals), 1
    failure = InvocationFailed(held.to_batch(), "raised", RAISED, b'"no"')
    discards.add(held.messages, held, failure=failure, policy=POLICY, now=at(0))

    assert (start(discards), len(discards), renewals.deadline_ms()) == ([], 1, None)
    held.renewals = 0
    assert start(discards) == [send(1, counted("m1", 3))]
    assert renewals.deadline_ms() == 14_250
