"""Concurrency, policies, tags and what belongs to an account, through an unmodified client."""

import json
from typing import Any

import pytest
from api_fakes import FUNCTION_ARN
from api_server import Server
from function_calls import ARN, create_active, refusal

pytest_plugins = ["api_fixtures"]

INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"


@pytest.fixture(autouse=True)
def fixture_version_and_alias(client: Any) -> None:
    """Make the function ``made`` with a version and an alias."""
    create_active(client, Publish=True)
    client.create_alias(FunctionName="made", Name="prod", FunctionVersion="1")


def permit(client: Any, sid: str = "s3", **changes: Any) -> dict[str, Any]:
    """Add a permission and give its statement."""
    parameters: dict[str, Any] = {
        "FunctionName": "made",
        "StatementId": sid,
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    }
    statement: dict[str, Any] = json.loads(
        client.add_permission(**parameters | changes)["Statement"]
    )
    return statement


@pytest.mark.parametrize("reserved", [0, 1, 900])
def test_reserved_concurrency_is_kept_and_runs(client: Any, server: Server, reserved: int) -> None:
    put = client.put_function_concurrency(
        FunctionName="made", ReservedConcurrentExecutions=reserved
    )

    found = server.world.functions.find(f"{ARN}made:1")
    assert put["ReservedConcurrentExecutions"] == reserved
    assert client.get_function_concurrency(FunctionName="made")["ReservedConcurrentExecutions"] == (
        reserved
    )
    assert client.get_function(FunctionName="made")["Concurrency"] == {
        "ReservedConcurrentExecutions": reserved
    }
    assert found is not None
    assert found.concurrency == reserved


def test_concurrency_that_is_deleted_is_the_default_again(client: Any, server: Server) -> None:
    client.put_function_concurrency(FunctionName="made", ReservedConcurrentExecutions=1)

    answer = client.delete_function_concurrency(FunctionName="made")

    found = server.world.functions.find(f"{ARN}made")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(
        FunctionName="made"
    )
    assert found is not None
    assert found.concurrency == 10


def test_concurrency_of_a_declared_function_is_shown_as_reserved(client: Any) -> None:
    shown = client.get_function_concurrency(FunctionName="ship")

    assert shown["ReservedConcurrentExecutions"] == 10


def test_more_than_the_account_has_is_refused(client: Any) -> None:
    create_active(client, "other")
    client.put_function_concurrency(FunctionName="other", ReservedConcurrentExecutions=500)

    answer = refusal(
        client.put_function_concurrency, FunctionName="made", ReservedConcurrentExecutions=401
    )

    assert answer == (
        400,
        INVALID,
        (
            "Specified ReservedConcurrentExecutions for function decreases account's "
            "UnreservedConcurrentExecution below its minimum value of [100]."
        ),
    )


def test_what_a_function_has_reserved_does_not_stand_against_itself(client: Any) -> None:
    client.put_function_concurrency(FunctionName="made", ReservedConcurrentExecutions=900)

    again = client.put_function_concurrency(FunctionName="made", ReservedConcurrentExecutions=899)

    assert again["ReservedConcurrentExecutions"] == 899


def test_version_has_no_concurrency_of_its_own(client: Any) -> None:
    answer = refusal(
        client.put_function_concurrency,
        FunctionName=f"{ARN}made:1",
        ReservedConcurrentExecutions=1,
    )

    assert answer[:2] == (400, INVALID)
    assert answer[2].startswith("This operation is permitted on Lambda functions only. Aliases")


def test_statement_has_aws_s_members_in_their_order(client: Any) -> None:
    statement = permit(client, SourceArn="arn:aws:s3:::b", SourceAccount="123456789012")

    policy = client.get_policy(FunctionName="made")
    assert list(statement) == ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"]
    assert statement == {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": f"{ARN}made",
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "123456789012"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
        },
    }
    assert json.loads(policy["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [statement],
    }


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:role/r", {"AWS": "arn:aws:iam::123456789012:role/r"}),
        ("sqs.amazonaws.com", {"Service": "sqs.amazonaws.com"}),
    ],
)
def test_principal_is_shown_as_its_kind(client: Any, principal: str, shown: object) -> None:
    statement = permit(client, Principal=principal)

    assert statement["Principal"] == shown
    assert "Condition" not in statement


def test_principal_of_no_kind_is_refused(client: Any) -> None:
    answer = refusal(permit, client=client, Principal="somebody")

    assert answer == (
        400,
        INVALID,
        "The provided principal was invalid. Please check the principal and try again.",
    )


def test_policies_of_function_version_and_alias_are_apart(client: Any) -> None:
    permit(client)
    of_alias = permit(client, "sns", Qualifier="prod")
    permit(client, "sqs", FunctionName="made:1")

    policy = json.loads(client.get_policy(FunctionName="made", Qualifier="prod")["Policy"])

    assert of_alias["Resource"] == f"{ARN}made:prod"
    assert [each["Sid"] for each in policy["Statement"]] == ["sns"]


