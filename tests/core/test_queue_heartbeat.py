"""A queue mapping with a visibility heartbeat: each test states the exact commands."""

from builders import (
    ConsumerLife,
    batch,
    grant,
    invoke,
    invoking_consumer,
    messages,
    polling_consumer,
    queue_policy,
    waiting_consumer,
)

from penstock.core import queue_contract as q
from penstock.core.scaling import RampPolicy
from penstock.model.message import QueueAttributes
from penstock.model.queue_options import QueueOptions

# Received for 30 s, of which 28,500 ms are relied on; extended after half of that.
HEARTBEAT = QueueOptions(heartbeat_s=30)
PERIOD_MS = 14_250
STEADY = RampPolicy(initial=100, per_minute=0)


def extend(renewal_id: int, count: int = 1, *, timeout_s: int = 30) -> q.ExtendVisibility:
    """The command that hides messages m1, m2 and so on for another period."""
    return q.ExtendVisibility(renewal_id, messages(count), timeout_s)


def beating_consumer(
    count: int = 1, *, function_timeout_s: int | None = 60, visibility_timeout_s: int = 30
) -> ConsumerLife:
    """A consumer whose batch 1 is in flight under a heartbeat; receive 2 is running."""
    return invoking_consumer(
        count,
        function_timeout_s=function_timeout_s,
        visibility_timeout_s=visibility_timeout_s,
        options=HEARTBEAT,
    )


def beats(life: ConsumerLife, until_ms: int) -> list[int]:
    """Let time pass; give the moments of the extensions, all of which go well."""
    moments: list[int] = []
    while (deadline_ms := life.machine.deadline_ms()) is not None and deadline_ms <= until_ms:
        for command in life.wake():
            match command:
                case q.ExtendVisibility(renewal_id):
                    moments.append(life.now_ms)
                    life.feed(q.VisibilityExtended(renewal_id))
                case q.DescribeQueue():
                    life.feed(q.QueueDescribed(QueueAttributes(30)))
    return moments


# A function that does not run.


def test_heartbeat_begins_anew_when_a_rejected_batch_runs_after_the_queues_own_timeout() -> None:
    life = beating_consumer(function_timeout_s=60)
    life.feed(q.VisibilityExtended(1) if life.wake() == [extend(1)] else q.Started())
    life.feed(q.VisibilityExtended(2) if life.wake() == [extend(2)] else q.Started())
    life.feed(q.InvocationRejected(batch(1), "429"), after_ms=2_000)
    life.feed(q.DeadlineReached(), after_ms=13_000)

    # Since 30 s it is extended no more; it is still hidden.
    assert life.now_ms == 43_500
    assert life.feed(grant(1), after_ms=500) == [invoke(batch(1)), extend(3)]


# Updates.


def test_heartbeat_turned_off_does_not_lengthen_what_a_receive_asked_for() -> None:
    life = polling_consumer(visibility_timeout_s=300, options=QueueOptions(heartbeat_s=10))
    life.feed(q.PolicyChanged(queue_policy()))
    life.feed(q.MessagesReceived(1, messages(1)))

    # They are hidden for 10 s, not for the 300 s that the next receive is going to ask for.
    assert life.wake() == [extend(1, timeout_s=300)]
    assert life.now_ms == 4_750


def test_heartbeat_turned_on_does_not_lengthen_what_a_receive_asked_for() -> None:
    life = polling_consumer()
    life.feed(q.PolicyChanged(queue_policy(options=QueueOptions(heartbeat_s=3_600))))
    life.feed(q.MessagesReceived(1, messages(1)))

    assert life.wake() == [extend(1, timeout_s=3_600)]
    assert life.now_ms == PERIOD_MS


def test_heartbeat_changed_does_not_lengthen_an_extension_under_way() -> None:
    life = waiting_consumer(visibility_timeout_s=300, options=QueueOptions(heartbeat_s=10))
    life.wake()

    life.feed(q.PolicyChanged(queue_policy()))
    life.feed(q.VisibilityExtended(1))

    # The extension under way was for 10 s, too.
    assert life.wake() == [extend(2, timeout_s=300)]
    assert life.now_ms == 2 * 4_750
