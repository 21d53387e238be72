"""The API on a port, for a module's tests, and what they meet it with."""

from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Server, running_server


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[Server]:
    """Run one server for all tests of a module."""
    with running_server() as server:
        yield server


@pytest.fixture(name="client")
def fixture_client(server: Server) -> Any:
    """Give an unmodified client of the server, which has no mappings and no created functions."""
    server.run_background()  # the store is for one thread at a time: the server's must be idle
    for mapping in server.store.list_mappings():
        server.store.delete_mapping(mapping.uuid)
    for function in server.store.list_deployed_functions():
        server.client(region=function.scope.region).delete_function(FunctionName=function.name)
    server.run_background()
    return server.client()
