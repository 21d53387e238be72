"""The stream sources against a server that nobody here wrote."""

import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import boto3
import pytest
from scripted_server import RunFixture
from stream_builders import ROLE_ARN
from wire_builders import Budget, make_wire

from penstock.model.errors import SourceNotFoundError, SourceUnavailableError
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    FetchedRecords,
    Position,
    ShardIterator,
    StreamRecord,
    TrimHorizon,
)
from penstock.ports import StreamSource
from penstock.sources.aws_sources import AwsSources

pytest_plugins = ["wire_fixtures", "moto_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment", "fresh_server")

REGION = "eu-west-1"
CLICKS_ARN = f"arn:aws:kinesis:{REGION}:123456789012:stream/clicks"
TABLE_SHARD_ID = "shardId-00000001541626099285-f35f62ef"  # moto's only one
ITEM = {
    "Id": {"N": "101"},
    "Sort": {"S": "é"},
    "binary": {"B": b"\x00\x01*A"},
    "binaries": {"BS": [b"foo"]},
    "numbers": {"NS": ["1", "2.5"]},
    "nested": {"M": {"list": {"L": [{"BOOL": True}, {"NULL": True}]}}},
}
IMAGE = {
    **ITEM,
    "binary": {"B": base64.b64encode(b"\x00\x01*A").decode()},
    "binaries": {"BS": [base64.b64encode(b"foo").decode()]},
}
KEYS = {"Id": {"N": "101"}, "Sort": {"S": "é"}}


@pytest.fixture
def kinesis(fresh_server: None) -> Iterator[Any]:
    """Make a stream named ``clicks`` with one shard; give an unmodified client."""
    assert fresh_server is None
    client = boto3.client("kinesis", region_name=REGION)
    client.create_stream(StreamName="clicks", ShardCount=1)
    yield client
    client.delete_stream(StreamName="clicks")
    client.close()


