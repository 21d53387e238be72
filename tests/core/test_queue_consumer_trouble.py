"""A queue mapping whose function, queue or deletes fail: each test states the exact commands."""

from builders import (
    ConsumerLife,
    batch,
    busy_consumer,
    deleted,
    grant,
    invoke,
    invoking_consumer,
    messages,
    polling_consumer,
    receive,
    request_slots,
    return_slots,
    waiting_consumer,
)

from penstock.core import queue_contract as q
from penstock.core.deletions import PENDING_MAX
from penstock.core.queue_description import DESCRIBE_EVERY_MS
from penstock.core.receives import SOURCE_RETRY_MS_MAX
from penstock.core.scaling import RampPolicy
from penstock.model.message import DeleteReport, MessageBatch, QueueAttributes
from penstock.model.queue_options import QueueOptions

DESCRIBED = q.QueueDescribed(QueueAttributes(30))
STEADY = RampPolicy(initial=100, per_minute=0)

# An extension that the server refuses: others have the message.


def test_consumer_forgets_a_waiting_message_whose_extension_is_refused() -> None:
    life = waiting_consumer(2)
    life.wake()

    commands = life.feed(q.VisibilityExtended(1, messages(1)))

    assert commands == [q.Forget(batch(1))]
    assert life.feed(grant(1))[0] == invoke(MessageBatch(1, messages(1, first=2)))


def test_consumer_lets_run_what_began_before_its_extension_was_refused() -> None:
    life = invoking_consumer(options=QueueOptions(heartbeat_s=30), function_timeout_s=60)
    life.wake()

    assert life.feed(q.VisibilityExtended(1, messages(1))) == []
    ended = life.feed(q.InvocationSucceeded(batch(1)))

    assert q.DeleteMessages(messages(1), attempt=1) in ended


# A function that did not run.


def test_consumer_tries_a_rejected_batch_again_after_a_while() -> None:
    life = invoking_consumer()

    rejected = life.feed(q.InvocationRejected(batch(1), "429", is_throttle=True))
    retried = life.wake()

    assert rejected == [return_slots(1)]
    assert retried == [request_slots(1)]
    assert life.now_ms == 182
    assert life.feed(grant(1)) == [invoke(batch(1))]


def test_consumer_forgets_a_rejected_batch_once_it_is_visible() -> None:
    life = invoking_consumer(visibility_timeout_s=10)
    life.feed(q.MessagesReceived(2, ()))
    life.feed(q.InvocationRejected(batch(1), "no such function"))

    tries = 0
    while (commands := life.wake())[0] == request_slots(1):
        life.feed(grant(1))
        life.feed(q.InvocationRejected(batch(1), "no such function"))
        tries += 1

    assert commands == [q.Forget(batch(1))]
    assert (tries, life.now_ms) == (5, 9_500)


def test_consumer_forgets_a_batch_that_is_rejected_too_late() -> None:
    life = invoking_consumer(visibility_timeout_s=10)

    commands = life.feed(q.InvocationRejected(batch(1), "unreachable"), after_ms=9_500)

    assert commands == [return_slots(1), q.Forget(batch(1))]


def test_consumer_does_not_take_refusals_for_short_runs() -> None:
    life = waiting_consumer(1, batch_size=1, visibility_timeout_s=900, ramp=STEADY)
    for _ in range(8):
        life.feed(grant(1))
        life.feed(q.InvocationRejected(batch(1), "no such function"), after_ms=5)
        life.wake()

    life.feed(grant(1))

    # More are asked for only where runs are known to be so short.
    polled = life.feed(q.MessagesReceived(2, ()))
    assert polled[0] == receive(3, 1, 20, visibility_timeout_s=900)


def test_consumer_holds_no_slots_for_receives_while_a_batch_waits_for_its_next_try() -> None:
    life = waiting_consumer(10)
    life.feed(grant(2))

    rejected = life.feed(q.InvocationRejected(batch(1, 10), "429", is_throttle=True))
    received = life.feed(q.MessagesReceived(2, ()))

    assert rejected == [return_slots(1), request_slots(0)]
    assert received == [return_slots(1)]


