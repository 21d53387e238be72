"""What ``dev`` keeps from its children, and what it claims for itself."""

import os
import socket
from pathlib import Path

import pytest

from penstock.local.dev import DevOptions, DevStack, claim_port, local_aws_environment
from penstock.local.project_file import Project
from penstock.model.errors import ConfigurationError

ENDPOINT = "http://127.0.0.1:5000"


def test_no_aws_setting_of_the_user_reaches_a_child() -> None:
    environment = local_aws_environment(
        {
            "PATH": "/bin",
            "AWS_PROFILE": "production",
            "AWS_SESSION_TOKEN": "secret",
            "AWS_ENDPOINT_URL_SQS": "https://sqs.us-east-1.amazonaws.com",
            "AWS_ACCESS_KEY_ID": "AKIA",
            "NO_PROXY": "intranet",
        },
        ENDPOINT,
        "eu-west-1",
    )

    assert environment == {
        "PATH": "/bin",
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "intranet,127.0.0.1,localhost,::1",
        "no_proxy": "intranet,127.0.0.1,localhost,::1",
    }


def test_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigurationError) as raised:
            claim_port("127.0.0.1", port)

    assert str(raised.value) == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use;"
        " stop what uses it, or choose another with --port"
    )


def test_port_zero_is_a_free_one() -> None:
    assert claim_port("127.0.0.1", 0) > 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "penstock.example"])
def test_port_beyond_loopback_is_for_serve(host: str) -> None:
    with pytest.raises(
        ConfigurationError, match="let penstock serve --callers FILE listen"
    ) as told:
        claim_port(host, 0)

    assert f"host {host!r} is not a loopback address" in str(told.value)


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost")]
)
def test_endpoint_can_be_reached_from_here(tmp_path: Path, host: str, shown: str) -> None:
    stack = DevStack(Project(), DevOptions(working=tmp_path, host=host, port=0), environment={})

    assert stack.endpoint.startswith(f"http://{shown}:")
