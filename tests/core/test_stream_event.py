"""The records of a stream as a function sees them, byte for byte."""

import itertools
import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.shard_contract import WindowInvocation
from penstock.core.stream_event import (
    EVENT_ENVELOPE_BYTES_MAX,
    DynamoDbChange,
    DynamoDbRecord,
    KinesisRecord,
    dynamodb_records,
    kinesis_records,
    stream_event,
)
from penstock.model.stream import StreamRecord

SHARD_ID = "shardId-000000000006"
KINESIS_ARN = "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"
DYNAMODB_ARN = "arn:aws:dynamodb:us-east-2:123456789012:table/t/stream/2024-06-10T19:26:16.525"
ROLE_ARN = "arn:aws:iam::123456789012:role/lambda-role"
NUMBER = "49590338271490256608559692538361571095921575989136588898"
WINDOW = WindowInvocation(start_ms=1_607_497_440_000, end_ms=1_607_497_560_000)


def kinesis(**members: bytes) -> StreamRecord:
    """A record of Kinesis, read from wire bytes whose members can be replaced."""
    written = {
        "SequenceNumber": b'"%b"' % NUMBER.encode(),
        "PartitionKey": b'"1"',
        "Data": b'"SGVsbG8="',
        "ApproximateArrivalTimestamp": b"1545084650.987",
        "EncryptionType": b'"KMS"',
    } | members
    wire = msgspec.json.decode(_object(written), type=KinesisRecord)
    (record,) = kinesis_records(
        [wire], shard_id=SHARD_ID, stream_arn=KINESIS_ARN, invoke_identity_arn=ROLE_ARN
    )
    return record


def dynamodb(change: dict[str, bytes], **members: bytes) -> StreamRecord:
    """A record of DynamoDB, read from wire bytes as an emulator might write them."""
    written = {
        "ApproximateCreationDateTime": b"1.7E9",
        "Keys": b'{"Id":{"N":"101"}}',
        "SequenceNumber": b'"800000000003126276362"',
        "SizeBytes": b"59",
        "StreamViewType": b'"KEYS_ONLY"',
    } | change
    outer = {
        "eventID": b'"ab0ed3713569f4655f353e5ef61a88c4"',
        "eventName": b'"INSERT"',
        "eventVersion": b'"1.0"',
        "awsRegion": b'"us-east-1"',
        "dynamodb": _object(written),
    } | members
    wire = msgspec.json.decode(_object(outer), type=DynamoDbRecord)
    (record,) = dynamodb_records([wire], stream_arn=DYNAMODB_ARN)
    return record


def _object(members: dict[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(
        [b'"%b":%b' % (name.encode(), text) for name, text in members.items()]
    )


def events(*texts: bytes) -> list[StreamRecord]:
    return [StreamRecord(str(index), b"k", 0, text) for index, text in enumerate(texts)]


def test_kinesis_record_has_its_members_in_aws_s_order() -> None:
    assert kinesis() == StreamRecord(
        sequence_number=NUMBER,
        key=b"1",
        arrived_ms=1_545_084_650_987,
        event=(
            b'{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"1","sequenceNumber":"'
            b'49590338271490256608559692538361571095921575989136588898","data":"SGVsbG8=",'
            b'"approximateArrivalTimestamp":1545084650.987},"eventSource":"aws:kinesis",'
            b'"eventVersion":"1.0","eventID":"shardId-000000000006:'
            b'49590338271490256608559692538361571095921575989136588898",'
            b'"eventName":"aws:kinesis:record",'
            b'"invokeIdentityArn":"arn:aws:iam::123456789012:role/lambda-role",'
            b'"awsRegion":"us-east-2",'
            b'"eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"}'
        ),
    )


@pytest.mark.parametrize(
    ("arrival", "written", "arrived_ms"),
    [
        pytest.param(b"1545084650.987", b"1545084650.987", 1_545_084_650_987, id="float"),
        pytest.param(b"1545084650", b"1545084650", 1_545_084_650_000, id="whole"),
        pytest.param(b"1.545084650987E9", b"1545084650.987", 1_545_084_650_987, id="exponent"),
        pytest.param(b"15450846509.87e-1", b"1545084650.987", 1_545_084_650_987, id="small-e"),
        pytest.param(b"1545084650.9876", b"1545084650.9876", 1_545_084_650_988, id="microseconds"),
        pytest.param(b"0", b"0", 0, id="epoch"),
    ],
)
def test_arrival_keeps_its_milliseconds(arrival: bytes, written: bytes, arrived_ms: int) -> None:
    record = kinesis(ApproximateArrivalTimestamp=arrival)

    assert b'"approximateArrivalTimestamp":%b}' % written in record.event
    assert record.arrived_ms == arrived_ms


@given(st.integers(0, 4_000_000_000_000))
def test_any_millisecond_survives(arrived_ms: int) -> None:
    arrival = b"%d.%03d" % divmod(arrived_ms, 1000)

    assert kinesis(ApproximateArrivalTimestamp=arrival).arrived_ms == arrived_ms


@pytest.mark.parametrize(
    ("literal", "key"),
    [
        pytest.param(rb'"a\"b\\\n"', b'a"b\\\n', id="escapes"),
        pytest.param(rb'"caf\u00e9"', "café".encode(), id="escaped-unicode"),
        pytest.param('"café"'.encode(), "café".encode(), id="utf-8"),
    ],
)
def test_partition_key_is_the_same_however_the_server_writes_it(literal: bytes, key: bytes) -> None:
    record = kinesis(PartitionKey=literal)

    assert record.key == key
    assert json.loads(record.event)["kinesis"]["partitionKey"] == key.decode()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"SequenceNumber": b'"12a"'}, id="letters"),
        pytest.param({"SequenceNumber": b'""'}, id="empty-number"),
        pytest.param({"SequenceNumber": '"٣"'.encode()}, id="other-digits"),
        pytest.param({"SequenceNumber": b'"' + b"1" * 129 + b'"'}, id="too-many-digits"),
        pytest.param({"ApproximateArrivalTimestamp": b'"2024-01-01"'}, id="text-time"),
        pytest.param({"ApproximateArrivalTimestamp": b"null"}, id="no-time"),
        pytest.param({"ApproximateArrivalTimestamp": b"-1"}, id="before-1970"),
        pytest.param({"ApproximateArrivalTimestamp": b"1e999"}, id="no-such-time"),
        pytest.param({"Data": b"null"}, id="no-data"),
        pytest.param({"Data": b"17"}, id="number-data"),
    ],
)
def test_kinesis_record_of_another_shape_is_refused(members: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"not a|has over|could not convert|Expected"):
        kinesis(**members)


