"""A queue mapping that is limited, updated or stopped: each test states the exact commands."""

from builders import (
    FUNCTION_ARN,
    OTHER_FUNCTION_ARN,
    ConsumerLife,
    batch,
    busy_consumer,
    deleted,
    give_back,
    grant,
    invoke,
    invoking_consumer,
    messages,
    polling_consumer,
    queue_policy,
    receive,
    request_slots,
    return_slots,
    waiting_consumer,
)

from penstock.core import queue_contract as q
from penstock.core.scaling import RampPolicy
from penstock.model.message import DeleteReport, QueueAttributes

DESCRIBED = q.QueueDescribed(QueueAttributes(30))

# The ramp and MaximumConcurrency.


def test_consumer_wants_no_more_slots_than_the_ramp_allows() -> None:
    life = polling_consumer(batch_size=1)

    assert life.feed(q.MessagesReceived(1, messages(10))) == [request_slots(5)]


def test_consumer_at_maximum_concurrency_receives_nothing() -> None:
    life = polling_consumer(batch_size=1, maximum_concurrency=2)

    wanted = life.feed(q.MessagesReceived(1, messages(2)))
    commands = life.feed(grant(2))

    assert wanted == [request_slots(2)]
    assert commands == [invoke(batch(1)), invoke(batch(2, first=2))]


def test_consumer_at_its_limit_polls_again_when_an_invocation_ends() -> None:
    life = busy_consumer()

    commands = life.feed(q.InvocationFailed(batch(1), "Unhandled"))

    # The error took one off the limit of two: the other invocation fills it.
    assert commands == [return_slots(1)]
    assert life.feed(q.InvocationSucceeded(batch(2, first=2)))[1:3] == [
        receive(2, 1, 0),
        q.DeleteMessages(messages(1, first=2), attempt=1),
    ]


def test_consumer_at_its_limit_wakes_up_as_the_ramp_rises() -> None:
    life = polling_consumer(batch_size=1, ramp=RampPolicy(initial=1, per_minute=60))
    life.feed(q.MessagesReceived(1, messages(1)))
    life.feed(grant(1))

    assert life.machine.deadline_ms() == 1_000
    assert life.wake() == [receive(2, 1, 0), request_slots(1)]


def test_consumer_raised_maximum_concurrency_holds_at_once() -> None:
    life = busy_consumer()
    raised = queue_policy(batch_size=1, maximum_concurrency=3)

    assert life.feed(q.PolicyChanged(raised)) == [receive(2, 1, 0), request_slots(1)]


def test_consumer_lowered_maximum_concurrency_lets_invocations_end() -> None:
    life = polling_consumer(batch_size=1)
    life.feed(q.MessagesReceived(1, messages(4)))
    life.feed(grant(4))

    lowered = life.feed(q.PolicyChanged(queue_policy(batch_size=1, maximum_concurrency=2)))
    ended = [life.feed(q.InvocationSucceeded(batch(n, first=n))) for n in (1, 2, 3)]

    assert lowered == [request_slots(0)]
    assert ended == [
        [return_slots(1)],
        [return_slots(1)],
        [return_slots(1), request_slots(1)],
    ]


def test_consumer_function_errors_take_the_limit_down() -> None:
    life = polling_consumer(ramp=RampPolicy(initial=2, per_minute=0))
    life.feed(q.MessagesReceived(1, messages(1)))
    life.feed(grant(1))
    life.feed(q.InvocationFailed(batch(1), "Unhandled"))
    life.feed(q.MessagesReceived(2, messages(1)))

    # One is in flight and one is the limit: nothing more is received.
    assert life.feed(grant(1)) == [invoke(batch(2))]


def test_consumer_function_errors_leave_the_limit_with_reported_failures() -> None:
    ramp = RampPolicy(initial=2, per_minute=0)
    life = polling_consumer(ramp=ramp, report_batch_item_failures=True)
    life.feed(q.MessagesReceived(1, messages(1)))
    life.feed(grant(1))
    life.feed(q.InvocationFailed(batch(1), "Unhandled"))
    life.feed(q.MessagesReceived(2, messages(1)))

    assert life.feed(grant(1))[1:] == [receive(3, 10, 20)]


