"""The whole service as a process, against a moto server, through unmodified boto3 clients."""

import subprocess
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from serve_harness import (
    SERVE,
    Moto,
    Penstock,
    Queues,
    arn_of,
    project_text,
    running,
    wait_for,
)

COUNT = 500
POISON = 20
KILLS = 5


def bodies(count: int, poison: int) -> list[str]:
    return [f"{'poison' if number < poison else 'good'}-{number}" for number in range(count)]


def account(service: Penstock) -> tuple[set[str], Counter[str]]:
    """Sum up what the handler saw: bodies that succeeded, and how often each was delivered."""
    rows = service.rows()
    return {row[1] for row in rows if row[3]}, Counter(row[1] for row in rows)


def has_succeeded(service: Penstock, count: int) -> bool:
    return len(account(service)[0]) >= count


@pytest.mark.timeout(240)
def test_serve_killed_in_the_middle_loses_nothing(tmp_path: Path, moto: Moto) -> None:
    queues = Queues(moto.client("sqs"), visibility_s=2, receives=10)
    service = Penstock(tmp_path, moto.url, project_text(work_s=0.01))
    queues.send(bodies(COUNT, POISON))
    try:
        for killing in range(KILLS):
            service.start()
            goal = (killing + 1) * COUNT // (KILLS + 2)
            wait_for("progress", partial(has_succeeded, service, goal))
            service.kill()
        service.start()
        wait_for("the end", lambda: queues.left() == 0)
    finally:
        service.end()

    succeeded, deliveries = account(service)
    assert len(succeeded) == COUNT - POISON
    assert queues.dead() == POISON
    # A kill may leave each good message of the batches in flight, at most, once more.
    assert max(deliveries[body] for body in succeeded) <= KILLS + 1


def test_serve_stops_gracefully_and_gives_back_what_waits(tmp_path: Path, moto: Moto) -> None:
    queues = Queues(moto.client("sqs"), visibility_s=120)
    queues.send(bodies(60, 0))
    with running(tmp_path, moto.url, project_text(work_s=0.1)) as service:
        wait_for("a first batch", service.rows)

        code = service.terminate()

        done = {row[1] for row in service.rows()}
        assert code == 0
        assert queues.left() == 60 - len(done)
        assert service.log.read_text().count("stopping: draining what is in flight; ") == 1


def test_serve_mapping_through_the_api_lives_as_on_aws(tmp_path: Path, moto: Moto) -> None:
    queues = Queues(moto.client("sqs"), visibility_s=30)
    with running(tmp_path, moto.url, project_text(mappings=False)) as service:
        api = service.client()
        made = api.create_event_source_mapping(
            EventSourceArn=arn_of("orders"), FunctionName="charge", BatchSize=2
        )
        queues.send(["one"])
        wait_for("one", lambda: {row[1] for row in service.rows()} == {"one"})

        api.update_event_source_mapping(UUID=made["UUID"], Enabled=False)
        wait_for("Disabled", lambda: state_of(api, made["UUID"]) == "Disabled")
        queues.send(["two"])
        api.update_event_source_mapping(UUID=made["UUID"], Enabled=True)
        wait_for("two", lambda: {row[1] for row in service.rows()} == {"one", "two"})

        wait_for("Enabled", lambda: state_of(api, made["UUID"]) == "Enabled")
        api.delete_event_source_mapping(UUID=made["UUID"])
        wait_for("deletion", lambda: state_of(api, made["UUID"]) == "gone")


def state_of(api: Any, uuid: str) -> str:
    try:
        state: str = api.get_event_source_mapping(UUID=uuid)["State"]
    except api.exceptions.ResourceNotFoundException:
        return "gone"
    return state


def test_serve_mappings_survive_a_kill(tmp_path: Path, moto: Moto) -> None:
    Queues(moto.client("sqs"), visibility_s=30)
    service = Penstock(tmp_path, moto.url, project_text(mappings=False))
    try:
        service.start()
        request = {"EventSourceArn": arn_of("orders"), "FunctionName": "charge"}
        made = service.client().create_event_source_mapping(**request, Tags={"team": "a"})
        service.kill()
        service.start()

        listed = service.client().list_event_source_mappings()["EventSourceMappings"]
        tags = service.client().list_tags(Resource=made["EventSourceMappingArn"])["Tags"]
        assert [(row["UUID"], row["State"]) for row in listed] == [(made["UUID"], "Enabled")]
        assert tags == {"team": "a"}
    finally:
        service.end()


def test_serve_waits_for_its_source_and_recovers(tmp_path: Path, moto: Moto) -> None:
    Queues(moto.client("sqs"), visibility_s=30)
    with running(tmp_path, moto.url, project_text()) as service:
        moto.kill()
        wait_for("the word of it", lambda: "queue not readable" in service.log.read_text())
        moto.start()
        Queues(moto.client("sqs"), visibility_s=30).send(["after"])

        wait_for("after", lambda: {row[1] for row in service.rows()} == {"after"})
        assert "queue readable again" in service.log.read_text()


def test_serve_recovers_a_queue_that_was_deleted_and_made_again(tmp_path: Path, moto: Moto) -> None:
    sqs = moto.client("sqs")
    queues = Queues(sqs, visibility_s=30)
    with running(tmp_path, moto.url, project_text()) as service:
        sqs.delete_queue(QueueUrl=queues.url)
        wait_for("the word of it", lambda: "queue not readable" in service.log.read_text())
        Queues(sqs, visibility_s=30).send(["again"])

        wait_for("again", lambda: {row[1] for row in service.rows()} == {"again"})


def test_serve_invokes_directly(tmp_path: Path, moto: Moto) -> None:
    with running(tmp_path, moto.url, project_text(mappings=False)) as service:
        answer = service.client().invoke(FunctionName="charge", Payload=b'{"Records": []}')

        assert answer["Payload"].read() == b'{"batchItemFailures": []}'
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")


def test_serve_refuses_to_poll_itself(tmp_path: Path) -> None:
    service = Penstock(tmp_path, "http://127.0.0.1:1", project_text())
    service.environment["AWS_ENDPOINT_URL"] = service.url

    ended = subprocess.run(
        [*SERVE, "--port", str(service.port)],
        cwd=tmp_path,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert "this service's own address" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "home"),
    [
        pytest.param(
            "charge", 'arn = "arn:aws:lambda:us-east-1:123456789012:function:charge"', id="arn"
        ),
        pytest.param("function", 'url = "{far}"', id="url"),
    ],
)
def test_serve_invokes_functions_that_run_elsewhere(
    tmp_path: Path, moto: Moto, name: str, home: str
) -> None:
    queues = Queues(moto.client("sqs"), visibility_s=30)
    far_folder, near_folder = tmp_path / "far", tmp_path / "near"
    far_folder.mkdir()
    near_folder.mkdir()
    far_project = project_text(mappings=False).replace("functions.charge", f"functions.{name}")
    with running(far_folder, moto.url, far_project) as far:
        near = Penstock(near_folder, moto.url, project_text(home=home.format(far=far.url)))
        near.environment["AWS_ENDPOINT_URL_LAMBDA"] = far.url
        try:
            near.start()
            queues.send(["one", "poison"])
            wait_for("both", lambda: len({row[1] for row in far.rows()}) == 2)

            wait_for("the good one's deletion", lambda: queues.left() == 1)
        finally:
            near.end()
