"""The handler of the scenarios of parity: it does what each record asks for.

It runs in processes of ``penstock dev``, and in the testing kit: the same file. A record is JSON,
or a table's item, with an ``n``, and may ask for one of ``DEEDS`` by ``does``; with ``times`` only
for its first so many invocations. Each event is a line of the ledger before anything is done.
"""

import base64
import collections
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEDGER = "PARITY_LEDGER"  # the folder of the ledgers
ALWAYS = 1_000
HANG_S = 30.0
SLOW_S = 0.3


def handler(event: dict[str, Any], _context: object) -> Any:
    """Do what the records ask for, in their order."""
    ledger = Path(os.environ[LEDGER], f"{source_of(event)}.jsonl")
    counts = collections.Counter(
        name_of(record) for earlier in events_in(ledger) for record in earlier["Records"]
    )
    write(ledger, event)
    answer: dict[str, Any] = {"batchItemFailures": []}
    if "window" in event:
        answer["state"] = {"names": [*event["state"].get("names", []), *names_in(event)]}
    for record in event["Records"]:
        asked = asked_of(record)
        if "does" in asked and counts[name_of(record)] < asked.get("times", ALWAYS):
            answer = DEEDS[asked["does"]](answer, identifier_of(record))
    return answer


def fail(_answer: Any, _identifier: str) -> Any:
    """Raise."""
    raise ValueError("as the record asked")


def leave(_answer: Any, _identifier: str) -> Any:
    """End the process."""
    sys.exit(3)


def hang(answer: Any, _identifier: str) -> Any:
    """Run into the function's timeout."""
    time.sleep(HANG_S)
    return answer


def linger(answer: Any, _identifier: str) -> Any:
    """Take a while."""
    time.sleep(SLOW_S)
    return answer


def report(answer: Any, identifier: str) -> Any:
    """Report the record as failed."""
    return {**answer, "batchItemFailures": [*failures(answer), {"itemIdentifier": identifier}]}


def report_stranger(answer: Any, _identifier: str) -> Any:
    """Report a record that is not in the batch."""
    return report(answer, "1")


def report_nobody(answer: Any, _identifier: str) -> Any:
    """Report an identifier that is empty."""
    return report(answer, "")


def garble(_answer: Any, _identifier: str) -> Any:
    """Answer something else."""
    return {"batchItemFailures": "all of them"}


DEEDS = {
    "fail": fail,
    "leave": leave,
    "hang": hang,
    "linger": linger,
    "report": report,
    "report a stranger": report_stranger,
    "report nobody": report_nobody,
    "garble": garble,
}


def failures(answer: dict[str, Any]) -> list[dict[str, str]]:
    """Give what was reported so far."""
    found: list[dict[str, str]] = answer["batchItemFailures"]
    return found


def source_of(event: dict[str, Any]) -> str:
    """Give the name of the queue, stream or table that an event comes from."""
    arn = event["Records"][0]["eventSourceARN"] if event["Records"] else event["eventSourceARN"]
    resource: str = arn.split(":", 5)[5]
    return resource.split("/")[1] if "/" in resource else resource


def asked_of(record: dict[str, Any]) -> dict[str, Any]:
    """Give what was put: of a queue, a stream or a table's stream."""
    if "dynamodb" not in record:
        put = record["body"] if "body" in record else base64.b64decode(record["kinesis"]["data"])
        asked: dict[str, Any] = json.loads(put)
        return asked
    change = record["dynamodb"]
    image = change.get("NewImage") or change.get("OldImage") or change["Keys"]
    return {name: plain(value) for name, value in image.items()}


def plain(attribute: dict[str, str]) -> object:
    """Give a number's or a text's value."""
    return int(attribute["N"]) if "N" in attribute else attribute["S"]


def name_of(record: dict[str, Any]) -> str:
    """Name a record by its number; a table's by its change and key, too."""
    asked = asked_of(record)
    if "dynamodb" in record:
        keys = "/".join(str(plain(value)) for value in record["dynamodb"]["Keys"].values())
        return f"{record['eventName']} {keys} {asked.get('n', '')}".rstrip()
    return str(asked["n"])


def names_in(event: dict[str, Any]) -> list[str]:
    """Name an event's records."""
    return [name_of(record) for record in event["Records"]]


def identifier_of(record: dict[str, Any]) -> str:
    """Give what a partial failure names a record by."""
    if "body" in record:
        return str(record["messageId"])
    if "kinesis" in record:
        return str(record["kinesis"]["sequenceNumber"])
    return str(record["dynamodb"]["SequenceNumber"])


def write(ledger: Path, event: dict[str, Any]) -> None:
    """Add an event in one piece: other processes write too."""
    with ledger.open("ab", buffering=0) as file:
        file.write(json.dumps(event).encode() + b"\n")


def events_in(ledger: Path) -> Iterator[dict[str, Any]]:
    """Read the events of a ledger."""
    if ledger.exists():
        for line in ledger.read_text().splitlines():
            yield json.loads(line)
