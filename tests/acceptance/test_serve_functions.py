"""Functions made through the API of a real service, with queues of a moto server."""

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from function_project import (
    PROJECT,
    code_folders,
    create,
    digest,
    invoke,
    ledger,
    package,
    sha256_of,
    update_code,
    wait_until_active,
)
from serve_harness import Moto, Penstock, Queues, arn_of, make_client, running, wait_for

KILLS = 3
CREATED_MIN = 5  # before each kill


@pytest.fixture(name="service")
def fixture_service(tmp_path: Path, moto: Moto) -> Iterator[Penstock]:
    with running(tmp_path, moto.url, PROJECT) as service:
        yield service


def bodies(name: str, count: int = 60) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def have_run(folder: Path, expected: list[str]) -> bool:
    return set(expected) <= ledger(folder).keys()


def map_queue(client: Any, function: str) -> None:
    """Map the queue to a function and wait until the mapping polls."""
    mapping = client.create_event_source_mapping(
        EventSourceArn=arn_of("orders"), FunctionName=function
    )

    def is_enabled() -> bool:
        state = client.get_event_source_mapping(UUID=mapping["UUID"])["State"]
        return bool(state == "Enabled")

    wait_for("the mapping", is_enabled)


def test_messages_after_an_update_run_the_new_code(moto: Moto, service: Penstock) -> None:
    queues, client = Queues(moto.client("sqs"), visibility_s=30), service.client()
    create(client, service.folder)
    wait_until_active(client)
    map_queue(client, "worker")

    queues.send(bodies("early"))
    update_code(client, "2")
    queues.send(bodies("late"))

    wait_for("all", partial(have_run, service.folder, [*bodies("early"), *bodies("late")]))
    assert {ledger(service.folder)[body] for body in bodies("late")} == {("2", "$LATEST")}
    assert queues.dead() == 0
    wait_for("the former code to go", lambda: code_folders(service) == {digest("2")})


def test_mapping_of_an_alias_follows_it_to_another_version(moto: Moto, service: Penstock) -> None:
    queues, client = Queues(moto.client("sqs"), visibility_s=30), service.client()
    create(client, service.folder, Publish=True)
    wait_until_active(client)
    update_code(client, "2", Publish=True)
    client.create_alias(FunctionName="worker", Name="prod", FunctionVersion="1")
    map_queue(client, "worker:prod")

    queues.send(bodies("early"))
    wait_for("the early ones", partial(have_run, service.folder, bodies("early")))
    client.update_alias(FunctionName="worker", Name="prod", FunctionVersion="2")
    queues.send(bodies("late"))
    wait_for("the late ones", partial(have_run, service.folder, bodies("late")))

    rows = ledger(service.folder)
    assert {rows[body] for body in bodies("early")} == {("1", "1")}
    assert {rows[body] for body in bodies("late")} == {("2", "2")}


def test_each_version_runs_its_own_code_after_a_restart_too(service: Penstock) -> None:
    client = service.client()
    create(client, service.folder, Publish=True)
    wait_until_active(client)
    update_code(client, "2", Publish=True)
    update_code(client, "3")
    expected = [(["3", "$LATEST"], "$LATEST"), (["1", "1"], "1"), (["2", "2"], "2")]

    def invoke_all() -> list[tuple[Any, str]]:
        return [invoke(client, name) for name in ("worker", "worker:1", "worker:2")]

    assert invoke_all() == expected
    service.kill()
    service.start()
    assert invoke_all() == expected


def test_concurrency_of_zero_stops_and_its_deletion_goes_on(moto: Moto, service: Penstock) -> None:
    queues, client = Queues(moto.client("sqs"), visibility_s=30), service.client()
    create(client, service.folder)
    wait_until_active(client)
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    map_queue(client, "worker")

    queues.send(bodies("all"))
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        client.invoke(FunctionName="worker")
    assert ledger(service.folder) == {}
    client.delete_function_concurrency(FunctionName="worker")

    wait_for("all", partial(have_run, service.folder, bodies("all")))


def test_code_comes_from_a_bucket_of_the_configured_endpoint(moto: Moto, service: Penstock) -> None:
    s3, client = moto.client("s3"), service.client()
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="worker.zip", Body=package("bucket"))

    create(client, service.folder, Code={"S3Bucket": "code", "S3Key": "worker.zip"})
    wait_until_active(client)

    assert invoke(client) == (["bucket", "$LATEST"], "$LATEST")


@pytest.mark.parametrize(
    ("bucket", "text"),
    [
        ("none", "S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not"),
        ("code", "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."),
    ],
)
def test_code_that_is_not_in_its_bucket_is_told_in_s3_s_words(
    moto: Moto, service: Penstock, bucket: str, text: str
) -> None:
    moto.client("s3").create_bucket(Bucket="code")

    with pytest.raises(ClientError) as refused:
        create(service.client(), service.folder, Code={"S3Bucket": bucket, "S3Key": "none"})

    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    assert error["Message"].startswith(f"Error occurred while GetObject. {text}")


def create_until_killed(service: Penstock, number: int, acknowledged: list[str]) -> None:
    """Create functions of code of their own, one after another, until nobody answers."""
    client = make_client("lambda", service.url)
    with contextlib.suppress(BotoCoreError):
        for count in range(10_000):
            name = f"f{number}-{count}"
            create(client, service.folder, name, Code={"ZipFile": package(name)}, Publish=True)
            acknowledged.append(name)
    client.close()


def has_items(items: list[str], count: int) -> bool:
    return len(items) >= count


def test_kill_in_the_middle_of_creations_leaves_each_function_whole_or_absent(
    service: Penstock,
) -> None:
    acknowledged: list[str] = []
    for number in range(KILLS):
        wanted = len(acknowledged) + CREATED_MIN
        creating = threading.Thread(
            target=create_until_killed, args=(service, number, acknowledged)
        )
        creating.start()
        wait_for("creations", partial(has_items, acknowledged, wanted))
        service.kill()
        creating.join()
        service.start()

    client = service.client()
    pages = client.get_paginator("list_functions").paginate()
    functions = {each["FunctionName"]: each for page in pages for each in page["Functions"]}
    assert set(acknowledged) <= functions.keys()
    assert len(functions) <= len(acknowledged) + KILLS
    assert code_folders(service) == {sha256_of(each) for each in functions.values()}
    for name in functions:
        assert client.get_function_configuration(FunctionName=f"{name}:1")["State"] == "Active"
    for name in [*functions][-2:]:
        assert invoke(client, name) == ([name, "$LATEST"], "$LATEST")
