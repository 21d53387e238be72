"""``penstock dev`` with filters on a queue, a Kinesis stream and a table's stream."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from dev_process import DevProcess, running_dev
from queue_harness import is_empty
from serve_harness import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

HANDLER = """
import base64

def handler(event, context):
    for record in event["Records"]:
        if "body" in record:
            print("message", record["body"])
        elif "kinesis" in record:
            print("click", base64.b64decode(record["kinesis"]["data"]).decode())
        else:
            print("item", record["eventName"], record["dynamodb"]["Keys"]["id"]["S"])
"""
PROJECT = """
[functions.show]
Handler = "app.handler"
code = "."
[[queues]]
name = "orders"
[[streams]]
name = "clicks"
[[tables]]
name = "items"
AttributeDefinitions = [{ AttributeName = "id", AttributeType = "S" }]
KeySchema = [{ AttributeName = "id", KeyType = "HASH" }]
StreamSpecification = { StreamEnabled = true, StreamViewType = "KEYS_ONLY" }
[[mappings]]
name = "orders"
queue = "orders"
FunctionName = "show"
filters = [{ body = { kind = ["order"] } }]
[[mappings]]
name = "clicks"
stream = "clicks"
FunctionName = "show"
StartingPosition = "TRIM_HORIZON"
filters = [{ data = { n = [{ numeric = [">", 1] }] } }]
[[mappings]]
name = "items"
table = "items"
FunctionName = "show"
StartingPosition = "TRIM_HORIZON"
filters = [{ eventName = ["REMOVE"] }]
"""


@pytest.fixture(name="project_file")
def fixture_project_file(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLER)
    path = tmp_path / "penstock.toml"
    path.write_text(PROJECT)
    return path


def queue_of(dev: DevProcess) -> tuple[Any, str]:
    sqs = dev.client("sqs")
    return sqs, sqs.get_queue_url(QueueName="orders")["QueueUrl"]


def shown(dev: DevProcess, noun: str) -> list[str]:
    return [line["event"] for line in dev.lines if line["event"].startswith(f"{noun} ")]


def put_clicks(dev: DevProcess, *numbers: int) -> None:
    kinesis = dev.client("kinesis")
    for number in numbers:
        kinesis.put_record(
            StreamName="clicks", PartitionKey="k", Data=json.dumps({"n": number}).encode()
        )


def test_messages_that_no_filter_lets_through_are_deleted(project_file: Path) -> None:
    with running_dev(project_file) as dev:
        sqs, url = queue_of(dev)
        for body in ('{"kind":"offer"}', "plain text", '{"kind": "order", "n": 1.0}'):
            sqs.send_message(QueueUrl=url, MessageBody=body)

        dev.wait_for("message")

        wait_for("an empty queue", lambda: is_empty(sqs, url))
        assert shown(dev, "message") == ['message {"kind": "order", "n": 1.0}']
        assert dev.interrupt() == 0


def test_records_that_no_filter_lets_through_are_passed_over(project_file: Path) -> None:
    with running_dev(project_file) as dev:
        dev.wait_for("ready")
        put_clicks(dev, 1, 2)
        table = dev.client("dynamodb")
        table.put_item(TableName="items", Item={"id": {"S": "one"}})
        table.delete_item(TableName="items", Key={"id": {"S": "one"}})

        dev.wait_for("click")
        dev.wait_for("item")

        assert shown(dev, "click") == ['click {"n": 2}']
        assert shown(dev, "item") == ["item REMOVE one"]
        assert dev.interrupt() == 0


def test_filters_of_a_stream_that_change_keep_its_place(project_file: Path) -> None:
    with running_dev(project_file) as dev:
        dev.wait_for("ready")
        put_clicks(dev, 1, 2)
        dev.wait_for('click {"n": 2}')
        lambda_ = dev.client("lambda")
        mappings = lambda_.list_event_source_mappings()["EventSourceMappings"]
        (uuid,) = [each["UUID"] for each in mappings if "kinesis" in each["EventSourceArn"]]

        lambda_.update_event_source_mapping(UUID=uuid, FilterCriteria={})
        get = lambda_.get_event_source_mapping
        wait_for("the mapping", lambda: get(UUID=uuid)["State"] == "Enabled")
        put_clicks(dev, 0, 3)

        dev.wait_for('click {"n": 3}')
        assert shown(dev, "click") == ['click {"n": 2}', 'click {"n": 0}', 'click {"n": 3}']
        assert dev.interrupt() == 0
