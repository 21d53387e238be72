"""The event a function sees, byte for byte."""

import json
from typing import Any

import msgspec
import pytest
from builders import QUEUE_ARN, message
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.function_event import (
    event_attributes,
    queue_event,
    queue_records_bytes_max,
)
from penstock.model.message import Message

DIGEST = "d25a6aea97eb8f585bfa92d314504a92"


def wire_message(body: bytes = b'"b"', **members: bytes) -> Message:
    """A message as it is read from a ReceiveMessage response."""
    text = b'{"MessageId":"m1","ReceiptHandle":"handle-m1","Body":%b%b}' % (
        body,
        b"".join(b',"%b":%b' % (name.encode(), value) for name, value in members.items()),
    )
    return msgspec.json.decode(text, type=Message)


def record_of(received: Message) -> dict[str, Any]:
    """The only record of the event, decoded."""
    event = json.loads(queue_event([received], QUEUE_ARN))
    assert list(event) == ["Records"]
    (record,) = event["Records"]
    assert isinstance(record, dict)
    return record


def test_event_has_its_members_in_aws_s_order() -> None:
    received = wire_message(Attributes=b'{"SenderId":"me"}', MD5OfBody=b'"d41d"')

    assert queue_event([received], QUEUE_ARN) == (
        b'{"Records":[{"messageId":"m1","receiptHandle":"handle-m1","body":"b",'
        b'"attributes":{"SenderId":"me"},"messageAttributes":{},"md5OfBody":"d41d",'
        b'"eventSource":"aws:sqs",'
        b'"eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:orders",'
        b'"awsRegion":"us-east-2"}]}'
    )


def test_event_holds_every_message_in_order() -> None:
    event = queue_event([message("m1"), message("m2"), message("m3")], QUEUE_ARN)

    assert [record["messageId"] for record in json.loads(event)["Records"]] == ["m1", "m2", "m3"]


def test_event_of_no_messages_is_still_an_event() -> None:
    assert queue_event([], QUEUE_ARN) == b'{"Records":[]}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'""', id="empty"),
        pytest.param(rb'"\"\\\/\b\f\n\r\t"', id="short-escapes"),
        pytest.param(rb'"caf\u00e9 \u20AC \ud83d\ude00"', id="unicode-escapes"),
        pytest.param('"café € 😀"'.encode(), id="utf-8"),
        pytest.param(b'"\x7f"', id="delete-character"),
        pytest.param(rb'"{\"batchItemFailures\": []}"', id="json-in-text"),
        pytest.param(b'"' + b"x" * 256 * 1024 + b'"', id="256-kib"),
    ],
)
def test_event_body_is_passed_on_byte_for_byte(body: bytes) -> None:
    event = queue_event([wire_message(body)], QUEUE_ARN)

    assert b'"body":%b,"attributes"' % body in event


def test_event_attributes_are_passed_on_byte_for_byte() -> None:
    attributes = rb'{ "ApproximateReceiveCount" : "2", "AWSTraceHeader":"Root=1\u002d5" }'

    event = queue_event([wire_message(Attributes=attributes)], QUEUE_ARN)

    assert b'"attributes":%b,"messageAttributes"' % attributes in event


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(
            b'{"StringValue":"John","DataType":"String"}',
            b'"stringValue":"John","stringListValues":[],"binaryListValues":[],"dataType":"String"',
            id="string",
        ),
        pytest.param(
            b'{"StringValue":"6","DataType":"Number"}',
            b'"stringValue":"6","stringListValues":[],"binaryListValues":[],"dataType":"Number"',
            id="number",
        ),
        pytest.param(
            b'{"BinaryValue":"AAH/","DataType":"Binary"}',
            b'"binaryValue":"AAH/","stringListValues":[],"binaryListValues":[],"dataType":"Binary"',
            id="binary",
        ),
        pytest.param(
            b'{"DataType":"Number.int","StringValue":"6"}',
            b'"stringValue":"6","stringListValues":[],"binaryListValues":[],"dataType":"Number.int"',
            id="custom",
        ),
        pytest.param(
            b'{"StringValue":null,"BinaryValue":"AA==","DataType":"Binary.gif"}',
            b'"binaryValue":"AA==","stringListValues":[],"binaryListValues":[],"dataType":"Binary.gif"',
            id="null-members-of-an-emulator",
        ),
        pytest.param(
            b'{"StringValue":"x"}',
            b'"stringValue":"x","stringListValues":[],"binaryListValues":[],"dataType":"String"',
            id="no-type-of-an-emulator",
        ),
        pytest.param(
            b'{"DataType":"String"}',
            b'"stringListValues":[],"binaryListValues":[],"dataType":"String"',
            id="no-value-of-an-emulator",
        ),
    ],
)
def test_event_message_attribute_is_translated(sent: bytes, expected: bytes) -> None:
    received = wire_message(MessageAttributes=b'{"Name":%b}' % sent)

    event = queue_event([received], QUEUE_ARN)

    assert b'"messageAttributes":{"Name":{%b}},"md5OfBody"' % expected in event


