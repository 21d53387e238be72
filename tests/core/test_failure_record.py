"""The record of a discard, byte for byte."""

import json
import uuid

import pytest
from failure_builders import (
    DISCARD,
    DISCARDED_MS,
    DYNAMODB_ARN,
    DYNAMODB_POLICY,
    FUNCTION_ARN,
    KINESIS_ARN,
    KINESIS_POLICY,
    MAPPING_UUID,
    REQUEST_ID,
    make_discard,
)
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.failure_record import (
    discard_uuid,
    failure_object,
    failure_object_key,
    failure_record,
    failure_report,
    with_payload,
)
from penstock.core.shard_contract import ShardPolicy
from penstock.model.failure import Condition, Discard, FailureReport, InvocationTrace
from penstock.model.stream import StreamKind, StreamRecord

KINESIS_RECORD = (
    b'{"requestContext":{"requestId":"c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",'
    b'"functionArn":"arn:aws:lambda:us-east-2:123456789012:function:myfunction",'
    b'"condition":"RetryAttemptsExhausted","approximateInvokeCount":1},'
    b'"responseContext":{"statusCode":200,"executedVersion":"$LATEST",'
    b'"functionError":"Unhandled"},'
    b'"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z",'
    b'"KinesisBatchInfo":{"shardId":"shardId-000000000001",'
    b'"startSequenceNumber":"49601189658422359378836298521827638475320189012309704722",'
    b'"endSequenceNumber":"49601189658422359378836298522902373528957594348623495186",'
    b'"approximateArrivalOfFirstRecord":"2019-11-14T00:38:04.835Z",'
    b'"approximateArrivalOfLastRecord":"2019-11-14T00:38:05.580Z","batchSize":500,'
    b'"streamArn":"arn:aws:kinesis:us-east-2:123456789012:stream/mystream"}}'
)


def record_of(discard: Discard, kind: StreamKind = StreamKind.KINESIS) -> bytes:
    stream_arn = KINESIS_ARN if kind is StreamKind.KINESIS else DYNAMODB_ARN
    return failure_record(
        discard,
        kind=kind,
        function_arn=FUNCTION_ARN,
        stream_arn=stream_arn,
        request_id=REQUEST_ID,
    )


def test_record_of_kinesis_is_aws_s_own_byte_for_byte() -> None:
    assert record_of(DISCARD) == KINESIS_RECORD


def test_record_of_dynamodb_differs_in_its_name_and_in_arrivals_without_milliseconds() -> None:
    assert record_of(DISCARD, StreamKind.DYNAMODB) == (
        KINESIS_RECORD.replace(b"KinesisBatchInfo", b"DDBStreamBatchInfo")
        .replace(b"00:38:04.835Z", b"00:38:04Z")
        .replace(b"00:38:05.580Z", b"00:38:05Z")
        .replace(KINESIS_ARN.encode(), DYNAMODB_ARN.encode())
    )


def test_function_error_is_null_where_the_function_ended_without_one() -> None:
    partly = make_discard(trace=InvocationTrace(REQUEST_ID, "3", None))

    assert b'{"statusCode":200,"executedVersion":"3","functionError":null}' in record_of(partly)


def test_response_context_is_absent_where_the_function_did_not_run() -> None:
    too_old = make_discard(
        condition=Condition.RECORD_AGE_EXCEEDED, trace=InvocationTrace(REQUEST_ID)
    )

    assert list(json.loads(record_of(too_old))) == [
        "requestContext",
        "version",
        "timestamp",
        "KinesisBatchInfo",
    ]


@pytest.mark.parametrize("condition", list(Condition))
def test_condition_is_written_as_it_is_named(condition: Condition) -> None:
    written = json.loads(record_of(make_discard(condition=condition)))

    assert written["requestContext"]["condition"] == condition.value


