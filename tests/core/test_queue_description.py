"""What a mapping knows of its queue, and when it looks again."""

from builders import at, hiding, queue_policy

from penstock.core.queue_contract import DescribeQueue
from penstock.core.queue_description import DESCRIBE_EVERY_MS, QueueDescription
from penstock.model.message import QueueAttributes
from penstock.model.queue_options import QueueOptions

HEARTBEAT = QueueOptions(heartbeat_s=10)


def look(queue: QueueDescription, now_ms: int, not_before_ms: int = 0) -> list[DescribeQueue]:
    """Look, if it is time."""
    return queue.start_due(at(now_ms), not_before_ms=not_before_ms)


def described(timeout_s: int = 60, max_receive_count: int | None = None) -> QueueDescription:
    """A queue that was described at time 0."""
    queue = QueueDescription()
    look(queue, 0)
    queue.take(QueueAttributes(timeout_s, max_receive_count), queue_policy(), at(0))
    return queue


def test_description_is_asked_for_at_once_and_one_at_a_time() -> None:
    queue = QueueDescription()

    assert look(queue, 0) == [DescribeQueue()]
    assert (look(queue, 1), queue.is_under_way) == ([], True)
    assert queue.deadline_ms(not_before_ms=0) is None


def test_description_says_how_long_messages_are_hidden_and_which_receive_is_the_last() -> None:
    queue = described(60, max_receive_count=3)

    assert (queue.visibility, queue.max_receive_count) == (hiding(60), 3)


def test_description_is_not_known_at_first() -> None:
    queue = QueueDescription()

    assert (queue.visibility, queue.max_receive_count, queue.is_under_way) == (None, None, False)


def test_description_is_asked_for_anew_now_and_then() -> None:
    queue = described()

    assert queue.deadline_ms(not_before_ms=0) == DESCRIBE_EVERY_MS
    assert look(queue, DESCRIBE_EVERY_MS - 1) == []
    assert look(queue, DESCRIBE_EVERY_MS) == [DescribeQueue()]


def test_description_follows_a_changed_redrive_policy() -> None:
    queue = described(max_receive_count=3)

    queue.take(QueueAttributes(60), queue_policy(), at(1_000))

    assert queue.max_receive_count is None


def test_description_that_failed_is_tried_again_with_back_off() -> None:
    queue, pauses_ms, now_ms = QueueDescription(), list[int](), 0

    for _ in range(7):
        look(queue, now_ms)
        queue.fail(at(now_ms))
        due_ms = queue.deadline_ms(not_before_ms=0)
        assert due_ms is not None
        pauses_ms.append(due_ms - now_ms)
        now_ms = due_ms

    assert pauses_ms == [200, 400, 800, 1_600, 3_200, 5_000, 5_000]


def test_description_that_failed_keeps_what_was_known() -> None:
    queue = described(60, max_receive_count=3)

    queue.fail(at(1_000))

    assert (queue.visibility, queue.max_receive_count) == (hiding(60), 3)


def test_description_succeeds_and_forgets_its_failures() -> None:
    queue = QueueDescription()
    queue.fail(at(0))
    queue.fail(at(0))
    queue.take(QueueAttributes(60), queue_policy(), at(0))

    queue.fail(at(1_000))

    assert queue.deadline_ms(not_before_ms=0) == 1_200


def test_description_is_asked_for_when_something_went_wrong_and_not_before_it_may() -> None:
    queue = described()

    queue.look_again(at(1_000))

    assert queue.deadline_ms(not_before_ms=1_200) == 1_200
    assert look(queue, 1_199, not_before_ms=1_200) == []
    assert look(queue, 1_200, not_before_ms=1_200) == [DescribeQueue()]


def test_description_follows_an_update_of_the_mapping() -> None:
    queue = described(60)

    queue.change_policy(queue_policy(options=HEARTBEAT))

    assert queue.visibility == hiding(60, options=HEARTBEAT)


def test_description_that_is_not_there_is_not_made_up_by_an_update() -> None:
    queue = QueueDescription()

    queue.change_policy(queue_policy(options=HEARTBEAT))

    assert queue.visibility is None
