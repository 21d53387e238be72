"""What a filter sees of a record, and that it decodes no more than it must."""

import json

import msgspec
import pytest
from builders import message

from penstock.core.filter_view import (
    NOT_JSON,
    View,
    asked_for,
    decoded_json,
    dynamodb_view,
    kinesis_view,
    message_view,
    queue_record_view,
)
from penstock.model.filtering import FilterSource
from penstock.model.message import Message

SQS, KINESIS, DYNAMODB = FilterSource


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def kinesis_event(blob: object = "eyJhIjoxfQ==") -> bytes:
    own = {"partitionKey": "k", "sequenceNumber": "7", "data": blob}
    return json.dumps({"kinesis": own, "eventName": "aws:kinesis:record"}).encode()


@pytest.mark.parametrize("text", ['{"a":1}', " [1]", b'{"a":[1]}', b"[]", '{"a":1e400}'])
def test_json_is_an_object_or_an_array(text: str | bytes) -> None:
    assert decoded_json(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("5", id="number"),
        pytest.param('"a"', id="string"),
        pytest.param("null", id="null"),
        pytest.param("", id="nothing"),
        pytest.param("{a}", id="no JSON"),
        pytest.param('{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":"\xff"}', id="not UTF-8"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="too deep"),
    ],
)
def test_plain_text_is_everything_else(text: str | bytes) -> None:
    assert decoded_json(text) is NOT_JSON
    assert asked_for(["body.a"], SQS).carried(text) is NOT_JSON


def test_json_with_odd_values_is_decoded_all_the_same() -> None:
    digits = "9" * 5000

    decoded = decoded_json(f'{{"a":{digits},"b":"\\ud800","c":12,"d":"é"}}'.encode())

    assert decoded == {"a": float("inf"), "b": "\ud800", "c": 12, "d": "é"}


def test_json_has_only_the_members_decoded_that_patterns_begin_with() -> None:
    carried = asked_for(["body.a.b", "body.c", "messageId"], SQS).carried

    assert carried('{"a":{"b":1,"z":2},"z":1e400,"a.b":3}') == {"a": {"b": 1, "z": 2}, "a.b": 3}
    assert carried(b'{"c":"\xc3\xa9"}') == {"c": "é"}
    assert carried(b'{"z":"\xff"}') is NOT_JSON
    assert carried('{"c":1e400}') == {"c": float("inf")}
    assert carried('[{"c":1}]') == [{"c": 1}]


@pytest.mark.parametrize("name", ['"', "\\", "\x01", "", "\ud800"])
def test_json_is_decoded_whole_for_a_name_that_no_type_can_have(name: str) -> None:
    assert asked_for([f"body.{name}"], SQS).carried is decoded_json


def test_json_is_decoded_whole_for_very_many_names() -> None:
    assert asked_for([f"body.n{n}" for n in range(51)], SQS).carried is decoded_json


def test_message_view_has_what_was_asked_for() -> None:
    received = message(
        body='{"a":1}',
        attributes=raw({"SenderId": "me"}),
        message_attributes=raw({"kind": {"StringValue": "x", "DataType": "String"}}),
    )
    names = ["messageId", "receiptHandle", "md5OfBody", "eventSource", "attributes", "unknown"]

    view = message_view(received, asked_for([*names, "messageAttributes", "body.a"], SQS))

    kind = {
        "stringValue": "x",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    }
    assert view == View(
        {
            "messageId": "m1",
            "receiptHandle": "handle-m1",
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "attributes": {"SenderId": "me"},
            "messageAttributes": {"kind": kind},
            "body": {"a": 1},
        },
        is_json=True,
    )


def test_message_view_without_the_body_does_not_decode_it() -> None:
    received = Message("m1", "h", msgspec.Raw(b"not even JSON"))

    view = message_view(received, asked_for(["messageId"], SQS))

    assert view == View({"messageId": "m1"}, is_json=False)


