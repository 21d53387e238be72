"""Stream mappings in a test: Kinesis and DynamoDB."""

import base64
from typing import Any

import pytest
from kit_handlers import accept, refuse_poison, report_poison, values_of

from penstock.testing import ConfigurationError, Penstock

POISON = {"id": 3, "poison": True}
ITEM = {"id": "a", "total": 1.5, "tags": ["x"], "paid": True, "note": None, "raw": b"\x00"}
IMAGE = {
    "id": {"S": "a"},
    "total": {"N": "1.5"},
    "tags": {"L": [{"S": "x"}]},
    "paid": {"BOOL": True},
    "note": {"NULL": True},
    "raw": {"B": "AA=="},
}


def test_events_have_the_production_shape(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream("clicks")
    mapping = penstock.map(stream, accept)

    stream.put({"id": 1}, PartitionKey="customer-1")
    penstock.run_until_idle()

    (record,) = mapping.invocations[0].event["Records"]
    number = record["kinesis"]["sequenceNumber"]
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "customer-1",
            "sequenceNumber": number,
            "data": base64.b64encode(b'{"id":1}').decode(),
            "approximateArrivalTimestamp": 1767225600.0,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/penstock",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/clicks",
    }
    assert len(number) == 56


def test_bisecting_narrows_a_poison_record_down(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(
        stream, refuse_poison, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0
    )

    stream.put({"id": 1}, {"id": 2}, POISON, {"id": 4})
    penstock.run_until_idle()

    batches = [[value["id"] for value in each.records] for each in mapping.invocations]
    assert batches == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]
    assert mapping.discarded == [POISON]
    assert mapping.succeeded == [{"id": 1}, {"id": 2}, {"id": 4}]


