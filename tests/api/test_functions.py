"""Functions through an unmodified boto3 client: created, read, listed, deleted."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from api_fakes import QUEUE_ARN
from api_server import Server, running_server
from function_calls import (
    ARN,
    ROLE,
    create,
    create_active,
    refusal,
    wait_until_active,
    zipped,
)

from penstock.api.functions.configuration import this_architecture

pytest_plugins = ["api_fixtures"]

INVALID = "InvalidParameterValueException"
CONFLICT = "ResourceConflictException"
DEFAULTS = {
    "Timeout": 3,
    "MemorySize": 128,
    "Version": "$LATEST",
    "TracingConfig": {"Mode": "PassThrough"},
    "PackageType": "Zip",
    "Architectures": [this_architecture()],
    "EphemeralStorage": {"Size": 512},
    "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
    "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/made"},
}


def path_of(location: str) -> str:
    """Give what of a link to code comes after its origin."""
    return "/" + location.split("/", 3)[3]


def test_create_answers_pending_with_exactly_aws_s_members(client: Any) -> None:
    answer = create(client, Environment={"Variables": {"TABLE": "orders"}}, Description="text")

    assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    assert answer.pop("LastModified") == "2023-11-14T22:13:20.123+0000"
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.pop("RevisionId"))
    arn = answer.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
    assert re.fullmatch(r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", arn)
    assert answer == DEFAULTS | {
        "FunctionName": "made",
        "FunctionArn": f"{ARN}made",
        "Runtime": "python3.11",
        "Role": ROLE,
        "Handler": "app.handler",
        "CodeSize": len(zipped()),
        "CodeSha256": base64.b64encode(hashlib.sha256(zipped()).digest()).decode(),
        "Description": "text",
        "Environment": {"Variables": {"TABLE": "orders"}},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
    }


def test_created_function_becomes_active_under_another_revision(client: Any) -> None:
    created = create(client)

    active = wait_until_active(client)

    assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in active
    assert "Environment" not in active
    assert active["RevisionId"] != created["RevisionId"]


def test_version_that_is_published_at_once_becomes_active_too(client: Any) -> None:
    created = create(client, Publish=True)
    waiter = client.get_waiter("published_version_active")
    waiter.wait(FunctionName="made", Qualifier="1", WaiterConfig={"Delay": 0})

    version = client.get_function_configuration(FunctionName="made", Qualifier="1")

    assert (created["Version"], created["FunctionArn"]) == ("1", f"{ARN}made")
    assert (version["Version"], version["FunctionArn"]) == ("1", f"{ARN}made:1")
    assert (version["State"], version["LastUpdateStatus"]) == ("Active", "Successful")


def test_get_gives_a_link_to_the_code_and_the_tags(client: Any, server: Server) -> None:
    create_active(client, Tags={"team": "blue"})

    answer = client.get_function(FunctionName="made")

    downloaded = server.send("GET", path_of(answer["Code"]["Location"]))
    assert (downloaded.status, downloaded.body) == (200, zipped())
    assert downloaded.headers["content-type"] == "application/zip"
    assert answer["Code"]["RepositoryType"] == "S3"
    assert answer["Tags"] == {"team": "blue"}
    assert "Concurrency" not in answer


def test_link_is_of_one_code_and_ends(client: Any, server: Server) -> None:
    create_active(client)
    path = path_of(client.get_function(FunctionName="made")["Code"]["Location"])
    query = path.partition("?")[2]

    other = server.send("GET", f"/penstock/v1/code/{'0' * 64}?{query}")
    longer = server.send("GET", path.replace("Expires=1", "Expires=2"))
    bare = server.send("GET", path.partition("?")[0])

    assert [answer.status for answer in (other, longer, bare)] == [403, 403, 403]


@pytest.mark.parametrize(
    ("qualifier", "arn"),
    [(None, f"{ARN}made"), ("$LATEST", f"{ARN}made:$LATEST"), ("1", f"{ARN}made:1")],
)
def test_arn_has_the_qualifier_that_was_asked_by(
    client: Any, qualifier: str | None, arn: str
) -> None:
    create_active(client, Publish=True)
    parameters = {} if qualifier is None else {"Qualifier": qualifier}

    answer = client.get_function(FunctionName="made", **parameters)

    assert answer["Configuration"]["FunctionArn"] == arn


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("nobody", f"{ARN}nobody"),
        ("made:7", f"{ARN}made:7"),
        ("made:prod", f"{ARN}made:prod"),
        (f"{ARN}nobody", f"{ARN}nobody"),
        ("ship:1", f"{ARN}ship:1"),
    ],
)
def test_function_that_is_not_there_is_named_as_it_was_asked_for(
    client: Any, name: str, arn: str
) -> None:
    create_active(client)
    expected = (404, "ResourceNotFoundException", f"Function not found: {arn}")

    assert refusal(client.get_function, FunctionName=name) == expected
    assert refusal(client.get_function_configuration, FunctionName=name) == expected


def test_function_of_another_region_is_not_reachable(client: Any) -> None:
    name = f"{ARN}made".replace("us-east-1", "eu-west-1")

    assert refusal(client.get_function, FunctionName=name) == (
        404,
        "ResourceNotFoundException",
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
    )


def test_functions_of_regions_are_apart(client: Any, server: Server) -> None:
    create_active(client)
    elsewhere = server.client(region="eu-west-1")

    assert elsewhere.list_functions()["Functions"] == []
    create_active(elsewhere)
    elsewhere.delete_function(FunctionName="made")

    assert len(client.list_functions()["Functions"]) == 2  # and the declared one


def test_list_is_by_name_and_without_states(client: Any) -> None:
    create_active(client, "zeta")
    create_active(client, "alpha")

    functions = client.list_functions()["Functions"]

    assert [each["FunctionName"] for each in functions] == ["alpha", "ship", "zeta"]
    assert {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & functions[0].keys() == set()


def test_list_of_all_versions_has_qualified_arns(client: Any) -> None:
    create_active(client, Publish=True)

    functions = client.list_functions(FunctionVersion="ALL")["Functions"]
    versions = client.list_versions_by_function(FunctionName="made")["Versions"]

    arns = [f"{ARN}made:$LATEST", f"{ARN}made:1"]
    assert [each["FunctionArn"] for each in functions] == [*arns, f"{ARN}ship:$LATEST"]
    assert [each["FunctionArn"] for each in versions] == arns


def test_list_goes_on_after_a_function_that_was_deleted_meanwhile(client: Any) -> None:
    for name in ("a", "b", "c", "d"):
        create(client, name)

    page = client.list_functions(MaxItems=2)
    client.delete_function(FunctionName="b")
    rest = client.list_functions(Marker=page["NextMarker"])

    assert [each["FunctionName"] for each in page["Functions"]] == ["a", "b"]
    assert [each["FunctionName"] for each in rest["Functions"]] == ["c", "d", "ship"]
    assert "NextMarker" not in rest


def test_page_has_fifty_at_most(client: Any) -> None:
    for number in range(51):
        create(client, f"f{number:02}")

    pages = list(client.get_paginator("list_functions").paginate())
    more = client.list_functions(MaxItems=10_000)

    assert [len(page["Functions"]) for page in pages] == [50, 2]
    assert len(more["Functions"]) == 50


def test_deleted_function_is_gone_with_its_code(client: Any, server: Server) -> None:
    active = create_active(client)
    digest = base64.b64decode(active["CodeSha256"]).hex()
    folder = server.world.code_folder / digest

    answer = client.delete_function(FunctionName="made")

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refusal(client.get_function, FunctionName="made")[0] == 404
    assert refusal(client.delete_function, FunctionName="made")[0] == 404
    server.run_background()
    assert not folder.exists()


def test_name_that_is_taken_is_refused(client: Any) -> None:
    create(client)

    answer = refusal(create, client=client)

    assert answer == (409, CONFLICT, "Function already exist: made")


def test_declared_function_is_shown_as_far_as_is_known(client: Any) -> None:
    shown = client.get_function(FunctionName="ship")

    configuration = shown["Configuration"]
    assert configuration["FunctionArn"] == f"{ARN}ship"
    assert configuration["Description"] == "Declared in the project file"
    assert (configuration["Handler"], configuration["State"]) == ("app.handler", "Active")
    assert "CodeSha256" not in configuration
    assert "Code" not in shown


def test_declared_function_is_changed_in_its_file_only(client: Any) -> None:
    created = refusal(create, client=client, name="ship")
    deleted = refusal(client.delete_function, FunctionName="ship")

    assert created == (
        409,
        CONFLICT,
        "Function already exist: ship (it is declared in the project file)",
    )
    assert deleted[:2] == (400, INVALID)
    assert deleted[2].startswith("The function ship is declared in the project file")


def test_mapping_is_made_to_a_function_its_version_and_no_other(client: Any) -> None:
    create_active(client, Publish=True)

    for name in ("made", "made:1"):
        mapping = client.create_event_source_mapping(EventSourceArn=QUEUE_ARN, FunctionName=name)
        assert mapping["FunctionArn"] == ARN + name
    refused = refusal(
        client.create_event_source_mapping, EventSourceArn=QUEUE_ARN, FunctionName="made:2"
    )

    assert refused == (400, INVALID, "Function does not exist")


def test_functions_are_there_after_a_restart(tmp_path: Path) -> None:
    with running_server(data=tmp_path) as server:
        before = create_active(server.client(), Publish=True)

    with running_server(data=tmp_path) as server:
        client = server.client()
        after = client.get_function_configuration(FunctionName="made")
        location = client.get_function(FunctionName="made", Qualifier="1")["Code"]["Location"]
        assert server.send("GET", path_of(location)).body == zipped()

    before.pop("ResponseMetadata")
    after.pop("ResponseMetadata")
    assert after == before


def test_code_comes_from_a_bucket(client: Any, server: Server) -> None:
    server.world.buckets.objects["code", "made.zip", None] = zipped("x = 2")
    server.world.buckets.objects["code", "made.zip", "v1"] = zipped("x = 1")

    newest = create(client, "a", Code={"S3Bucket": "code", "S3Key": "made.zip"})
    older = create(
        client, "b", Code={"S3Bucket": "code", "S3Key": "made.zip", "S3ObjectVersion": "v1"}
    )

    digests = [base64.b64decode(each["CodeSha256"]) for each in (newest, older)]
    assert digests == [hashlib.sha256(zipped(text)).digest() for text in ("x = 2", "x = 1")]


def test_object_that_is_not_there_is_told_in_s3_s_words(client: Any) -> None:
    answer = refusal(create, client=client, Code={"S3Bucket": "code", "S3Key": "none"})

    assert answer[:2] == (400, INVALID)
    assert answer[2].startswith("Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Err")
