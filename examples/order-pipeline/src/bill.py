"""Bills what was shipped."""

import json
import os
from typing import Any

import boto3

billed = boto3.resource("dynamodb").Table(os.environ["BILLED_TABLE"])


def handler(event: dict[str, Any], _context: object) -> None:
    """Write each invoice down under its order: an invoice that comes twice is one."""
    for record in event["Records"]:
        invoice = json.loads(record["body"])
        billed.put_item(Item=invoice)
    print(f"{len(event['Records'])} invoices")
