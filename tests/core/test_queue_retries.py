"""A queue mapping that shapes its retries: back-off and on-failure, with the exact commands."""

from builders import (
    DESTINATION_ARN,
    FUNCTION_ARN,
    QUEUE_ARN,
    WALL_MS,
    ConsumerLife,
    counted,
    grant,
    polling_consumer,
    return_slots,
)

from penstock.core import queue_contract as q
from penstock.core.failed_messages import DISCARDS_MAX
from penstock.model.failure import InvocationTrace, MessageDiscard
from penstock.model.message import Message, MessageBatch
from penstock.model.queue_options import QueueOptions, RetryBackoff

BACKOFF = QueueOptions(backoff=RetryBackoff(first_s=2, maximum_s=10))
ON_FAILURE = QueueOptions(on_failure_arn=DESTINATION_ARN, maximum_receive_count=3)
RAISED = InvocationTrace("r1", "$LATEST", "Unhandled")


def failing_consumer(received: tuple[Message, ...], **policy: object) -> ConsumerLife:
    """A consumer whose batch 1 of these messages is in flight; receive 2 is running."""
    life = polling_consumer(**policy)
    life.feed(q.MessagesReceived(1, received))
    life.feed(grant(1))
    return life


def failed(received: tuple[Message, ...]) -> q.InvocationFailed:
    """The input that says that the function failed with batch 1."""
    return q.InvocationFailed(MessageBatch(1, received), "Unhandled", RAISED, b'"no"')


def send(discard_id: int, discarded: Message, *, wall_ms: int = 0) -> q.SendToDestination:
    """The command that records a message that failed for the last time."""
    discard = MessageDiscard(
        id=discard_id,
        message=discarded,
        queue_arn=QUEUE_ARN,
        function_arn=FUNCTION_ARN,
        receive_count=discarded.receive_count,
        trace=RAISED,
        response=b'"no"',
        discarded_ms=WALL_MS + wall_ms,
    )
    return q.SendToDestination(DESTINATION_ARN, discard)


# On-failure.


def test_on_failure_is_asked_once_even_if_a_stop_has_begun() -> None:
    life = failing_consumer((last := (counted("m1", 3),)), options=ON_FAILURE)
    life.feed(q.StopRequested())

    assert life.feed(failed(last)) == [return_slots(1), send(1, last[0])]
    life.feed(q.DestinationFailed(1, "no answer"))

    # A second attempt is not waited for.
    life.feed(q.MessagesReceived(2, ()))
    assert life.machine.is_finished()


def test_on_failure_asks_for_many_messages_a_few_at_a_time() -> None:
    options = QueueOptions(on_failure_arn=DESTINATION_ARN, maximum_receive_count=1)
    received = tuple(counted(f"m{number}", 1) for number in range(DISCARDS_MAX + 1))
    window = {"batch_size": len(received), "batching_window_s": 60}
    life = failing_consumer(received, options=options, **window)

    commands = life.feed(failed(received))

    sent = [command for command in commands if isinstance(command, q.SendToDestination)]
    assert [command.discard.message for command in sent] == list(received[:-1])
    assert send(51, received[-1]) in life.feed(q.DestinationAccepted(1))
