"""Rules of docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""

import json

import msgspec
from builders import (
    FUNCTION_ARN,
    batch,
    grant,
    invoke,
    invoking_consumer,
    message,
    messages,
    polling_consumer,
    queue_policy,
    receive,
)

from penstock.core import queue_contract as q
from penstock.core.function_event import queue_event
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.message import Message

ARN = "arn:aws:sqs:us-east-2:123456789012:my-queue"
RECEIVED = b"""{
    "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
    "ReceiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
    "MD5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
    "Body": "Test message.",
    "Attributes": {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1545082649183",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": "1545082649185"
    },
    "MessageAttributes": {"myAttribute": {"StringValue": "myValue", "DataType": "String"}}
}"""
EXPECTED = {
    "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
    "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
    "body": "Test message.",
    "attributes": {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1545082649183",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": "1545082649185",
    },
    "messageAttributes": {
        "myAttribute": {
            "stringValue": "myValue",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        }
    },
    "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
    "eventSource": "aws:sqs",
    "eventSourceARN": ARN,
    "awsRegion": "us-east-2",
}


def test_event_is_the_one_the_page_shows() -> None:
    """The example "standard queue message event", member by member and in its order."""
    event = queue_event([msgspec.json.decode(RECEIVED, type=Message)], ARN)

    assert json.dumps(json.loads(event)) == json.dumps({"Records": [EXPECTED]})


def test_receive_waits_as_long_as_sqs_lets_it() -> None:
    """Lambda uses long polling to poll a queue until it becomes active: 20 seconds."""
    assert queue_policy().long_poll_s == 20
    assert polling_consumer().feed(q.MessagesReceived(1, ())) == [receive(2, 10, 20)]


def test_batch_holds_no_more_than_batch_size() -> None:
    """Lambda sends to your function at most BatchSize records in each batch."""
    life = polling_consumer(batch_size=4)
    life.feed(q.MessagesReceived(1, messages(9)))

    invoked = [command for command in life.feed(grant(3)) if isinstance(command, q.Invoke)]

    assert [len(each.batch.messages) for each in invoked] == [4, 4, 1]


def test_batch_is_invoked_without_waiting_for_more() -> None:
    """With a window of 0 Lambda invokes as soon as messages are there, BatchSize full or not."""
    life = polling_consumer(batch_size=10)
    life.feed(q.MessagesReceived(1, messages(1)))

    assert life.feed(grant(1))[0] == invoke(batch(1))


def test_batch_ends_at_the_payload_quota() -> None:
    """A batch closes before its event would exceed 6 MB, the metadata of messages included."""
    life = polling_consumer()
    received = tuple(message(f"m{number}", "x" * 1024 * 1024) for number in range(10))
    life.feed(q.MessagesReceived(1, received))

    invoked = [command for command in life.feed(grant(4)) if isinstance(command, q.Invoke)]

    sizes = [len(queue_event(each.batch.messages, ARN)) for each in invoked]
    assert [len(each.batch.messages) for each in invoked] == [5, 5]
    assert max(sizes) <= PAYLOAD_BYTES_MAX


def test_messages_are_deleted_after_success() -> None:
    """When your function successfully processes a batch, Lambda deletes its messages."""
    life = invoking_consumer(2)

    commands = life.feed(q.InvocationSucceeded(batch(1, 2)))

    assert q.DeleteMessages(messages(2), attempt=1) in commands


def test_update_to_another_version_runs_it_for_later_messages() -> None:
    """After an update of FunctionName later batches run the new version (recorded behaviour)."""
    life = invoking_consumer()
    life.feed(q.PolicyChanged(queue_policy(function_arn=f"{FUNCTION_ARN}:2")))
    life.feed(q.MessagesReceived(2, messages(1, first=2)))

    commands = life.feed(grant(1, f"{FUNCTION_ARN}:2"))

    assert commands[0] == invoke(batch(2, first=2), f"{FUNCTION_ARN}:2")
