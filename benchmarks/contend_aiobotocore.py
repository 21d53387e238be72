"""A careful consumer by hand with aiobotocore, the same as with boto3: a task per invocation."""

import asyncio
import sys
import time
from typing import Any

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from bench_cases import CALL_MESSAGES_MAX, CASES, REGION, Case, shard_ids
from by_hand import event_of, is_wanted, message_event, record_event, succeeded

WAIT_S = 20


class Contender:
    """The tasks of one case."""

    def __init__(self, case: Case, url: str) -> None:
        self.case = case
        self.url = url
        self.queue_url = f"{url}/000000000000/{case.arn.rpartition(':')[2]}"

    async def run(self) -> None:
        """Run all tasks for ever."""
        case = self.case
        session = get_session()
        session.set_credentials("test", "test")
        options = {
            "endpoint_url": self.url,
            "region_name": REGION,
            "config": AioConfig(max_pool_connections=2 * case.workers),
        }
        name = {"fifo": "sqs", "dynamodb": "dynamodbstreams"}.get(case.source, case.source)
        async with (
            session.create_client(name, **options) as self.source,
            session.create_client("lambda", **options) as self.functions,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(case.workers):
                loop = self.consume() if case.is_queue else self.read(shard_ids(case)[number])
                tasks.create_task(loop)

    async def consume(self) -> None:
        """Receive, invoke, delete."""
        case = self.case
        while True:
            messages = await self.receive(WAIT_S)
            until = time.monotonic() + case.window_s
            while messages and len(messages) < case.batch_size and time.monotonic() < until:
                messages += await self.receive(case.window_s)
            done = []
            for start in range(0, len(messages), case.batch_size):
                batch = messages[start : start + case.batch_size]
                if await self.invoke([message_event(message, case.arn) for message in batch]):
                    done += batch
            for start in range(0, len(done), CALL_MESSAGES_MAX):
                await self.delete(done[start : start + CALL_MESSAGES_MAX])

    async def receive(self, wait_s: int) -> list[dict[str, Any]]:
        """Receive up to ten messages."""
        answer = await self.source.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=CALL_MESSAGES_MAX,
            WaitTimeSeconds=wait_s,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def delete(self, messages: list[dict[str, Any]]) -> None:
        """Delete up to ten messages, and those again that were not."""
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
            for index, message in enumerate(messages)
        ]
        while entries:
            answer = await self.source.delete_message_batch(
                QueueUrl=self.queue_url, Entries=entries
            )
            failed = {each["Id"] for each in answer.get("Failed", []) if not each["SenderFault"]}
            entries = [entry for entry in entries if entry["Id"] in failed]

    async def read(self, name: str) -> None:
        """Read a shard from its start, and keep the place in it."""
        of_stream = {"StreamARN": self.case.arn}
        if self.case.source == "dynamodb":
            of_stream = {"StreamArn": self.case.arn}
        found = await self.source.get_shard_iterator(
            **of_stream, ShardId=name, ShardIteratorType="TRIM_HORIZON"
        )
        iterator, places = found["ShardIterator"], dict[str, str]()
        while True:
            answer = await self.source.get_records(ShardIterator=iterator, Limit=1000)
            iterator, records = answer["NextShardIterator"], answer["Records"]
            if self.case.is_json:
                records = [record for record in records if is_wanted(record)]
            for start in range(0, len(records), self.case.batch_size):
                batch = records[start : start + self.case.batch_size]
                events = [record_event(each, name, self.case) for each in batch]
                while not await self.invoke(events):  # noqa: ASYNC110 - a retry, no condition
                    await asyncio.sleep(1)
                last = batch[-1].get("SequenceNumber") or batch[-1]["dynamodb"]
                places[name] = last if isinstance(last, str) else last["SequenceNumber"]

    async def invoke(self, records: list[dict[str, Any]]) -> bool:
        """Invoke the function; tell whether it succeeded."""
        answer = await self.functions.invoke(FunctionName="bench", Payload=event_of(records))
        return succeeded(answer, await answer["Payload"].read())


if __name__ == "__main__":
    uvloop.run(Contender(CASES[sys.argv[1]], sys.argv[2]).run())
