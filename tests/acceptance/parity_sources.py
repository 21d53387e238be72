"""The sources of the scenarios at the embedded AWS, through unmodified boto3 clients."""

import json
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from dev_process import DevProcess
from parity_scenarios import QUEUE_ARN, Kind, Scenario
from queue_harness import SENT_AT_ONCE, is_empty

Record = dict[str, Any]


class Service:
    """A running ``penstock dev``, and clients of it that threads may share."""

    def __init__(self, dev: DevProcess, ledgers: Path) -> None:
        self.ledgers = ledgers
        self.mappings = dev.client("lambda")
        self.sqs = dev.client("sqs")
        self.kinesis = dev.client("kinesis")
        self.tables = dev.client("dynamodb")
        self.table_streams = dev.client("dynamodbstreams")
        self._endpoint = dev.wait_for("ready")["endpoint"]

    def ask(self, path: str) -> Any:
        """Give an answer of Penstock's own operations."""
        url = f"{self._endpoint}/penstock/v1/{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own URL
            return json.load(answer)

    def make_queue(self, name: str, **attributes: str) -> str:
        """Make a queue; give its URL."""
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def take_all(self, url: str) -> list[str]:
        """Take what is visible in a queue."""
        bodies: list[str] = []
        while True:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=SENT_AT_ONCE)
            if not answer.get("Messages"):
                return bodies
            for message in answer["Messages"]:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(message["Body"])

    def is_past(self, uuid: str, numbers: dict[str, int]) -> bool:
        """Tell whether a mapping's checkpoints have come to these sequence numbers by shard."""
        shards = self.ask(f"mappings/{uuid}/position")["shards"]
        reached = {each["shard"]: int(each["sequence_number"] or 0) for each in shards}
        return all(reached.get(shard, 0) >= number for shard, number in numbers.items())


class QueueSource:
    """A queue, standard or FIFO, with a dead-letter queue where it has a redrive policy."""

    def __init__(self, service: Service, scenario: Scenario) -> None:
        self._service = service
        self._is_fifo = scenario.kind is Kind.FIFO
        self.arn = f"{QUEUE_ARN}:{scenario.source}"
        self._dead_url = ""
        attributes = {"VisibilityTimeout": str(scenario.visibility_s)}
        fifo = {"FifoQueue": "true"} if self._is_fifo else {}
        if scenario.receives is not None:
            dead = f"{scenario.name}-dlq{'.fifo' if self._is_fifo else ''}"
            self._dead_url = service.make_queue(dead, **fifo)
            attributes["RedrivePolicy"] = json.dumps(
                {
                    "deadLetterTargetArn": f"{QUEUE_ARN}:{dead}",
                    "maxReceiveCount": scenario.receives,
                }
            )
        self._url = service.make_queue(scenario.source, **attributes, **fifo)

    def put(self, records: Sequence[Record]) -> None:
        """Send messages."""
        for first in range(0, len(records), SENT_AT_ONCE):
            entries = [
                self._entry(index, record)
                for index, record in enumerate(records[first : first + SENT_AT_ONCE])
            ]
            answer = self._service.sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            assert len(answer["Successful"]) == len(entries), answer

    def _entry(self, index: int, record: Record) -> dict[str, str]:
        entry = {"Id": str(index), "MessageBody": json.dumps(record)}
        if self._is_fifo:
            entry["MessageGroupId"] = record["key"]
            entry["MessageDeduplicationId"] = str(record["n"])
        return entry

    def is_done(self, _uuid: str) -> bool:
        """Tell whether nothing is left in it."""
        return is_empty(self._service.sqs, self._url)

    def dead(self) -> list[str]:
        """Take what the dead-letter queue has."""
        return self._service.take_all(self._dead_url) if self._dead_url else []


class KinesisSource:
    """A Kinesis stream."""

    def __init__(self, service: Service, scenario: Scenario) -> None:
        self._service = service
        self._name = scenario.source
        service.kinesis.create_stream(StreamName=self._name, ShardCount=scenario.shards)
        described = service.kinesis.describe_stream_summary(StreamName=self._name)
        self.arn: str = described["StreamDescriptionSummary"]["StreamARN"]
        self._last: dict[str, int] = {}

    def put(self, records: Sequence[Record]) -> None:
        """Put records in one call."""
        if not records:
            return
        entries = [
            {"PartitionKey": record["key"], "Data": json.dumps(record).encode()}
            for record in records
        ]
        answer = self._service.kinesis.put_records(StreamName=self._name, Records=entries)
        assert answer["FailedRecordCount"] == 0, answer
        for put in answer["Records"]:
            self._last[put["ShardId"]] = int(put["SequenceNumber"])

    def pass_over(self) -> None:
        """Expect no checkpoint behind what there is."""
        self._last.clear()

    def is_done(self, uuid: str) -> bool:
        """Tell whether checkpoints cover what was put."""
        return self._service.is_past(uuid, self._last)


class TableSource:
    """A table and its stream."""

    def __init__(self, service: Service, scenario: Scenario) -> None:
        self._service = service
        self._name = scenario.source
        self._serialize = TypeSerializer().serialize
        made = service.tables.create_table(
            TableName=self._name,
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": scenario.view_type},
        )
        self.arn: str = made["TableDescription"]["LatestStreamArn"]
        self._last: dict[str, int] = {}

    def put(self, records: Sequence[Record]) -> None:
        """Put items, and delete those that are to be gone."""
        for record in records:
            key = {"key": self._serialize(record["key"])}
            if "gone" in record:
                self._service.tables.delete_item(TableName=self._name, Key=key)
            else:
                item = {name: self._serialize(value) for name, value in record.items()}
                self._service.tables.put_item(TableName=self._name, Item=item)
        self._last = self._read_last()

    def _read_last(self) -> dict[str, int]:
        streams = self._service.table_streams
        shards = streams.describe_stream(StreamArn=self.arn)["StreamDescription"]["Shards"]
        last = {}
        for shard in shards:
            iterator = streams.get_shard_iterator(
                StreamArn=self.arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            records = streams.get_records(ShardIterator=iterator)["Records"]
            last[shard["ShardId"]] = int(records[-1]["dynamodb"]["SequenceNumber"])
        return last

    def is_done(self, uuid: str) -> bool:
        """Tell whether checkpoints cover what was put."""
        return self._service.is_past(uuid, self._last)


Source = QueueSource | KinesisSource | TableSource


def make_source(service: Service, scenario: Scenario) -> Source:
    """Make a scenario's source."""
    match scenario.kind:
        case Kind.KINESIS:
            return KinesisSource(service, scenario)
        case Kind.TABLE:
            return TableSource(service, scenario)
        case _:
            return QueueSource(service, scenario)
