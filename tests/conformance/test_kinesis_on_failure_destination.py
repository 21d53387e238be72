"""Rules of docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html.

The page of DynamoDB, services-dynamodb-errors.html, has the same rules; its sample's arrival times
have no milliseconds. What becomes of a partial failure's record is from recorded answers of AWS.
"""

import json
from typing import Any

import pytest
from failure_builders import (
    DISCARD,
    DYNAMODB_ARN,
    FUNCTION_ARN,
    KINESIS_ARN,
    MAPPING_UUID,
    REQUEST_ID,
    make_discard,
)

from penstock.core.failure_record import failure_object_key, failure_record, with_payload
from penstock.model.failure import Condition, Discard, InvocationTrace
from penstock.model.stream import StreamKind

SAMPLE = """{
    "requestContext": {
        "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
        "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:myfunction",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 1
    },
    "responseContext": {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled"
    },
    "version": "1.0",
    "timestamp": "2019-11-14T00:38:06.021Z",
    "KinesisBatchInfo": {
        "shardId": "shardId-000000000001",
        "startSequenceNumber": "49601189658422359378836298521827638475320189012309704722",
        "endSequenceNumber": "49601189658422359378836298522902373528957594348623495186",
        "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
        "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
        "batchSize": 500,
        "streamArn": "arn:aws:kinesis:us-east-2:123456789012:stream/mystream"
    }
}"""


def record_of(
    discard: Discard,
    *,
    kind: StreamKind = StreamKind.KINESIS,
    stream_arn: str = KINESIS_ARN,
    function_arn: str = FUNCTION_ARN,
) -> bytes:
    return failure_record(
        discard,
        kind=kind,
        function_arn=function_arn,
        stream_arn=stream_arn,
        request_id=REQUEST_ID,
    )


def members_of(discard: Discard) -> dict[str, Any]:
    return dict(json.loads(record_of(discard)))


def test_invocation_record_is_the_page_s_sample() -> None:
    """A queue's or a topic's invocation record has these members, in this order."""
    compact = json.dumps(json.loads(SAMPLE), separators=(",", ":"))

    assert record_of(DISCARD).decode() == compact


def test_invocation_record_of_dynamodb_names_its_own_batch() -> None:
    """DynamoDB's record has DDBStreamBatchInfo, whose arrival times end in whole seconds."""
    record = json.loads(record_of(DISCARD, kind=StreamKind.DYNAMODB, stream_arn=DYNAMODB_ARN))

    batch = record["DDBStreamBatchInfo"]
    assert list(batch) == list(json.loads(SAMPLE)["KinesisBatchInfo"])
    assert batch["approximateArrivalOfFirstRecord"] == "2019-11-14T00:38:04Z"
    assert record["timestamp"] == "2019-11-14T00:38:06.021Z"


def test_record_of_a_partial_failure_has_no_function_error() -> None:
    """After ReportBatchItemFailures functionError is null, and statusCode is 200."""
    partly = make_discard(trace=InvocationTrace(REQUEST_ID, "$LATEST", None))

    assert members_of(partly)["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": None,
    }


def test_record_of_what_grew_too_old_has_no_response_context() -> None:
    """For RecordAgeExceeded there is no responseContext; the requestContext is there."""
    too_old = make_discard(
        condition=Condition.RECORD_AGE_EXCEEDED, trace=InvocationTrace(REQUEST_ID)
    )

    members = members_of(too_old)

    assert "responseContext" not in members
    assert members["requestContext"]["condition"] == "RecordAgeExceeded"
    assert members["requestContext"]["approximateInvokeCount"] == 1


@pytest.mark.parametrize("function_arn", [FUNCTION_ARN, f"{FUNCTION_ARN}:live"])
def test_function_s_arn_is_the_mapping_s(function_arn: str) -> None:
    """The functionArn is as the mapping names it: qualified only where the mapping is."""
    record = json.loads(record_of(DISCARD, function_arn=function_arn))

    assert record["requestContext"]["functionArn"] == function_arn


def test_invocation_record_has_no_records() -> None:
    """A queue's and a topic's record is metadata only: the stream is read again by its range."""
    members = members_of(DISCARD)

    assert "payload" not in members
    assert "Records" not in json.dumps(members)


def test_record_in_a_bucket_has_the_whole_event_as_a_string() -> None:
    """S3's record has the original invocation event, as an escaped JSON string ``payload``."""
    event = '{"Records":[{"eventSource":"aws:kinesis"}]}'

    members = json.loads(with_payload(record_of(DISCARD), event.encode()))

    assert members.pop("payload") == event
    assert members == members_of(DISCARD)


def test_object_s_key_names_mapping_shard_and_time() -> None:
    """aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<Random UUID>."""
    key = failure_object_key(DISCARD, mapping_uuid=MAPPING_UUID)

    start = f"aws/lambda/{MAPPING_UUID}/shardId-000000000001/2019/11/14/2019-11-14T00.38.06-"
    assert key[: len(start)] == start
    assert [len(part) for part in key[len(start) :].split("-")] == [8, 4, 4, 4, 12]