def test_revision_of_a_policy_is_its_owner_s_and_changes_with_it(client: Any) -> None:
    permit(client)
    before = client.get_policy(FunctionName="made")["RevisionId"]

    stale = refusal(permit, client=client, sid="sqs", RevisionId="stale")
    permit(client, "sqs", RevisionId=before)
    after = client.get_policy(FunctionName="made")["RevisionId"]

    assert before != after == client.get_function_configuration(FunctionName="made")["RevisionId"]
    assert stale[:2] == (412, "PreconditionFailedException")
    assert "Call the GetPolicy API" in stale[2]


def test_statement_is_removed_and_the_last_takes_the_policy_along(client: Any) -> None:
    permit(client)

    missing = refusal(client.remove_permission, FunctionName="made", StatementId="no")
    client.remove_permission(FunctionName="made", StatementId="s3")

    assert missing == (404, NOT_FOUND, "Statement no is not found in resource policy.")
    assert refusal(client.get_policy, FunctionName="made") == (
        404,
        NOT_FOUND,
        "The resource you requested does not exist.",
    )
    assert refusal(client.remove_permission, FunctionName="made", StatementId="s3") == (
        404,
        NOT_FOUND,
        "No policy is associated with the given resource.",
    )


def test_second_statement_of_an_id_conflicts(client: Any) -> None:
    permit(client)

    assert refusal(permit, client=client)[:2] == (409, "ResourceConflictException")


def test_policy_of_latest_and_of_no_version_is_refused(client: Any) -> None:
    latest = refusal(permit, client=client, Qualifier="$LATEST")
    missing = refusal(permit, client=client, Qualifier="7")

    assert latest[2] == "We currently do not support adding policies for $LATEST."
    assert missing == (404, NOT_FOUND, f"Function not found: {ARN}made:7")


def test_policy_has_a_limit(client: Any) -> None:
    for number in range(3):
        permit(client, f"s{number}", SourceArn="arn:aws:s3:::" + "b" * 6_000)

    answer = refusal(permit, client=client, SourceArn="arn:aws:s3:::" + "b" * 6_000)

    assert answer[:2] == (400, "PolicyLengthExceededException")


def test_tags_are_added_overwritten_and_removed(client: Any) -> None:
    client.tag_resource(Resource=f"{ARN}made", Tags={"a": "1", "b": "2"})
    client.tag_resource(Resource=f"{ARN}made", Tags={"b": "3"})
    client.untag_resource(Resource=f"{ARN}made", TagKeys=["a", "none"])

    assert client.list_tags(Resource=f"{ARN}made")["Tags"] == {"b": "3"}
    assert client.get_function(FunctionName="made")["Tags"] == {"b": "3"}


@pytest.mark.parametrize(
    ("resource", "tags", "refused"),
    [
        (f"{ARN}nobody", {"a": "1"}, (404, NOT_FOUND, f"Function not found: {ARN}nobody")),
        (
            f"{ARN}made:prod",
            {"a": "1"},
            (
                400,
                INVALID,
                (
                    "Tags on function aliases and versions are not supported. Please specify a "
                    "function ARN."
                ),
            ),
        ),
        (
            f"{ARN}made",
            {str(number): "" for number in range(51)},
            (400, INVALID, "Number of tags exceeds resource tag limit."),
        ),
        (
            f"{ARN}made",
            {},
            (400, INVALID, "An error occurred and the request cannot be processed."),
        ),
        (
            f"{ARN}made",
            {"penstock:concurrency": "1"},
            (
                400,
                INVALID,
                (
                    "The tag 'penstock:concurrency' is no option of a function: penstock: options "
                    "are of queues"
                ),
            ),
        ),
    ],
)
def test_tags_that_cannot_be_are_refused(
    client: Any, resource: str, tags: dict[str, str], refused: tuple[int, str, str]
) -> None:
    assert refusal(client.tag_resource, Resource=resource, Tags=tags) == refused


def test_declared_function_has_no_tags_and_takes_none(client: Any) -> None:
    answer = refusal(client.tag_resource, Resource=FUNCTION_ARN, Tags={"a": "1"})

    assert client.list_tags(Resource=FUNCTION_ARN)["Tags"] == {}
    assert "declared in the project file" in answer[2]


def test_account_has_aws_s_limits_and_counts_what_is_there(client: Any) -> None:
    client.put_function_concurrency(FunctionName="made", ReservedConcurrentExecutions=100)

    answer = client.get_account_settings()

    size = client.get_function_configuration(FunctionName="made")["CodeSize"]
    assert answer["AccountLimit"] == {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1000,
        "UnreservedConcurrentExecutions": 900,
    }
    assert answer["AccountUsage"] == {"TotalCodeSize": 2 * size, "FunctionCount": 2}


def test_what_nothing_here_configures_is_told_as_aws_s_default(client: Any) -> None:
    signing = client.get_function_code_signing_config(FunctionName="made")
    management = client.get_runtime_management_config(FunctionName="made")

    assert signing.keys() == {"ResponseMetadata"}
    assert management["UpdateRuntimeOn"] == "Auto"
    assert refusal(client.get_function_code_signing_config, FunctionName="nobody") == (
        404,
        NOT_FOUND,
        f"Function not found: {ARN}nobody",
    )
