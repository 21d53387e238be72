"""Streams through the whole service as a process, against a moto server."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from serve_harness import ACCOUNT, REGION, Moto, Penstock, arn_of, wait_for
from stream_harness import (
    STREAM,
    first_successes,
    make_service,
    make_table,
    put_numbers,
    seen_records,
    set_poison,
    stream_project,
    succeeded_numbers,
)

COUNT = 300
KEYS = 8
POISON = 17
KILLS = 3
LANES = f"""
BatchSize = 5
ParallelizationFactor = 2
BisectBatchOnFunctionError = true
MaximumRetryAttempts = 1
DestinationConfig = {{ OnFailure = {{ Destination = "{arn_of("failed")}" }} }}
"""


@pytest.fixture
def kinesis(moto: Moto) -> Any:
    client = moto.client("kinesis")
    client.create_stream(StreamName=STREAM, ShardCount=2)
    return client


def has_progress(service: Penstock, goal: int) -> bool:
    return len(succeeded_numbers(service)) >= goal


def received(sqs: Any, queue_url: str) -> list[dict[str, Any]]:
    messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


@pytest.mark.timeout(240)
def test_streams_killed_in_the_middle_lose_nothing(
    tmp_path: Path, moto: Moto, kinesis: Any
) -> None:
    queue_url = moto.client("sqs").create_queue(QueueName="failed")["QueueUrl"]
    service = make_service(tmp_path, moto.url, stream_project(LANES, work_s=0.03))
    set_poison(service, [POISON])
    put_numbers(kinesis, range(COUNT), keys=KEYS)
    try:
        for part in range(KILLS):
            service.start()
            goal = (part + 1) * COUNT // (KILLS + 1)
            wait_for("progress", partial(has_progress, service, goal))
            service.kill()
        service.start()
        wait_for("the end", partial(has_progress, service, COUNT - 1))
        [failure] = wait_for("the failure", partial(received, moto.client("sqs"), queue_url))
    finally:
        service.end()

    good = [number for number in range(COUNT) if number != POISON]
    expected = {f"key-{key}": [n for n in good if n % KEYS == key] for key in range(KEYS)}
    assert first_successes(service) == expected
    assert failure["KinesisBatchInfo"]["batchSize"] == 1
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    # A kill may leave each good record once more; how many, the simulator says to the millisecond.
    deliveries = Counter(record.number for record in seen_records(service) if record.is_good)
    assert max(deliveries.values()) <= KILLS + 1


def test_changes_of_a_table_arrive_in_order(tmp_path: Path, moto: Moto) -> None:
    dynamodb = moto.client("dynamodb")
    stream_arn = make_table(dynamodb)
    service = make_service(tmp_path, moto.url, stream_project(source=stream_arn))
    try:
        service.start()
        for number in range(1, 6):
            for item in ("a", "b"):
                dynamodb.put_item(
                    TableName="items", Item={"id": {"S": item}, "number": {"N": str(number)}}
                )
        wait_for("all", lambda: len(seen_records(service)) == 10)
    finally:
        service.end()

    assert first_successes(service) == {"a": [1, 2, 3, 4, 5], "b": [1, 2, 3, 4, 5]}
    assert [each.event_id for each in seen_records(service)].count("INSERT") == 2


def test_mapping_made_through_the_api_begins_at_the_latest_record(
    tmp_path: Path, moto: Moto, kinesis: Any
) -> None:
    project = stream_project().partition("[[mappings]]")[0]
    service = make_service(tmp_path, moto.url, project)
    put_numbers(kinesis, range(10))
    try:
        service.start()
        api = service.client()
        made = api.create_event_source_mapping(
            EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{STREAM}",
            FunctionName="count",
            StartingPosition="LATEST",
        )
        assert (made["State"], made["LastProcessingResult"]) == (
            "Creating",
            "No records processed",
        )
        uuid = made["UUID"]
        wait_for("Enabled", lambda: state_of(api, uuid)["State"] == "Enabled")
        put_numbers(kinesis, range(10, 20))
        wait_for("the later ones", partial(has_progress, service, 10))
        wait_for("OK", lambda: state_of(api, uuid)["LastProcessingResult"] == "OK")

        assert succeeded_numbers(service) == set(range(10, 20))
    finally:
        service.end()


def state_of(api: Any, uuid: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get_event_source_mapping(UUID=uuid)
    return found
