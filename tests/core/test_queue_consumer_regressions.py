"""Defects of the queue consumer that the simulator found: each the shortest life that shows it."""

from builders import ConsumerLife, grant, messages, polling_consumer, return_slots

from penstock.core import queue_contract as q
from penstock.model.message import QueueAttributes

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
