"""A careful consumer by hand with boto3: as many threads as invocations at once.

It deletes only what its function succeeded with, deletes again what was not deleted, keeps its
place in a stream, and filters and builds the event as AWS does.
"""

import sys
import threading
import time
from typing import Any

import boto3
from bench_cases import CALL_MESSAGES_MAX, CASES, REGION, Case, shard_ids
from botocore.config import Config
from by_hand import event_of, is_wanted, message_event, record_event, succeeded

READERS = 16  # threads that share the shards
WAIT_S = 20


class Contender:
    """The threads of one case."""

    def __init__(self, case: Case, url: str) -> None:
        config = Config(max_pool_connections=2 * case.workers)
        session = boto3.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
        )
        name = {"fifo": "sqs", "dynamodb": "dynamodbstreams"}.get(case.source, case.source)
        self.case = case
        self.source = session.client(name, endpoint_url=url, config=config)
        self.functions = session.client("lambda", endpoint_url=url, config=config)
        self.queue_url = f"{url}/000000000000/{case.arn.rpartition(':')[2]}"

    def run(self) -> None:
        """Run all threads for ever."""
        case = self.case
        if case.is_queue:
            threads = [threading.Thread(target=self.consume) for _ in range(case.workers)]
        else:
            names, readers = shard_ids(case), min(case.workers, READERS)
            parts = [names[number::readers] for number in range(readers)]
            threads = [threading.Thread(target=self.read, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def consume(self) -> None:
        """Receive, invoke, delete."""
        case = self.case
        while True:
            messages = self.receive(WAIT_S)
            until = time.monotonic() + case.window_s
            while messages and len(messages) < case.batch_size and time.monotonic() < until:
                messages += self.receive(case.window_s)
            done = []
            for start in range(0, len(messages), case.batch_size):
                batch = messages[start : start + case.batch_size]
                if self.invoke([message_event(message, case.arn) for message in batch]):
                    done += batch
            for start in range(0, len(done), CALL_MESSAGES_MAX):
                self.delete(done[start : start + CALL_MESSAGES_MAX])

    def receive(self, wait_s: int) -> list[dict[str, Any]]:
        """Receive up to ten messages."""
        answer = self.source.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=CALL_MESSAGES_MAX,
            WaitTimeSeconds=wait_s,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def delete(self, messages: list[dict[str, Any]]) -> None:
        """Delete up to ten messages, and those again that were not."""
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
            for index, message in enumerate(messages)
        ]
        while entries:
            answer = self.source.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
            failed = {each["Id"] for each in answer.get("Failed", []) if not each["SenderFault"]}
            entries = [entry for entry in entries if entry["Id"] in failed]

    def read(self, names: list[str]) -> None:
        """Read shards in turn, each from its start, and keep the place in each."""
        of_stream = {"StreamARN": self.case.arn}
        if self.case.source == "dynamodb":
            of_stream = {"StreamArn": self.case.arn}
        iterators = {
            name: self.source.get_shard_iterator(
                **of_stream, ShardId=name, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            for name in names
        }
        places: dict[str, str] = {}
        while True:
            for name in names:
                answer = self.source.get_records(ShardIterator=iterators[name], Limit=1000)
                iterators[name] = answer["NextShardIterator"]
                records = answer["Records"]
                if self.case.is_json:
                    records = [record for record in records if is_wanted(record)]
                for start in range(0, len(records), self.case.batch_size):
                    batch = records[start : start + self.case.batch_size]
                    while not self.invoke([record_event(each, name, self.case) for each in batch]):
                        time.sleep(1)
                    last = batch[-1].get("SequenceNumber") or batch[-1]["dynamodb"]
                    places[name] = last if isinstance(last, str) else last["SequenceNumber"]

    def invoke(self, records: list[dict[str, Any]]) -> bool:
        """Invoke the function; tell whether it succeeded."""
        answer = self.functions.invoke(FunctionName="bench", Payload=event_of(records))
        return succeeded(answer, answer["Payload"].read())


if __name__ == "__main__":
    Contender(CASES[sys.argv[1]], sys.argv[2]).run()
