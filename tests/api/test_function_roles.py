"""Functions whose roles the service acts as: a role that cannot be assumed is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Server
from function_calls import ROLE, create, create_active, refusal

from penstock.model.errors import (
    InvokeAccessDeniedError,
    InvokeError,
    InvokeUnavailableError,
)

pytest_plugins = ["api_fixtures"]

OTHER = "arn:aws:iam::000000000000:role/other"
REFUSALS = pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(
            InvokeAccessDeniedError("not authorized"),
            (
                400,
                "InvalidParameterValueException",
                "The role defined for the function cannot be assumed by Lambda.",
            ),
            id="refused",
        ),
        pytest.param(
            InvokeUnavailableError("STS is away"),
            (500, "ServiceException", f"The role {OTHER} could not be assumed: STS is away"),
            id="unknown",
        ),
    ],
)


@pytest.fixture(autouse=True)
def fixture_no_refusal(server: Server) -> Iterator[None]:
    yield
    server.world.roles.refusal = None


@REFUSALS
def test_function_is_not_created_with_a_role_that_cannot_be_assumed(
    server: Server, client: Any, error: InvokeError, expected: tuple[int, str, str]
) -> None:
    """CreateFunction; the text: reported by third parties."""
    server.world.roles.refusal = error

    assert refusal(create, client=client, Role=OTHER) == expected
    assert server.world.roles.checked[-1] == (OTHER, "made", "us-east-1")


@REFUSALS
def test_function_keeps_its_role_when_the_new_one_cannot_be_assumed(
    server: Server, client: Any, error: InvokeError, expected: tuple[int, str, str]
) -> None:
    create_active(client)
    server.world.roles.refusal = error

    answer = refusal(client.update_function_configuration, FunctionName="made", Role=OTHER)

    assert answer == expected
    assert client.get_function_configuration(FunctionName="made")["Role"] == ROLE


def test_update_that_leaves_the_role_assumes_none(server: Server, client: Any) -> None:
    create_active(client)
    checked_count = len(server.world.roles.checked)

    client.update_function_configuration(FunctionName="made", Timeout=7)

    assert len(server.world.roles.checked) == checked_count