def test_consumer_of_concurrency_one_is_serial() -> None:
    life = polling_consumer(batch_size=1, maximum_concurrency=1)
    life.feed(q.MessagesReceived(1, messages(1)))

    started = life.feed(grant(1))
    ended = life.feed(q.InvocationSucceeded(batch(1)))

    assert started == [invoke(batch(1))]
    assert ended[1] == receive(2, 1, 0)


# Updates.


def test_consumer_update_to_another_function_moves_the_want_there() -> None:
    life = waiting_consumer()

    commands = life.feed(q.PolicyChanged(queue_policy(function_arn=OTHER_FUNCTION_ARN)))

    assert commands == [request_slots(0), request_slots(1, OTHER_FUNCTION_ARN)]
    assert life.feed(grant(1, OTHER_FUNCTION_ARN))[0] == invoke(batch(1), OTHER_FUNCTION_ARN)


def test_consumer_update_returns_the_slots_of_receives_to_the_right_function() -> None:
    life = waiting_consumer(10)
    life.feed(grant(3))

    commands = life.feed(q.PolicyChanged(queue_policy(function_arn=OTHER_FUNCTION_ARN)))

    assert commands == [request_slots(0), return_slots(2), request_slots(2, OTHER_FUNCTION_ARN)]


def test_consumer_update_returns_a_late_grant_to_the_right_function() -> None:
    life = waiting_consumer()
    life.feed(q.PolicyChanged(queue_policy(function_arn=OTHER_FUNCTION_ARN)))

    assert life.feed(grant(1, FUNCTION_ARN)) == [return_slots(1, FUNCTION_ARN)]


def test_consumer_update_returns_the_slot_of_an_invocation_to_the_right_function() -> None:
    life = invoking_consumer()
    life.feed(q.PolicyChanged(queue_policy(function_arn=OTHER_FUNCTION_ARN)))

    commands = life.feed(q.InvocationSucceeded(batch(1)))

    assert commands == [
        return_slots(1, FUNCTION_ARN),
        q.DeleteMessages(messages(1), attempt=1),
    ]


def test_consumer_update_tries_a_rejected_batch_with_the_new_function() -> None:
    life = invoking_consumer()
    life.feed(q.PolicyChanged(queue_policy(function_arn=OTHER_FUNCTION_ARN)))
    life.feed(q.InvocationRejected(batch(1), "no such function"))

    assert life.wake() == [request_slots(1, OTHER_FUNCTION_ARN)]
    assert life.feed(grant(1, OTHER_FUNCTION_ARN)) == [invoke(batch(1), OTHER_FUNCTION_ARN)]


def test_consumer_update_of_the_batch_size_holds_for_the_next_receive() -> None:
    life = polling_consumer()

    life.feed(q.PolicyChanged(queue_policy(batch_size=2)))

    assert life.feed(q.MessagesReceived(1, messages(5))) == [request_slots(3)]
    assert life.feed(grant(3))[:3] == [
        invoke(batch(1, 2)),
        invoke(batch(2, 2, first=3)),
        invoke(batch(3, 1, first=5)),
    ]


# Stopping.


def test_consumer_stop_before_anything_began_is_the_end() -> None:
    life = ConsumerLife()

    assert life.feed(q.StopRequested()) == []
    assert life.machine.is_finished()
    assert life.machine.deadline_ms() is None


def test_consumer_runs_until_it_is_stopped() -> None:
    assert not ConsumerLife().machine.is_finished()
    assert not polling_consumer().machine.is_finished()


def test_consumer_stop_lets_the_long_poll_run_to_its_end() -> None:
    life = polling_consumer()

    assert life.feed(q.StopRequested()) == []
    assert not life.machine.is_finished()
    assert life.feed(q.MessagesReceived(1, ()), after_ms=20_000) == []
    assert life.machine.is_finished()


