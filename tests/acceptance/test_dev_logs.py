"""``penstock dev``: functions' lines at its port, as ``aws logs tail`` reads them."""

import sys
from pathlib import Path
from typing import Any

import pytest
from dev_process import running_dev
from serve_harness import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

HANDLER = """
def handler(event, context):
    for record in event["Records"]:
        print("seen", record["body"])
        raise ValueError("no")
"""
PROJECT = """
queues = [{ name = "orders" }]
functions.charge = { Handler = "app.handler", code = "." }
mappings = [{ name = "orders", queue = "orders", FunctionName = "charge" }]
"""
GROUP = "/aws/lambda/charge"


def tail(logs: Any) -> list[str]:
    """Give the events of the last minutes over all streams, oldest first."""
    groups = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    if not groups:
        return []
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, interleaved=True)
    return [event["message"] for page in pages for event in page["events"]]


def test_lines_of_a_function_are_shown_by_filter_log_events(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HANDLER)
    project_file = tmp_path / "penstock.toml"
    project_file.write_text(PROJECT)

    with running_dev(project_file) as dev:
        sqs, logs = dev.client("sqs"), dev.client("logs")
        url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="one")
        wait_for("five events", lambda: len(tail(logs)) >= 5)
        messages = tail(logs)

    assert [message.split(" ")[0] for message in messages[:5]] == [
        "START",
        "seen",
        "[ERROR]",
        "END",
        "REPORT",
    ]
    assert messages[1] == "seen one\n"
    assert "Traceback" in messages[2]
