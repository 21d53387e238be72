"""Defects of the queue consumer that the simulator found: each the shortest life that shows it."""

from builders import (
    QUEUE_ARN,
    ConsumerLife,
    batch,
    deleted,
    grant,
    invoke,
    messages,
    polling_consumer,
    receive,
    request_slots,
    return_slots,
)

from penstock.core import queue_contract as q
from penstock.model.message import MessageBatch, QueueAttributes
from penstock.model.queue_options import QueueOptions

DESCRIBED = q.QueueDescribed(QueueAttributes(30))


def fail_receives(life: ConsumerLife, count: int) -> list[int]:
    """Let receives fail while the queue can be described; give the pauses before each retry."""
    pauses_ms: list[int] = []
    for receive_id in range(1, count + 1):
        life.feed(q.ReceiveFailed(receive_id, "access denied"))
        failed_ms = life.now_ms
        life.wake()
        pauses_ms.append(life.now_ms - failed_ms)
        life.feed(DESCRIBED)
    return pauses_ms


def test_consumer_backs_off_while_receives_fail_and_the_queue_can_be_described() -> None:
    pauses_ms = fail_receives(polling_consumer(), 5)

    assert pauses_ms == [200, 400, 800, 1_600, 3_200]


def test_consumer_receives_no_more_for_slots_that_came_too_late_to_be_used() -> None:
    life = polling_consumer(maximum_concurrency=2)
    life.feed(q.MessagesReceived(1, messages(10)))
    life.feed(grant(2))

    # Granted before the consumer asked anew, and more than it may use beside its other receive.
    assert life.feed(grant(1)) == [return_slots(1)]


def test_consumer_ends_no_window_early_while_its_messages_stay_hidden_for_long() -> None:
    life = polling_consumer(visibility_timeout_s=4, batching_window_s=20)
    life.feed(q.MessagesReceived(1, messages(1)))

    extend = q.ExtendVisibility(1, messages(1), 4)
    while extend not in life.wake():
        pass
    after_first = life.feed(q.ExtendVisibilityFailed(1, "busy"))
    while q.ExtendVisibility(2, messages(1), 4) not in life.wake():
        pass
    after_second = life.feed(q.ExtendVisibilityFailed(2, "busy"))

    assert request_slots(1) not in after_first
    assert request_slots(1) in after_second


def half_extended_consumer() -> ConsumerLife:
    """A consumer with a window; of its 15 messages ten were extended, and five could not be."""
    life = polling_consumer(visibility_timeout_s=4, batch_size=100, batching_window_s=300)
    life.feed(q.MessagesReceived(1, messages(10)))
    life.feed(q.MessagesReceived(2, messages(5, first=11)))
    commands = wake_until_extended(life)
    assert [len(command.messages) for command in commands] == [10, 5]
    life.feed(q.ExtendVisibilityFailed(2, "busy"))
    life.feed(q.VisibilityExtended(1))
    return life


def wake_until_extended(life: ConsumerLife) -> list[q.ExtendVisibility]:
    """Let time pass until messages are to be extended."""
    while True:
        commands = [each for each in life.wake() if isinstance(each, q.ExtendVisibility)]
        if commands:
            return commands


def test_consumer_extends_again_only_what_could_not_be_extended() -> None:
    life = half_extended_consumer()

    assert wake_until_extended(life) == [q.ExtendVisibility(3, messages(5, first=11), 4)]


def test_consumer_forgets_only_what_could_not_be_extended() -> None:
    life = half_extended_consumer()
    for renewal_id in (3, 4):
        wake_until_extended(life)
        life.feed(q.ExtendVisibilityFailed(renewal_id, "busy"))

    forgotten = life.wake()
    invoked = life.feed(grant(1))

    assert q.Forget(MessageBatch(1, messages(5, first=11))) in forgotten
    assert invoke(batch(1, 10)) in invoked


def test_consumer_counts_from_its_own_receive_how_long_a_message_is_hidden() -> None:
    life = polling_consumer(visibility_timeout_s=4, batch_size=100, batching_window_s=300)
    life.feed(q.MessagesReceived(1, messages(10)))
    life.feed(q.MessagesReceived(2, messages(1, first=11)), after_ms=500)
    wake_until_extended(life)
    life.feed(q.VisibilityExtended(1))
    life.feed(q.ExtendVisibilityFailed(2, "busy"), after_ms=1_000)

    # The message that came last is hidden for more than half of its time still.
    assert request_slots(1) not in life.feed(q.DeadlineReached())


def test_consumer_of_one_group_batches_receives_alone_where_slots_are_few() -> None:
    life = polling_consumer(
        queue_arn=f"{QUEUE_ARN}.fifo",
        maximum_concurrency=3,
        options=QueueOptions(fifo_one_group=True),
    )
    life.feed(q.MessagesReceived(1, messages(10)))

    # Another receive could bring ten batches for the two slots that are left.
    commands = life.feed(grant(3))

    assert [each for each in commands if isinstance(each, q.Receive)] == [
        receive(2, 10, 0, attempt_number=2)
    ]


def test_consumer_forgets_what_was_refused_while_another_call_was_under_way() -> None:
    life = polling_consumer(batching_window_s=60, batch_size=30)
    life.feed(q.MessagesReceived(1, messages(10)))
    life.feed(q.MessagesReceived(2, messages(5, 11)))
    while not any(isinstance(command, q.ExtendVisibility) for command in life.wake()):
        pass
    refused = messages(1, 3)
    life.feed(q.VisibilityExtended(1, refused))

    assert q.Forget(MessageBatch(1, refused)) in life.feed(q.VisibilityExtended(2))


def test_consumer_begins_what_is_due_when_a_delete_ends() -> None:
    life = polling_consumer(batch_size=1, maximum_concurrency=2)
    life.feed(q.MessagesReceived(1, messages(2)))
    life.feed(grant(2))
    life.feed(q.InvocationSucceeded(batch(2, first=2)))
    life.feed(q.InvocationRejected(batch(1), "connection refused"))

    # The process stood still meanwhile: the next try is long due.
    commands = life.feed(deleted(*messages(1, first=2)), after_ms=5_000)

    assert commands == [request_slots(2)]
