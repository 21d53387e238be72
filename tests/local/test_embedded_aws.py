"""The embedded AWS: a real moto server, with what a project file declares in it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded import running_embedded_aws

from penstock.local.embedded_aws import reserve_port
from penstock.local.project_changes import compare_projects
from penstock.local.project_file import Project, read_project
from penstock.local.resources import (
    change_resources,
    create_client,
    create_resources,
    isolated_session,
)
from penstock.model.errors import ConfigurationError, SourceUnavailableError

PROJECT = """
[service]
account_id = "111122223333"
[[queues]]
name = "orders"
VisibilityTimeout = 7
dead_letter_queue = "dead"
max_receive_count = 3
[[queues]]
name = "dead"
RedriveAllowPolicy = { redrivePermission = "allowAll" }
[[queues]]
name = "trades.fifo"
ContentBasedDeduplication = true
dead_letter_queue = "dead.fifo"
max_receive_count = 4
[[queues]]
name = "dead.fifo"
[[streams]]
name = "clicks"
ShardCount = 2
[[tables]]
name = "items"
AttributeDefinitions = [{ AttributeName = "id", AttributeType = "S" }]
KeySchema = [{ AttributeName = "id", KeyType = "HASH" }]
[[topics]]
name = "news"
[[buckets]]
name = "files"
"""


def read(folder: Path, text: str) -> Project:
    path = folder / "penstock.toml"
    path.write_text(text)
    return read_project(path)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Run one embedded AWS for this file."""
    with running_embedded_aws("111122223333") as endpoint:
        yield endpoint


def client(service: str, endpoint: str) -> Any:
    return create_client(isolated_session(), service, endpoint=endpoint, region="us-east-1")


