"""``/metrics``: for Prometheus, which signs nothing."""

from collections.abc import Iterator

import pytest
from aiohttp import web
from api_fakes import FakeMetrics
from api_server import SIGNED, Server, running_server

SIGNED_FOR_S3 = {"Authorization": SIGNED["Authorization"].replace("/lambda/", "/s3/")}


async def other_services(request: web.Request) -> web.Response:
    return web.Response(text=f"elsewhere {request.path}")


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[Server]:
    with running_server(fallback=other_services) as server:
        yield server


def test_metrics_are_given_as_they_are_rendered(server: Server) -> None:
    answer = server.send("GET", "/metrics")

    assert (answer.status, answer.body) == (200, b"".join(FakeMetrics().render()))
    assert answer.headers["content-type"] == FakeMetrics.content_type


def test_web_page_cannot_read_metrics(server: Server) -> None:
    answer = server.send("GET", "/metrics", b"", {"Origin": "http://evil.example"})

    assert answer.code == "AccessDeniedException"


@pytest.mark.parametrize("path", ["/metrics", "/penstock/v1/failures"])
def test_bucket_of_the_same_name_is_another_service(server: Server, path: str) -> None:
    answer = server.send("GET", path, b"", SIGNED_FOR_S3)

    assert answer.body == f"elsewhere {path}".encode()