def test_a_partial_failure_comes_again_from_the_reported_record_on(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(
        stream,
        report_poison,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=1,
        BisectBatchOnFunctionError=True,
    )

    stream.put({"id": 1}, {"id": 2}, POISON, {"id": 4})
    penstock.run_until_idle()

    assert [value["id"] for value in mapping.invocations[1].records] == [3, 4]
    assert mapping.invocations[0].outcome == "partly failed"
    assert mapping.discarded == [POISON]


def test_a_destination_is_told_what_was_given_up(penstock: Penstock) -> None:
    stream, failed = penstock.kinesis_stream(), penstock.queue("failed")
    mapping = penstock.map(
        stream,
        refuse_poison,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": failed.arn}},
    )

    stream.put(POISON)
    penstock.run_until_idle()

    (report,) = mapping.destination
    assert report["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert report["KinesisBatchInfo"]["batchSize"] == 1
    assert len(failed.messages) == 1


def test_each_shard_keeps_its_own_order(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream(shards=3, key="customer")
    mapping = penstock.map(stream, accept, BatchSize=2)

    stream.put(*[{"customer": f"c{number % 5}", "number": number} for number in range(30)])
    penstock.run_until_idle()

    seen = [value for each in mapping.invocations for value in values_of(each.event)]
    for customer in range(5):
        own = [each["number"] for each in seen if each["customer"] == f"c{customer}"]
        assert own == sorted(own)
    assert len({each.shard for each in mapping.invocations}) == 3


def test_latest_leaves_out_what_was_put_before(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    stream.put({"id": 1})
    mapping = penstock.map(stream, accept, StartingPosition="LATEST")

    stream.put({"id": 2})
    penstock.run_until_idle()

    assert mapping.succeeded == [{"id": 2}]


def test_old_records_are_given_up_by_their_age(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, refuse_poison, MaximumRecordAgeInSeconds=60)

    stream.put(POISON)
    penstock.run_until_idle()

    assert mapping.discarded == [POISON]
    assert 60 <= penstock.now < 130


def test_filters_leave_records_out(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    pattern = '{"data": {"kind": ["order"]}}'
    mapping = penstock.map(stream, accept, FilterCriteria={"Filters": [{"Pattern": pattern}]})

    stream.put({"kind": "order"}, {"kind": "click"})
    penstock.run_until_idle()

    assert mapping.succeeded == [{"kind": "order"}]


def test_a_tumbling_window_hands_its_state_on(penstock: Penstock) -> None:
    def count(event: dict[str, Any], _context: object) -> dict[str, Any]:
        so_far = event["state"].get("count", 0) + len(event["Records"])
        return {"state": {"count": so_far}}

    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, count, TumblingWindowInSeconds=60, BatchSize=2)

    stream.put(*[{"id": number} for number in range(5)])
    penstock.run_until_idle()

    last = mapping.invocations[-1]
    assert last.event["isFinalInvokeForWindow"] is True
    assert last.event["state"] == {"count": 5}
    assert last.records == []


def test_a_table_gives_the_records_of_dynamodb(penstock: Penstock) -> None:
    table = penstock.dynamodb_table("orders", key="Id")
    mapping = penstock.map(table, accept)

    table.put({"Id": 101, "Message": "New item!"})
    table.update({"Id": 101, "Message": "This item has changed"})
    table.delete({"Id": 101})
    penstock.run_until_idle()

    records = mapping.invocations[0].event["Records"]
    assert [each["eventName"] for each in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert records[1]["dynamodb"]["OldImage"] == {
        "Id": {"N": "101"},
        "Message": {"S": "New item!"},
    }
    # As in the sample event of AWS's documentation.
    assert [each["dynamodb"]["SizeBytes"] for each in records] == [26, 59, 38]
    assert mapping.succeeded[2] == {"Id": 101}


def test_a_tables_records_have_the_production_shape(penstock: Penstock) -> None:
    table = penstock.dynamodb_table("orders")
    mapping = penstock.map(table, accept)

    table.put(ITEM)
    penstock.run_until_idle()

    (record,) = mapping.invocations[0].event["Records"]
    change = record.pop("dynamodb")
    assert change.pop("SequenceNumber").isdecimal()
    assert change == {
        "ApproximateCreationDateTime": 1767225600.0,
        "Keys": {"id": {"S": "a"}},
        "NewImage": IMAGE,
        "SizeBytes": 36,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    assert len(record.pop("eventID")) == 32
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": table.arn,
    }


def test_a_change_that_changes_nothing_makes_no_record(penstock: Penstock) -> None:
    table = penstock.dynamodb_table(key=("customer", "number"))
    mapping = penstock.map(table, accept)

    table.put({"customer": "a", "number": 1, "tags": {"x", "y"}})
    table.put({"customer": "a", "number": 1, "tags": {"y", "x"}})
    table.delete({"customer": "b", "number": 1})
    penstock.run_until_idle()

    assert len(mapping.succeeded) == 1
    assert table.items == [{"customer": "a", "number": 1, "tags": {"x", "y"}}]


def test_a_view_type_shows_the_images_it_names(penstock: Penstock) -> None:
    table = penstock.dynamodb_table(StreamViewType="KEYS_ONLY")
    mapping = penstock.map(table, accept)

    table.put({"id": 1, "secret": "x"})
    penstock.run_until_idle()

    change = mapping.invocations[0].event["Records"][0]["dynamodb"]
    assert "NewImage" not in change
    assert change["Keys"] == {"id": {"N": "1"}}
    assert change["StreamViewType"] == "KEYS_ONLY"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param({"x": object()}, "cannot be written as JSON", id="no JSON"),
        pytest.param(float("nan"), "cannot be written as JSON", id="NaN"),
        pytest.param("\ud800", "surrogate", id="half a surrogate"),
        pytest.param(b"x" * (10 * 1024 * 1024 + 1), "AWS takes", id="too large"),
        pytest.param({"Data": "x", "PartitionKey": ""}, "PartitionKey", id="no key"),
    ],
)
def test_what_kinesis_would_not_take_is_refused(
    penstock: Penstock, value: object, told: str
) -> None:
    stream = penstock.kinesis_stream()

    with pytest.raises(ConfigurationError, match=told):
        stream.put(value)

    assert stream.records == []


@pytest.mark.parametrize(
    ("item", "told"),
    [
        pytest.param({"x": 1}, "has no 'id'", id="no key"),
        pytest.param({"id": [1]}, "is of a key", id="key of a wrong type"),
        pytest.param({"id": 1, "x": object()}, "no type for object", id="no type"),
        pytest.param({"id": 1, "x": float("inf")}, "no number", id="infinite"),
        pytest.param({"id": 1, "x": {1, "a"}}, "all of one type", id="mixed set"),
        pytest.param({"id": 1, "x": "x" * 410_000}, "DynamoDB takes", id="too large"),
    ],
)
def test_what_dynamodb_would_not_take_is_refused(
    penstock: Penstock, item: dict[str, object], told: str
) -> None:
    table = penstock.dynamodb_table()

    with pytest.raises(ConfigurationError, match=told):
        table.put(item)

    assert table.items == []
