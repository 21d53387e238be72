"""Keeps a second table in step with the first: customers by their city."""

import os
from typing import Any

import boto3

dynamodb = boto3.client("dynamodb")
TABLE = os.environ["BY_CITY_TABLE"]


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Project a batch of changes; the first that fails is where the batch is tried again."""
    for record in event["Records"]:
        try:
            project(record)
        except KeyError as exc:
            change = record["dynamodb"]
            print(f"cannot project {change['Keys']}: no {exc}")
            return {"batchItemFailures": [{"itemIdentifier": change["SequenceNumber"]}]}
    return {"batchItemFailures": []}


def project(record: dict[str, Any]) -> None:
    """Take the old image out and put the new one in: harmless to do twice."""
    before, after = (record["dynamodb"].get(image) for image in ("OldImage", "NewImage"))
    if before is not None:
        dynamodb.delete_item(TableName=TABLE, Key=key_of(before))
    if after is not None:
        dynamodb.put_item(TableName=TABLE, Item={**key_of(after), "name": after["name"]})
    print(f"{record['eventName']} {record['dynamodb']['Keys']['id']['S']}")


def key_of(image: dict[str, Any]) -> dict[str, Any]:
    """Give the key in the table by cities."""
    return {"city": image["city"], "id": image["id"]}
