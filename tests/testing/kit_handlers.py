"""Handlers that the kit's tests map."""

import base64
import json
from typing import Any


def values_of(event: dict[str, Any]) -> list[Any]:
    """Give what was put, of any source but a table."""
    return [
        json.loads(base64.b64decode(record["kinesis"]["data"]))
        if "kinesis" in record
        else json.loads(record["body"])
        for record in event["Records"]
    ]


def accept(_event: dict[str, Any], _context: object) -> None:
    """Succeed."""


def refuse_poison(event: dict[str, Any], _context: object) -> None:
    """Raise on a value with poison in it."""
    for value in values_of(event):
        if isinstance(value, dict) and value.get("poison"):
            raise ValueError(f"poison: {value['id']}")


def report_poison(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Report what is poison, and the rest as done."""
    failures = []
    for record, value in zip(event["Records"], values_of(event), strict=True):
        if value.get("poison"):
            number = record["kinesis"]["sequenceNumber"] if "kinesis" in record else None
            failures.append({"itemIdentifier": number or record["messageId"]})
    return {"batchItemFailures": failures}
