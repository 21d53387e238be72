"""What a queue consumer says that it has in hand."""

from builders import ConsumerLife, at, batch, grant, invoking_consumer, waiting_consumer

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
