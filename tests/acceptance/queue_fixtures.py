"""A moto server for the tests of one file, emptied before each test."""

from collections.abc import Iterator
from typing import Any

import pytest
from serve_harness import Moto


@pytest.fixture(scope="module")
def moto_of_file(request: pytest.FixtureRequest) -> Iterator[Moto]:
    """A server; a file whose ``KEEPS_GROUPS`` is true has FIFO queues that come again in order."""
    server = Moto(keeps_groups=getattr(request.module, "KEEPS_GROUPS", False))
    yield server
    server.kill()


@pytest.fixture
def shared_moto(moto_of_file: Moto) -> Moto:
    moto_of_file.reset()
    return moto_of_file


@pytest.fixture
def sqs(shared_moto: Moto) -> Any:
    return shared_moto.client("sqs")
