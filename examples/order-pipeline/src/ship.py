"""Ships orders, each customer's one after the other."""

import json
import os
from typing import Any

import boto3

sqs = boto3.client("sqs")
shipped = boto3.resource("dynamodb").Table(os.environ["SHIPPED_TABLE"])
INVOICES_URL = os.environ["INVOICES_URL"]


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Ship a batch; from a customer's first failure on, what is theirs has failed too."""
    failures = []
    failed_groups = set()
    for record in event["Records"]:
        group = record["attributes"]["MessageGroupId"]
        order = json.loads(record["body"])
        try:
            if group not in failed_groups:
                ship(order)
                continue
        except KeyError as exc:
            print(f"order {order['id']} of {group} has no {exc}")
            failed_groups.add(group)
        failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def ship(order: dict[str, Any]) -> None:
    """Write the order down behind those of the same customer, once, and have it billed."""
    invoice = {"order": order["id"], "amount": order["quantity"] * 10}
    try:
        shipped.update_item(
            Key={"customer": order["customer"]},
            UpdateExpression="SET orders = list_append(if_not_exists(orders, :none), :order)",
            ConditionExpression="attribute_not_exists(orders) OR NOT contains(orders, :number)",
            ExpressionAttributeValues={
                ":none": [],
                ":order": [order["id"]],
                ":number": order["id"],
            },
        )
    except shipped.meta.client.exceptions.ConditionalCheckFailedException:
        print(f"order {order['id']} came twice and was shipped once")
    sqs.send_message(QueueUrl=INVOICES_URL, MessageBody=json.dumps(invoice))