def test_records_that_arrived_together_all_say_so() -> None:
    put = KinesisRecord("1", "key", msgspec.Raw(b"1.5e0"), msgspec.Raw(b'""'))
    wire = [put, msgspec.structs.replace(put, sequence_number="2")]

    records = kinesis_records(wire, shard_id="s", stream_arn=KINESIS_ARN, invoke_identity_arn="")

    assert [record.arrived_ms for record in records] == [1500, 1500]
    assert [b'"approximateArrivalTimestamp":1.5}' in record.event for record in records] == [
        True
    ] * 2


def test_no_records_are_no_records() -> None:
    none = kinesis_records(
        [], shard_id=SHARD_ID, stream_arn=KINESIS_ARN, invoke_identity_arn=ROLE_ARN
    )

    assert (none, dynamodb_records([], stream_arn=DYNAMODB_ARN)) == ((), ())


def test_dynamodb_record_has_its_members_in_aws_s_order() -> None:
    images = {"OldImage": b'{"Id":{"N":"101"}}', "NewImage": b'{"B":{"B":"Zm9v"}}'}

    assert dynamodb(images, eventName=b'"MODIFY"') == StreamRecord(
        sequence_number="800000000003126276362",
        key=b'{"Id":{"N":"101"}}',
        arrived_ms=1_700_000_000_000,
        event=(
            b'{"eventID":"ab0ed3713569f4655f353e5ef61a88c4","eventName":"MODIFY",'
            b'"eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-2",'
            b'"dynamodb":{"ApproximateCreationDateTime":1700000000.0,"Keys":{"Id":{"N":"101"}},'
            b'"NewImage":{"B":{"B":"Zm9v"}},"OldImage":{"Id":{"N":"101"}},'
            b'"SequenceNumber":"800000000003126276362","SizeBytes":59,'
            b'"StreamViewType":"KEYS_ONLY"},"eventSourceARN":"arn:aws:dynamodb:us-east-2:'
            b'123456789012:table/t/stream/2024-06-10T19:26:16.525"}'
        ),
    )


def test_changes_each_tell_their_own_second() -> None:
    change = DynamoDbChange(1.0, msgspec.Raw(b"{}"), "1")
    seconds = [1.0, 1.0, 2.5, 1.0]
    wire = [
        DynamoDbRecord(
            msgspec.structs.replace(change, approximate_creation_date_time=each),
            msgspec.Raw(b'"id"'),
            msgspec.Raw(b'"INSERT"'),
        )
        for each in seconds
    ]

    records = dynamodb_records(wire, stream_arn=DYNAMODB_ARN)

    shown = [json.loads(record.event)["dynamodb"] for record in records]
    assert [each["ApproximateCreationDateTime"] for each in shown] == seconds
    assert [record.arrived_ms for record in records] == [1000, 1000, 2500, 1000]


@pytest.mark.parametrize("absent", [{}, {"NewImage": b"null", "OldImage": b"null"}])
def test_image_that_is_not_there_is_left_out(absent: dict[str, bytes]) -> None:
    event = json.loads(dynamodb(absent).event)

    assert list(event["dynamodb"]) == [
        "ApproximateCreationDateTime",
        "Keys",
        "SequenceNumber",
        "SizeBytes",
        "StreamViewType",
    ]


