"""Functions in real processes that have the credentials of their roles."""

import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from local_functions import call, hosted, local_function, value_of

from penstock.aws.errors import CredentialsError, RoleRefusedError, RoleUnavailableError, WireError
from penstock.aws.signer import Credentials
from penstock.engine.clock import SystemClock
from penstock.functions.host.role import HostRole
from penstock.model.errors import InvokeAccessDeniedError, InvokeError, InvokeUnavailableError

Run = Callable[[Coroutine[Any, Any, None]], None]

KEYS = """
import os
def handler(event, context):
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return [os.getpid(), *(os.environ.get(name) for name in names)]
"""


class Provider:
    """Keeps ``CredentialProvider``: gives what the test says."""

    def __init__(self) -> None:
        self.key = "KEY1"
        self.error: WireError | None = None

    def known(self, now_ms: int) -> Credentials | None:
        """Know none without a look."""
        assert now_ms > 0
        return None

    async def require(self, now_ms: int) -> Credentials:
        """Give the key, or the error."""
        assert now_ms > 0
        if self.error is not None:
            raise self.error
        return Credentials(self.key, "secret", "token")

    find = require


def role_of(provider: Provider) -> HostRole:
    return HostRole("orders", provider, SystemClock())


def test_function_has_its_role_s_credentials_whatever_else_it_declares(
    tmp_path: Path, run: Run
) -> None:
    function = local_function(tmp_path, KEYS, environment={"AWS_ACCESS_KEY_ID": "declared"})

    async def main() -> None:
        async with hosted(function, role=role_of(Provider())) as host:
            assert (await value_of(host))[1:] == ["KEY1", "secret", "token"]

    run(main())


def test_function_without_a_role_has_no_credentials_of_the_service(
    tmp_path: Path, run: Run
) -> None:
    inherited = {**os.environ, "AWS_ACCESS_KEY_ID": "service", "AWS_SESSION_TOKEN": "service"}
    function = local_function(tmp_path, KEYS)

    async def main() -> None:
        async with hosted(function, inherited_environment=inherited) as host:
            assert (await value_of(host))[1:] == [None, None, None]

    run(main())


def test_process_is_replaced_when_there_are_new_credentials_and_kept_while_there_are_none(
    tmp_path: Path, run: Run
) -> None:
    provider = Provider()

    async def main() -> None:
        async with hosted(local_function(tmp_path, KEYS), role=role_of(provider)) as host:
            first, second = await value_of(host), await value_of(host)
            provider.key = "KEY2"
            third = await value_of(host)

        assert first == second
        assert (third[0] != first[0], third[1]) == (True, "KEY2")

    run(main())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(RoleRefusedError("no such role"), InvokeAccessDeniedError, id="refused"),
        pytest.param(CredentialsError("no Role"), InvokeAccessDeniedError, id="no-role"),
        pytest.param(RoleUnavailableError("STS is away"), InvokeUnavailableError, id="away"),
    ],
)
def test_function_does_not_run_without_its_role_s_credentials(
    tmp_path: Path, run: Run, error: WireError, expected: type[InvokeError]
) -> None:
    provider = Provider()
    provider.error = error

    async def main() -> None:
        async with hosted(local_function(tmp_path, KEYS), role=role_of(provider)) as host:
            with pytest.raises(expected, match=f"function orders: {error}"):
                await call(host)
            provider.error = None
            assert (await value_of(host))[1] == "KEY1"

    run(main())
