"""Ships orders. An order without a quantity cannot be shipped: it fails alone, not its batch."""

import json
import os
from typing import Any

import botocore.session

# Endpoint, region and keys come from the AWS_* variables, as on Lambda. What is made here, once
# per execution environment, is shared by all invocations in it.
sqs = botocore.session.get_session().create_client("sqs")
shipped_url = sqs.get_queue_url(QueueName=os.environ["SHIPPED_QUEUE"])["QueueUrl"]


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Ship a batch of orders; say which of them failed."""
    failures = []
    for record in event["Records"]:
        order = json.loads(record["body"])
        try:
            ship(order)
        except KeyError as exc:
            attempt = record["attributes"]["ApproximateReceiveCount"]
            print(f"order {order['id']} has no {exc} (attempt {attempt})")  # noqa: T201
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def ship(order: dict[str, Any]) -> None:
    """Pass an order on, with its receipt."""
    receipt = {"id": order["id"], "shipped": order["quantity"]}
    sqs.send_message(QueueUrl=shipped_url, MessageBody=json.dumps(receipt))
