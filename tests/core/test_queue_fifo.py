"""A mapping of a FIFO queue: each test states the exact commands."""

from builders import (
    FIFO_ARN,
    ConsumerLife,
    give_back,
    grant,
    grouped,
    invoke,
    polling_consumer,
)

from penstock.core import queue_contract as q
from penstock.core.scaling import RampPolicy
from penstock.model.message import Message, MessageBatch
from penstock.model.queue_options import QueueOptions

STEADY = RampPolicy(initial=100, per_minute=0)
LARGE_BODY = "x" * 1024 * 1024
ONE_GROUP = QueueOptions(fifo_one_group=True)


def fifo_consumer(**policy: object) -> ConsumerLife:
    """A consumer of a FIFO queue: its first receive, number 1, is running."""
    return polling_consumer(ramp=STEADY, **{"queue_arn": FIFO_ARN, **policy})


def run(batch_id: int, received: tuple[Message, ...]) -> q.Invoke:
    """The command that invokes these messages."""
    return invoke(MessageBatch(batch_id, received), queue_arn=FIFO_ARN)


def receive(receive_id: int, *, wait_s: int = 20, attempt: int | None = None) -> q.Receive:
    """The command that receives ten messages, as an attempt of its own unless told."""
    return q.Receive(receive_id, 10, wait_s, attempt_number=attempt or receive_id)


def failed(batch_id: int, received: tuple[Message, ...]) -> q.InvocationFailed:
    """The input that says that the function failed with these messages."""
    return q.InvocationFailed(MessageBatch(batch_id, received), "Unhandled")


def succeeded(batch_id: int, received: tuple[Message, ...]) -> q.InvocationSucceeded:
    """The input that says that the function succeeded with these messages."""
    return q.InvocationSucceeded(MessageBatch(batch_id, received))


# A group's second batch waits.


def test_fifo_batch_behind_a_returned_one_goes_back_too() -> None:
    life = fifo_consumer()
    first, mixed, last = (grouped(names, LARGE_BODY * 4) for names in ("a1", "a2 b1", "b2"))
    mixed = (mixed[0], *grouped("b1"))
    life.feed(q.MessagesReceived(1, first + mixed + last))
    life.feed(grant(1))

    commands = life.feed(failed(1, first))

    # b2 may not run before b1, which went back with a2.
    assert commands[1:3] == [give_back(mixed), give_back(last)]