def test_message_without_attributes_has_none_in_an_event() -> None:
    assert event_attributes(message("m1")) == b"{}"


def test_event_message_attributes_come_with_their_digest_before_that_of_the_body() -> None:
    received = wire_message(
        MessageAttributes=b'{"A":{"StringValue":"1","DataType":"Number"}}',
        MD5OfMessageAttributes=b'"%b"' % DIGEST.encode(),
        MD5OfBody=b'"d41d"',
    )

    event = queue_event([received], QUEUE_ARN)

    assert b'},"md5OfMessageAttributes":"%b","md5OfBody":"d41d",' % DIGEST.encode() in event


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({}, id="none-sent"),
        pytest.param({"MessageAttributes": b"{}"}, id="empty-object"),
        pytest.param({"MessageAttributes": b"{ }"}, id="blank-object"),
        pytest.param({"MessageAttributes": b"null"}, id="null"),
        pytest.param({"MD5OfMessageAttributes": b'"d41d"'}, id="digest-of-nothing"),
    ],
)
def test_event_has_no_attributes_digest_without_attributes(members: dict[str, bytes]) -> None:
    record = record_of(wire_message(**members))

    assert record["messageAttributes"] == {}
    assert "md5OfMessageAttributes" not in record


names = st.text(min_size=1, max_size=20)
attribute_maps = st.dictionaries(
    names,
    st.fixed_dictionaries({"StringValue": st.text(), "DataType": st.sampled_from(["String"])})
    | st.fixed_dictionaries({"BinaryValue": st.text(), "DataType": st.just("Binary")}),
    max_size=10,
)
received_messages = st.builds(
    Message,
    message_id=st.text(),
    receipt_handle=st.text(),
    body=st.text().map(lambda text: msgspec.Raw(json.dumps(text).encode())),
    md5_of_body=st.text(max_size=40),
    attributes=st.dictionaries(names, st.text()).map(
        lambda members: msgspec.Raw(json.dumps(members).encode())
    ),
    message_attributes=attribute_maps.map(
        lambda members: msgspec.Raw(json.dumps(members).encode())
    ),
    md5_of_message_attributes=st.none() | st.text(max_size=40),
)


def expected_attributes(received: Message) -> dict[str, Any]:
    """Message attributes as the event spells them, by another road."""
    sent: dict[str, dict[str, str]] = json.loads(bytes(received.message_attributes))
    return {
        name: {
            **{member[0].lower() + member[1:]: value for member, value in attribute.items()},
            "stringListValues": [],
            "binaryListValues": [],
        }
        for name, attribute in sent.items()
    }


def expected_record(received: Message) -> dict[str, Any]:
    """The record that stands for a message, by another road."""
    attributes = expected_attributes(received)
    digest = received.md5_of_message_attributes
    return {
        "messageId": received.message_id,
        "receiptHandle": received.receipt_handle,
        "body": json.loads(bytes(received.body)),
        "attributes": json.loads(bytes(received.attributes)),
        "messageAttributes": attributes,
        **({"md5OfMessageAttributes": digest} if attributes and digest is not None else {}),
        "md5OfBody": received.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": "us-east-2",
    }


@given(st.lists(received_messages, max_size=3))
def test_event_says_what_was_received(received: list[Message]) -> None:
    event = json.loads(queue_event(received, QUEUE_ARN))

    assert event == {"Records": [expected_record(each) for each in received]}


@given(received_messages)
def test_records_bytes_max_is_never_below_the_record(received: Message) -> None:
    envelope = len(queue_event([], QUEUE_ARN))

    record_bytes = len(queue_event([received], QUEUE_ARN)) - envelope

    assert record_bytes <= queue_records_bytes_max([received], QUEUE_ARN)


def test_records_bytes_max_is_close_for_a_usual_message() -> None:
    received = message("059f36b4-87a3-44ab-83d2-661975830a7d", "x" * 10_000)

    bound = queue_records_bytes_max([received], QUEUE_ARN)

    assert bound - len(queue_event([received], QUEUE_ARN)) < 200