def test_message_view_takes_what_no_queue_sends() -> None:
    received = Message("m", "h", msgspec.Raw(b"5"), "", msgspec.Raw(b"5"), msgspec.Raw(b"[1,2,3]"))

    view = message_view(received, asked_for(["body", "attributes", "messageAttributes"], SQS))

    assert view == View({"body": "5", "attributes": {}, "messageAttributes": {}}, is_json=False)


def test_kinesis_view_has_the_members_of_the_event_and_of_the_record() -> None:
    asked = asked_for(
        ["data.a", "partitionKey", "kinesis.sequenceNumber", "eventName", "x"], KINESIS
    )

    view = kinesis_view(kinesis_event(), asked)

    own = {"partitionKey": "k", "sequenceNumber": "7", "data": "eyJhIjoxfQ=="}
    expected: dict[str, object] = {"data": {"a": 1}, "partitionKey": "k", "kinesis": own}
    assert view == View(expected | {"eventName": "aws:kinesis:record"}, is_json=True)


def test_kinesis_view_without_the_data_does_not_decode_it() -> None:
    view = kinesis_view(kinesis_event("no base64"), asked_for(["partitionKey"], KINESIS))

    assert view == View({"partitionKey": "k"}, is_json=False)


@pytest.mark.parametrize("blob", ["aGVsbG8=", "no base64", 5])
def test_kinesis_view_of_data_that_is_no_json_has_none(blob: object) -> None:
    alone = kinesis_view(kinesis_event(blob), asked_for(["data.a"], KINESIS))
    beside = kinesis_view(kinesis_event(blob), asked_for(["data.a", "partitionKey"], KINESIS))

    assert alone == View({}, is_json=False)
    assert beside == View({"partitionKey": "k"}, is_json=False)


@pytest.mark.parametrize("event", [b"", b"5", b'{"kinesis":5}', b"\xff", b"{}"])
@pytest.mark.parametrize("names", [["data.a"], ["partitionKey"], ["data.a", "partitionKey"]])
def test_kinesis_view_of_no_record_is_empty(event: bytes, names: list[str]) -> None:
    assert kinesis_view(event, asked_for(names, KINESIS)) == View({}, is_json=False)


def test_dynamodb_view_has_the_change_and_the_metadata() -> None:
    event = b'{"eventName":"INSERT","dynamodb":{"Keys":{"k":{"S":"1"}},"SizeBytes":9},"x":"\xff"}'

    alone = dynamodb_view(event, asked_for(["dynamodb.Keys.k.S"], DYNAMODB))
    both = dynamodb_view(event, asked_for(["dynamodb.Keys.k.S", "eventName", "x"], DYNAMODB))
    metadata = dynamodb_view(event, asked_for(["eventName", "absent"], DYNAMODB))

    change: dict[str, object] = {"dynamodb": {"Keys": {"k": {"S": "1"}}}}
    assert alone == View(change, is_json=True)
    assert both.members.pop("x") is None
    assert both == View({**change, "eventName": "INSERT"}, is_json=True)
    assert metadata == View({"eventName": "INSERT"}, is_json=True)


@pytest.mark.parametrize("event", [b"", b"5", b'{"dynamodb":5}'])
@pytest.mark.parametrize("names", [["dynamodb.a"], ["dynamodb.a", "eventName"]])
def test_dynamodb_view_of_no_record_has_no_change(event: bytes, names: list[str]) -> None:
    view = dynamodb_view(event, asked_for(names, DYNAMODB))

    assert (view.members.get("dynamodb"), view.is_json) == (None, False)


def test_queue_record_view_is_that_of_the_message() -> None:
    asked = asked_for(["body.a", "messageId"], SQS)

    assert queue_record_view(b'{"messageId":"m1","body":"{\\"a\\":1}"}', asked) == message_view(
        message(body='{"a":1}'), asked
    )
    assert queue_record_view(b'{"messageId":"m1","body":"x"}', asked) == message_view(
        message(body="x"), asked
    )
    assert queue_record_view(b'{"body":5}', asked) == View({"body": 5}, is_json=False)
    assert queue_record_view(b"5", asked) == View({}, is_json=False)
