"""Commands sign with the user's own credentials, so that a service with callers answers them."""

from collections.abc import Iterator

import pytest
from api_server import Server, running_server
from click.testing import CliRunner, Result

from penstock.api.context import ApiSettings
from penstock.cli.main import cli
from penstock.engine.clock import SystemClock
from penstock.model.caller import Caller

CALLER = Caller("ci", "AKIDCI", "a secret of sixteen or more", "a session token/+=")


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[Server]:
    with running_server(settings=ApiSettings(callers=(CALLER,)), clock=SystemClock()) as server:
        yield server


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CALLER.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CALLER.secret_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", CALLER.token or "")


def call(server: Server, *arguments: str) -> Result:
    url = ("--url", f"http://127.0.0.1:{server.port}")
    return CliRunner().invoke(cli, [*arguments, *url], prog_name="penstock")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["status"], id="status"),
        pytest.param(["check"], id="check"),
        pytest.param(["failures", "list"], id="failures"),
        pytest.param(["failures", "list", "--mapping", "größe a+b/c"], id="a name in the query"),
        pytest.param(["position", "show", "größe a+b/c"], id="a name in the path"),
    ],
)
def test_command_is_answered(server: Server, arguments: list[str]) -> None:
    result = call(server, *arguments)

    assert "signature" not in result.output + result.stderr
    assert "no mapping" in result.stderr.lower() or result.exit_code == 0


def test_command_with_other_credentials_is_told_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another secret than the caller's")

    result = call(server, "status")

    assert result.exit_code == 2
    assert result.stderr.startswith("penstock: The request signature we calculated does not match")


def test_command_without_credentials_is_told_where_they_come_from(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)

    result = call(server, "status")

    assert result.exit_code == 2
    assert (
        "No AWS credentials were found: give those of one of the service's callers" in result.stderr
    )