def test_consumer_throttle_halves_the_limit() -> None:
    life = polling_consumer(batch_size=1, ramp=RampPolicy(initial=4, per_minute=0))
    life.feed(q.MessagesReceived(1, messages(4)))
    life.feed(grant(4))

    life.feed(q.InvocationRejected(batch(1), "429", is_throttle=True))
    life.feed(q.InvocationSucceeded(batch(2, first=2)))
    at_the_limit = life.feed(q.DeadlineReached(), after_ms=182)
    below_it = life.feed(q.InvocationSucceeded(batch(3, first=3)))

    # Two are the limit: the throttled batch goes again when only one is in flight.
    assert at_the_limit == [q.DeleteMessages(messages(1, first=2), attempt=1)]
    assert below_it == [return_slots(1), request_slots(1)]


# Waiting for a slot.


def test_consumer_keeps_a_waiting_batch_hidden() -> None:
    life = waiting_consumer()

    assert life.wake() == [q.ExtendVisibility(1, messages(1), 30)]
    assert life.now_ms == 14_250
    life.feed(q.VisibilityExtended(1), after_ms=50)
    assert life.wake() == [q.ExtendVisibility(2, messages(1), 30)]
    assert life.now_ms == 28_500


def test_consumer_renews_again_when_a_renewal_failed() -> None:
    life = waiting_consumer()
    life.wake()

    life.feed(q.ExtendVisibilityFailed(1, "no answer"), after_ms=50)

    assert life.wake() == [q.ExtendVisibility(2, messages(1), 30)]
    assert life.now_ms == 14_300 + 7_125


def test_consumer_forgets_a_waiting_batch_whose_renewals_failed() -> None:
    life = waiting_consumer()
    life.wake()
    life.feed(q.ExtendVisibilityFailed(1, "no answer"), after_ms=50)
    life.wake()

    # It is visible from 28,500 on; the second extension's answer comes later still.
    commands = life.feed(q.ExtendVisibilityFailed(2, "no answer"), after_ms=8_000)

    # The want of a slot is withdrawn, and polling begins again.
    assert commands == [q.Forget(batch(1)), receive(2, 10, 20), request_slots(0)]


def test_consumer_gives_back_a_slot_that_comes_too_late() -> None:
    life = waiting_consumer()
    life.wake()
    life.wake()

    assert life.feed(grant(1)) == [return_slots(1)]


# Deletes.


def test_consumer_deletes_wait_a_moment_while_others_may_join() -> None:
    life = busy_consumer()
    life.feed(q.InvocationSucceeded(batch(1)))

    commands = life.feed(q.DeadlineReached(), after_ms=20)

    assert commands == [q.DeleteMessages(messages(1), attempt=1)]


def test_consumer_deletes_of_concurrent_batches_share_a_call() -> None:
    life = busy_consumer()
    first = life.feed(q.InvocationSucceeded(batch(1)))

    second = life.feed(q.InvocationSucceeded(batch(2, first=2)), after_ms=19)

    assert first == [return_slots(1), receive(2, 10, 0), request_slots(1)]
    assert second == [
        return_slots(1),
        q.DeleteMessages(messages(2), attempt=1),
        request_slots(2),
    ]


def test_consumer_deletes_again_what_the_server_failed_on() -> None:
    life = invoking_consumer()
    life.feed(q.InvocationSucceeded(batch(1)))

    life.feed(q.DeleteEnded(DeleteReport((), retryable=messages(1)), 1))

    assert life.wake() == [q.DeleteMessages(messages(1), attempt=2)]
    assert life.now_ms == 100


