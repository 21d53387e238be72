"""The demo's streams: clicks through a Kinesis stream, and the changes of a table."""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.local.demo_queues import DemoQueues, pause
from penstock.local.resources import create_client, isolated_session

CUSTOMERS = 6
CLICKS_PER_CUSTOMER = 10
POISON_CLICK = ("customer-3", 5)  # its page is missing: no attempt can mend that
ITEMS = 5
CHANGES_PER_ITEM = 4  # one insert, two updates, one removal
SETTLE_S_MAX = 40.0
LOOK_AGAIN_S = 0.5
STREAM, CLICK_RECEIPTS, FAILED_CLICKS = "clicks", "clicks-counted", "clicks-failed"
TABLE, CHANGE_RECEIPTS = "customers", "customers-projected"

Numbers = dict[str, list[int]]


class StreamSummary(msgspec.Struct, frozen=True):
    """What came of a stream, per key, read back from the functions' receipts.

    Attributes:
        sent: The numbers of each key's records, in the order they were written.
        seen: Those that a function succeeded with, in the order it did.
        discarded: How many records arrived at the on-failure destination.
        poison: The records that no attempt can mend.
    """

    name: str
    sent: Numbers
    seen: Numbers
    discarded: int = 0
    poison: frozenset[tuple[str, int]] = frozenset()

    @property
    def keys_in_order(self) -> int:
        """Count the keys of which each good record was seen once, in order."""
        return sum(self.seen.get(key) == self._good(key) for key in self.sent)

    @property
    def adds_up(self) -> bool:
        """Every good record was seen once, in its key's order; every poison one was discarded."""
        return (
            self.keys_in_order == len(self.sent)
            and self.seen.keys() == self.sent.keys()
            and self.discarded == len(self.poison)
        )

    def _good(self, key: str) -> list[int]:
        return [number for number in self.sent[key] if (key, number) not in self.poison]

    def __str__(self) -> str:
        sent, seen = (sum(map(len, numbers.values())) for numbers in (self.sent, self.seen))
        discarded = f" discarded={self.discarded}" if self.poison else ""
        return (
            f"{self.name}: sent={sent} succeeded={seen}{discarded}"
            f" keys_in_order={self.keys_in_order}/{len(self.sent)}"
        )


def make_clicks() -> list[tuple[str, dict[str, Any]]]:
    """Make the clicks as (customer, click), the customers taking turns; one lacks its page."""
    clicks = []
    for number in range(1, CLICKS_PER_CUSTOMER + 1):
        for index in range(1, CUSTOMERS + 1):
            customer = f"customer-{index}"
            click: dict[str, Any] = {"customer": customer, "number": number}
            if (customer, number) != POISON_CLICK:
                click["page"] = f"/products/{number}"
            clicks.append((customer, click))
    return clicks


class DemoStreams:
    """Writes to the demo's stream and table, and reads back what became of it."""

    def __init__(self, endpoint: str, region: str, queues: DemoQueues) -> None:
        session = isolated_session()
        self._kinesis = create_client(session, "kinesis", endpoint=endpoint, region=region)
        self._dynamodb = create_client(session, "dynamodb", endpoint=endpoint, region=region)
        self._queues = queues

    async def play_clicks(self) -> StreamSummary:
        """Write the clicks, wait for their receipts, give the account."""
        clicks = make_clicks()
        sent: Numbers = {}
        for customer, click in clicks:
            sent.setdefault(customer, []).append(click["number"])
        await asyncio.to_thread(self._put_clicks, clicks)
        await self._wait_for({CLICK_RECEIPTS: len(clicks) - 1, FAILED_CLICKS: 1})
        receipts = await asyncio.to_thread(self._queues.read, CLICK_RECEIPTS)
        failed = await asyncio.to_thread(self._queues.read, FAILED_CLICKS)
        return StreamSummary(
            f"stream {STREAM}",
            sent,
            in_order_seen(receipts),
            sum(failure["KinesisBatchInfo"]["batchSize"] for failure in failed),
            frozenset({POISON_CLICK}),
        )

    async def play_changes(self) -> StreamSummary:
        """Change the table's items, wait for the receipts, give the account."""
        sent = {f"item-{index}": list(range(1, CHANGES_PER_ITEM + 1)) for index in range(ITEMS)}
        await asyncio.to_thread(self._change_items, list(sent))
        await self._wait_for({CHANGE_RECEIPTS: ITEMS * CHANGES_PER_ITEM})
        receipts = await asyncio.to_thread(self._queues.read, CHANGE_RECEIPTS)
        return StreamSummary(f"table {TABLE}", sent, in_order_seen(receipts))

    async def _wait_for(self, counts: Mapping[str, int]) -> None:
        with contextlib.suppress(TimeoutError):  # then the summary says what is missing
            async with asyncio.timeout(SETTLE_S_MAX):
                for queue, count in counts.items():
                    while await asyncio.to_thread(self._queues.count, queue) < count:
                        await pause(LOOK_AGAIN_S)

    def _put_clicks(self, clicks: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self._kinesis.put_records(
            StreamName=STREAM,
            Records=[
                {"PartitionKey": customer, "Data": json.dumps(click).encode()}
                for customer, click in clicks
            ],
        )

    def _change_items(self, ids: Sequence[str]) -> None:
        for number in range(1, CHANGES_PER_ITEM):
            for item_id in ids:
                item = {"id": {"S": item_id}, "number": {"N": str(number)}}
                self._dynamodb.put_item(TableName=TABLE, Item=item)
        for item_id in ids:
            self._dynamodb.delete_item(TableName=TABLE, Key={"id": {"S": item_id}})


def in_order_seen(receipts: Sequence[Mapping[str, Any]]) -> Numbers:
    """Give each key's numbers in the order in which the function wrote their receipts."""
    seen: Numbers = {}
    for receipt in sorted(receipts, key=lambda each: (each["at"], each["place"])):
        seen.setdefault(receipt["key"], []).append(receipt["number"])
    return seen
