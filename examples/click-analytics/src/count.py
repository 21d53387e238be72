"""Counts clicks by page; Lambda carries the counts from batch to batch of a window."""

import base64
import json
import os
from collections import Counter
from typing import Any

import boto3

views = boto3.resource("dynamodb").Table(os.environ["VIEWS_TABLE"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Add a batch to the window's state; at the window's end, write the state down."""
    counts = Counter(event["state"])
    for record in event["Records"]:
        click = json.loads(base64.b64decode(record["kinesis"]["data"]))
        counts[click["page"]] += 1
    if event["isFinalInvokeForWindow"]:
        write_down(event, counts)
    return {"state": counts}


def write_down(event: dict[str, Any], counts: Counter[str]) -> None:
    """Write a window's counts; the key makes it harmless to do so twice."""
    start, shard = event["window"]["start"], event["shardId"]
    print(f"window {start} of {shard}: {dict(counts)}")
    if counts:
        views.put_item(Item={"window": start, "shard": shard, "counts": dict(counts)})
