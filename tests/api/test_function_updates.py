"""Updates, versions and their preconditions, through an unmodified boto3 client."""

import asyncio
import base64
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from api_fakes import QUEUE_ARN
from api_server import Server
from function_calls import (
    ARN,
    ROLE,
    create,
    create_active,
    refusal,
    wait_until_active,
    wait_until_updated,
    without_metadata,
    zipped,
)

pytest_plugins = ["api_fixtures"]

INVALID = "InvalidParameterValueException"
CONFLICT = "ResourceConflictException"
REVISION = (
    412,
    "PreconditionFailedException",
    (
        "The Revision Id provided does not match the latest Revision Id. Call the "
        "GetFunction/GetAlias API to retrieve the latest Revision Id"
    ),
)


NEW = zipped("x = 'new'")
NEW_SHA256 = base64.b64encode(hashlib.sha256(NEW).digest()).decode()


def test_code_is_updated_in_the_background(client: Any) -> None:
    before = create_active(client)

    begun = client.update_function_code(FunctionName="made", ZipFile=NEW)
    after = wait_until_updated(client)

    assert (begun["LastUpdateStatus"], begun["State"]) == ("InProgress", "Active")
    assert begun["LastUpdateStatusReasonCode"] == "Creating"
    assert (begun["CodeSha256"], begun["CodeSize"]) == (NEW_SHA256, len(NEW))
    assert (after["LastUpdateStatus"], after["CodeSha256"]) == ("Successful", NEW_SHA256)
    assert len({each["RevisionId"] for each in (before, begun, after)}) == 3


def test_configuration_is_updated_where_it_is_given(client: Any) -> None:
    create_active(client, Description="kept", Environment={"Variables": {"AA": "1"}})

    client.update_function_configuration(
        FunctionName="made", Timeout=60, MemorySize=256, Environment={"Variables": {"BB": "2"}}
    )
    after = wait_until_updated(client)

    assert (after["Timeout"], after["MemorySize"], after["Description"]) == (60, 256, "kept")
    assert after["Environment"] == {"Variables": {"BB": "2"}}
    assert (after["Handler"], after["Role"]) == ("app.handler", ROLE)


def test_running_mapping_sees_the_updated_timeout(client: Any, server: Server) -> None:
    create_active(client)

    client.update_function_configuration(FunctionName="made", Timeout=60)
    wait_until_updated(client)

    found = server.world.functions.find(f"{ARN}made")
    assert found is not None
    assert found.timeout_s == 60


def test_dry_run_judges_and_changes_nothing(client: Any) -> None:
    before = create_active(client)

    told = client.update_function_code(FunctionName="made", ZipFile=NEW, DryRun=True)
    refused = refusal(
        client.update_function_code, FunctionName="made", ZipFile=b"no zip", DryRun=True
    )

    assert told["CodeSha256"] == NEW_SHA256
    assert refused[:2] == (400, INVALID)
    assert without_metadata(
        client.get_function_configuration(FunctionName="made")
    ) == without_metadata(before)


def test_update_while_pending_is_refused(client: Any, server: Server) -> None:
    with server.code_that_waits():
        create(client)
        refused = refusal(client.update_function_code, FunctionName="made", ZipFile=NEW)

    assert refused == (
        409,
        CONFLICT,
        (
            "The operation cannot be performed at this time. The function is currently in the "
            "following state: Pending"
        ),
    )
    assert wait_until_active(client)["State"] == "Active"


def test_mapping_of_a_pending_function_is_made(client: Any, server: Server) -> None:
    with server.code_that_waits():
        create(client)
        made = client.create_event_source_mapping(EventSourceArn=QUEUE_ARN, FunctionName="made")

    assert (made["State"], made["FunctionArn"]) == ("Creating", f"{ARN}made")


def test_second_update_while_one_is_in_progress_is_refused(client: Any, server: Server) -> None:
    create_active(client)
    with server.code_that_waits():
        client.update_function_code(FunctionName="made", ZipFile=NEW)
        refused = refusal(client.update_function_configuration, FunctionName="made", Timeout=9)

    assert refused == (
        409,
        CONFLICT,
        (
            "The operation cannot be performed at this time. An update is in progress for "
            f"resource: {ARN}made"
        ),
    )
    assert wait_until_updated(client)["Timeout"] == 3


@pytest.mark.parametrize("dry_run", [False, True])
def test_code_that_is_long_in_coming_is_judged_by_the_function_as_it_then_is(
    client: Any, server: Server, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    asked, come = threading.Event(), threading.Event()

    async def fetch(*_: str, **__: str | None) -> bytes:
        asked.set()
        await asyncio.to_thread(come.wait, 10)
        return NEW

    monkeypatch.setattr(server.world.buckets, "fetch", fetch)
    create_active(client)
    code = {"FunctionName": "made", "S3Bucket": "code", "S3Key": "made.zip", "DryRun": dry_run}

    with ThreadPoolExecutor() as threads:
        update = threads.submit(client.update_function_code, **code)
        asked.wait(10)
        client.update_function_configuration(FunctionName="made", Timeout=9)
        wait_until_updated(client)
        come.set()
        told = update.result(10)

    assert (told["Timeout"], told["CodeSha256"]) == (9, NEW_SHA256)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("update_function_code", {"ZipFile": NEW}),
        ("update_function_configuration", {"Timeout": 9}),
        ("publish_version", {}),
    ],
)
def test_change_of_another_revision_is_refused(
    client: Any, operation: str, parameters: dict[str, Any]
) -> None:
    before = create_active(client)
    call = getattr(client, operation)

    refused = refusal(call, FunctionName="made", RevisionId="stale", **parameters)
    call(FunctionName="made", RevisionId=before["RevisionId"], **parameters)

    assert refused == REVISION


