"""The demo's queues, through the same endpoint as any AWS tool."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

from penstock.local.resources import create_client, isolated_session

_SEND_AT_ONCE = 10  # SQS: entries per SendMessageBatch


class DemoQueues:
    """Sends, counts and reads; every call blocks."""

    def __init__(self, endpoint: str, region: str) -> None:
        self._sqs = create_client(isolated_session(), "sqs", endpoint=endpoint, region=region)

    def send(self, queue: str, orders: Sequence[dict[str, int]]) -> None:
        """Send orders, each under its id."""
        url = self._url(queue)
        for first in range(0, len(orders), _SEND_AT_ONCE):
            entries = [
                {"Id": str(order["id"]), "MessageBody": json.dumps(order)}
                for order in orders[first : first + _SEND_AT_ONCE]
            ]
            self._sqs.send_message_batch(QueueUrl=url, Entries=entries)

    def count(self, queue: str) -> int:
        """Count the messages of a queue, visible or not."""
        attributes: dict[str, str] = self._sqs.get_queue_attributes(
            QueueUrl=self._url(queue), AttributeNames=["All"]
        )["Attributes"]
        return sum(
            int(value)
            for name, value in attributes.items()
            if name.startswith("ApproximateNumberOfMessages")
        )

    def read(self, queue: str) -> list[dict[str, Any]]:
        """Receive a queue until it is empty; give the objects in its messages."""
        found: list[dict[str, Any]] = []
        while messages := self._receive(queue):
            found += [json.loads(message["Body"]) for message in messages]
        return found

    def _receive(self, queue: str) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url(queue), MaxNumberOfMessages=_SEND_AT_ONCE
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _url(self, queue: str) -> str:
        url: str = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        return url


async def pause(delay_s: float) -> None:
    """Let time pass."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(delay_s):
            await asyncio.Event().wait()
