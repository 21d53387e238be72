"""Terraform's and CloudFormation's sequences of calls, against the whole service as a process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from infrastructure_tools import CloudFormation, Terraform
from queue_harness import make_queue, queue_project, serving_queue
from serve_harness import ACCOUNT, REGION, Moto, Penstock, arn_of

STREAM_ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/clicks"


@pytest.fixture(name="service")
def fixture_service(tmp_path: Path, moto: Moto, sqs: Any) -> Iterator[Penstock]:
    make_queue(sqs, "jobs")
    make_queue(sqs, "failed")
    kinesis = moto.client("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    with serving_queue(tmp_path, moto.url, queue_project()) as service:
        yield service


def test_terraform_applies_changes_and_destroys_a_queue_s_mapping(service: Penstock) -> None:
    terraform = Terraform(service.client())
    created = terraform.create(
        EventSourceArn=arn_of("jobs"), FunctionName="work", Enabled=True, Tags={"team": "a"}
    )
    uuid = created["UUID"]

    scaled = terraform.update(uuid, ScalingConfig={"MaximumConcurrency": 5}, BatchSize=5)
    disabled = terraform.update(uuid, Enabled=False, Tags={"stage": "test"})
    unscaled = terraform.update(uuid, ScalingConfig={}, FilterCriteria={})
    terraform.delete(uuid)

    assert (created["State"], created["Tags"]) == ("Enabled", {"team": "a"})
    assert (scaled["State"], scaled["ScalingConfig"]) == ("Enabled", {"MaximumConcurrency": 5})
    assert (disabled["State"], disabled["Tags"]) == ("Disabled", {"stage": "test"})
    assert (unscaled["State"], unscaled["BatchSize"]) == ("Disabled", 5)
    assert "ScalingConfig" not in unscaled
    times = [each["LastModified"] for each in (created, scaled, disabled, unscaled)]
    assert times == sorted(set(times))


def test_terraform_applies_changes_and_destroys_a_stream_s_mapping(service: Penstock) -> None:
    terraform = Terraform(service.client())
    created = terraform.create(
        EventSourceArn=STREAM_ARN, FunctionName="work", StartingPosition="LATEST", Enabled=False
    )
    uuid, failed = created["UUID"], {"OnFailure": {"Destination": arn_of("failed")}}

    enabled = terraform.update(uuid, Enabled=True, DestinationConfig=failed)
    cleared = terraform.update(uuid, DestinationConfig={"OnFailure": {"Destination": ""}})
    terraform.delete(uuid)

    assert created["State"] == "Disabled"
    assert (enabled["State"], enabled["DestinationConfig"]) == ("Enabled", failed)
    assert cleared["DestinationConfig"] == {"OnFailure": {}}


def test_terraform_finds_nothing_after_a_mapping_was_deleted_by_others(service: Penstock) -> None:
    terraform = Terraform(service.client())
    uuid = terraform.create(EventSourceArn=arn_of("jobs"), FunctionName="work")["UUID"]
    terraform.delete(uuid)

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        terraform.read(uuid)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        terraform.delete(uuid)


def test_cloudformation_creates_updates_lists_and_deletes(service: Penstock) -> None:
    handler = CloudFormation(service.client())
    template = {"FunctionName": "work", "BatchSize": 100, "MaximumBatchingWindowInSeconds": 1}
    uuid = handler.create(
        **template, EventSourceArn=arn_of("jobs"), Tags={"aws-like:stack": "orders"}
    )

    handler.update(uuid, **template | {"BatchSize": 50}, Tags={"aws-like:stack": "orders"})
    read = handler.read(uuid)
    listed = handler.list_all()
    handler.delete(uuid)

    assert (read["State"], read["BatchSize"]) == ("Enabled", 50)
    assert read["Tags"] == {"aws-like:stack": "orders"}
    assert (listed, handler.list_all()) == ([uuid], [])


def test_second_stack_of_the_same_mapping_is_told_of_the_first(service: Penstock) -> None:
    handler = CloudFormation(service.client())
    properties = {"FunctionName": "work", "EventSourceArn": arn_of("jobs")}
    uuid = handler.create(**properties)

    with pytest.raises(ClientError, match=f"ResourceConflictException.*with UUID {uuid}"):
        handler.create(**properties)
