"""Streams for acceptance tests: what writes to them, and what the handler saw of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from serve_harness import ACCOUNT, REGION, Penstock

STREAM = "clicks"
RECORDS_AT_ONCE = 100

# Writes one line per record; a record whose number is in POISON fails the batch before anything.
HANDLER = """
import base64, json, os, time

LEDGER = os.environ["LEDGER"]
POISON = os.environ.get("POISON_FILE", "")


def read(record):
    if "kinesis" in record:
        part = record["kinesis"]
        body = json.loads(base64.b64decode(part["data"]))
        return [part["partitionKey"], body["number"], part["sequenceNumber"], record["eventID"]]
    part = record["dynamodb"]
    image = part.get("NewImage") or part["OldImage"]
    key = part["Keys"]["id"]["S"]
    return [key, int(image["number"]["N"]), part["SequenceNumber"], record["eventName"]]


def handler(event, context):
    rows = [read(record) for record in event["Records"]]
    time.sleep(float(os.environ.get("WORK_S", "0")))
    poison = json.load(open(POISON)) if POISON and os.path.exists(POISON) else []
    is_good = not any(row[1] in poison for row in rows)
    with open(LEDGER, "a") as ledger:
        ledger.write("".join(json.dumps([*row, is_good]) + "\\n" for row in rows))
    if not is_good:
        raise ValueError("poison")
"""


class SeenRecord(msgspec.Struct, frozen=True, array_like=True):
    """A record as the handler saw it, once."""

    key: str
    number: int
    sequence_number: str
    event_id: str
    is_good: bool


def stream_project(mapping: str = "", *, work_s: float = 0.0, source: str = "") -> str:
    """Write a project file with the function ``count`` and the mapping ``clicks``.

    Args:
        mapping: More lines of the mapping.
        work_s: How long the function takes per batch.
        source: The mapping's source, if it is not the stream.
    """
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{STREAM}"
    return f"""
[service]
account_id = "{ACCOUNT}"
[functions.count]
Handler = "app.handler"
code = "."
Timeout = 5
concurrency = 8
Environment = {{ LEDGER = "ledger", POISON_FILE = "poison.json", WORK_S = "{work_s}" }}
[[mappings]]
name = "clicks"
EventSourceArn = "{source or arn}"
FunctionName = "count"
StartingPosition = "TRIM_HORIZON"
{mapping}
"""


def make_service(folder: Path, aws_url: str, project: str) -> Penstock:
    """Make a service whose handler counts stream records; not yet started."""
    service = Penstock(folder, aws_url, project)
    (folder / "app.py").write_text(HANDLER)
    return service


def set_poison(service: Penstock, numbers: Sequence[int]) -> None:
    """Say which records the handler fails on, from its next batch on."""
    (service.folder / "poison.json").write_text(json.dumps(list(numbers)))


def seen_records(service: Penstock) -> list[SeenRecord]:
    """Read what the handler saw, in the order it did; a line that is being written is left out."""
    if not service.ledger.exists():
        return []
    lines = service.ledger.read_text().split("\n")[:-1]
    return [msgspec.json.decode(line, type=SeenRecord) for line in lines]


def succeeded_numbers(service: Penstock) -> set[int]:
    """Give the numbers of the records that were in a good batch."""
    return {record.number for record in seen_records(service) if record.is_good}


def first_successes(service: Penstock) -> dict[str, list[int]]:
    """Give each key's numbers in the order of their first success."""
    order: dict[str, list[int]] = {}
    for record in seen_records(service):
        numbers = order.setdefault(record.key, [])
        if record.is_good and record.number not in numbers:
            numbers.append(record.number)
    return order


def put_numbers(kinesis: Any, numbers: Sequence[int], *, keys: int = 8) -> None:
    """Write records, each number under the key that is its remainder."""
    for first in range(0, len(numbers), RECORDS_AT_ONCE):
        entries = [
            {
                "PartitionKey": f"key-{number % keys}",
                "Data": json.dumps({"number": number}).encode(),
            }
            for number in numbers[first : first + RECORDS_AT_ONCE]
        ]
        answer = kinesis.put_records(StreamName=STREAM, Records=entries)
        assert answer["FailedRecordCount"] == 0


def make_table(dynamodb: Any) -> str:
    """Make the table ``items`` with a stream; give the stream's ARN."""
    table = dynamodb.create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    arn: str = table["TableDescription"]["LatestStreamArn"]
    return arn
