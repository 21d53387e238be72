"""Queue mappings in a test."""

from typing import Any

import pytest
from kit_handlers import accept, refuse_poison, report_poison

from penstock.testing import ConfigurationError, Penstock

POISON = {"id": 3, "poison": True}


def test_what_is_sent_in_a_row_is_one_batch(penstock: Penstock) -> None:
    queue = penstock.queue("orders")
    mapping = penstock.map(queue, accept)

    for number in range(3):
        queue.send({"id": number})
    penstock.run_until_idle()

    assert [each.records for each in mapping.invocations] == [[{"id": 0}, {"id": 1}, {"id": 2}]]
    assert queue.messages == []


def test_events_have_the_production_shape(penstock: Penstock) -> None:
    queue = penstock.queue("orders")
    mapping = penstock.map(queue, accept)

    queue.send("hello", MessageAttributes={"kind": {"DataType": "String", "StringValue": "x"}})
    penstock.run_until_idle()

    (record,) = mapping.invocations[0].event["Records"]
    assert record["body"] == "hello"
    assert record["md5OfBody"] == "5d41402abc4b2a76b9719d911017c592"
    assert record["attributes"] == {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1767225600000",
        "SenderId": record["attributes"]["SenderId"],
        "ApproximateFirstReceiveTimestamp": "1767225600000",
    }
    assert record["messageAttributes"]["kind"]["stringValue"] == "x"
    assert record["eventSourceARN"] == "arn:aws:sqs:us-east-1:000000000000:orders"


def test_the_digest_of_attributes_is_that_of_sqs(penstock: Penstock) -> None:
    queue = penstock.queue()
    mapping = penstock.map(queue, accept)
    attribute = {"DataType": "Number", "StringValue": "1493147359900"}

    queue.send("x", MessageAttributes={"timestamp": attribute})
    penstock.run_until_idle()

    (record,) = mapping.invocations[0].event["Records"]
    # What SQS answers to this attribute, as moto's own tests have it.
    assert record["md5OfMessageAttributes"] == "235c5c510d26fb653d073faed50ae77c"


def test_what_fails_comes_again_when_its_visibility_timeout_ends(penstock: Penstock) -> None:
    queue = penstock.queue(VisibilityTimeout=45, maxReceiveCount=2)
    mapping = penstock.map(queue, refuse_poison)

    queue.send(POISON)
    penstock.run_until_idle()

    assert [each.start for each in mapping.invocations] == [0.0, 45.0]
    assert mapping.discarded == [POISON]
    assert queue.dead_letter_queue is not None
    assert queue.dead_letter_queue.messages == [POISON]


def test_only_what_is_reported_comes_again(penstock: Penstock) -> None:
    queue = penstock.queue(maxReceiveCount=2)
    mapping = penstock.map(queue, report_poison, FunctionResponseTypes=["ReportBatchItemFailures"])

    queue.send({"id": 1}, POISON, {"id": 2})
    penstock.run_until_idle()

    assert [each.records for each in mapping.invocations[1:]] == [[POISON]]
    assert mapping.succeeded == [{"id": 1}, {"id": 2}]


def test_a_batching_window_gathers(penstock: Penstock) -> None:
    queue = penstock.queue()
    mapping = penstock.map(queue, accept, BatchSize=100, MaximumBatchingWindowInSeconds=20)

    queue.send({"id": 1})
    penstock.advance(seconds=10)
    queue.send({"id": 2})
    penstock.run_until_idle()

    (invocation,) = mapping.invocations
    assert invocation.records == [{"id": 1}, {"id": 2}]
    assert invocation.start == 20.0


def test_a_fifo_group_waits_for_its_failed_message(penstock: Penstock) -> None:
    queue = penstock.fifo_queue("orders", VisibilityTimeout=30, maxReceiveCount=2)
    mapping = penstock.map(queue, refuse_poison, BatchSize=1)

    queue.send(POISON, {"id": 4}, MessageGroupId="a")
    queue.send({"id": 5}, MessageGroupId="b")
    penstock.run_until_idle()

    assert mapping.succeeded == [{"id": 5}, {"id": 4}]
    assert mapping.discarded == [POISON]
    assert queue.dead_letter_queue is not None
    assert queue.dead_letter_queue.name == "orders-dlq.fifo"


