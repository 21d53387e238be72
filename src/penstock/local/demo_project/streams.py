"""Counts clicks of a Kinesis stream, and projects the changes of a DynamoDB table."""

import base64
import json
import os
import time
from typing import Any

import botocore.session

SEND_AT_ONCE = 10

sqs = botocore.session.get_session().create_client("sqs")
receipts_url = sqs.get_queue_url(QueueName=os.environ["RECEIPTS_QUEUE"])["QueueUrl"]


def count_clicks(event: dict[str, Any], _context: object) -> None:
    """Count a batch of clicks; one without a page fails the batch, before anything is counted."""
    clicks = [json.loads(base64.b64decode(each["kinesis"]["data"])) for each in event["Records"]]
    for click in clicks:
        if "page" not in click:
            raise ValueError(f"click {click['number']} of {click['customer']} has no page")
    give_receipts([(click["customer"], click["number"]) for click in clicks])


def project_changes(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Project a batch of an item's changes; a removal is the change after its last number."""
    changes = []
    for record in event["Records"]:
        change = record["dynamodb"]
        item = change.get("NewImage", change.get("OldImage"))
        is_removed = record["eventName"] == "REMOVE"
        changes.append((change["Keys"]["id"]["S"], int(item["number"]["N"]) + is_removed))
    give_receipts(changes)
    return {"batchItemFailures": []}


def give_receipts(done: list[tuple[str, int]]) -> None:
    """Say what is done, when, and in which order."""
    at = time.time_ns()
    entries = [
        {
            "Id": str(place),
            "MessageBody": json.dumps({"key": key, "number": number, "at": at, "place": place}),
        }
        for place, (key, number) in enumerate(done)
    ]
    for first in range(0, len(entries), SEND_AT_ONCE):
        sqs.send_message_batch(QueueUrl=receipts_url, Entries=entries[first : first + SEND_AT_ONCE])
