"""Rules of docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html."""

import pytest
from builders import (
    FIFO_ARN,
    FUNCTION_ARN,
    QUEUE_ARN,
    at,
    batch,
    busy_consumer,
    give_back,
    grant,
    grouped,
    invoke,
    messages,
    polling_consumer,
    queue_policy,
    request_slots,
)

from penstock.core import queue_contract as q
from penstock.core.queue_advice import SCALING_PAGE, Maxima, Subject, advise
from penstock.core.scaling import (
    ConcurrencyRamp,
    PollerThroughput,
    RampPolicy,
    ramp_policy_of,
)
from penstock.model.arn import Scope
from penstock.model.function import Function, LocalProcess
from penstock.model.mapping import EventSourceMapping, ProvisionedPollers
from penstock.model.message import MessageBatch, QueueAttributes


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        pytest.param(0, 5, id="start"),
        pytest.param(1, 305, id="first-minute"),
        pytest.param(2, 605, id="second-minute"),
        pytest.param(5, 1_250, id="maximum"),
    ],
)
def test_concurrency_follows_aws_s_ramp(minutes: int, expected: int) -> None:
    """Lambda begins with five concurrent invocations and adds up to 300 more per minute.

    An event source mapping runs at most 1,250 at once.
    """
    ramp = ConcurrencyRamp(RampPolicy(), None)

    ramp.note_backlog(at(0))

    assert ramp.limit(at(minutes * 60_000)) == expected


def test_ramp_rises_only_while_messages_remain() -> None:
    """Lambda scales up while messages are available, and falls back to five when traffic ends."""
    ramp = ConcurrencyRamp(RampPolicy(), None)
    ramp.note_backlog(at(0))

    ramp.note_idle()

    assert ramp.limit(at(60_000)) == 5


def test_maximum_concurrency_limits_one_mapping() -> None:
    """MaximumConcurrency limits how many invocations one mapping has in flight."""
    life = polling_consumer(batch_size=1, maximum_concurrency=2)

    wanted = life.feed(q.MessagesReceived(1, messages(10)))
    started = life.feed(grant(10))

    assert wanted == [request_slots(2)]
    assert sum(isinstance(command, q.Invoke) for command in started) == 2


def test_mapping_at_its_maximum_concurrency_receives_nothing() -> None:
    """At the maximum Lambda reads no more messages until an invocation has ended."""
    life = busy_consumer()

    idle = life.feed(q.DeadlineReached(), after_ms=60_000)
    ended = life.feed(q.InvocationSucceeded(batch(1)))

    assert not any(isinstance(command, q.Receive) for command in idle)
    assert any(isinstance(command, q.Receive) for command in ended)


def test_maximum_concurrency_can_be_changed_and_removed() -> None:
    """MaximumConcurrency can be set, changed and removed on a mapping that runs."""
    life = busy_consumer()

    raised = life.feed(q.PolicyChanged(queue_policy(batch_size=1, maximum_concurrency=4)))
    removed = life.feed(q.PolicyChanged(queue_policy(batch_size=1)))

    # Two are in flight; of a full receive's ten, what the limits leave is wanted.
    assert request_slots(2) in raised
    assert request_slots(3) in removed


def test_fifo_messages_of_a_group_are_delivered_in_order() -> None:
    """For FIFO queues Lambda sends messages to your function in the order it receives them."""
    life = polling_consumer(queue_arn=FIFO_ARN)
    life.feed(q.MessagesReceived(1, grouped("a1 b1 a2 a3")))

    [invoked, _] = life.feed(grant(1))

    assert invoked == invoke(MessageBatch(1, grouped("a1 b1 a2 a3")), queue_arn=FIFO_ARN)


def test_fifo_concurrency_is_that_of_active_groups() -> None:
    """Concurrency is capped by the number of message groups or by MaximumConcurrency.

    While a batch of a group is in flight nothing else of that group is.
    """
    life = polling_consumer(queue_arn=FIFO_ARN, batch_size=1, maximum_concurrency=2)
    life.feed(q.MessagesReceived(1, grouped("a1")))
    life.feed(grant(2))

    same_group = life.feed(q.MessagesReceived(2, grouped("a1")))
    ended = life.feed(q.InvocationSucceeded(MessageBatch(1, grouped("a1"))))

    assert not any(isinstance(command, q.Invoke) for command in same_group)
    assert any(isinstance(command, q.Invoke) for command in ended)


def test_fifo_retries_come_before_later_messages_of_the_group() -> None:
    """On an error Lambda attempts all retries on affected messages before later ones of the group.

    The queue keeps a group locked while a message of it is hidden; what was received of it already
    goes back.
    """
    life = polling_consumer(queue_arn=FIFO_ARN)
    received = grouped("a1 a2 a3 a4 a5 a6 a7", "x" * 1024 * 1024)
    life.feed(q.MessagesReceived(1, received))
    life.feed(grant(1))

    commands = life.feed(q.InvocationFailed(MessageBatch(1, received[:5]), "Unhandled"))

    assert give_back(received[5:]) in commands


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        pytest.param(0, 20, id="start"),
        pytest.param(1, 1_020, id="first-minute"),
        pytest.param(2, 2_000, id="maximum"),
    ],
)
def test_provisioned_pollers_follow_their_own_ramp(minutes: int, expected: int) -> None:
    """Each event poller handles up to 10 concurrent invocations; 2 to 200 pollers by default.

    Provisioned mode adds up to 1,000 concurrent invocations per minute.
    """
    ramp = ConcurrencyRamp(ramp_policy_of(ProvisionedPollers(), RampPolicy()), None)

    ramp.note_backlog(at(0))

    assert ramp.limit(at(minutes * 60_000)) == expected


def test_provisioned_poller_receives_a_megabyte_per_second() -> None:
    """Each event poller handles up to 1 MB/s of throughput."""
    throughput = PollerThroughput()

    throughput.take(5 * 1024 * 1024, 20, at(0))

    # A first megabyte is there at once; two pollers need two seconds for the other four.
    assert 2_000 <= throughput.opens_ms(20, at(0)) <= 2_001


def test_function_concurrency_below_the_sum_of_maxima_is_advised_against() -> None:
    """A function's concurrency should be at least the MaximumConcurrency of all its queues."""
    scope = Scope("123456789012", "us-east-2")
    hosting = LocalProcess(code="/code", handler="app.handler")
    function = Function(scope=scope, name="ship", hosting=hosting, concurrency=5)
    mappings = [
        EventSourceMapping(
            uuid=name,
            scope=scope,
            event_source_arn=f"{QUEUE_ARN}-{name}",
            function_arn=FUNCTION_ARN,
            maximum_concurrency=3,
        )
        for name in ("a", "b")
    ]

    (advice,) = advise(
        mappings[0], QueueAttributes(18, 5), function=function, maxima=Maxima(mappings)
    )

    assert (advice.subject, advice.page) == (Subject.CONCURRENCY, SCALING_PAGE)
