"""A server of AWS's services that nobody here wrote."""

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """Run one server for all tests of a module."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def fresh_server(server_url: str, aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every AWS client here at the server."""
    assert aws_environment is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", server_url)