def test_a_fifo_queue_knows_a_message_again(penstock: Penstock) -> None:
    queue = penstock.fifo_queue()
    mapping = penstock.map(queue, accept)

    queue.send(
        {"MessageBody": "once", "MessageGroupId": "a", "MessageDeduplicationId": "1"},
        {"MessageBody": "twice", "MessageGroupId": "a", "MessageDeduplicationId": "1"},
    )
    penstock.run_until_idle()

    bodies = [record["body"] for record in mapping.invocations[0].event["Records"]]
    assert bodies == ["once"]


def test_maximum_concurrency_bounds_what_runs_at_once(penstock: Penstock) -> None:
    queue = penstock.queue()
    mapping = penstock.map(
        queue, accept, duration=1, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2}
    )

    queue.send(*range(10))
    penstock.run_until_idle()

    spans = [(each.start, each.end) for each in mapping.invocations]
    most = max(sum(a <= start < b for a, b in spans if b is not None) for start, _ in spans)
    assert most == 2


def test_a_handler_may_send_to_another_queue(penstock: Penstock) -> None:
    first, second = penstock.queue("first"), penstock.queue("second")

    def pass_on(event: dict[str, Any], _context: object) -> None:
        second.send(*[record["body"] for record in event["Records"]])

    penstock.map(first, pass_on)
    mapping = penstock.map(second, accept)
    first.send("a", "b")
    penstock.run_until_idle()

    assert mapping.succeeded == ["a", "b"]


def test_an_on_failure_tag_sends_the_last_failure_to_its_destination(penstock: Penstock) -> None:
    queue, failed = penstock.queue(maxReceiveCount=2), penstock.queue("failed")
    mapping = penstock.map(queue, refuse_poison, Tags={"penstock:on-failure": failed.arn})

    queue.send(POISON)
    penstock.run_until_idle()

    assert mapping.discarded == [POISON]
    (report,) = mapping.destination
    assert report["requestContext"]["approximateInvokeCount"] == 2
    assert len(failed.messages) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({"VisibilityTimeout": -1}, "VisibilityTimeout", id="negative visibility"),
        pytest.param({"VisibilityTimeout": True}, "VisibilityTimeout", id="truth for a number"),
        pytest.param({"maxReceiveCount": 0}, "maxReceiveCount", id="no receive"),
        pytest.param({"name": "orders"}, "already", id="name taken"),
        pytest.param({"name": "a b"}, "name 'a b': AWS takes", id="name"),
        pytest.param({"name": "x" * 80, "maxReceiveCount": 1}, "x-dlq': AWS takes", id="dlq"),
    ],
)
def test_queues_that_sqs_would_not_make_are_refused(
    penstock: Penstock, options: dict[str, Any], told: str
) -> None:
    penstock.queue("orders")

    with pytest.raises(ConfigurationError, match=told):
        penstock.queue(**options)


def test_a_queue_that_is_refused_leaves_no_dead_letter_queue(penstock: Penstock) -> None:
    with pytest.raises(ConfigurationError, match="VisibilityTimeout"):
        penstock.queue("orders", VisibilityTimeout=-1, maxReceiveCount=3)

    assert penstock.queue("orders-dlq").name == "orders-dlq"


def test_a_fifo_message_needs_its_group(penstock: Penstock) -> None:
    queue = penstock.fifo_queue()

    with pytest.raises(ConfigurationError, match="needs a MessageGroupId"):
        queue.send("x")

    assert queue.messages == []


@pytest.mark.parametrize(
    ("message", "told"),
    [
        pytest.param(b"\xff", "is text", id="no text"),
        pytest.param("x" * (1024 * 1024 + 1), "AWS takes", id="too large"),
        pytest.param({"MessageBody": "x", "MessageDeduplicationId": "1"}, "FIFO", id="no FIFO"),
        pytest.param({"MessageBody": "x", "MessageAttributes": {"a": 1}}, "the form", id="shape"),
    ],
)
def test_messages_that_sqs_would_not_take_are_refused(
    penstock: Penstock, message: object, told: str
) -> None:
    queue = penstock.queue()

    with pytest.raises(ConfigurationError, match=told):
        queue.send(message)

    assert queue.messages == []
