"""The API on a port, for a module's tests of functions."""

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
    """Give an unmodified client of the server, which has the declared function ``ship`` alone."""
    for region in ("us-east-1", "eu-west-1"):
        client = server.client(region=region)
        pages = client.get_paginator("list_functions").paginate()
        names = [each["FunctionName"] for page in list(pages) for each in page["Functions"]]
        for name in names:
            if name != "ship":
                client.delete_function(FunctionName=name)
    for mapping in server.store.list_mappings():
        server.store.delete_mapping(mapping.uuid)
    server.run_background()
    return server.client()