@pytest.mark.parametrize("is_null", [*itertools.product([False, True], repeat=4)])
def test_null_member_leaves_the_others_as_they_are(is_null: tuple[bool, ...]) -> None:
    names = ["NewImage", "OldImage", "SizeBytes", "StreamViewType"]
    change = {name: b"null" if null else b'"x"' for name, null in zip(names, is_null, strict=True)}

    event = json.loads(dynamodb(change).event)

    shown = [name for name, null in zip(names, is_null, strict=True) if not null]
    assert [name for name in event["dynamodb"] if name in names] == shown
    assert [event["dynamodb"][name] for name in shown] == ["x"] * len(shown)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(rb'{"a":{"S":"\u00e9\/"},"b":{"N":"1E+2"}}', id="escapes-and-numbers"),
        pytest.param(b'{"s":{"NS":["1","2.50"]},"n":{"NULL":true}}', id="sets-and-null"),
        pytest.param(b'{"m":{"M":{"x":{"L":[{"BOOL":false}]}}}}', id="nested"),
        pytest.param(b'{"b":{"BS":["AAEqQQ==","QSoBAA=="]}}', id="binaries"),
    ],
)
def test_image_is_passed_on_byte_for_byte(image: bytes) -> None:
    assert b'"NewImage":%b,"SequenceNumber"' % image in dynamodb({"NewImage": image}).event


@pytest.mark.parametrize(
    "identity",
    [
        b'{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}',
        b'{"principalId":"dynamodb.amazonaws.com","type":"Service"}',
    ],
)
def test_deletion_by_the_service_says_so(identity: bytes) -> None:
    event = dynamodb({}, userIdentity=identity).event

    assert (
        b'"KEYS_ONLY"},"userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"},'
        b'"eventSourceARN"'
    ) in event


def test_null_identity_is_left_out() -> None:
    assert b"userIdentity" not in dynamodb({}, userIdentity=b"null").event


def test_item_key_is_the_same_in_any_order() -> None:
    one = dynamodb({"Keys": b'{"b":{"N":"1"},"a":{"S":"x"}}'})
    other = dynamodb({"Keys": b'{"a":{"S":"x"},"b":{"N":"1"}}'})

    assert one.key == other.key == b'{"a":{"S":"x"},"b":{"N":"1"}}'


def test_item_key_is_the_same_with_any_spaces_and_escapes() -> None:
    one = dynamodb({"Keys": '{"id":{"S":"é"}}'.encode()})
    other = dynamodb({"Keys": b'{ "id": {"S": "\\u00e9"}}'})

    assert one.key == other.key == '{"id":{"S":"é"}}'.encode()


@pytest.mark.parametrize(
    ("change", "members"),
    [
        pytest.param({"SequenceNumber": b'"x"'}, {}, id="number"),
        pytest.param({"ApproximateCreationDateTime": b"-1"}, {}, id="time"),
        pytest.param({"Keys": b"[]"}, {}, id="keys"),
        pytest.param({}, {"userIdentity": b'{"Type":1}'}, id="identity"),
    ],
)
def test_dynamodb_record_of_another_shape_is_refused(
    change: dict[str, bytes], members: dict[str, bytes]
) -> None:
    with pytest.raises(ValueError, match=r"not a|has over|could not convert|Expected"):
        dynamodb(change, **members)


def test_event_holds_the_records_in_order() -> None:
    event = stream_event(
        events(b"{}", b'{"a":1}'), window=None, shard_id=SHARD_ID, stream_arn=KINESIS_ARN
    )

    assert event == b'{"Records":[{},{"a":1}]}'


def test_event_of_a_window_has_its_envelope_after_the_records() -> None:
    window = msgspec.structs.replace(WINDOW, state=b'{"n": 1}', is_final=True)

    event = stream_event(events(b"{}"), window=window, shard_id=SHARD_ID, stream_arn=KINESIS_ARN)

    assert event == (
        b'{"Records":[{}],"window":{"start":"2020-12-09T07:04:00Z","end":"2020-12-09T07:06:00Z"},'
        b'"state":{"n": 1},"shardId":"shardId-000000000006",'
        b'"eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream",'
        b'"isFinalInvokeForWindow":true,"isWindowTerminatedEarly":false}'
    )


def test_last_event_of_a_window_has_no_records() -> None:
    window = msgspec.structs.replace(WINDOW, is_final=True, is_terminated_early=True)

    event = stream_event([], window=window, shard_id=SHARD_ID, stream_arn=KINESIS_ARN)

    assert json.loads(event)["Records"] == []
    assert json.loads(event)["isWindowTerminatedEarly"] is True


@given(
    st.lists(st.binary(max_size=50)),
    st.sampled_from([None, WINDOW, msgspec.structs.replace(WINDOW, state=b"{%b}" % bytes(5000))]),
)
def test_event_is_never_larger_than_its_bound(
    texts: Sequence[bytes], window: WindowInvocation | None
) -> None:
    records = events(*texts)
    longest_arn = KINESIS_ARN.ljust(2048, "s")

    event = stream_event(records, window=window, shard_id="s" * 128, stream_arn=longest_arn)

    told_bytes = sum(len(each.event) + 1 for each in records) + len(window.state if window else b"")
    assert len(event) <= told_bytes + EVENT_ENVELOPE_BYTES_MAX
