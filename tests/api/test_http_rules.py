"""The port's own rules: web pages, signatures, bodies, paths, and what every answer carries."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from aiohttp import web
from api_fakes import FUNCTION_ARN, QUEUE_ARN
from api_server import SIGNED, Server, running_server

from penstock import __version__

pytest_plugins = ["api_fixtures"]

MAPPINGS = "/2015-03-31/event-source-mappings"
INVOKE = "/2015-03-31/functions/ship/invocations"
CREATE = msgspec.json.encode({"FunctionName": "ship", "EventSourceArn": QUEUE_ARN})
SIGNED_FOR_S3 = {"Authorization": SIGNED["Authorization"].replace("/lambda/", "/s3/")}


async def other_services(request: web.Request) -> web.Response:
    return web.Response(text=f"elsewhere {request.method} {request.path}")


@pytest.fixture(name="gateway", scope="module")
def fixture_gateway() -> Iterator[Server]:
    with running_server(fallback=other_services) as server:
        yield server


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.example:4566"}, id="rebound name"),
        pytest.param({"Host": "localhost.evil.example"}, id="name that begins right"),
        pytest.param({"Host": "evillocalhost"}, id="name that ends right"),
        pytest.param({"Host": "192.168.1.7:4566"}, id="other address"),
        pytest.param({"Host": "localhost@evil.example"}, id="user part"),
        pytest.param({"Host": ""}, id="empty host"),
        pytest.param({"Origin": "http://evil.example"}, id="foreign origin"),
        pytest.param({"Origin": "http://localhost:3000"}, id="other port's origin"),
        pytest.param({"Origin": "null"}, id="opaque origin"),
        pytest.param({"Origin": "http://["}, id="broken origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", INVOKE), ("GET", MAPPINGS), ("GET", "/penstock/v1/health"), ("OPTIONS", "/bucket")],
    ids=["invoke", "list", "health", "preflight of another service"],
)
def test_web_page_is_refused_on_every_route(
    gateway: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = gateway.send(method, path, b"", SIGNED | headers)

    assert (answer.status, answer.code) == (403, "AccessDeniedException")
    assert not any(name.startswith("access-control-") for name in answer.headers)
    assert gateway.world.functions.payloads == []


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:4566",
        "localhost.",
        "127.0.0.1:1",
        "127.8.9.10",
        "[::1]:4566",
        "queue.localhost:1",
        "bucket.s3.localhost",
    ],
)
def test_loopback_names_are_served(server: Server, host: str) -> None:
    assert server.send("GET", "/penstock/v1/health", headers={"Host": host}).status == 200


def test_own_origin_is_served(server: Server) -> None:
    own = f"127.0.0.1:{server.port}"
    headers = {"Host": own, "Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}

    assert server.send("GET", MAPPINGS, headers=headers).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", MAPPINGS),
        ("PUT", f"{MAPPINGS}/11111111-2222-3333-4444-555555555555"),
        ("DELETE", f"{MAPPINGS}/11111111-2222-3333-4444-555555555555"),
        ("POST", INVOKE),
        ("POST", f"/2017-03-31/tags/{FUNCTION_ARN}"),
    ],
)
@pytest.mark.parametrize(
    "authorization",
    [None, "Basic dGVzdDp0ZXN0", "AWS4-HMAC-SHA256 Credential=test"],
    ids=["none", "basic", "cut"],
)
def test_change_without_signature_is_refused(
    server: Server, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = server.send(method, path, CREATE, headers)

    assert (answer.status, answer.code) == (403, "MissingAuthenticationTokenException")
    assert server.world.functions.payloads == []


def test_reading_needs_no_signature(server: Server) -> None:
    assert server.send("GET", MAPPINGS).json == {"EventSourceMappings": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"{", "SerializationException", id="cut"),
        pytest.param(b"[]", "SerializationException", id="not an object"),
        pytest.param(b'{"FunctionName": "\xff"}', "SerializationException", id="not utf-8"),
        pytest.param(b"[" * 100_000, "SerializationException", id="deep"),
        pytest.param(b'{"BatchSize": "10"}', "SerializationException", id="wrong type"),
        pytest.param(b'{"Tags": {"": ""}}', "ValidationException", id="empty key"),
        pytest.param(b"{}", "ValidationException", id="empty object"),
        pytest.param(b"", "ValidationException", id="empty"),
        pytest.param(b'{"BatchSizze": 1}', "InvalidParameterValueException", id="unknown member"),
    ],
)
def test_malformed_create_is_refused(server: Server, body: bytes, code: str) -> None:
    answer = server.send("POST", MAPPINGS, body, SIGNED)

    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(
            b'{"a": 1, "BatchSize": 1e400}', "the member 'BatchSize' has a number", id="n"
        ),
        pytest.param(b'{"Tags": "\xff"}', "the member 'Tags' is not UTF-8 text", id="bytes"),
        pytest.param(b'{"\xff": 1}', "the body is not UTF-8 text", id="name"),
        pytest.param(b"[1e400]", "the body has a number that is out of range", id="list"),
        pytest.param(b"[" * 100_000, "the body is nested too deeply", id="deep"),
        pytest.param(b"{", "the body is not well-formed (Input data was truncated)", id="cut"),
        pytest.param(b"[]", "the body is no object", id="list of nothing"),
    ],
)
def test_body_that_cannot_be_read_is_told_in_plain_words(
    server: Server, body: bytes, text: str
) -> None:
    message = server.send("POST", MAPPINGS, body, SIGNED).json["message"]

    assert message.startswith(f"Could not parse request body into json: {text}")


def test_wrong_content_type_is_refused(server: Server) -> None:
    headers = SIGNED | {"Content-Type": "text/plain;charset=utf-8"}

    answer = server.send("POST", MAPPINGS, CREATE, headers)

    assert (answer.status, answer.code) == (415, "UnsupportedMediaTypeException")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Content-Type": "\u00ff"}, 415, id="content type"),
        pytest.param({"Origin": "http://\u00ff"}, 403, id="origin"),
    ],
)
def test_header_that_is_not_utf_8_is_refused_like_any_other(
    server: Server, headers: dict[str, str], status: int
) -> None:
    assert server.send("POST", MAPPINGS, CREATE, SIGNED | headers).status == status


@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "chunked"])
def test_body_of_ten_megabytes_is_refused(server: Server, *, is_announced: bool) -> None:
    headers = SIGNED if is_announced else SIGNED | {"Transfer-Encoding": "chunked"}
    body = b" " * 10_000_000
    if not is_announced:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    answer = server.send("POST", MAPPINGS, body, headers)

    assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")
    assert answer.json == {
        "message": "Request must be smaller than 1048576 bytes for the CreateEventSourceMapping "
        "operation"
    }


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        pytest.param("GET", "/2021-10-31/functions/f/urls", SIGNED, id="list URLs"),
        pytest.param("POST", "/2014-11-13/functions/f/invoke-async", SIGNED, id="invoke async"),
        pytest.param("PATCH", MAPPINGS, SIGNED, id="method"),
        pytest.param("GET", "/2018-10-31/layers", {}, id="unsigned"),
        pytest.param("GET", "/nothing/of/lambda", SIGNED, id="signed"),
        pytest.param("GET", "/2015-03-31/functions/%0A/none", SIGNED, id="newline"),
    ],
)
def test_lambda_operation_not_offered_never_falls_through(
    gateway: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = gateway.send(method, path, b"", headers)

    assert (answer.status, answer.code) == (404, "UnknownOperationException")
    shown = f"{method} {unquote(path)}"
    assert answer.json["message"].endswith(f"does not offer this operation yet: {shown}")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        pytest.param("GET", "/penstock/v1/foo", {}, id="unknown"),
        pytest.param("GET", "/penstock/", {}, id="nothing"),
        pytest.param("POST", "/penstock/v1/failures", SIGNED, id="method"),
        pytest.param("PUT", "/penstock/v1/failures", {}, id="unsigned"),
    ],
)
def test_own_operation_that_does_not_exist_never_falls_through(
    gateway: Server, server: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    for each in (gateway, server):
        answer = each.send(method, path, b"", headers)

        assert (answer.status, answer.code) == (404, "NotFoundException")
        assert answer.json["message"].startswith(f"{method} {path} is no operation of Penstock")


def test_own_operation_signed_for_another_service_is_told_so(gateway: Server) -> None:
    signed = {"Authorization": SIGNED["Authorization"].replace("/lambda/", "/execute-api/")}

    answer = gateway.send("DELETE", "/penstock/v1/failures?all=true", b"", signed)

    assert answer.status == 404
    assert "signed for execute-api and not lambda" in answer.json["message"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/penstock/v1/key", SIGNED_FOR_S3, id="signed"),
        pytest.param("/penstock/key?X-Amz-Credential=test", {}, id="presigned"),
    ],
)
def test_bucket_named_penstock_is_of_s3(
    gateway: Server, path: str, headers: dict[str, str]
) -> None:
    answer = gateway.send("GET", path, b"", headers)

    assert answer.body == f"elsewhere GET {path.partition('?')[0]}".encode()


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        pytest.param("GET", "/", {}, id="unsigned"),
        pytest.param("PUT", "/bucket/key", SIGNED_FOR_S3, id="signed"),
        pytest.param("POST", MAPPINGS, SIGNED_FOR_S3, id="lambda's path, signed for s3"),
    ],
)
def test_other_services_get_what_is_theirs(
    gateway: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    assert gateway.send(method, path, b"", headers).body == f"elsewhere {method} {path}".encode()


def test_port_without_other_services_names_what_it_serves(server: Server) -> None:
    answer = server.send("GET", "/bucket")

    assert (answer.status, answer.code) == (404, "NotFoundException")
    assert "This port serves Lambda's API" in answer.json["message"]


def test_health_names_the_version(server: Server) -> None:
    assert server.send("GET", "/penstock/v1/health").json == {
        "status": "ok",
        "version": __version__,
    }


def test_every_answer_has_a_request_id_of_its_own(gateway: Server) -> None:
    paths = ["/penstock/v1/health", MAPPINGS, f"{MAPPINGS}/x", "/elsewhere", "/2018-10-31/layers"]

    identities = {gateway.send("GET", path).headers["x-amzn-requestid"] for path in paths}

    assert len(identities) == len(paths)


def test_paths_may_end_with_a_slash(server: Server) -> None:
    assert server.send("GET", f"{MAPPINGS}/").json == {"EventSourceMappings": []}
    assert server.send("POST", f"{INVOKE}/", b"{}", SIGNED).status == 200
    server.world.functions.payloads.clear()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param("MaxItems=x", "SerializationException", id="no number"),
        pytest.param("MaxItems=", "SerializationException", id="empty number"),
        pytest.param("MaxItems=1_0", "SerializationException", id="number of Python"),
        pytest.param("MaxItems=%201", "SerializationException", id="number after a blank"),
        pytest.param("MaxItems=%D9%A1", "SerializationException", id="number not in ASCII"),
        pytest.param("MaxItems=" + "9" * 5000, "SerializationException", id="endless number"),
        pytest.param("MaxItems=-1", "ValidationException", id="negative number"),
        pytest.param("MaxItems=0", "ValidationException", id="too few"),
        pytest.param("MaxItems=10001", "ValidationException", id="too many"),
        pytest.param("State=Enabled", "InvalidParameterValueException", id="unknown parameter"),
        pytest.param("EventSourceArn=queue", "ValidationException", id="no arn"),
    ],
)
def test_malformed_list_is_refused(server: Server, query: str, code: str) -> None:
    answer = server.send("GET", f"{MAPPINGS}?{query}")

    assert (answer.status, answer.code) == (400, code)


def test_uuid_of_the_wrong_length_is_a_validation_exception(server: Server) -> None:
    answer = server.send("GET", f"{MAPPINGS}/not-a-uuid")

    assert (answer.status, answer.code) == (400, "ValidationException")


def test_untag_without_keys_is_a_validation_exception(server: Server) -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:" + "1" * 8 + "-1111" * 3
    answer = server.send("DELETE", f"/2017-03-31/tags/{arn}-{'1' * 12}", headers=SIGNED)

    assert (answer.status, answer.code) == (400, "ValidationException")
    assert "Value null at 'tagKeys'" in answer.json["message"]


def test_store_that_fails_is_a_service_exception(tmp_path: Path) -> None:
    with running_server(data=tmp_path) as server:
        with contextlib.closing(sqlite3.connect(tmp_path / "penstock.db")) as other:
            other.execute("drop table mappings")

        answer = server.send("GET", MAPPINGS)

    assert (answer.status, answer.code) == (500, "ServiceException")
    assert "no such table: mappings" in answer.json["Message"]
