"""``assume_role`` through the whole service as a process, at a server that enforces policies."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from code_builders import zipped
from iam_server import enforce_policies, make_role, make_service_user, role_arn
from queue_harness import read_status
from serve_harness import ACCOUNT, REGION, Moto, Penstock, arn_of, wait_for

IDENTIFY = """
import boto3, json, os


def handler(event, context):
    caller = boto3.client("sts").get_caller_identity()["Arn"]
    with open(os.environ["LEDGER"], "a") as ledger:
        for record in event["Records"]:
            ledger.write(json.dumps([caller, record.get("invokeIdentityArn", "")]) + "\\n")
    if any(record.get("body") == "poison" for record in event["Records"]):
        raise ValueError("poison")
"""
SERVICE = f"""
[service]
account_id = "{ACCOUNT}"
long_poll_s = 1
assume_role = true
"""
ON_FAILURE = f"""
Tags = {{ "penstock:on-failure" = "{arn_of("failed")}", "penstock:maximum-receive-count" = "1" }}
"""
USE_QUEUES = ("sqs:*", "*")  # moto matches no single queue


def function(name: str, role: str, aws_url: str) -> str:
    return f"""
[functions.{name}]
Handler = "app.handler"
code = "."
Timeout = 20
Role = "{role_arn(role)}"
Environment = {{ LEDGER = "ledger", AWS_ENDPOINT_URL = "{aws_url}" }}
"""


def mapping(arn: str, more: str = "") -> str:
    return f'[[mappings]]\nname = "it"\nEventSourceArn = "{arn}"\nFunctionName = "charge"\n{more}'


def refusal(service: Penstock, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        service.client().create_event_source_mapping(**parameters)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def moto() -> Iterator[Moto]:
    """Run one for each test: once it judges who may do what, a reset does not end that."""
    server = Moto()
    yield server
    server.kill()


@pytest.fixture
def service(tmp_path: Path, moto: Moto) -> Iterator[Penstock]:
    started = Penstock(tmp_path, moto.url, "")
    (tmp_path / "app.py").write_text(IDENTIFY)
    yield started
    started.end()


def callers(service: Penstock) -> list[list[str]]:
    """Read as whom the function ran, and as whom its event says that it does."""
    if not service.ledger.exists():
        return []
    return [json.loads(line) for line in service.ledger.read_text().splitlines()]


def start(service: Penstock, keys: dict[str, str], project: str) -> None:
    (service.folder / "penstock.toml").write_text(SERVICE + project)
    service.environment |= keys
    service.start()


def test_queue_is_read_the_destination_written_and_the_function_run_as_its_role(
    moto: Moto, service: Penstock
) -> None:
    sqs, iam = moto.client("sqs"), moto.client("iam")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    failed_url = sqs.create_queue(QueueName="failed")["QueueUrl"]
    sqs.send_message_batch(
        QueueUrl=url,
        Entries=[{"Id": body, "MessageBody": body} for body in ("good", "poison")],
    )
    make_role(iam, "charge", USE_QUEUES, ("sts:*", "*"), ("logs:*", "*"))
    keys = make_service_user(iam, "charge")
    enforce_policies(moto)

    project = function("charge", "charge", moto.url) + mapping(
        arn_of("orders"), f"BatchSize = 1\n{ON_FAILURE}"
    )
    start(service, keys, project)
    wait_for("both", lambda: len(callers(service)) > 1)
    wait_for("the discard", lambda: "message discarded" in service.log.read_text())

    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/charge/charge"
    assert callers(service) == [[caller, ""]] * 2
    enforce_policies(moto, enforced=False)
    [failed] = sqs.receive_message(QueueUrl=failed_url)["Messages"]
    assert json.loads(failed["Body"])["requestPayload"]
    logs = moto.client("logs")
    assert wait_for("logs", lambda: logs.describe_log_groups()["logGroups"])


def test_stream_is_read_as_the_function_s_role_and_shows_it(moto: Moto, service: Penstock) -> None:
    kinesis, iam = moto.client("kinesis"), moto.client("iam")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    kinesis.put_record(StreamName="clicks", PartitionKey="k", Data=b"1")
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/clicks"
    make_role(iam, "charge", ("kinesis:*", "*"), ("sts:*", "*"))
    keys = make_service_user(iam, "charge")
    enforce_policies(moto)

    project = mapping(arn, 'StartingPosition = "TRIM_HORIZON"')
    start(service, keys, function("charge", "charge", moto.url) + project)
    seen = wait_for("the record", lambda: callers(service))

    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/charge/charge"
    assert seen == [[caller, role_arn("charge")]]


def test_create_says_as_aws_what_the_role_lacks(moto: Moto, service: Penstock) -> None:
    moto.client("sqs").create_queue(QueueName="orders")
    iam = moto.client("iam")
    for name in ("charge", "foreign"):
        make_role(iam, name)
    keys = make_service_user(iam, "charge")
    enforce_policies(moto)
    functions = function("charge", "charge", moto.url) + function("bill", "foreign", moto.url)
    start(service, keys, functions)

    refused = [
        refusal(service, FunctionName=name, EventSourceArn=arn_of("orders"))
        for name in ("charge", "bill")
    ]

    code = "InvalidParameterValueException"
    assert refused == [
        (
            code,
            "The provided execution role does not have permissions to call GetQueueUrl on SQS",
        ),
        (code, "The role defined for the function cannot be assumed by Lambda."),
    ]
    assert "role not assumed" in service.log.read_text()


def test_function_is_created_only_with_a_role_that_can_be_assumed(
    moto: Moto, service: Penstock
) -> None:
    iam = moto.client("iam")
    for name in ("charge", "foreign"):
        make_role(iam, name)
    keys = make_service_user(iam, "charge")
    enforce_policies(moto)
    start(service, keys, "")
    request = {
        "Runtime": f"python3.{sys.version_info.minor}",
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped({"app.py": IDENTIFY})},
    }
    client = service.client()

    created = client.create_function(FunctionName="a", Role=role_arn("charge"), **request)
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        client.create_function(FunctionName="b", Role=role_arn("foreign"), **request)

    assert created["Role"] == role_arn("charge")


def test_mapping_that_runs_reports_a_refused_role_and_goes_on_when_it_is_allowed(
    moto: Moto, service: Penstock
) -> None:
    sqs, iam = moto.client("sqs"), moto.client("iam")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    make_role(iam, "charge", USE_QUEUES, ("sts:*", "*"))
    keys = make_service_user(iam, "other")
    project = function("charge", "charge", moto.url) + mapping(arn_of("orders"))
    start(service, keys, project)
    sqs.send_message(QueueUrl=url, MessageBody="good")
    wait_for("the first", lambda: callers(service))
    sqs.send_message(QueueUrl=url, MessageBody="good")
    service.kill()

    enforce_policies(moto)
    service.start()
    trouble = wait_for("the trouble", lambda: read_status(service)["trouble"])
    enforce_policies(moto, enforced=False)

    assert f"{role_arn('charge')} cannot be assumed" in trouble["text"]
    wait_for("the second", lambda: len(callers(service)) > 1)