class SomeStream:
    """A Kinesis stream of its own, which a test reshards."""

    def __init__(self, endpoint: str, name: str, shard_count: int) -> None:
        self.kinesis = client("kinesis", endpoint)
        self.name = name
        self.kinesis.create_stream(StreamName=name, ShardCount=shard_count)

    def put(self, data: str, hash_key: int) -> None:
        record = {"Data": data.encode(), "PartitionKey": "k", "ExplicitHashKey": str(hash_key)}
        self.kinesis.put_records(StreamName=self.name, Records=[record])

    def split(self, number: int, at: int) -> None:
        self.kinesis.split_shard(
            StreamName=self.name, ShardToSplit=shard_name(number), NewStartingHashKey=str(at)
        )

    def held(self) -> dict[str, str]:
        """Give what each shard holds, of records with one letter."""
        shards = self.kinesis.list_shards(StreamName=self.name)["Shards"]
        return {shard["ShardId"]: self._read(shard["ShardId"]) for shard in shards}

    def _read(self, shard_id: str) -> str:
        iterator = self.kinesis.get_shard_iterator(
            StreamName=self.name, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = self.kinesis.get_records(ShardIterator=iterator)["Records"]
        return "".join(record["Data"].decode() for record in records)


class SomeTable:
    """A DynamoDB table with a stream of its own."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.dynamodb = client("dynamodb", endpoint)
        self.streams = client("dynamodbstreams", endpoint)
        self.name = name
        made = self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        self.stream_arn = made["TableDescription"]["LatestStreamArn"]

    def put(self, key: str, number: str) -> None:
        item = {"id": {"S": key}, "n": {"N": number}}
        self.dynamodb.put_item(TableName=self.name, Item=item)

    def update(self, key: str, number: str) -> None:
        self.dynamodb.update_item(
            TableName=self.name,
            Key={"id": {"S": key}},
            UpdateExpression="SET n = :n",
            ExpressionAttributeValues={":n": {"N": number}},
        )

    def delete(self, key: str) -> None:
        self.dynamodb.delete_item(TableName=self.name, Key={"id": {"S": key}})

    def told(self) -> list[str]:
        """Give what the stream says: each change, and the number after it."""
        described = self.streams.describe_stream(StreamArn=self.stream_arn)["StreamDescription"]
        iterator = self.streams.get_shard_iterator(
            StreamArn=self.stream_arn,
            ShardId=described["Shards"][0]["ShardId"],
            ShardIteratorType="TRIM_HORIZON",
        )["ShardIterator"]
        records = self.streams.get_records(ShardIterator=iterator)["Records"]
        return [f"{each['eventName']} {number_after(each['dynamodb'])}" for each in records]


def number_after(change: dict[str, Any]) -> str | None:
    image = change.get("NewImage")
    return None if image is None else image["n"]["N"]


def shard_name(number: int) -> str:
    return f"shardId-{number:012}"


def test_declared_resources_are_made_and_made_again(tmp_path: Path, endpoint: str) -> None:
    project = read(tmp_path, PROJECT)

    create_resources(project, endpoint)
    create_resources(project, endpoint)

    sqs = create_client(isolated_session(), "sqs", endpoint=endpoint, region="us-east-1")
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "7"
    assert json.loads(attributes["RedrivePolicy"]) == {
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:dead",
        "maxReceiveCount": 3,
    }


def test_fifo_queues_are_made_with_their_dead_letter_queue(tmp_path: Path, endpoint: str) -> None:
    create_resources(read(tmp_path, PROJECT), endpoint)

    sqs = create_client(isolated_session(), "sqs", endpoint=endpoint, region="us-east-1")
    url = sqs.get_queue_url(QueueName="trades.fifo")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (attributes["FifoQueue"], attributes["ContentBasedDeduplication"]) == ("true", "true")
    assert json.loads(attributes["RedrivePolicy"]) == {
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:111122223333:dead.fifo",
        "maxReceiveCount": 4,
    }


@pytest.mark.parametrize(
    ("service", "operation", "member"),
    [
        ("kinesis", "list_streams", "StreamNames"),
        ("dynamodb", "list_tables", "TableNames"),
        ("sns", "list_topics", "Topics"),
        ("s3", "list_buckets", "Buckets"),
    ],
)
def test_each_kind_of_resource_is_made(
    tmp_path: Path, endpoint: str, service: str, operation: str, member: str
) -> None:
    create_resources(read(tmp_path, PROJECT), endpoint)

    answer = getattr(client(service, endpoint), operation)()

    assert len(answer[member]) == 1


def test_queue_that_comes_back_into_the_file_has_its_new_attributes(
    tmp_path: Path, endpoint: str
) -> None:
    text = '[[queues]]\nname = "returned"\nVisibilityTimeout = {}\n'
    create_resources(read(tmp_path, text.format(7)), endpoint)
    project = read(tmp_path, text.format(9))

    change_resources(project, compare_projects(Project(), project), endpoint)

    sqs = client("sqs", endpoint)
    url = sqs.get_queue_url(QueueName="returned")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert attributes["Attributes"] == {"VisibilityTimeout": "9"}


def test_refused_resource_is_named(tmp_path: Path, endpoint: str) -> None:
    text = """
    [[queues]]
    name = "orders"
    RedrivePolicy = { deadLetterTargetArn = "arn:aws:sqs:us-east-1:1:none", maxReceiveCount = 3 }
    """

    with pytest.raises(ConfigurationError, match=r"cannot create the queue 'orders': .*NonExist"):
        create_resources(read(tmp_path, text), endpoint)


def test_request_on_which_moto_fails_is_told_in_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request"}

    with running_embedded_aws("111122223333") as endpoint:
        client("sqs", endpoint).create_queue(QueueName="failing")
        url = f"{endpoint}/111122223333/failing?Action=SendMessage"
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(urllib.request.Request(url, headers=signed))  # noqa: S310
        body = json.loads(raised.value.read())  # while there is somebody who sends it

    assert (raised.value.code, body["__type"]) == (500, "InternalFailure")
    assert "TypeError: object of type 'NoneType' has no len()" in body["message"]
    (line,) = "".join(capfd.readouterr()).splitlines()
    assert "the embedded AWS (moto) failed on a request" in line
    assert "request='GET /111122223333/failing' error=\"TypeError: " in line


def test_parameter_that_botocore_refuses_is_one_line(tmp_path: Path, endpoint: str) -> None:
    text = '[[tables]]\nname = "tbl"\nAttributeDefinitions = [{ A = 1 }]\nKeySchema = []\n'

    with pytest.raises(ConfigurationError) as caught:
        create_resources(read(tmp_path, text), endpoint)

    assert str(caught.value).startswith("cannot create the table 'tbl': Parameter validation")
    assert "\n" not in str(caught.value)


def test_embedded_aws_that_is_down_is_no_mistake_of_the_file(tmp_path: Path) -> None:
    with (
        reserve_port() as reserved,
        pytest.raises(SourceUnavailableError, match="cannot create the queue 'orders'"),
    ):
        create_resources(read(tmp_path, PROJECT), f"http://127.0.0.1:{reserved.getsockname()[1]}")


def test_stream_that_was_split_puts_records_into_the_children(endpoint: str) -> None:
    stream = SomeStream(endpoint, "split", 1)
    stream.put("a", 7)

    stream.split(0, 2**127)
    for data, hash_key in [("b", 7), ("c", 2**127 - 1), ("d", 2**127), ("e", 2**128 - 1)]:
        stream.put(data, hash_key)

    assert stream.held() == {shard_name(0): "a", shard_name(1): "bc", shard_name(2): "de"}


def test_group_of_a_fifo_queue_comes_again_in_order(endpoint: str) -> None:
    sqs = client("sqs", endpoint)
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "1"}
    url = sqs.create_queue(QueueName="again.fifo", Attributes=attributes)["QueueUrl"]
    for number in "1234":
        ids = {"MessageGroupId": "a", "MessageDeduplicationId": number}
        sqs.send_message(QueueUrl=url, MessageBody=number, **ids)
    asked = {"QueueUrl": url, "MaxNumberOfMessages": 3, "WaitTimeSeconds": 5}

    first, again = (sqs.receive_message(**asked)["Messages"] for _ in range(2))

    assert [message["Body"] for message in first] == ["1", "2", "3"]
    assert [message["Body"] for message in again] == ["1", "2", "3"]


def test_receive_from_a_fifo_queue_is_given_all_of_a_group_before_the_next(endpoint: str) -> None:
    sqs = client("sqs", endpoint)
    url = sqs.create_queue(QueueName="groups.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for body in ("b1", "a1", "b2", "a2", "b3"):
        ids = {"MessageGroupId": body[0], "MessageDeduplicationId": body}
        sqs.send_message(QueueUrl=url, MessageBody=body, **ids)

    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=4)["Messages"]

    assert [message["Body"] for message in received] == ["b1", "b2", "b3", "a1"]


def test_message_that_was_given_back_comes_before_later_ones_of_its_group(endpoint: str) -> None:
    sqs = client("sqs", endpoint)
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "1"}
    url = sqs.create_queue(QueueName="given-back.fifo", Attributes=attributes)["QueueUrl"]
    for number in "12":
        ids = {"MessageGroupId": "a", "MessageDeduplicationId": number}
        sqs.send_message(QueueUrl=url, MessageBody=number, **ids)
    asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5}

    [first, _] = sqs.receive_message(**asked)["Messages"]
    handle = first["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    again = sqs.receive_message(**asked)["Messages"]

    assert [message["Body"] for message in again] == ["1", "2"]


def test_write_that_changes_nothing_makes_no_record_of_a_stream(endpoint: str) -> None:
    table = SomeTable(endpoint, "changing")

    for number in "112":
        table.put("a", number)
    for number in "23":
        table.update("a", number)
    table.delete("a")
    table.delete("a")

    assert table.told() == ["INSERT 1", "MODIFY 2", "MODIFY 3", "REMOVE None"]


def test_stream_that_was_merged_puts_records_into_the_child(endpoint: str) -> None:
    stream = SomeStream(endpoint, "merged", 2)
    stream.put("a", 7)

    stream.kinesis.merge_shards(
        StreamName="merged", ShardToMerge=shard_name(0), AdjacentShardToMerge=shard_name(1)
    )
    stream.put("b", 7)

    assert stream.held() == {shard_name(0): "a", shard_name(1): "", shard_name(2): "b"}


def test_stream_whose_shards_were_counted_anew_puts_records_into_open_shards(endpoint: str) -> None:
    stream = SomeStream(endpoint, "counted", 1)

    stream.kinesis.update_shard_count(
        StreamName="counted", TargetShardCount=3, ScalingType="UNIFORM_SCALING"
    )
    for hash_key in range(0, 2**128, 2**125):
        stream.put("a", hash_key)

    shards = stream.kinesis.list_shards(StreamName="counted")["Shards"]
    closed = [
        shard["ShardId"]
        for shard in shards
        if "EndingSequenceNumber" in shard["SequenceNumberRange"]
    ]
    held = stream.held()
    assert closed
    assert {held[each] for each in closed} == {""}
    assert "".join(held.values()) == "a" * 8


def test_shard_that_cannot_be_split_stays_as_it_is(endpoint: str) -> None:
    stream = SomeStream(endpoint, "whole", 1)
    stream.put("a", 7)

    with pytest.raises(stream.kinesis.exceptions.InvalidArgumentException):
        stream.split(0, 0)

    stream.put("b", 7)
    assert stream.held() == {shard_name(0): "ab"}


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site"])
def test_web_page_is_refused(endpoint: str, header: str) -> None:
    request = urllib.request.Request(endpoint, headers={header: "http://evil.example"})  # noqa: S310

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)  # noqa: S310

    caught.value.close()
    assert caught.value.code == 403


def test_page_that_the_gateway_let_through_is_answered(endpoint: str) -> None:
    headers = {"Origin": "http://127.0.0.1:4566", "X-Penstock-Hop": "1"}
    request = urllib.request.Request(f"{endpoint}/", headers=headers)  # noqa: S310

    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status == 200
