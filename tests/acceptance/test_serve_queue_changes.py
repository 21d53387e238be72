"""What happens to a queue under a running mapping, and what its messages may be."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from front import Front
from queue_harness import (
    KEEPER,
    batches,
    count_left,
    is_empty,
    make_queue,
    make_queue_service,
    numbers,
    queue_project,
    redrive,
    seen,
    send,
    serving_queue,
    source,
)
from serve_harness import Moto, Penstock, arn_of, wait_for

MIB = 1024 * 1024


@pytest.fixture
def front(moto: Moto) -> Iterator[Front]:
    front = Front(moto.url)
    yield front
    front.end()


@pytest.fixture
def keeper(tmp_path: Path, front: Front) -> Iterator[Penstock]:
    """A service that keeps the events of the queue ``jobs``; to be started."""
    project = queue_project(source("jobs"))
    service = make_queue_service(tmp_path, front.url, project, handler=KEEPER)
    yield service
    service.end()


def kept_records(service: Penstock) -> list[dict[str, Any]]:
    """Give the records of all events that the handler kept."""
    events = [json.loads(path.read_text()) for path in service.folder.glob("*.json")]
    return [record for event in events for record in event["Records"]]


def log_of(service: Penstock) -> str:
    return service.log.read_text()


def test_queue_that_is_made_again_is_another_one(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    url = make_queue(sqs, "jobs.fifo", visibility_s=60)
    with serving_queue(tmp_path, moto.url, queue_project(source("jobs.fifo"))) as service:
        send(sqs, url, [{"n": 0, "fails": 9}], group="a")
        wait_for("the failure", partial(seen, service, "failed"))
        sqs.delete_queue(QueueUrl=url)
        wait_for("the word of it", lambda: "queue not readable" in log_of(service))
        make_queue(sqs, "jobs.fifo", visibility_s=60)

        send(sqs, url, [{"n": 1}, {"n": 2}], group="a")
        wait_for("all", partial(is_empty, sqs, url))

        assert numbers(seen(service, "succeeded")) == [1, 2]
        assert "queue readable again" in log_of(service)


def test_redrive_policy_is_the_queue_s_own(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    dead_url = make_queue(sqs, "jobs-dead")
    url = make_queue(sqs, "jobs", visibility_s=1, RedrivePolicy=redrive("jobs-dead", 1000))
    project = queue_project(source("jobs"), timeout_s=1)
    with serving_queue(tmp_path, moto.url, project) as service:
        send(sqs, url, [{"n": 0, "fails": 1000}, {"n": 1}])
        wait_for("a second try", lambda: len(seen(service, "failed")) > 1)

        sqs.set_queue_attributes(
            QueueUrl=url, Attributes={"RedrivePolicy": redrive("jobs-dead", 3)}
        )

        wait_for("the dead letter", lambda: count_left(sqs, dead_url) == 1)
        assert count_left(sqs, url) == 0
        assert numbers(seen(service, "succeeded")) == [1]


def test_purge_takes_what_waits_and_what_comes_later_arrives(
    tmp_path: Path, moto: Moto, sqs: Any
) -> None:
    url = make_queue(sqs, "jobs")
    send(sqs, url, [{"n": number, "work_s": 0.5} for number in range(40)])
    with serving_queue(
        tmp_path, moto.url, queue_project(source("jobs", "BatchSize = 1"), concurrency=2)
    ) as service:
        wait_for("a first message", partial(seen, service, "succeeded"))
        sqs.purge_queue(QueueUrl=url)
        wait_for("an end", lambda: count_left(sqs, url) == 0)

        send(sqs, url, [{"n": 100}])
        wait_for("the later one", lambda: 100 in numbers(seen(service, "succeeded")))

        assert len(batches(service)) < 41
        assert "mapping broke" not in log_of(service)


@pytest.mark.parametrize("operation", ["ReceiveMessage", "GetQueueAttributes"])
def test_permission_that_is_taken_away_stops_a_mapping_until_it_is_given_back(
    tmp_path: Path, front: Front, sqs: Any, operation: str
) -> None:
    url = make_queue(sqs, "jobs")
    with serving_queue(tmp_path, front.url, queue_project(source("jobs"))) as service:
        send(sqs, url, [{"n": 0}])
        wait_for("the first", lambda: numbers(seen(service, "succeeded")) == [0])
        front.refused = frozenset({"ReceiveMessage", operation})
        wait_for("the word of it", lambda: "is not authorized to perform" in log_of(service))
        send(sqs, url, [{"n": 1}])
        front.refused = frozenset()

        wait_for("the second", lambda: numbers(seen(service, "succeeded")) == [0, 1])
        wait_for("the word of it", lambda: "queue readable again" in log_of(service))
        [mapping] = service.client().list_event_source_mappings()["EventSourceMappings"]
        assert mapping["State"] == "Enabled"


def test_messages_that_may_not_be_deleted_are_deleted_later(
    tmp_path: Path, front: Front, sqs: Any
) -> None:
    url = make_queue(sqs, "jobs", visibility_s=60)
    with serving_queue(tmp_path, front.url, queue_project(source("jobs"))) as service:
        front.refused = frozenset({"DeleteMessageBatch"})
        send(sqs, url, [{"n": 0}])
        wait_for("the word of it", lambda: "messages not deleted" in log_of(service))
        assert count_left(sqs, url) == 1
        front.refused = frozenset()

        wait_for("the deletion", partial(is_empty, sqs, url))
        assert len(batches(service)) == 1


def test_fair_queue_s_groups_are_passed_on_and_order_nothing(keeper: Penstock, sqs: Any) -> None:
    url = make_queue(sqs, "jobs", visibility_s=60)
    for number in range(4):
        sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="tenant")
    keeper.start()
    wait_for("all", partial(is_empty, sqs, url))

    assert [record["attributes"]["MessageGroupId"] for record in kept_records(keeper)] == [
        "tenant"
    ] * 4


def test_messages_of_a_mebibyte_come_whole_and_within_the_payload_quota(
    keeper: Penstock, sqs: Any
) -> None:
    url = make_queue(sqs, "jobs", visibility_s=60)
    for letter in "abcdefgh":
        sqs.send_message(QueueUrl=url, MessageBody=letter * MIB)
    keeper.start()
    wait_for("all", partial(is_empty, sqs, url))

    assert sorted(record["body"] for record in kept_records(keeper)) == [
        letter * MIB for letter in "abcdefgh"
    ]
    assert max(path.stat().st_size for path in keeper.folder.glob("*.json")) < 6 * MIB


def test_attributes_of_all_types_are_passed_on(keeper: Penstock, front: Front, sqs: Any) -> None:
    url = make_queue(sqs, "jobs", visibility_s=60)
    dead_of = arn_of("orders")
    front.added = {"DeadLetterQueueSourceArn": dead_of}  # as SQS has it, and moto has not
    sent = {
        "text": {"DataType": "String", "StringValue": "ü"},
        "number": {"DataType": "Number.int", "StringValue": "7"},
        "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3f"}}
    sqs.send_message(
        QueueUrl=url, MessageBody="m", MessageAttributes=sent, MessageSystemAttributes=trace
    )
    keeper.start()
    wait_for("it", partial(is_empty, sqs, url))

    [record] = kept_records(keeper)
    empty: dict[str, Any] = {"stringListValues": [], "binaryListValues": []}
    assert record["messageAttributes"] == {
        "text": {"stringValue": "ü", **empty, "dataType": "String"},
        "number": {"stringValue": "7", **empty, "dataType": "Number.int"},
        "bytes": {"binaryValue": "AP8=", **empty, "dataType": "Binary.png"},
    }
    assert record["attributes"]["AWSTraceHeader"] == "Root=1-5759e988-bd862e3f"
    assert record["attributes"]["DeadLetterQueueSourceArn"] == dead_of


def run_cli(service: Penstock, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *arguments, "--url", service.url],
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_status_tells_what_a_mapping_costs_and_suffers(
    tmp_path: Path, moto: Moto, sqs: Any
) -> None:
    url = make_queue(sqs, "jobs", visibility_s=60)
    with serving_queue(tmp_path, moto.url, queue_project(source("jobs"))) as service:
        send(sqs, url, [{"n": 0, "fails": 1}, {"n": 1}, {"n": 2}])
        wait_for("two", lambda: count_left(sqs, url) == 1)
        wait_for("the account", lambda: "2" in run_cli(service, "status").stdout.split())

        table = run_cli(service, "status")
        [row] = json.loads(run_cli(service, "status", "--format", "json").stdout)["mappings"]

        assert table.returncode == 0
        assert "function reported 1 of 3 messages as failed" in table.stdout
        assert (row["name"], row["done_count"], row["in_flight_count"]) == ("jobs", 2, 0)
        assert row["requests"]["DeleteMessageBatch"] >= 1
        assert row["requests_per_message"] > 0


def test_check_follows_the_queue_as_it_is(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    make_queue(sqs, "jobs-dead")
    url = make_queue(sqs, "jobs", visibility_s=5)
    project = queue_project(source("jobs"), concurrency=5)
    with serving_queue(tmp_path, moto.url, project) as service:
        wait_for("the word of it", lambda: "AWS advises otherwise" in log_of(service))
        before = run_cli(service, "check")
        attributes = {"VisibilityTimeout": "30", "RedrivePolicy": redrive("jobs-dead", 5)}
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)

        after = run_cli(service, "check")

        assert before.returncode == 1
        assert ("VisibilityTimeout:" in before.stdout, "RedrivePolicy:" in before.stdout) == (
            True,
            True,
        )
        assert (after.stdout, after.returncode) == ("1 queue mapping checked: 0 with advice\n", 0)
