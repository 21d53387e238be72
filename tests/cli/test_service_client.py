"""How a command finds its service, signs, and ends when nothing sensible answers."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result

from penstock.api.signature import read_credential_scope
from penstock.cli.main import cli


class Answering(BaseHTTPRequestHandler):
    """Notes each request and answers what the test has set."""

    requests: ClassVar[list[tuple[str, str, dict[str, str]]]] = []
    answer: ClassVar[tuple[int, bytes]] = (200, b"{}")

    def do_DELETE(self) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        self.requests.append((self.command, self.path, headers))
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its own name
        """Say nothing."""


@pytest.fixture(name="url", scope="module")
def fixture_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    Answering.requests.clear()
    Answering.answer = (200, b'{"deleted_count":1}')
    names = ("PENSTOCK_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL", "AWS_PROFILE")
    for name in (*names, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


def purge(*arguments: str) -> Result:
    arguments = ("failures", "purge", "a/b c", *arguments)
    return CliRunner().invoke(cli, arguments, prog_name="penstock")


@pytest.mark.parametrize(
    "variable", ["PENSTOCK_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"]
)
def test_url_is_found_where_aws_clients_find_it(
    url: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, url + "/")

    assert purge().exit_code == 0
    ((method, path, _),) = Answering.requests
    assert (method, path) == ("DELETE", "/penstock/v1/failures/a%2Fb%20c")


def test_option_comes_before_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_URL", "http://127.0.0.1:1")

    assert purge("--url", url).exit_code == 0


@pytest.mark.parametrize(
    ("environment", "access_key", "region"),
    [
        pytest.param({}, "test", "us-east-1", id="none"),
        pytest.param(
            {
                "AWS_ACCESS_KEY_ID": "AKIA",
                "AWS_SECRET_ACCESS_KEY": "s",
                "AWS_DEFAULT_REGION": "eu-1",
            },
            "AKIA",
            "eu-1",
            id="the user's",
        ),
    ],
)
def test_requests_are_signed_for_lambda(
    url: str,
    environment: dict[str, str],
    access_key: str,
    region: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)

    purge("--url", url)

    ((_, _, headers),) = Answering.requests
    scope = read_credential_scope(headers["authorization"])
    assert scope is not None
    assert (scope.access_key, scope.region, scope.service) == (access_key, region, "lambda")
    assert "x-amz-date" in headers


def test_nothing_at_the_port_is_one_line_and_exit_code_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"  # bound, and not listening

        result = purge("--url", url)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"penstock: no Penstock service answers at {url} (")
    assert "of penstock serve is 4567, of penstock dev 4566\n" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(b"<Error/>", 404, id="XML"),
        pytest.param(b"[]", 200, id="list"),
        pytest.param(b'{"error":"x"}', 400, id="other errors"),
        pytest.param(b"", 200, id="empty"),
    ],
)
def test_answer_of_something_else_is_said(url: str, answer: bytes, status: int) -> None:
    Answering.answer = (status, answer)

    result = purge("--url", url)

    assert result.exit_code == 1
    assert f"what answers at {url} is no Penstock service (status {status}," in result.stderr


def test_defect_of_the_service_is_in_its_log(url: str) -> None:
    Answering.answer = (500, b"500 Internal Server Error")

    result = purge("--url", url)

    assert result.exit_code == 1
    assert result.stderr.endswith("failed, with status 500 and no reason: its log says more\n")


@pytest.mark.parametrize(
    ("status", "member", "exit_code"),
    [(400, "message", 2), (404, "message", 2), (500, "Message", 1)],
)
def test_error_of_the_service_is_its_own_text(
    url: str, status: int, member: str, exit_code: int
) -> None:
    Answering.answer = (status, json.dumps({member: "it says so"}).encode())

    result = purge("--url", url)

    assert (result.exit_code, result.stderr) == (exit_code, "penstock: it says so\n")


@pytest.mark.parametrize("url", ["localhost:4567", "http://", "ftp://localhost", "http://x:y"])
def test_url_that_is_none_is_refused(url: str) -> None:
    result = purge("--url", url)

    assert result.exit_code == 2
    assert f"the URL {url!r} cannot be used; the form is http://127.0.0.1:4567" in result.stderr


def test_broken_aws_configuration_is_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")

    result = purge("--url", url)

    assert result.exit_code == 2
    assert result.stderr.startswith("penstock: the AWS configuration cannot be used: The config")


@pytest.mark.parametrize(
    "command",
    ["position show", "position rewind", "position skip", "position changes"]
    + [f"failures {name}" for name in ("list", "show", "redrive", "purge")],
)
def test_each_command_has_help_that_names_its_variables(command: str) -> None:
    result = CliRunner().invoke(cli, [*command.split(), "--help"], prog_name="penstock")

    assert result.exit_code == 0
    assert f"Usage: penstock {command} [OPTIONS]" in result.output
    assert "PENSTOCK_URL" in result.output
    assert "PENSTOCK_FORMAT" in result.output
