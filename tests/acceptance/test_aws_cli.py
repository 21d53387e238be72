"""AWS's documented command, as written, through the unmodified AWS CLI, to the first record."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serve_harness import ACCOUNT, CREDENTIALS, Penstock, wait_for
from stream_harness import make_service, seen_records
from table_stream import TableStream, serving_stream

REGION = "us-east-2"
STREAM_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/my-table/stream/2019-06-10T19:26:16.525"
# Source: docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
COMMAND = (
    "aws lambda create-event-source-mapping --function-name my-function --batch-size 500 "
    "--starting-position LATEST --event-source-arn "
    "arn:aws:dynamodb:us-east-2:123456789012:table/my-table/stream/2019-06-10T19:26:16.525"
)
PROJECT = f"""
[service]
account_id = "{ACCOUNT}"
region = "{REGION}"
[functions.my-function]
Handler = "app.handler"
code = "."
Environment = {{ LEDGER = "ledger" }}
"""


@pytest.fixture(name="stream")
def fixture_stream() -> TableStream:
    return TableStream(STREAM_ARN)


@pytest.fixture(name="service")
def fixture_service(stream: TableStream, tmp_path: Path) -> Iterator[Penstock]:
    with serving_stream(stream) as url:
        service = make_service(tmp_path, url, PROJECT)
        try:
            service.start()
            yield service
        finally:
            service.end()


def run_cli(service: Penstock, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the AWS CLI in a shell's words, with nothing of this machine's setup."""
    program, *arguments = shlex.split(command)
    environment = {
        "HOME": str(service.folder),
        "AWS_ENDPOINT_URL": service.url,
        "AWS_DEFAULT_REGION": REGION,
        **CREDENTIALS,
    }
    return subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def succeed(service: Penstock, command: str) -> dict[str, Any]:
    ended = run_cli(service, command)
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout or "{}")
    return answer


def until_state(service: Penstock, uuid: str, state: str) -> dict[str, Any]:
    """Ask as a script does, until a mapping has that state."""
    command = f"aws lambda get-event-source-mapping --uuid {uuid}"

    def look() -> dict[str, Any] | None:
        answer = succeed(service, command)
        return answer if answer["State"] == state else None

    return wait_for(state, look)


def refusal_of_get(service: Penstock, uuid: str) -> str:
    """Give what the command line says when a mapping cannot be read; nothing when it can."""
    return run_cli(service, f"aws lambda get-event-source-mapping --uuid {uuid}").stderr.strip()


def test_documented_command_answers_with_today_s_members(service: Penstock) -> None:
    answer = succeed(service, COMMAND)

    uuid = answer.pop("UUID")
    assert answer.pop("LastModified") > 1_700_000_000
    assert answer == {
        "EventSourceMappingArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}",
        "StartingPosition": "LATEST",
        "BatchSize": 500,
        "MaximumBatchingWindowInSeconds": 0,
        "ParallelizationFactor": 1,
        "EventSourceArn": STREAM_ARN,
        "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:my-function",
        "LastProcessingResult": "No records processed",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "DestinationConfig": {"OnFailure": {}},
        "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": False,
        "MaximumRetryAttempts": -1,
        "TumblingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
    }


def test_documented_mapping_delivers_what_is_written(
    service: Penstock, stream: TableStream
) -> None:
    uuid = succeed(service, COMMAND)["UUID"]
    until_state(service, uuid, "Enabled")

    stream.write("a", 7)

    [record] = wait_for("a record", lambda: seen_records(service))
    assert (record.key, record.number, record.event_id) == ("a", 7, "INSERT")
    wait_for(
        "the result",
        lambda: until_state(service, uuid, "Enabled")["LastProcessingResult"] == "OK",
    )


def test_life_of_a_mapping_by_the_command_line(service: Penstock) -> None:
    mapping = succeed(service, f"{COMMAND} --tags team=a")
    uuid, arn = mapping["UUID"], mapping["EventSourceMappingArn"]
    until_state(service, uuid, "Enabled")

    succeed(
        service,
        f"aws lambda update-event-source-mapping --uuid {uuid} --no-enabled --batch-size 7",
    )
    disabled = until_state(service, uuid, "Disabled")
    succeed(service, f"aws lambda tag-resource --resource {arn} --tags team=b,stage=test")
    succeed(service, f"aws lambda untag-resource --resource {arn} --tag-keys stage")
    tags = succeed(service, f"aws lambda list-tags --resource {arn}")
    listed = succeed(service, "aws lambda list-event-source-mappings --function-name my-function")
    succeed(service, f"aws lambda delete-event-source-mapping --uuid {uuid}")

    assert (disabled["BatchSize"], tags) == (7, {"Tags": {"team": "b"}})
    assert [each["UUID"] for each in listed["EventSourceMappings"]] == [uuid]
    assert wait_for("an error", lambda: refusal_of_get(service, uuid)).endswith(
        "An error occurred (ResourceNotFoundException) when calling the GetEventSourceMapping "
        "operation: The resource you requested does not exist."
    )


def test_stream_that_is_not_there_is_told_in_aws_s_words(service: Penstock) -> None:
    ended = run_cli(service, COMMAND.replace("my-table", "other"))

    assert ended.returncode != 0
    assert ended.stderr.strip().endswith(
        "An error occurred (InvalidParameterValueException) when calling the "
        "CreateEventSourceMapping operation: Stream not found: "
        + STREAM_ARN.replace("my-table", "other")
    )
