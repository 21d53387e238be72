"""``penstock dev`` with a table's stream, whose ARN is known only once the table is made."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from dev_process import DevProcess, descendants, running_dev

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

HANDLER = """
def handler(event, context):
    for record in event["Records"]:
        print("seen", record["dynamodb"]["Keys"]["id"]["S"])
"""
PROJECT = """
[functions.project]
Handler = "app.handler"
code = "."
[[tables]]
name = "items"
AttributeDefinitions = [{ AttributeName = "id", AttributeType = "S" }]
KeySchema = [{ AttributeName = "id", KeyType = "HASH" }]
StreamSpecification = { StreamEnabled = true, StreamViewType = "KEYS_ONLY" }
[[mappings]]
name = "items"
table = "items"
FunctionName = "project"
StartingPosition = "TRIM_HORIZON"
"""


@pytest.fixture(name="project_file")
def fixture_project_file(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLER)
    path = tmp_path / "penstock.toml"
    path.write_text(PROJECT)
    return path


def embedded_aws(dev: DevProcess) -> int:
    (pid,) = [
        pid
        for pid in descendants(dev.process.pid)
        if "penstock.local.embedded_aws\0" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    return pid


def put(dev: DevProcess, identity: str) -> None:
    dev.client("dynamodb").put_item(TableName="items", Item={"id": {"S": identity}})


def the_mapping(dev: DevProcess) -> Any:
    (mapping,) = dev.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return mapping


def test_mapping_of_a_table_reads_its_stream(project_file: Path) -> None:
    with running_dev(project_file) as dev:
        dev.wait_for("ready")
        put(dev, "one")

        dev.wait_for("seen one")

        assert dev.interrupt() == 0


def test_mapping_of_a_table_follows_it_when_the_embedded_aws_was_started_again(
    project_file: Path,
) -> None:
    with running_dev(project_file) as dev:
        dev.wait_for("ready")
        before = the_mapping(dev)["EventSourceArn"]

        os.kill(embedded_aws(dev), signal.SIGKILL)
        dev.wait_for("the tables' streams are new, starting the service again")
        dev.wait_for("the service is back")
        put(dev, "two")

        dev.wait_for("seen two")
        assert the_mapping(dev)["EventSourceArn"] != before


def test_mapping_of_a_table_is_taken_up_again_with_the_data_of_an_earlier_run(
    project_file: Path,
) -> None:
    data = str(project_file.parent / "data")
    with running_dev(project_file, "--data", data) as first:
        first.wait_for("ready")
        assert first.interrupt() == 0

    with running_dev(project_file, "--data", data) as second:
        second.wait_for("ready")
        put(second, "three")

        second.wait_for("seen three")
