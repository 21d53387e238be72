"""Destinations against a server that nobody here wrote."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from builders import message
from destination_builders import (
    ACCOUNT,
    BUCKET_ARN,
    EVENT,
    QUEUE_ARN,
    REGION,
    REPORT,
    TOPIC_ARN,
    report_of,
    send_to,
)
from failure_builders import (
    DISCARD,
    DYNAMODB_ARN,
    DYNAMODB_POLICY,
    FUNCTION_ARN,
    KINESIS_ARN,
    MAPPING_UUID,
    MESSAGE_DISCARD,
    REQUEST_ID,
    make_discard,
    make_message_discard,
)
from scripted_server import RunFixture

from penstock.core.failure_record import (
    discard_uuid,
    failure_object_key,
    failure_record,
    with_payload,
)
from penstock.core.message_failure import message_failure_report
from penstock.model.errors import DestinationRefusedError
from penstock.model.failure import Condition, InvocationTrace
from penstock.model.stream import StreamKind

pytest_plugins = ["wire_fixtures", "moto_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment", "fresh_server")

RECORD = failure_record(
    DISCARD,
    kind=StreamKind.KINESIS,
    function_arn=FUNCTION_ARN,
    stream_arn=KINESIS_ARN,
    request_id=REQUEST_ID,
)
MESSAGE_REPORT = message_failure_report(MESSAGE_DISCARD, mapping_uuid=MAPPING_UUID)
SQS_BYTES_MAX = 1024 * 1024  # a message's quota; its record adds to it


class Queue:
    """A queue, read with an unmodified client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.url = client.create_queue(QueueName="failed")["QueueUrl"]

    def read(self) -> list[dict[str, Any]]:
        answer = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))


@pytest.fixture
def queue(fresh_server: None) -> Iterator[Queue]:
    assert fresh_server is None
    client = boto3.client("sqs", region_name=REGION)
    queue = Queue(client)
    yield queue
    client.delete_queue(QueueUrl=queue.url)
    client.close()


@pytest.fixture
def topic(fresh_server: None) -> Iterator[Any]:
    """Make a topic named ``failed``; give an unmodified client."""
    assert fresh_server is None
    client = boto3.client("sns", region_name=REGION)
    client.create_topic(Name="failed")
    yield client
    client.delete_topic(TopicArn=TOPIC_ARN)
    client.close()


@pytest.fixture
def bucket(fresh_server: None) -> Iterator[Any]:
    """Make a bucket named ``failed``; give an unmodified client."""
    assert fresh_server is None
    client = boto3.resource(
        "s3", region_name=REGION, config=boto3.session.Config(s3={"addressing_style": "path"})
    )
    bucket = client.create_bucket(
        Bucket="failed", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    yield bucket
    bucket.objects.delete()
    bucket.delete()
    client.meta.client.close()


def _objects(bucket: Any) -> dict[str, bytes]:
    return {each.key: each.get()["Body"].read() for each in bucket.objects.all()}


def test_queue_gets_the_record_as_a_body_without_attributes(run: RunFixture, queue: Queue) -> None:
    run(send_to(QUEUE_ARN, REPORT))

    (message,) = queue.read()
    assert message["Body"].encode() == RECORD
    assert "MessageAttributes" not in message


def test_queue_gets_each_discard(run: RunFixture, queue: Queue) -> None:
    reports = [report_of(make_discard(invoke_count=count)) for count in (2, 3)]

    run(send_to(QUEUE_ARN, *reports))

    counts = [json.loads(message["Body"])["requestContext"] for message in queue.read()]
    assert sorted(context["approximateInvokeCount"] for context in counts) == [2, 3]


def test_kind_of_stream_is_its_arn_s(run: RunFixture, queue: Queue) -> None:
    run(send_to(QUEUE_ARN, report_of(policy=DYNAMODB_POLICY)))

    (message,) = queue.read()
    assert json.loads(message["Body"])["DDBStreamBatchInfo"]["streamArn"] == DYNAMODB_ARN


def test_discard_that_reached_no_function_has_its_own_identity(
    run: RunFixture, queue: Queue
) -> None:
    too_old = make_discard(condition=Condition.RECORD_AGE_EXCEEDED, trace=InvocationTrace())

    run(send_to(QUEUE_ARN, report_of(too_old)))

    (message,) = queue.read()
    request_id = json.loads(message["Body"])["requestContext"]["requestId"]
    assert request_id == discard_uuid(too_old, mapping_uuid=MAPPING_UUID)


def test_topic_publishes_the_record_without_a_subject(
    run: RunFixture, topic: Any, queue: Queue
) -> None:
    topic.subscribe(TopicArn=TOPIC_ARN, Protocol="sqs", Endpoint=QUEUE_ARN)

    run(send_to(TOPIC_ARN, REPORT))

    (message,) = queue.read()
    notification = json.loads(message["Body"])
    assert notification["Message"].encode() == RECORD
    assert notification["Type"] == "Notification"
    assert "Subject" not in notification


def test_bucket_gets_the_record_with_the_event(run: RunFixture, bucket: Any) -> None:
    run(send_to(BUCKET_ARN, REPORT))

    key = failure_object_key(DISCARD, mapping_uuid=MAPPING_UUID)
    assert _objects(bucket) == {key: with_payload(RECORD, EVENT)}


def test_discard_that_is_sent_again_replaces_its_object(run: RunFixture, bucket: Any) -> None:
    run(send_to(BUCKET_ARN, REPORT, report_of(make_discard()), report_of(make_discard(id=8))))

    assert len(_objects(bucket)) == 2


def test_queue_gets_a_message_s_record(run: RunFixture, queue: Queue) -> None:
    run(send_to(QUEUE_ARN, MESSAGE_REPORT))

    (message,) = queue.read()
    assert message["Body"].encode() == MESSAGE_REPORT.record


def test_bucket_gets_a_message_s_record_as_it_is(run: RunFixture, bucket: Any) -> None:
    run(send_to(BUCKET_ARN, MESSAGE_REPORT))

    assert _objects(bucket) == {MESSAGE_REPORT.object_key: MESSAGE_REPORT.record}


def test_record_that_a_queue_cannot_take_is_refused(run: RunFixture, queue: Queue) -> None:
    large = make_message_discard(message=message("m1", "x" * SQS_BYTES_MAX))

    with pytest.raises(DestinationRefusedError, match="InvalidParameterValue"):
        run(send_to(QUEUE_ARN, message_failure_report(large, mapping_uuid=MAPPING_UUID)))

    assert queue.read() == []


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        pytest.param(QUEUE_ARN, "NonExistentQueue", id="queue"),
        pytest.param(TOPIC_ARN, "NotFound", id="topic"),
        pytest.param(BUCKET_ARN, "NoSuchBucket", id="bucket"),
    ],
)
def test_destination_that_is_missing_is_refused_and_named(
    run: RunFixture, arn: str, code: str
) -> None:
    with pytest.raises(DestinationRefusedError, match=f"on {arn}.*{code}.*; create the"):
        run(send_to(arn, REPORT))


def test_queue_of_another_account_is_not_taken_for_one_that_was_asked_for(
    run: RunFixture, queue: Queue
) -> None:
    other_arn = QUEUE_ARN.replace(ACCOUNT, "111111111111")

    with pytest.raises(DestinationRefusedError, match=f"the queue of that name is {queue.url}"):
        run(send_to(other_arn, REPORT))

    assert queue.read() == []
