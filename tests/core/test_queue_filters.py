"""A queue mapping with filters: each test states the exact commands."""

from typing import Any

import msgspec
from builders import (
    FIFO_ARN,
    ConsumerLife,
    at,
    deleted,
    give_back,
    grant,
    invoke,
    message,
    polling_consumer,
    queue_policy,
    receive,
    request_slots,
)

from penstock.core import queue_contract as q
from penstock.model.message import DeleteReport, Message, MessageBatch

ORDERS = '{"body":{"kind":["order"]}}'
INVOICES = '{"body":{"kind":["invoice"]}}'


def of_kind(kind: str, *names: str, **members: Any) -> tuple[Message, ...]:
    """Messages whose body tells their kind."""
    return tuple(message(name, f'{{"kind":"{kind}"}}', **members) for name in names)


def group(name: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"MessageGroupId": name}))


def filtering_consumer(**policy: Any) -> ConsumerLife:
    """A consumer that lets orders through: its first receive, number 1, is running."""
    return polling_consumer(**{"filters": (ORDERS,), **policy})


def delete(*gone: Message) -> q.DeleteMessages:
    return q.DeleteMessages(gone, 1)


def test_excluded_messages_are_deleted_at_once_and_need_no_slot() -> None:
    life = filtering_consumer()
    offers = of_kind("offer", "m1", "m2")

    commands = life.feed(q.MessagesReceived(1, offers))

    assert commands == [q.ReportFilteredOut(2), receive(2, 10, 20), delete(*offers)]


def test_matching_messages_are_invoked_without_the_excluded_ones() -> None:
    life = filtering_consumer()
    (first, last), (offer,) = of_kind("order", "m1", "m3"), of_kind("offer", "m2")

    received = life.feed(q.MessagesReceived(1, (first, offer, last)))
    invoked = life.feed(grant(1))

    assert received == [q.ReportFilteredOut(1), delete(offer), request_slots(1)]
    assert invoked == [invoke(MessageBatch(1, (first, last))), receive(2, 10, 20)]


def test_batch_is_filled_with_matching_messages_only() -> None:
    life = filtering_consumer(batch_size=2, batching_window_s=10)
    orders = of_kind("order", "m1", "m2")
    life.feed(q.MessagesReceived(1, (orders[0], *of_kind("offer", "m8", "m9"))))
    life.now_ms += 1_000
    life.wake()

    life.feed(q.MessagesReceived(2, orders[1:]))

    assert life.feed(grant(1))[0] == invoke(MessageBatch(1, orders))


def test_message_that_matches_any_of_the_filters_is_kept() -> None:
    life = filtering_consumer(filters=(ORDERS, INVOICES))
    kept = (*of_kind("order", "m1"), *of_kind("invoice", "m2"))

    life.feed(q.MessagesReceived(1, kept))

    assert life.feed(grant(1))[0] == invoke(MessageBatch(1, kept))


def test_excluded_messages_do_not_raise_the_concurrency() -> None:
    life = filtering_consumer(maximum_concurrency=None)
    offers = of_kind("offer", *[f"m{number}" for number in range(10)])

    life.feed(q.MessagesReceived(1, offers))

    life.now_ms += 600_000
    assert life.machine.load(at(life.now_ms)).concurrency_limit == 5


def test_excluded_message_whose_delete_fails_is_deleted_again() -> None:
    life = filtering_consumer()
    offers = of_kind("offer", "m1")
    life.feed(q.MessagesReceived(1, offers))

    life.feed(q.DeleteEnded(DeleteReport((), offers), 1))

    assert life.wake() == [q.DeleteMessages(offers, 2)]


def test_excluded_messages_of_a_fifo_queue_go_at_once_and_keep_the_order() -> None:
    life = filtering_consumer(queue_arn=FIFO_ARN)
    orders = of_kind("order", "a1", "a3", attributes=group("a"))
    offers = of_kind("offer", "a2", attributes=group("a"))

    commands = life.feed(q.MessagesReceived(1, (orders[0], *offers, orders[1])))

    assert commands == [q.ReportFilteredOut(1), delete(*offers), request_slots(1)]
    batch = MessageBatch(1, orders)
    assert life.feed(grant(1))[0] == invoke(batch, queue_arn=FIFO_ARN)


def test_update_of_the_filters_applies_to_what_is_received_from_then_on() -> None:
    life = filtering_consumer()

    life.feed(q.PolicyChanged(queue_policy(filters=(INVOICES,))))

    orders, invoices = of_kind("order", "m1"), of_kind("invoice", "m2")
    commands = life.feed(q.MessagesReceived(1, (*orders, *invoices)))
    assert commands == [q.ReportFilteredOut(1), delete(*orders), request_slots(1)]


def test_filters_that_are_taken_back_let_everything_through() -> None:
    life = filtering_consumer()

    life.feed(q.PolicyChanged(queue_policy()))

    assert life.feed(q.MessagesReceived(1, of_kind("offer", "m1"))) == [request_slots(1)]


def test_stop_returns_what_matches_and_waits_until_the_excluded_are_deleted() -> None:
    life = filtering_consumer()
    (order,), (offer,) = of_kind("order", "m1"), of_kind("offer", "m2")
    life.feed(q.StopRequested())

    commands = life.feed(q.MessagesReceived(1, (order, offer)))

    assert commands == [q.ReportFilteredOut(1), give_back((order,)), delete(offer)]
    life.feed(q.VisibilityChanged(1))
    assert not life.machine.is_finished()
    assert life.feed(deleted(offer)) == []
    assert life.machine.is_finished()


def test_excluded_messages_while_others_run_are_deleted_with_company() -> None:
    life = filtering_consumer()
    life.feed(q.MessagesReceived(1, of_kind("order", "m1")))
    life.feed(grant(1))
    offers = of_kind("offer", "m2")

    commands = life.feed(q.MessagesReceived(2, offers))

    assert commands == [q.ReportFilteredOut(1), receive(3, 10, 20)]
    assert life.wake() == [delete(*offers)]