class Orders:
    """A table named ``orders``, written to by an unmodified client."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("dynamodb", region_name=REGION)
        self.arn = ""

    def create(self, view_type: str) -> None:
        """Make the table with a stream of that view."""
        keys = (("Id", "HASH", "N"), ("Sort", "RANGE", "S"))
        answer = self.client.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind, _ in keys],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": form} for name, _, form in keys
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type},
        )
        self.arn = answer["TableDescription"]["LatestStreamArn"]

    def write(self) -> None:
        """Insert, modify and remove the item."""
        self.client.put_item(TableName="orders", Item=ITEM)
        self.client.put_item(TableName="orders", Item={**ITEM, "new": {"S": "x"}})
        self.client.delete_item(TableName="orders", Key=KEYS)


@pytest.fixture
def orders(fresh_server: None) -> Iterator[Orders]:
    assert fresh_server is None
    table = Orders()
    yield table
    table.client.delete_table(TableName="orders")
    table.client.close()


def _with_stream(
    run: RunFixture, arn: str, scenario: Callable[[StreamSource], Awaitable[Any]]
) -> Any:
    async def with_stream() -> Any:
        wire = make_wire()
        try:
            sources = AwsSources(lambda _: wire)
            return await scenario(
                await sources.open_stream(arn, function_arn="f", invoke_identity_arn=ROLE_ARN)
            )
        finally:
            await wire.close()

    return run(with_stream())


def _read(
    run: RunFixture, arn: str, position: Position, *, shard_id: str = "shardId-000000000000"
) -> FetchedRecords:
    async def scenario(stream: StreamSource) -> FetchedRecords:
        iterator = await stream.open_iterator(shard_id, position)
        return await stream.fetch(shard_id, iterator, 1000, budget=Budget())

    fetched = _with_stream(run, arn, scenario)
    assert isinstance(fetched, FetchedRecords)
    return fetched


def _put(kinesis: Any, *keys: str) -> None:
    for key in keys:
        kinesis.put_record(StreamName="clicks", PartitionKey=key, Data=f"<{key}>".encode())


def _keys_of(records: tuple[StreamRecord, ...]) -> list[str]:
    return [record.key.decode() for record in records]


def test_kinesis_record_is_as_lambda_would_show_it(run: RunFixture, kinesis: Any) -> None:
    _put(kinesis, "é")

    fetched = _read(run, CLICKS_ARN, TrimHorizon())

    (record,) = fetched.records
    event = json.loads(record.event)
    arrival = event["kinesis"].pop("approximateArrivalTimestamp")
    assert record.arrived_ms == round(arrival * 1000)
    assert event == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "é",
            "sequenceNumber": record.sequence_number,
            "data": base64.b64encode("<é>".encode()).decode(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{record.sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": ROLE_ARN,
        "awsRegion": REGION,
        "eventSourceARN": CLICKS_ARN,
    }
    assert (record.key, fetched.behind_ms) == ("é".encode(), 0)


def test_kinesis_positions_are_found(run: RunFixture, kinesis: Any) -> None:
    _put(kinesis, "a", "b", "c")
    first, second, third = _read(run, CLICKS_ARN, TrimHorizon()).records

    for position, expected in (
        (AtSequenceNumber(second.sequence_number), (second, third)),
        (AfterSequenceNumber(second.sequence_number), (third,)),
        (AtTimestamp(first.arrived_ms - 1000), (first, second, third)),
    ):
        assert _read(run, CLICKS_ARN, position).records == expected


def test_kinesis_is_read_on_from_the_next_iterator(run: RunFixture, kinesis: Any) -> None:
    _put(kinesis, "a", "b", "c")

    async def scenario(stream: StreamSource) -> list[str]:
        iterator: ShardIterator | None
        iterator = await stream.open_iterator("shardId-000000000000", TrimHorizon())
        read: list[str] = []
        for _ in range(3):
            assert iterator is not None
            fetched = await stream.fetch("shardId-000000000000", iterator, 2, budget=Budget())
            read += _keys_of(fetched.records)
            iterator = fetched.next_iterator
        return read

    assert _with_stream(run, CLICKS_ARN, scenario) == ["a", "b", "c"]


def test_kinesis_pin_gives_what_is_put_later(run: RunFixture, kinesis: Any) -> None:
    _put(kinesis, "before")

    async def scenario(stream: StreamSource) -> Any:
        pin = await stream.pin_latest("shardId-000000000000")
        _put(kinesis, "after")
        iterator = ShardIterator(pin.iterator)
        fetched = await stream.fetch("shardId-000000000000", iterator, 10, budget=Budget())
        return pin, fetched

    pin, fetched = _with_stream(run, CLICKS_ARN, scenario)

    assert _keys_of(fetched.records) == ["after"]
    assert abs(pin.taken_ms - fetched.records[0].arrived_ms) < 60_000


def test_kinesis_split_lists_the_closed_parent_and_its_children(
    run: RunFixture, kinesis: Any
) -> None:
    _put(kinesis, "a")
    parent = "shardId-000000000000"
    kinesis.split_shard(StreamName="clicks", ShardToSplit=parent, NewStartingHashKey=str(2**127))

    described = _with_stream(run, CLICKS_ARN, lambda stream: stream.describe())

    closed, *children = described.shards
    assert (closed.shard_id, closed.ending_sequence_number) == (parent, "1")
    assert [(child.parent_ids, child.ending_sequence_number) for child in children] == [
        ((parent,), None)
    ] * len(children)
    assert len(children) == 2
    assert described.is_enabled


def test_kinesis_stream_made_anew_is_another_incarnation(run: RunFixture, kinesis: Any) -> None:
    before = _with_stream(run, CLICKS_ARN, lambda stream: stream.describe())
    kinesis.delete_stream(StreamName="clicks")
    kinesis.create_stream(StreamName="clicks", ShardCount=2)

    after = _with_stream(run, CLICKS_ARN, lambda stream: stream.describe())

    assert before.incarnation != after.incarnation
    assert (len(before.shards), len(after.shards)) == (1, 2)


@pytest.mark.usefixtures("kinesis")
@pytest.mark.parametrize("replaced", [("clicks", "none"), ("123456789012", "111111111111")])
def test_kinesis_stream_that_is_not_there_is_not_found(
    run: RunFixture, replaced: tuple[str, str]
) -> None:
    with pytest.raises(SourceNotFoundError):
        _with_stream(run, CLICKS_ARN.replace(*replaced), lambda stream: stream.describe())


@pytest.mark.usefixtures("kinesis")
def test_iterator_that_moto_never_gave_is_unavailable(run: RunFixture) -> None:
    async def scenario(stream: StreamSource) -> FetchedRecords:
        return await stream.fetch("s", ShardIterator("bad"), 10, budget=Budget())

    with pytest.raises(SourceUnavailableError):
        _with_stream(run, CLICKS_ARN, scenario)


@pytest.mark.parametrize(
    ("view_type", "images"),
    [
        ("KEYS_ONLY", [[], [], []]),
        ("NEW_IMAGE", [["NewImage"], ["NewImage"], []]),
        ("OLD_IMAGE", [[], ["OldImage"], ["OldImage"]]),
        (
            "NEW_AND_OLD_IMAGES",
            [["NewImage"], ["NewImage", "OldImage"], ["OldImage"]],
        ),
    ],
)
def test_dynamodb_views_show_their_images(
    run: RunFixture, orders: Orders, view_type: str, images: list[list[str]]
) -> None:
    orders.create(view_type)
    orders.write()

    records = _read(run, orders.arn, TrimHorizon(), shard_id=TABLE_SHARD_ID).records

    events = [json.loads(record.event) for record in records]
    assert [event["eventName"] for event in events] == ["INSERT", "MODIFY", "REMOVE"]
    changes = [event["dynamodb"] for event in events]
    assert [[name for name in change if name.endswith("Image")] for change in changes] == images
    assert {change["StreamViewType"] for change in changes} == {view_type}
    assert {record.key for record in records} == {'{"Id":{"N":"101"},"Sort":{"S":"é"}}'.encode()}


def test_dynamodb_record_is_as_lambda_would_show_it(run: RunFixture, orders: Orders) -> None:
    orders.create("NEW_AND_OLD_IMAGES")
    orders.write()

    record = _read(run, orders.arn, TrimHorizon(), shard_id=TABLE_SHARD_ID).records[0]

    event = json.loads(record.event)
    assert len(event.pop("eventID")) == 32
    created, size = (
        event["dynamodb"].pop(name) for name in ("ApproximateCreationDateTime", "SizeBytes")
    )
    assert isinstance(created, float)
    assert record.arrived_ms == round(created * 1000)
    assert size > 0
    assert event == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "Keys": KEYS,
            "NewImage": IMAGE,
            "SequenceNumber": record.sequence_number,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": orders.arn,
    }


def test_dynamodb_positions_are_found(run: RunFixture, orders: Orders) -> None:
    orders.create("KEYS_ONLY")
    orders.write()
    first, second, third = _read(run, orders.arn, TrimHorizon(), shard_id=TABLE_SHARD_ID).records

    for position, expected in (
        (AtSequenceNumber(first.sequence_number), (first, second, third)),
        (AfterSequenceNumber(second.sequence_number), (third,)),
    ):
        read = _read(run, orders.arn, position, shard_id=TABLE_SHARD_ID)
        assert (read.records, read.behind_ms) == (expected, None)


def test_dynamodb_stream_is_described(run: RunFixture, orders: Orders) -> None:
    orders.create("KEYS_ONLY")

    described = _with_stream(run, orders.arn, lambda stream: stream.describe())

    (shard,) = described.shards
    assert (shard.shard_id, shard.parent_ids) == (TABLE_SHARD_ID, ())
    assert shard.ending_sequence_number is None
    assert described.incarnation == orders.arn.rpartition("/")[2]
    assert described.is_enabled


def test_dynamodb_stream_that_is_not_there_is_not_found(run: RunFixture, orders: Orders) -> None:
    orders.create("KEYS_ONLY")
    other_label = orders.arn.rpartition("/")[0] + "/2020-01-01T00:00:00.000"

    with pytest.raises(SourceNotFoundError):
        _with_stream(run, other_label, lambda stream: stream.describe())
