"""Sends orders of three customers, and shows what became of them."""

import json
import time

import boto3

CUSTOMERS = ("ada", "bob", "cleo")
ORDERS = 30
POISON = 12
LOOKS_MAX = 120
LOOK_AGAIN_S = 0.5


def main() -> None:
    """Send the orders, one without a quantity, and wait until all are billed or given up."""
    sqs, dynamodb = boto3.client("sqs"), boto3.resource("dynamodb")
    orders_url = sqs.get_queue_url(QueueName="orders.fifo")["QueueUrl"]
    dead_url = sqs.get_queue_url(QueueName="orders-dead.fifo")["QueueUrl"]
    for number in range(1, ORDERS + 1):
        customer = CUSTOMERS[number % len(CUSTOMERS)]
        order = {"id": number, "customer": customer, "quantity": number % 7 + 1}
        if number == POISON:
            del order["quantity"]
        sqs.send_message(
            QueueUrl=orders_url,
            MessageBody=json.dumps(order),
            MessageGroupId=customer,
            MessageDeduplicationId=str(number),
        )
    print(f"sent {ORDERS} orders, number {POISON} without a quantity")
    shipped, billed = dynamodb.Table("Shipped"), dynamodb.Table("Billed")
    invoices: dict[int, int] = {}
    dead: list[int] = []
    for _ in range(LOOKS_MAX):
        time.sleep(LOOK_AGAIN_S)
        invoices = {int(item["order"]): int(item["amount"]) for item in billed.scan()["Items"]}
        answer = sqs.receive_message(QueueUrl=dead_url, MaxNumberOfMessages=10)
        dead += [json.loads(each["Body"])["id"] for each in answer.get("Messages", [])]
        if len(invoices) + len(dead) == ORDERS:
            break
    for item in sorted(shipped.scan()["Items"], key=lambda item: item["customer"]):
        print(f"shipped to {item['customer']}: {' '.join(map(str, item['orders']))}")
    print(f"billed: {len(invoices)} orders, {sum(invoices.values())} in all")
    print(f"in the dead-letter queue: {' '.join(map(str, dead)) or 'nothing'}")


if __name__ == "__main__":
    main()
