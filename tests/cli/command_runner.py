"""Runs the commands that talk to a service."""

import pytest
from api_server import Server
from click.testing import CliRunner, Result

from penstock.cli.main import cli


def point_at(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find the server, and nothing of this machine's AWS configuration."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PENSTOCK_URL", f"http://127.0.0.1:{server.port}")


def call(*arguments: str) -> Result:
    """Run ``penstock`` with arguments."""
    return CliRunner().invoke(cli, arguments, prog_name="penstock")


def call_well(*arguments: str) -> str:
    """Run ``penstock`` without a failure; give what it printed."""
    result = call(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout
