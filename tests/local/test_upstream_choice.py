"""Which upstream a service has, and whose the functions are: by the file and the command line."""

from pathlib import Path
from typing import Any

import pytest
from gateway_rig import exchange, open_named_front, open_upstream, request_bytes, run

from penstock.local.dev_start import DevRequest, start_dev
from penstock.local.project_file import read_project
from penstock.local.upstream_choice import UpstreamChoice
from penstock.model.errors import ConfigurationError

MAPPING = """
[[mappings]]
name = "orders"
EventSourceArn = "arn:aws:sqs:us-east-1:000000000000:orders"
FunctionName = "charge:live"
"""
FUNCTION = '[functions.charge]\nurl = "http://127.0.0.1:9000"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "penstock.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "chosen", "expected"),
    [
        pytest.param("", UpstreamChoice(), (None, "here"), id="nothing"),
        pytest.param(
            'upstream = "http://h:1/"', UpstreamChoice(), ("http://h:1", "here"), id="file"
        ),
        pytest.param(
            'upstream = "http://h:1"\nfunctions = "upstream"',
            UpstreamChoice("http://h:2", "here"),
            ("http://h:2", "here"),
            id="command line first",
        ),
    ],
)
def test_command_line_goes_before_the_file(
    tmp_path: Path, text: str, chosen: UpstreamChoice, expected: tuple[Any, Any]
) -> None:
    service = read_project(write(tmp_path, f"[service]\n{text}\n"), chosen=chosen).service

    assert (service.upstream, service.functions) == expected


def test_mapping_may_name_any_function_of_the_upstream(tmp_path: Path) -> None:
    chosen = UpstreamChoice("http://h:1", "upstream")

    project = read_project(write(tmp_path, MAPPING), chosen=chosen)

    assert project.mappings[0].parameters["FunctionName"] == "charge:live"
    assert project.functions == ()


@pytest.mark.parametrize(
    ("text", "chosen", "words"),
    [
        pytest.param("", UpstreamChoice("h:1"), "upstream: 'h:1' is not an endpoint", id="no URL"),
        pytest.param("", UpstreamChoice("http://h/x"), "has a path", id="path"),
        pytest.param("", UpstreamChoice("http://u:p@h"), "no user or password", id="password"),
        pytest.param("", UpstreamChoice(None, "upstream"), "give --upstream URL", id="none"),
        pytest.param(
            FUNCTION,
            UpstreamChoice("http://h:1", "upstream"),
            "functions.charge: functions are the upstream's: create it there",
            id="declared function",
        ),
        pytest.param(
            MAPPING.replace("charge", "a b"),
            UpstreamChoice("http://h:1", "upstream"),
            "'a b:live' is not a function name",
            id="no function name",
        ),
        pytest.param(
            '[service]\nfunctions = "elsewhere"\n', UpstreamChoice(), "service.functions", id="else"
        ),
    ],
)
def test_choice_that_cannot_be_is_refused(
    tmp_path: Path, text: str, chosen: UpstreamChoice, words: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_project(write(tmp_path, text), chosen=chosen)

    assert words in str(refused.value)


@pytest.mark.parametrize("key", ["callers", "upstream"])
def test_dev_refuses_what_is_serve_s(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, f'[service]\n{key} = "http://h:1"\n')

    with pytest.raises(ConfigurationError, match=f"service.{key}: dev is for this"):
        start_dev(DevRequest(project_file=path), log_format="console", log_level="info")


def test_unsigned_request_goes_on_to_a_named_upstream_as_it_came() -> None:
    async def main() -> None:
        async with open_upstream() as upstream, open_named_front(upstream.port) as port:
            await exchange(port, request_bytes("POST /", X_Amz_Target="AmazonSQS.ListQueues"))

            assert "authorization" not in upstream.seen[0].headers

    run(main())


def test_named_upstream_that_is_away_is_named() -> None:
    async def main() -> None:
        async with open_named_front(1) as port:
            answer = await exchange(port, request_bytes("GET /"))

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"the upstream http://127.0.0.1:1 does not answer; start it, or name" in answer

    run(main())
