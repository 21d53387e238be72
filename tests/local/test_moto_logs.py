"""The embedded AWS's CloudWatch Logs, bounded."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.logs.models import LogGroup

from penstock.local import moto_logs
from penstock.local.moto_logs import mend_logs

GROUP = "/aws/lambda/charge"


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a client of a mended moto that keeps five events."""
    monkeypatch.setattr(moto_logs, "GROUP_EVENTS_MAX", 5)
    monkeypatch.setattr(LogGroup, "put_log_events", LogGroup.put_log_events)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    mend_logs()
    with mock_aws():
        client = boto3.client("logs", region_name="us-east-1")
        yield client
        client.close()


def put(logs: Any, stream: str, *lines: str, group: str = GROUP) -> None:
    if group not in [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]:
        logs.create_log_group(logGroupName=group)
    if stream not in streams(logs, group):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    moment = int(logs.describe_log_groups()["logGroups"][0]["creationTime"])
    events = [{"timestamp": moment, "message": line} for line in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def streams(logs: Any, group: str = GROUP) -> list[str]:
    found = logs.describe_log_streams(logGroupName=group)["logStreams"]
    return [stream["logStreamName"] for stream in found]


def lines(logs: Any, group: str = GROUP) -> list[str]:
    return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]


def test_oldest_events_of_a_function_go_first(logs: Any) -> None:
    put(logs, "one", "a", "b", "c")

    put(logs, "two", "d", "e", "f")

    assert sorted(lines(logs)) == ["b", "c", "d", "e", "f"]


def test_stream_of_which_nothing_is_left_goes(logs: Any) -> None:
    put(logs, "one", "a", "b")

    put(logs, "two", "c", "d", "e", "f", "g", "h")

    assert (streams(logs), len(lines(logs))) == (["two"], 5)


def test_group_of_others_keeps_everything(logs: Any) -> None:
    put(logs, "one", "a", "b", "c", "d", "e", "f", group="mine")

    assert len(lines(logs, "mine")) == 6
