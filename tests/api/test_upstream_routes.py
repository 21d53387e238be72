"""With the functions at an upstream: what goes on to it, what stays, and how a Create finds one."""

from collections.abc import Iterator

import msgspec
import pytest
from aiohttp import web
from api_fakes import FUNCTION_ARN, QUEUE_ARN, SCOPE
from api_server import SIGNED, Server, running_server

from penstock.model.errors import ConfigurationError, InvokeUnavailableError
from penstock.model.function import Function, LambdaFunction

MAPPINGS = "/2015-03-31/event-source-mappings"
MAPPING_ARN = FUNCTION_ARN.replace("function:ship", "event-source-mapping:x")


class LookUp:
    """Knows what the test has set; notes what it was asked for."""

    def __init__(self) -> None:
        self.answer: Function | Exception | None = None
        self.asked: list[str] = []

    async def refresh(self, function_arn: str) -> Function | None:
        self.asked.append(function_arn)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def upstream(request: web.Request) -> web.Response:
    return web.Response(text=f"upstream {request.method} {request.path}")


LOOK_UP = LookUp()
THERE = Function(scope=SCOPE, name="there", hosting=LambdaFunction(arn=FUNCTION_ARN))


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[Server]:
    with running_server(fallback=upstream, look_up=LOOK_UP) as server:
        yield server


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/2015-03-31/functions"),
        ("POST", "/2015-03-31/functions"),
        ("POST", "/2015-03-31/functions/ship/invocations"),
        ("GET", "/2015-03-31/functions/ship/configuration"),
        ("PUT", "/2017-10-31/functions/ship/concurrency"),
        ("GET", "/2018-10-31/layers"),
        ("GET", f"/2017-03-31/tags/{FUNCTION_ARN}"),
        ("POST", f"/2017-03-31/tags/{FUNCTION_ARN}"),
    ],
)
def test_what_is_about_functions_goes_on(server: Server, method: str, path: str) -> None:
    answer = server.send(method, path, b"", SIGNED)

    assert answer.body.decode() == f"upstream {method} {path}"
    assert server.world.functions.payloads == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", MAPPINGS, 200),
        ("GET", f"{MAPPINGS}/11111111-2222-3333-4444-555555555555", 404),
        ("PATCH", MAPPINGS, 404),
        ("GET", f"/2017-03-31/tags/{MAPPING_ARN}", 400),
        ("GET", "/penstock/v1/status", 200),
        ("GET", "/penstock/v1/nothing", 404),
        ("GET", "/metrics", 200),
    ],
)
def test_mappings_their_tags_and_our_own_stay(
    server: Server, method: str, path: str, status: int
) -> None:
    answer = server.send(method, path, b"", SIGNED)

    assert answer.status == status
    assert not answer.body.startswith(b"upstream")


@pytest.mark.parametrize(
    "path", ["/2015-03-31/functions/ship/invocations", "/2021-10-31/functions/ship/url"]
)
def test_unsigned_change_of_functions_is_refused(server: Server, path: str) -> None:
    answer = server.send("POST", path, b"{}")

    assert (answer.status, answer.code) == (403, "MissingAuthenticationTokenException")


def create(server: Server) -> tuple[int, str]:
    body = msgspec.json.encode({"FunctionName": "there:live", "EventSourceArn": QUEUE_ARN})
    answer = server.send("POST", MAPPINGS, body, SIGNED)
    return answer.status, answer.body.decode()


def test_create_asks_the_upstream_for_the_function(server: Server) -> None:
    LOOK_UP.answer = THERE

    status, _ = create(server)

    assert status == 202
    assert LOOK_UP.asked[-1] == FUNCTION_ARN.replace(":ship", ":there:live")


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        pytest.param(None, 400, "Function does not exist", id="missing"),
        pytest.param(InvokeUnavailableError("it is away"), 500, "it is away", id="away"),
        pytest.param(ConfigurationError("set account_id"), 400, "set account_id", id="account"),
    ],
)
def test_create_says_why_there_is_no_function(
    server: Server, answer: Exception | None, status: int, text: str
) -> None:
    LOOK_UP.answer = answer

    got, body = create(server)

    assert got == status
    assert text in body
