"""A queue mapping with provisioned pollers: each test states the exact commands."""

from builders import (
    batch,
    grant,
    invoke,
    message,
    messages,
    polling_consumer,
    queue_policy,
    receive,
    request_slots,
)

from penstock.core import queue_contract as q
from penstock.model.mapping import ProvisionedPollers
from penstock.model.message import MessageBatch

POLLERS = ProvisionedPollers(2, 4)
LARGE_BODY = "x" * 1024 * 1024


def test_pollers_begin_with_ten_invocations_each() -> None:
    life = polling_consumer(batch_size=1, pollers=POLLERS)

    # The batch, and twenty for two full receives: the ramp allows twenty.
    assert life.feed(q.MessagesReceived(1, messages(1))) == [request_slots(20)]


def test_pollers_are_not_lowered_below_their_minimum() -> None:
    life = polling_consumer(batch_size=1, pollers=POLLERS)
    life.feed(q.MessagesReceived(1, messages(1)))
    life.feed(grant(1))
    life.feed(q.InvocationRejected(batch(1), "429", is_throttle=True))

    # On demand a throttle would leave two of five.
    assert life.wake() == [request_slots(20)]


def test_pollers_receive_a_megabyte_per_second_each() -> None:
    life = polling_consumer(pollers=POLLERS)
    received = tuple(message(f"m{number}", LARGE_BODY) for number in range(5))
    life.feed(q.MessagesReceived(1, received))

    started = life.feed(grant(1))

    # Five came and one was to spare: two pollers need two seconds for the other four.
    assert started == [invoke(MessageBatch(1, received))]
    assert life.wake() == [receive(2, 10, 20)]
    assert 2_000 <= life.now_ms <= 2_010


def test_pollers_may_be_taken_away_while_the_mapping_runs() -> None:
    life = polling_consumer(pollers=POLLERS)
    received = tuple(message(f"m{number}", LARGE_BODY) for number in range(5))
    life.feed(q.MessagesReceived(1, received))
    life.feed(grant(1))

    assert life.feed(q.PolicyChanged(queue_policy())) == [receive(2, 10, 20)]


def test_pollers_may_be_given_while_the_mapping_runs() -> None:
    life = polling_consumer(batch_size=1)
    life.feed(q.PolicyChanged(queue_policy(batch_size=1, pollers=ProvisionedPollers(3, 4))))

    # The batch and twenty for two full receives: three pollers would allow thirty.
    assert life.feed(q.MessagesReceived(1, messages(1))) == [request_slots(21)]