def test_consumer_receives_nothing_while_deletes_pile_up() -> None:
    life = polling_consumer(ramp=STEADY)
    cycle_count = PENDING_MAX // 8

    for number in range(1, cycle_count + 1):
        life.feed(q.MessagesReceived(number, messages(8)))
        life.feed(grant(1))
        life.feed(q.InvocationSucceeded(batch(number, 8)))
    commands = life.feed(q.MessagesReceived(cycle_count + 1, ()))

    assert commands == []
    assert life.feed(deleted(*messages(8))) == [receive(cycle_count + 2, 10, 20)]


def test_consumer_holds_no_slots_for_receives_while_too_many_deletes_are_pending() -> None:
    life = polling_consumer(ramp=STEADY)
    cycle_count = PENDING_MAX // 10

    for number in range(1, cycle_count + 1):
        life.feed(q.MessagesReceived(number, messages(10)))
        life.feed(grant(1))
        life.feed(q.InvocationSucceeded(batch(number, 10)))

    assert life.feed(grant(2)) == [return_slots(2)]


# A source that fails.


def test_consumer_pauses_after_a_failed_receive_and_describes_anew() -> None:
    life = polling_consumer()

    assert life.feed(q.ReceiveFailed(1, "503"), after_ms=1_000) == []
    assert life.machine.deadline_ms() == 1_200
    assert life.wake() == [receive(2, 10, 20), q.DescribeQueue()]


def test_consumer_pauses_longer_with_each_failure_up_to_a_maximum() -> None:
    life = ConsumerLife()
    life.feed(q.Started())
    pauses_ms = []

    for _ in range(9):
        life.feed(q.DescribeFailed("no such queue"))
        began_ms = life.now_ms
        assert life.wake() == [q.DescribeQueue()]
        pauses_ms.append(life.now_ms - began_ms)

    doubling = [200, 400, 800, 1_600, 3_200]
    assert pauses_ms == [*doubling, *[SOURCE_RETRY_MS_MAX] * 4]


def test_consumer_counts_one_outage_of_many_receives_once() -> None:
    life = waiting_consumer(10)
    life.feed(grant(3))

    life.feed(q.ReceiveFailed(2, "reset"))
    life.feed(q.ReceiveFailed(3, "reset"))

    assert life.machine.deadline_ms() == 200


def test_consumer_failed_receive_gives_its_slots_back() -> None:
    life = waiting_consumer(10)
    life.feed(grant(3))

    assert life.feed(q.ReceiveFailed(2, "reset")) == [return_slots(2)]


def test_consumer_recovers_from_failures_with_the_first_answer() -> None:
    life = polling_consumer()
    life.feed(q.ReceiveFailed(1, "503"))
    life.wake()
    life.feed(DESCRIBED)
    life.feed(q.MessagesReceived(2, ()), after_ms=20_000)

    life.feed(q.ReceiveFailed(3, "503"))

    assert life.machine.deadline_ms() == life.now_ms + 200


def test_consumer_adopts_a_changed_visibility_timeout() -> None:
    life = polling_consumer()
    life.wake()
    life.feed(q.QueueDescribed(QueueAttributes(100)))
    life.feed(q.MessagesReceived(1, ()))

    life.feed(q.MessagesReceived(2, messages(1)))

    assert life.wake() == [q.ExtendVisibility(1, messages(1), 100)]
    assert life.now_ms == DESCRIBE_EVERY_MS + 47_500


def test_consumer_receives_while_the_queue_can_no_longer_be_described() -> None:
    life = polling_consumer()
    life.wake()

    life.feed(q.DescribeFailed("access denied"))
    started = life.feed(q.MessagesReceived(1, ()))

    assert started == [receive(2, 10, 20)]


def test_consumer_describes_with_back_off_while_receives_go_well() -> None:
    life = polling_consumer()
    life.wake()
    pauses_ms: list[int] = []

    for receive_id in range(1, 5):
        life.feed(q.DescribeFailed("access denied"))
        failed_ms = life.now_ms
        life.feed(q.MessagesReceived(receive_id, ()))
        assert life.wake() == [q.DescribeQueue()]
        pauses_ms.append(life.now_ms - failed_ms)

    assert pauses_ms == [200, 400, 800, 1_600]
