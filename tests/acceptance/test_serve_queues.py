"""What a queue mapping can do, through the whole service as a process, against a moto server."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from queue_harness import (
    batches,
    count_left,
    first_successes,
    highest_parallel,
    is_empty,
    make_queue,
    make_queue_service,
    numbers,
    pauses_s,
    queue_project,
    read_status,
    redrive,
    seen,
    send,
    serving_queue,
    source,
)
from serve_harness import Moto, arn_of, wait_for

KEEPS_GROUPS = True  # of the server, read by its fixture
FIFO_RAISES = 'EventSourceArn = "{arn}"\nBatchSize = 10\n{tags}'


def test_groups_are_in_order_and_run_in_parallel(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    url = make_queue(sqs, "jobs.fifo")
    for number in range(6):
        for group in "abcd":
            send(sqs, url, [{"n": number, "work_s": 0.05}], group=group)
    mapping = source("jobs.fifo", "BatchSize = 1\nScalingConfig = { MaximumConcurrency = 4 }")
    with serving_queue(tmp_path, moto.url, queue_project(mapping)) as service:
        wait_for("all", partial(is_empty, sqs, url))

        assert first_successes(service) == {group: [0, 1, 2, 3, 4, 5] for group in "abcd"}
        assert len(seen(service, "begun")) == 24
        assert 1 < highest_parallel(service) <= 4
        assert {highest_parallel(service, group) for group in "abcd"} == {1}


def test_batch_may_hold_several_groups(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    url = make_queue(sqs, "jobs.fifo")
    for group in "abc":
        send(sqs, url, [{"n": 0}, {"n": 1}, {"n": 2}], group=group)
    project = queue_project(source("jobs.fifo"))
    with serving_queue(tmp_path, moto.url, project) as service:
        wait_for("all", partial(is_empty, sqs, url))

        [batch] = batches(service)
        assert [(row.group, row.number) for row in batch] == [
            (group, number) for group in "abc" for number in range(3)
        ]


@pytest.mark.parametrize(
    ("tags", "done"),
    [
        pytest.param("", set(), id="as-on-aws"),
        pytest.param('Tags = { "penstock:fifo-one-group" = "true" }', {"b", "c"}, id="one-group"),
    ],
)
def test_failing_group_delays_all_of_its_batch_or_only_itself(
    tmp_path: Path, moto: Moto, sqs: Any, tags: str, done: set[str]
) -> None:
    url = make_queue(sqs, "jobs.fifo", visibility_s=60)
    send(sqs, url, [{"n": 0, "fails": 9}, {"n": 1}], group="a")
    send(sqs, url, [{"n": 0}, {"n": 1}], group="b")
    send(sqs, url, [{"n": 0}, {"n": 1}], group="c")
    mapping = FIFO_RAISES.format(arn=arn_of("jobs.fifo"), tags=tags)
    project = queue_project(mapping).replace('RAISES = "false"', 'RAISES = "true"')
    with serving_queue(tmp_path, moto.url, project) as service:
        wait_for("the failure", partial(seen, service, "failed"))
        wait_for("the rest", lambda: count_left(sqs, url) == 6 - 2 * len(done))

        assert set(first_successes(service)) == done
        assert [len({row.group for row in batch}) for batch in batches(service)] == (
            [1, 1, 1] if done else [3]
        )


def test_strict_group_comes_again_from_its_first_failure(
    tmp_path: Path, moto: Moto, sqs: Any
) -> None:
    url = make_queue(sqs, "jobs.fifo", visibility_s=1)
    send(sqs, url, [{"n": 0}, {"n": 1, "fails": 1}, {"n": 2}, {"n": 3}], group="a")
    strict = 'Tags = { "penstock:fifo-strict" = "true" }'
    project = queue_project(source("jobs.fifo", strict), timeout_s=1)
    with serving_queue(tmp_path, moto.url, project) as service:
        wait_for("all", partial(is_empty, sqs, url))

        # What the function did behind the failure is done again, in order.
        assert [row.number for batch in batches(service) for row in batch] == [0, 1, 2, 3, 1, 2, 3]


def test_window_gathers_over_several_receives(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    url = make_queue(sqs, "jobs")
    send(sqs, url, [{"n": number} for number in range(45)])
    mapping = source("jobs", "BatchSize = 100\nMaximumBatchingWindowInSeconds = 1")
    with serving_queue(tmp_path, moto.url, queue_project(mapping)) as service:
        wait_for("all", partial(is_empty, sqs, url))

        sizes = [len(batch) for batch in batches(service)]
        assert sum(sizes) == 45
        assert max(sizes) > 10, "a receive brings ten"


@pytest.mark.timeout(90)
def test_heartbeat_outlasts_the_visibility_timeout_and_ends_with_a_kill(
    tmp_path: Path, moto: Moto, sqs: Any
) -> None:
    period_s = 10
    url = make_queue(sqs, "jobs", visibility_s=2)
    heartbeat = f'BatchSize = 1\nTags = {{ "penstock:visibility-heartbeat" = "{period_s}" }}'
    project = queue_project(source("jobs", heartbeat), timeout_s=60)
    service = make_queue_service(tmp_path, moto.url, project)
    send(sqs, url, [{"n": 0, "work_s": period_s + 2}, {"n": 1, "work_s": 50}])
    try:
        service.start()
        wait_for("the shorter one", lambda: count_left(sqs, url) == 1)
        assert sorted(numbers(seen(service, "begun"))) == [0, 1]
        service.kill()
        killed_s = seen(service, "ended")[0].at_s
        service.start()

        again = wait_for("the longer one", lambda: seen(service, "begun")[2:])
        assert [(row.number, row.count) for row in again] == [(1, 2)]
        assert again[0].at_s - killed_s <= period_s + 2
    finally:
        service.end()


def test_back_off_doubles(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    url = make_queue(sqs, "jobs", visibility_s=60)
    tags = '"penstock:retry-backoff" = "exponential", "penstock:retry-backoff-maximum" = "2"'
    project = queue_project(source("jobs", f"Tags = {{ {tags} }}"))
    with serving_queue(tmp_path, moto.url, project) as service:
        send(sqs, url, [{"n": 0, "fails": 2}, {"n": 1}])
        wait_for("all", partial(is_empty, sqs, url))

        # Not sooner; and moto looks once per second for what has become visible.
        first_s, second_s = pauses_s(service, 0)
        assert (first_s >= 1, second_s >= 2) == (True, True)
        assert pauses_s(service, 1) == []


@pytest.mark.parametrize("kind", ["queue", "bucket"])
def test_last_failure_is_recorded_and_deleted(
    tmp_path: Path, moto: Moto, sqs: Any, kind: str
) -> None:
    failed_url, dead_url = make_queue(sqs, "failed"), make_queue(sqs, "jobs-dead")
    policy = redrive("jobs-dead", 2)
    url = make_queue(sqs, "jobs", visibility_s=1, RedrivePolicy=policy)
    s3 = moto.client("s3")
    s3.create_bucket(Bucket="failed")
    arn = arn_of("failed") if kind == "queue" else "arn:aws:s3:::failed"
    tags = f'Tags = {{ "penstock:on-failure" = "{arn}" }}'
    project = queue_project(source("jobs", tags), timeout_s=1)
    with serving_queue(tmp_path, moto.url, project) as service:
        send(sqs, url, [{"n": 0, "fails": 9}, {"n": 1}])
        wait_for("all", partial(is_empty, sqs, url))

        record = json.loads(read_record(sqs, failed_url, s3, kind))
        payload = record["requestPayload"]["Records"]
        assert [json.loads(each["body"])["n"] for each in payload] == [0]
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 2
        assert numbers(seen(service, "failed")) == [0, 0]
        assert count_left(sqs, dead_url) == 0


def read_record(sqs: Any, url: str, s3: Any, kind: str) -> str:
    if kind == "queue":
        [message] = sqs.receive_message(QueueUrl=url)["Messages"]
        body: str = message["Body"]
        return body
    [listed] = s3.list_objects_v2(Bucket="failed")["Contents"]
    text: bytes = s3.get_object(Bucket="failed", Key=listed["Key"])["Body"].read()
    return text.decode()


def test_concurrency_of_one_is_serial(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    url = make_queue(sqs, "jobs")
    send(sqs, url, [{"n": number, "work_s": 0.05} for number in range(12)])
    serial = 'BatchSize = 1\nTags = { "penstock:concurrency" = "1" }'
    with serving_queue(tmp_path, moto.url, queue_project(source("jobs", serial))) as service:
        wait_for("all", partial(is_empty, sqs, url))

        assert highest_parallel(service) == 1
        assert len(batches(service)) == 12


def test_tags_act_at_once(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    url = make_queue(sqs, "jobs", visibility_s=60)
    with serving_queue(tmp_path, moto.url, queue_project(source("jobs"))) as service:
        api = service.client()
        [mapping] = api.list_event_source_mappings()["EventSourceMappings"]
        tags = {"penstock:retry-backoff": "exponential", "penstock:concurrency": "1"}
        api.tag_resource(Resource=mapping["EventSourceMappingArn"], Tags=tags)
        send(sqs, url, [{"n": 0, "fails": 1}])
        wait_for("all", partial(is_empty, sqs, url))
        assert len(pauses_s(service, 0)) == 1, "again, and long before the visibility timeout"
        assert read_status(service)["concurrency_limit"] == 1

        api.untag_resource(Resource=mapping["EventSourceMappingArn"], TagKeys=list(tags))

        wait_for("AWS's ramp", lambda: read_status(service)["concurrency_limit"] == 5)
        assert state_of(api, mapping["UUID"]) == "Enabled"


def state_of(api: Any, uuid: str) -> str:
    state: str = api.get_event_source_mapping(UUID=uuid)["State"]
    return state


def test_provisioned_pollers_are_given_and_taken_away(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    url = make_queue(sqs, "jobs")
    with serving_queue(tmp_path, moto.url, queue_project()) as service:
        api = service.client()
        pollers = {"MinimumPollers": 2, "MaximumPollers": 3}
        made = api.create_event_source_mapping(
            EventSourceArn=arn_of("jobs"), FunctionName="work", ProvisionedPollerConfig=pollers
        )
        send(sqs, url, [{"n": number} for number in range(30)])
        wait_for("all", partial(is_empty, sqs, url))
        assert made["ProvisionedPollerConfig"] == pollers
        assert 20 <= read_status(service)["concurrency_limit"] <= 30

        wait_for("Enabled", lambda: state_of(api, made["UUID"]) == "Enabled")
        changed = api.update_event_source_mapping(UUID=made["UUID"], ProvisionedPollerConfig={})
        assert "ProvisionedPollerConfig" not in changed
        wait_for("AWS's ramp", lambda: read_status(service)["concurrency_limit"] == 5)


@pytest.mark.timeout(90)
def test_slow_function_burns_no_receives(tmp_path: Path, moto: Moto, sqs: Any) -> None:
    dead_url = make_queue(sqs, "jobs-dead")
    url = make_queue(sqs, "jobs", visibility_s=2, RedrivePolicy=redrive("jobs-dead", 3))
    send(sqs, url, [{"n": number, "work_s": 0.2} for number in range(80)])
    # Eight seconds of work for two environments: four times the visibility timeout.
    project = queue_project(source("jobs", "BatchSize = 1"), concurrency=2, timeout_s=2)
    with serving_queue(tmp_path, moto.url, project) as service:
        wait_for("all", partial(is_empty, sqs, url))

        rows = seen(service, "begun")
        assert sorted(numbers(rows)) == list(range(80))
        assert {row.count for row in rows} == {1}
        assert count_left(sqs, dead_url) == 0
