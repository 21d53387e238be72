"""Aliases through an unmodified boto3 client."""

from typing import Any

import pytest
from api_fakes import QUEUE_ARN
from api_server import Server
from function_calls import (
    ARN,
    create_active,
    refusal,
    wait_until_updated,
    without_metadata,
    zipped,
)

pytest_plugins = ["api_fixtures"]

INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"


@pytest.fixture(autouse=True)
def fixture_two_versions(client: Any) -> None:
    """Make the function ``made`` in two versions."""
    create_active(client, Publish=True)
    client.update_function_code(FunctionName="made", ZipFile=zipped("x = 2"), Publish=True)
    wait_until_updated(client)


def test_alias_is_given_back_as_it_was_made(client: Any) -> None:
    made = client.create_alias(
        FunctionName="made",
        Name="prod",
        FunctionVersion="1",
        Description="text",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.2}},
    )

    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    assert len(made["RevisionId"]) == 36
    assert made == {
        "AliasArn": f"{ARN}made:prod",
        "Name": "prod",
        "FunctionVersion": "1",
        "Description": "text",
        "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.2}},
        "RevisionId": made["RevisionId"],
    }
    assert without_metadata(client.get_alias(FunctionName="made", Name="prod")) == made
    assert client.list_aliases(FunctionName="made")["Aliases"] == [made]


def test_alias_leads_to_its_version(client: Any) -> None:
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")

    shown = client.get_function(FunctionName="made", Qualifier="prod")["Configuration"]

    assert (shown["FunctionArn"], shown["Version"]) == (f"{ARN}made:prod", "1")


def test_mapping_of_an_alias_follows_it(client: Any, server: Server) -> None:
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")
    mapping = client.create_event_source_mapping(EventSourceArn=QUEUE_ARN, FunctionName="made:prod")
    client.delete_event_source_mapping(UUID=mapping["UUID"])

    versions = []
    for version in ("1", "2"):
        client.update_alias(FunctionName="made", Name="prod", FunctionVersion=version)
        found = server.world.functions.find(mapping["FunctionArn"])
        versions.append(found and found.version)

    assert versions == ["1", "2"]


def test_update_changes_what_is_given(client: Any) -> None:
    made = client.create_alias(
        FunctionName="made",
        Name="prod",
        FunctionVersion="1",
        Description="kept",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.2}},
    )

    cleared = client.update_alias(
        FunctionName="made", Name="prod", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    moved = client.update_alias(FunctionName="made", Name="prod", FunctionVersion="2")

    assert "RoutingConfig" not in cleared
    assert (moved["FunctionVersion"], moved["Description"]) == ("2", "kept")
    assert len({each["RevisionId"] for each in (made, cleared, moved)}) == 3


def test_aliases_are_listed_by_name_and_version(client: Any) -> None:
    for name, version in (("b", "1"), ("a", "2"), ("c", "1")):
        client.create_alias(FunctionName="made", Name=name, FunctionVersion=version)

    pages = list(
        client.get_paginator("list_aliases").paginate(
            FunctionName="made", PaginationConfig={"PageSize": 2}
        )
    )
    of_version = client.list_aliases(FunctionName="made", FunctionVersion="1")["Aliases"]

    assert [[each["Name"] for each in page["Aliases"]] for page in pages] == [["a", "b"], ["c"]]
    assert [each["Name"] for each in of_version] == ["b", "c"]


def test_policy_of_an_alias_goes_with_it(client: Any) -> None:
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")
    client.add_permission(
        FunctionName="made",
        Qualifier="prod",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )

    client.delete_alias(FunctionName="made", Name="prod")
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")

    assert refusal(client.get_policy, FunctionName="made", Qualifier="prod")[1] == NOT_FOUND


def test_deleted_alias_is_gone_and_may_be_deleted_again(client: Any) -> None:
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")

    for _ in range(2):
        answer = client.delete_alias(FunctionName="made", Name="prod")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204

    assert refusal(client.get_alias, FunctionName="made", Name="prod") == (
        404,
        NOT_FOUND,
        f"Cannot find alias arn: {ARN}made:prod",
    )
    assert refusal(client.update_alias, FunctionName="made", Name="prod") == (
        404,
        NOT_FOUND,
        f"Alias not found: {ARN}made:prod",
    )


@pytest.mark.parametrize(
    ("version", "weights", "refused"),
    [
        ("7", {}, (404, NOT_FOUND, f"Function not found: {ARN}made:7")),
        ("1", {"7": 0.5}, (404, NOT_FOUND, f"Function not found: {ARN}made:7")),
        (
            "1",
            {"2": 0.1, "3": 0.1},
            (400, INVALID, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
        ),
        (
            "1",
            {"1": 0.5},
            (
                400,
                INVALID,
                (
                    "Invalid function version 1. Function version 1 is already included in routing "
                    "configuration."
                ),
            ),
        ),
        (
            "$LATEST",
            {"1": 0.5},
            (
                400,
                INVALID,
                "$LATEST is not supported for an alias pointing to more than 1 version",
            ),
        ),
    ],
)
def test_alias_that_leads_nowhere_is_refused(
    client: Any, version: str, weights: dict[str, float], refused: tuple[int, str, str]
) -> None:
    answer = refusal(
        client.create_alias,
        FunctionName="made",
        Name="prod",
        FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": weights},
    )

    assert answer == refused


def test_weight_above_one_is_refused(client: Any) -> None:
    answer = refusal(
        client.create_alias,
        FunctionName="made",
        Name="prod",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 2.0}},
    )

    assert answer[:2] == (400, "ValidationException")


def test_second_alias_of_a_name_conflicts(client: Any) -> None:
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")

    assert refusal(client.create_alias, FunctionName="made", Name="prod", FunctionVersion="2") == (
        409,
        "ResourceConflictException",
        f"Alias already exists: {ARN}made:prod",
    )


def test_update_of_another_revision_is_refused(client: Any) -> None:
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")

    answer = refusal(client.update_alias, FunctionName="made", Name="prod", RevisionId="stale")

    assert answer[:2] == (412, "PreconditionFailedException")