def test_consumer_stop_may_cut_the_long_poll_short() -> None:
    life = polling_consumer()

    assert life.feed(q.StopRequested(abandon_receives=True)) == [q.AbandonReceives()]
    assert not life.machine.is_finished()


def test_consumer_stop_ends_with_a_receive_that_fails() -> None:
    life = polling_consumer()
    life.feed(q.StopRequested())

    assert life.feed(q.ReceiveFailed(1, "reset")) == []
    assert life.machine.is_finished()


def test_consumer_stop_waits_for_a_description_under_way() -> None:
    life = ConsumerLife()
    life.feed(q.Started())
    life.feed(q.StopRequested())

    assert not life.machine.is_finished()
    assert life.feed(DESCRIBED) == []
    assert life.machine.is_finished()


def test_consumer_stop_gives_waiting_messages_back() -> None:
    life = waiting_consumer(3)

    assert life.feed(q.StopRequested()) == [give_back(messages(3)), request_slots(0)]
    assert not life.machine.is_finished()
    assert life.feed(q.VisibilityChanged(3)) == []
    assert life.machine.is_finished()


def test_consumer_stop_gives_back_what_a_last_receive_brings() -> None:
    life = polling_consumer()
    life.feed(q.StopRequested())

    commands = life.feed(q.MessagesReceived(1, messages(2)))

    assert commands == [give_back(messages(2))]


def test_consumer_stop_gives_back_a_batch_that_is_rejected() -> None:
    life = invoking_consumer(2)
    life.feed(q.StopRequested(abandon_receives=True))
    life.feed(q.MessagesReceived(2, ()))

    commands = life.feed(q.InvocationRejected(batch(1, 2), "429", is_throttle=True))

    assert commands == [return_slots(1), give_back(messages(2))]


def test_consumer_stop_lets_invocations_end_and_waits_for_their_deletes() -> None:
    life = invoking_consumer(2)
    life.feed(q.StopRequested())
    life.feed(q.MessagesReceived(2, ()))

    commands = life.feed(q.InvocationSucceeded(batch(1, 2)), after_ms=2_000)

    assert commands == [return_slots(1), q.DeleteMessages(messages(2), attempt=1)]
    assert not life.machine.is_finished()
    assert life.feed(deleted(*messages(2))) == []
    assert life.machine.is_finished()


def test_consumer_stop_waits_for_deletes_that_are_tried_again() -> None:
    life = invoking_consumer()
    life.feed(q.StopRequested())
    life.feed(q.MessagesReceived(2, ()))
    life.feed(q.InvocationSucceeded(batch(1)))
    life.feed(q.DeleteEnded(DeleteReport((), retryable=messages(1)), 1))

    assert not life.machine.is_finished()
    assert life.wake() == [q.DeleteMessages(messages(1), attempt=2)]
    assert life.feed(q.DeleteEnded(DeleteReport((), refused=messages(1)), 2)) == []
    assert life.machine.is_finished()


def test_consumer_stop_gives_slots_back() -> None:
    life = waiting_consumer(10)
    life.feed(grant(3))
    life.feed(q.MessagesReceived(2, messages(10, first=11)))

    stopped = life.feed(q.StopRequested())

    assert stopped == [return_slots(1), request_slots(0)]
    assert life.feed(q.MessagesReceived(3, ())) == []
    assert life.feed(grant(2)) == [return_slots(2)]


def test_consumer_a_trickle_of_messages_does_not_raise_the_limit() -> None:
    life = polling_consumer(ramp=RampPolicy(initial=1))
    for receive_id in (1, 2):
        life.feed(q.MessagesReceived(receive_id, messages(1, first=receive_id)), after_ms=60_000)
        life.feed(grant(1))
        life.feed(q.InvocationSucceeded(batch(receive_id, 1, first=receive_id)))

    life.feed(q.MessagesReceived(3, messages(3, first=3)), after_ms=60_000)

    # Still one at a time: above it, the next receive would begin beside the invocation.
    assert life.feed(grant(1)) == [invoke(batch(3, 3, first=3))]