def test_published_version_stays_what_it_was(client: Any) -> None:
    before = create_active(client)

    published = client.publish_version(FunctionName="made", Description="first")
    client.update_function_code(FunctionName="made", ZipFile=NEW)
    wait_until_updated(client)
    version = client.get_function_configuration(FunctionName="made", Qualifier="1")

    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert without_metadata(version) == without_metadata(published)
    assert (version["FunctionArn"], version["Version"]) == (f"{ARN}made:1", "1")
    assert (version["Description"], version["State"]) == ("first", "Active")
    assert version["CodeSha256"] == before["CodeSha256"] != NEW_SHA256


def test_publishing_again_without_a_change_gives_the_same_version(client: Any) -> None:
    create_active(client)

    first = client.publish_version(FunctionName="made")
    again = client.publish_version(FunctionName="made", Description="other")

    assert without_metadata(again) == without_metadata(first)


def test_publishing_other_code_than_expected_is_refused(client: Any) -> None:
    present = create_active(client)["CodeSha256"]

    refused = refusal(client.publish_version, FunctionName="made", CodeSha256=NEW_SHA256)
    published = client.publish_version(FunctionName="made", CodeSha256=present)

    assert refused == (
        400,
        INVALID,
        (
            f"CodeSHA256 ({NEW_SHA256}) is different from current CodeSHA256 in $LATEST "
            f"({present}). Please try again with the CodeSHA256 in $LATEST."
        ),
    )
    assert published["Version"] == "1"


def test_update_that_publishes_answers_with_the_version(client: Any) -> None:
    create_active(client, Publish=True)

    answer = client.update_function_code(FunctionName="made", ZipFile=NEW, Publish=True)
    waiter = client.get_waiter("published_version_active")
    waiter.wait(FunctionName="made", Qualifier="2", WaiterConfig={"Delay": 0})

    assert (answer["Version"], answer["FunctionArn"]) == ("2", f"{ARN}made:2")
    version = client.get_function_configuration(FunctionName="made", Qualifier="2")
    assert (version["State"], version["CodeSha256"]) == ("Active", NEW_SHA256)


def test_versions_have_a_limit(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.api.functions.updates.VERSIONS_MAX", 1)
    create_active(client, Publish=True)

    again = client.publish_version(FunctionName="made")
    refused = refusal(client.update_function_code, FunctionName="made", ZipFile=NEW, Publish=True)

    assert again["Version"] == "1"
    assert refused[:2] == (400, INVALID)
    assert "has 1 versions, the most" in refused[2]


def test_version_is_deleted_by_its_number(client: Any) -> None:
    create_active(client, Publish=True)

    client.delete_function(FunctionName="made", Qualifier="1")
    client.delete_function(FunctionName="made:1")  # gone already: no error, as on AWS

    assert refusal(client.get_function, FunctionName="made:1")[0] == 404
    assert client.get_function_configuration(FunctionName="made")["State"] == "Active"


def test_latest_is_not_deleted_alone(client: Any) -> None:
    create_active(client)

    assert refusal(client.delete_function, FunctionName="made", Qualifier="$LATEST") == (
        400,
        INVALID,
        "$LATEST version cannot be deleted without deleting the function.",
    )


def test_version_that_an_alias_leads_to_is_not_deleted(client: Any) -> None:
    create_active(client, Publish=True)
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")

    assert refusal(client.delete_function, FunctionName="made", Qualifier="1") == (
        409,
        CONFLICT,
        "Unable to delete version because the following aliases reference it: [prod]",
    )


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("update_function_code", {"ZipFile": NEW}),
        ("update_function_configuration", {"Timeout": 9}),
        ("publish_version", {}),
        ("create_alias", {"Name": "prod", "FunctionVersion": "$LATEST"}),
        ("delete_alias", {"Name": "prod"}),
        ("put_function_concurrency", {"ReservedConcurrentExecutions": 1}),
    ],
)
def test_declared_function_and_one_that_is_not_there_are_refused(
    client: Any, operation: str, parameters: dict[str, Any]
) -> None:
    call = getattr(client, operation)

    declared = refusal(call, FunctionName="ship", **parameters)
    missing = refusal(call, FunctionName="nobody", **parameters)

    assert declared[:2] == (400, INVALID)
    assert "declared in the project file" in declared[2]
    assert missing == (
        404,
        "ResourceNotFoundException",
        f"Function not found: {ARN}nobody",
    )


def test_code_that_nothing_refers_to_any_more_is_removed(client: Any, server: Server) -> None:
    create_active(client)
    client.publish_version(FunctionName="made")
    for text in ("x = 2", "x = 3"):
        client.update_function_code(FunctionName="made", ZipFile=zipped(text))
        wait_until_updated(client)
    server.run_background()

    kept = {path.name for path in server.world.code_folder.iterdir()}

    assert kept == {hashlib.sha256(each).hexdigest() for each in (zipped(), zipped("x = 3"))}


def test_versions_are_paged_in_the_order_of_their_numbers(client: Any) -> None:
    create_active(client)
    for number in range(1, 12):
        client.update_function_configuration(FunctionName="made", Description=f"{number}")
        wait_until_updated(client)
        client.publish_version(FunctionName="made")

    pages = client.get_paginator("list_versions_by_function").paginate(
        FunctionName="made", PaginationConfig={"PageSize": 4}
    )

    found = [version["Version"] for page in pages for version in page["Versions"]]
    assert found == ["$LATEST", *(str(number) for number in range(1, 12))]
