"""What a queue consumer says that it has in hand."""

from builders import (
    FUNCTION_ARN,
    ConsumerLife,
    at,
    batch,
    grant,
    invoking_consumer,
    messages,
    polling_consumer,
    waiting_consumer,
)

from penstock.core import queue_contract as q
from penstock.model.mapping_status import QueueLoad


def load(life: ConsumerLife) -> QueueLoad:
    return life.machine.load(at(life.now_ms))


def test_load_of_a_consumer_that_has_nothing() -> None:
    assert load(ConsumerLife()) == QueueLoad(0, 0, 5)


def test_load_counts_messages_that_wait_and_then_invocations() -> None:
    life = waiting_consumer(3)

    waiting = load(life)
    life.feed(grant(1))

    assert (waiting, load(life)) == (QueueLoad(0, 3, 5), QueueLoad(1, 0, 5))


def test_load_counts_an_invocation_whose_outcome_is_unknown_while_it_may_run() -> None:
    life = invoking_consumer()

    life.feed(q.InvocationOutcomeUnknown(batch(1), "lost"))

    assert load(life).in_flight_count == 1


def after_one_of_two(function_arn: str) -> list[type[q.Command]]:
    """End an invocation while a batch waits for its slot; give what that leads to."""
    life = polling_consumer(batch_size=1)
    life.feed(q.MessagesReceived(1, messages(2)))
    life.feed(grant(1))
    life.feed(q.SlotsContended(function_arn, is_contended=False))

    commands = life.feed(q.InvocationSucceeded(batch(1, count=1)))
    return [type(each) for each in commands if not isinstance(each, q.Receive)]


def test_slot_that_nobody_else_wants_runs_what_waits_at_once() -> None:
    commands = after_one_of_two(FUNCTION_ARN)

    assert q.Invoke in commands
    assert q.ReturnSlots not in commands


def test_contention_of_another_function_changes_nothing() -> None:
    commands = after_one_of_two("another")

    assert q.Invoke not in commands
    assert q.ReturnSlots in commands
