"""What the two hand-written consumers share: events as AWS writes them, a filter, a result."""

import base64
import json
from typing import Any

from bench_cases import KIND_WANTED, REGION, Case


def event_of(records: list[dict[str, Any]]) -> bytes:
    """Write an event."""
    return json.dumps({"Records": records}).encode()


def message_event(message: dict[str, Any], arn: str) -> dict[str, Any]:
    """Give a message as functions see it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": message.get("MessageAttributes", {}),
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }


def record_event(record: dict[str, Any], shard_id: str, case: Case) -> dict[str, Any]:
    """Give a stream's record as functions see it."""
    if case.source == "dynamodb":
        change = record["dynamodb"]
        created_s = change["ApproximateCreationDateTime"].timestamp()
        return {
            **record,
            "dynamodb": {**change, "ApproximateCreationDateTime": created_s},
            "eventSourceARN": case.arn,
        }
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "",
        "awsRegion": REGION,
        "eventSourceARN": case.arn,
    }


def is_wanted(record: dict[str, Any]) -> bool:
    """Tell whether the filter lets a record of Kinesis through."""
    try:
        return bool(json.loads(record["Data"])["kind"] == KIND_WANTED)
    except (ValueError, KeyError, TypeError):
        return False


def succeeded(answer: dict[str, Any], payload: bytes) -> bool:
    """Tell whether an invocation succeeded with its whole batch."""
    result = json.loads(payload or b"null")
    return not answer.get("FunctionError") and not (result and result.get("batchItemFailures"))