def test_one_record_is_first_and_last() -> None:
    alone = StreamRecord("12", b"k", 1_700_000_000_007, b"{}")
    written = json.loads(record_of(make_discard(records=(alone,), batch_size=1)))

    assert written["KinesisBatchInfo"] == {
        "shardId": "shardId-000000000001",
        "startSequenceNumber": "12",
        "endSequenceNumber": "12",
        "approximateArrivalOfFirstRecord": "2023-11-14T22:13:20.007Z",
        "approximateArrivalOfLastRecord": "2023-11-14T22:13:20.007Z",
        "batchSize": 1,
        "streamArn": KINESIS_ARN,
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_payload_is_the_event_as_a_json_string(text: str) -> None:
    event = json.dumps({"Records": [{"data": text}]}, ensure_ascii=False).encode()

    written = json.loads(with_payload(KINESIS_RECORD, event))

    assert written.pop("payload") == event.decode()
    assert written == json.loads(KINESIS_RECORD)


def test_payload_is_the_last_member() -> None:
    complete = with_payload(KINESIS_RECORD, b'{"Records":[]}')

    assert complete == KINESIS_RECORD[:-1] + rb',"payload":"{\"Records\":[]}"}'


def test_object_s_key_has_the_record_s_time_in_utc() -> None:
    key = failure_object_key(DISCARD, mapping_uuid=MAPPING_UUID)

    folder, _, name = key.rpartition("/")
    assert folder == f"aws/lambda/{MAPPING_UUID}/shardId-000000000001/2019/11/14"
    time, identity = name[: -len(REQUEST_ID) - 1], name[-len(REQUEST_ID) :]
    assert time == "2019-11-14T00.38.06"
    assert str(uuid.UUID(identity)) == identity


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(make_discard(id=8), id="discard"),
        pytest.param(make_discard(discarded_ms=DISCARDED_MS + 1), id="time"),
        pytest.param(make_discard(shard_id="shardId-000000000002"), id="shard"),
        pytest.param(make_discard(records=DISCARD.records[1:]), id="first-record"),
        pytest.param(make_discard(records=DISCARD.records[:1]), id="last-record"),
    ],
)
def test_identity_is_no_other_discard_s(other: Discard) -> None:
    identity = discard_uuid(DISCARD, mapping_uuid=MAPPING_UUID)

    assert identity == discard_uuid(make_discard(), mapping_uuid=MAPPING_UUID)
    assert identity != discard_uuid(other, mapping_uuid=MAPPING_UUID)


def test_identity_is_no_other_mapping_s() -> None:
    assert discard_uuid(DISCARD, mapping_uuid="a") != discard_uuid(DISCARD, mapping_uuid="b")


@pytest.mark.parametrize("policy", [KINESIS_POLICY, DYNAMODB_POLICY], ids=lambda each: each.kind)
def test_report_has_the_record_the_event_and_where_a_bucket_keeps_them(policy: ShardPolicy) -> None:
    report = failure_report(DISCARD, b"{}", policy=policy, mapping_uuid=MAPPING_UUID)

    assert report == FailureReport(
        record=record_of(DISCARD, policy.kind),
        event=b"{}",
        object_key=failure_object_key(DISCARD, mapping_uuid=MAPPING_UUID),
        region="us-east-2",
        function_arn=policy.function_arn,
    )


def test_report_of_what_reached_no_function_has_its_own_request_id() -> None:
    too_old = make_discard(condition=Condition.RECORD_AGE_EXCEEDED, trace=InvocationTrace())

    report = failure_report(too_old, b"{}", policy=KINESIS_POLICY, mapping_uuid=MAPPING_UUID)

    request_id = json.loads(report.record)["requestContext"]["requestId"]
    assert request_id == discard_uuid(too_old, mapping_uuid=MAPPING_UUID)


def test_object_is_the_record_with_the_event_unless_it_holds_it_already() -> None:
    report = FailureReport(
        record=KINESIS_RECORD, event=b"{}", object_key="key", region="us-east-2", function_arn="f"
    )
    complete = FailureReport(
        record=KINESIS_RECORD, event=None, object_key="key", region="us-east-2", function_arn="f"
    )

    assert failure_object(report) == with_payload(KINESIS_RECORD, b"{}")
    assert failure_object(complete) == KINESIS_RECORD
