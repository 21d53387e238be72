"""A Kinesis stream of made-up records, and a function, in a process of their own.

Run by ``streams.py``. It speaks what the service asks: ListShards, DescribeStreamSummary,
GetShardIterator, GetRecords, and Lambda's Invoke; it checks no signature. Answers of GetRecords are
made beforehand, so that the endpoint costs little beside what it measures.

``PUT /put`` appends a record to the first shard; ``GET /account`` tells what the function has seen.
"""

import argparse
import asyncio
import base64
import collections
import json
import time
from typing import Any

import uvloop
from aiohttp import web

FIRST_NUMBER = 10**20
PAGE = 1_000


class Endpoint:
    """One stream and one function."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        data = base64.b64encode(b"x" * options.record_bytes).decode()
        now_s = time.time()
        self.pages = [
            [
                {
                    "SequenceNumber": str(FIRST_NUMBER + first + index),
                    "PartitionKey": f"key-{(first + index) % 97}",
                    "Data": data,
                    "ApproximateArrivalTimestamp": now_s,
                }
                for index in range(min(PAGE, options.records - first))
            ]
            for first in range(0, options.records, PAGE)
        ]
        self.encoded = [json.dumps(page)[1:-1] for page in self.pages]
        self.appended: list[dict[str, Any]] = []
        self.invocations = 0
        self.records_taken = 0
        self.entered: collections.deque[float] = collections.deque(maxlen=10_000)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer Kinesis, by the header that names the operation."""
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        asked = json.loads(await request.read())
        match operation:
            case "ListShards":
                shards = [
                    {
                        "ShardId": f"shardId-{index:012}",
                        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
                        "SequenceNumberRange": {"StartingSequenceNumber": "1"},
                    }
                    for index in range(self.options.shards)
                ]
                return self.give({"Shards": shards})
            case "DescribeStreamSummary":
                summary = {
                    "StreamName": "s",
                    "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
                    "StreamStatus": "ACTIVE",
                    "StreamCreationTimestamp": 1700000000.0,
                    "OpenShardCount": self.options.shards,
                    "RetentionPeriodHours": 24,
                    "EnhancedMonitoring": [],
                }
                return self.give({"StreamDescriptionSummary": summary})
            case "GetShardIterator":
                return self.give({"ShardIterator": self.place(asked)})
            case _:
                return self.records(asked["ShardIterator"], asked.get("Limit", 10_000))

    def place(self, asked: dict[str, Any]) -> str:
        """Find a position: an iterator is the shard and the index of a record."""
        index = 0
        if asked["ShardIteratorType"].endswith("SEQUENCE_NUMBER"):
            index = int(asked["StartingSequenceNumber"]) - FIRST_NUMBER
            index += asked["ShardIteratorType"].startswith("AFTER")
        elif asked["ShardIteratorType"] == "LATEST":
            index = self.options.records + len(self.appended)
        shard = "0" if asked["ShardId"].endswith("0" * 12) else "1"
        return f"{shard}/{index}"

    def records(self, iterator: str, limit: int) -> web.Response:
        """Give the records from an index on; only the first shard has some."""
        shard, _, text = iterator.partition("/")
        index = int(text)
        count = self.options.records
        if shard != "0":
            return self.give(
                {"Records": [], "NextShardIterator": iterator, "MillisBehindLatest": 0}
            )
        if index >= count:
            found = self.appended[index - count : index - count + limit]
            following = f"0/{index + len(found)}"
            return self.give(
                {"Records": found, "NextShardIterator": following, "MillisBehindLatest": 0}
            )
        page, offset = divmod(index, PAGE)
        if offset == 0 and limit >= len(self.pages[page]):
            text, size = self.encoded[page], len(self.pages[page])
        else:
            found = self.pages[page][offset : offset + limit]
            text, size = json.dumps(found)[1:-1], len(found)
        behind_ms = 0 if index + size >= count else 1000
        body = (
            f'{{"Records":[{text}],"NextShardIterator":"0/{index + size}",'
            f'"MillisBehindLatest":{behind_ms}}}'
        )
        return web.Response(text=body, content_type="application/x-amz-json-1.1")

    async def invoke(self, request: web.Request) -> web.Response:
        """Run the function: note the time, take a while."""
        self.entered.append(time.time())
        self.invocations += 1
        self.records_taken += (await request.read()).count(b'"eventID"')
        if self.options.work_ms:
            await asyncio.sleep(self.options.work_ms / 1000)
        return web.Response(text="{}", content_type="application/json")

    async def put(self, _request: web.Request) -> web.Response:
        """Append a record now."""
        number = FIRST_NUMBER + self.options.records + len(self.appended)
        self.appended.append(
            {
                "SequenceNumber": str(number),
                "PartitionKey": "key",
                "Data": "eA==",
                "ApproximateArrivalTimestamp": time.time(),
            }
        )
        return self.give({})

    async def account(self, _request: web.Request) -> web.Response:
        """Tell what the function has seen."""
        return self.give(
            {
                "invocations": self.invocations,
                "records": self.records_taken,
                "entered": list(self.entered),
            }
        )

    @staticmethod
    def give(shape: dict[str, Any]) -> web.Response:
        """Answer with JSON."""
        return web.Response(text=json.dumps(shape), content_type="application/x-amz-json-1.1")


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--records", type=int, default=0)
    parser.add_argument("--record-bytes", type=int, default=1024)
    parser.add_argument("--work-ms", type=int, default=0)
    endpoint = Endpoint(parser.parse_args())
    application = web.Application(client_max_size=32 * 1024 * 1024)
    application.router.add_post("/", endpoint.answer)
    application.router.add_post("/2015-03-31/functions/{name}/invocations", endpoint.invoke)
    application.router.add_put("/put", endpoint.put)
    application.router.add_get("/account", endpoint.account)
    uvloop.install()
    web.run_app(application, host="127.0.0.1", port=endpoint.options.port, print=None)


if __name__ == "__main__":
    main()
