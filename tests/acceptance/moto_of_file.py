"""A moto server for the acceptance tests of one file, emptied before each test."""

from collections.abc import Iterator
from typing import Any

import pytest
from serve_harness import Moto


@pytest.fixture(scope="module")
def server_of_file(request: pytest.FixtureRequest) -> Iterator[Moto]:
    """A server; a file whose ``KEEPS_GROUPS`` is true has FIFO queues that come again in order."""
    server = Moto(keeps_groups=getattr(request.module, "KEEPS_GROUPS", False))
    yield server
    server.kill()


@pytest.fixture
def moto(server_of_file: Moto) -> Moto:
    """Give the server with nothing in it, even if a test has killed it."""
    server_of_file.reset()
    return server_of_file


@pytest.fixture
def sqs(moto: Moto) -> Any:
    return moto.client("sqs")
