"""With callers configured, only what one of them has signed is done; by real clients, over HTTP."""

import hashlib
import itertools
import socket
from collections.abc import Iterator
from typing import Any

import botocore.auth
import pytest
from aiohttp import web
from api_fakes import FUNCTION_ARN, QUEUE_ARN
from api_server import SIGNED, Answer, Server, running_server
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from function_calls import create_active, zipped
from hypothesis import given
from hypothesis import strategies as st

from penstock.api import authentication
from penstock.api.bodies import body_parts
from penstock.api.context import ApiSettings
from penstock.engine.clock import SystemClock
from penstock.model.caller import Caller
from penstock.model.instant import Instant

CALLER = Caller("ci", "AKIDCI", "a secret of sixteen or more/+")
TEMPORARY = Caller("temporary", "ASIATEMP", "another secret of sixteen", "a session token/+=")
STRANGER = Caller("stranger", "AKIDSTRANGER", "a secret that nobody knows")
MAPPINGS = "/2015-03-31/event-source-mappings"
INVOKE = "/2015-03-31/functions/ship/invocations"


class ShiftedClock:
    """The real time, and more or less of it."""

    def __init__(self) -> None:
        self.shift_s = 0

    def now(self) -> Instant:
        return SystemClock().now().plus_ms(self.shift_s * 1000)


async def other_services(request: web.Request) -> web.Response:
    """Tell what came."""
    body = b"".join([part async for part in body_parts(request)])
    return web.Response(text=f"elsewhere {hashlib.sha256(body).hexdigest()}")


CLOCK = ShiftedClock()


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[Server]:
    settings = ApiSettings(callers=(CALLER, TEMPORARY))
    with running_server(settings=settings, clock=CLOCK) as server:
        yield server


@pytest.fixture(name="gateway", scope="module")
def fixture_gateway() -> Iterator[Server]:
    settings = ApiSettings(callers=(CALLER, TEMPORARY), open_metrics=True)
    with running_server(settings=settings, clock=CLOCK, fallback=other_services) as server:
        yield server


@pytest.fixture(autouse=True)
def _right_time() -> None:
    CLOCK.shift_s = 0


def sign(  # noqa: PLR0913 - the parts of a request
    server: Server,
    method: str = "GET",
    path: str = MAPPINGS,
    body: bytes = b"",
    *,
    headers: dict[str, str] | None = None,
    service: str = "lambda",
    caller: Caller = CALLER,
) -> dict[str, str]:
    """Sign with botocore; give the headers to send."""
    url = f"http://127.0.0.1:{server.port}{path}"
    request = AWSRequest(method, url, headers or {}, body)
    keys = Credentials(caller.access_key, caller.secret_key, caller.token)
    auth = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    auth(keys, service, "us-east-1").add_auth(request)
    return dict(request.headers.items())


def code_of(client: Any) -> str:
    with pytest.raises(ClientError) as refused:
        client.list_event_source_mappings()
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.parametrize("caller", [CALLER, TEMPORARY], ids=lambda caller: caller.name)
def test_caller_does_everything_with_an_unmodified_client(server: Server, caller: Caller) -> None:
    client = server.client(caller=caller)

    made = client.create_event_source_mapping(
        FunctionName="ship", EventSourceArn=QUEUE_ARN, Tags={"a b": "c/d"}
    )
    arn = made["EventSourceMappingArn"]
    client.tag_resource(Resource=arn, Tags={"größe": "日本"})
    client.untag_resource(Resource=arn, TagKeys=["a b", "x+y"])

    assert client.list_tags(Resource=arn)["Tags"] == {"größe": "日本"}
    assert client.invoke(FunctionName="ship", Payload=b"{}", LogType="Tail")["StatusCode"] == 200
    server.store.delete_mapping(made["UUID"])


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        pytest.param(STRANGER, "UnrecognizedClientException", id="stranger"),
        pytest.param(
            Caller("", CALLER.access_key, "wrong"), "InvalidSignatureException", id="secret"
        ),
        pytest.param(
            Caller("", CALLER.access_key, CALLER.secret_key, "t"),
            "UnrecognizedClientException",
            id="token",
        ),
    ],
)
def test_client_sees_aws_s_error_codes(server: Server, caller: Caller, code: str) -> None:
    assert code_of(server.client(caller=caller)) == code


ROUTES = [
    ("GET", MAPPINGS),
    ("POST", INVOKE),
    ("GET", "/metrics"),
    ("GET", "/penstock/v1/status"),
    ("DELETE", "/penstock/v1/failures?all=true"),
    ("GET", "/nothing"),
    ("GET", "/penstock/v1/%68ealth"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_wants_a_signature(
    server: Server, gateway: Server, method: str, path: str
) -> None:
    for each, headers in itertools.product((server, gateway), ({}, SIGNED)):
        if (each, path) == (gateway, "/metrics"):
            continue

        answer = each.send(method, path, b"", headers)

        assert answer.status == 403
        assert answer.code.startswith("Missing" if not headers else "IncompleteSig")


def test_health_needs_no_signature(server: Server) -> None:
    assert server.send("GET", "/penstock/v1/health").status == 200


def test_metrics_need_none_where_they_are_open(gateway: Server) -> None:
    assert gateway.send("GET", "/metrics").status == 200


def test_web_page_is_refused_before_its_signature_is_looked_at(server: Server) -> None:
    headers = sign(server) | {"Origin": "http://evil.example"}

    answer = server.send("GET", MAPPINGS, b"", headers)

    assert (answer.status, answer.code) == (403, "AccessDeniedException")


FORGED = (
    "AWS4-HMAC-SHA256 Credential=AKIDX/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, "
    "Signature=00"
)
PRESIGNED = "?X-Amz-Credential=AKIDX/20260101/us-east-1/s3/aws4_request"


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        pytest.param("GET", "/penstock/v1/code/key", "s3", id="link-of-s3"),
        pytest.param("GET", "/penstock/v1/code/../../../bucket/key", "s3", id="path-of-s3"),
        pytest.param("GET", "/penstock/v1/code/a/b" + PRESIGNED, None, id="presigned"),
        pytest.param("GET", "/penstock/v1/code/a/b" + PRESIGNED, "sqs", id="of-two-services"),
        pytest.param("HEAD", "/penstock/v1/code/a/b" + PRESIGNED, None, id="head-of-link"),
        pytest.param("GET", "/metrics", "s3", id="metrics-of-s3"),
        pytest.param("HEAD", "/metrics", None, id="head-of-metrics"),
    ],
)
def test_open_path_leads_nobody_to_another_service(
    gateway: Server, method: str, path: str, service: str | None
) -> None:
    headers = {} if service is None else {"Authorization": FORGED.format(service)}

    answer = gateway.send(method, path, b"", headers)

    assert answer.status == 403
    assert b"elsewhere" not in answer.body


@pytest.mark.parametrize("is_digested", [True, False])
def test_replay_with_another_body_runs_nothing(server: Server, *, is_digested: bool) -> None:
    body = b'{"amount": 1}'
    digest = {"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
    headers = sign(server, "POST", INVOKE, body, headers=digest if is_digested else {})
    before = list(server.world.functions.payloads)

    replayed = server.send("POST", INVOKE, b'{"amount": 9}', headers)

    assert (replayed.status, replayed.code) == (403, "InvalidSignatureException")
    assert server.world.functions.payloads == before
    assert server.send("POST", INVOKE, body, headers).status == 200
    assert server.world.functions.payloads[-1][1] == body


def test_body_added_to_a_request_without_one_is_refused(server: Server) -> None:
    digest = {"X-Amz-Content-SHA256": hashlib.sha256(b"").hexdigest()}
    for headers in (sign(server), sign(server, headers=digest)):
        answer = server.send("GET", MAPPINGS, b"{}", headers)

        assert (answer.status, answer.code) == (403, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("shift_s", "text"), [(310, "Signature expired: "), (-310, "Signature not yet current: ")]
)
def test_replay_after_five_minutes_is_refused(server: Server, shift_s: int, text: str) -> None:
    headers = sign(server)
    CLOCK.shift_s = shift_s

    answer = server.send("GET", MAPPINGS, b"", headers)

    assert (answer.status, answer.code) == (403, "InvalidSignatureException")
    assert answer.json["message"].startswith(text)


def test_request_signed_for_another_service_is_not_lambda_s(
    server: Server, gateway: Server
) -> None:
    alone = server.send("GET", MAPPINGS, b"", sign(server, service="sqs"))
    forwarded = gateway.send("GET", MAPPINGS, b"", sign(gateway, service="sqs"))

    assert alone.json["message"] == "Credential should be scoped to correct service: 'lambda'."
    assert forwarded.body.startswith(b"elsewhere ")


def test_parts_of_the_header_may_come_in_any_order(server: Server) -> None:
    headers = sign(server)
    algorithm, _, rest = headers["Authorization"].partition(" ")
    headers["Authorization"] = f"{algorithm} {','.join(reversed(rest.split(', ')))}"

    assert server.send("GET", MAPPINGS, b"", headers).status == 200


def test_presigned_url_is_refused(gateway: Server) -> None:
    url = gateway.client("s3", caller=CALLER).generate_presigned_url(
        "get_object", Params={"Bucket": "b", "Key": "k"}
    )

    answer = gateway.send("GET", url.split(str(gateway.port), 1)[1])

    assert answer.status == 403
    assert b"Penstock verifies the Authorization header only" in answer.body


def forward(gateway: Server, body: bytes, headers: dict[str, str]) -> Answer:
    return gateway.send("PUT", "/b/k", body, headers)


def test_large_body_is_checked_while_it_is_passed_on(gateway: Server) -> None:
    body = b"x" * (authentication.DIGESTED_BYTES_MAX + 1)
    headers = sign(gateway, "PUT", "/b/k", body, service="s3")

    answers = [forward(gateway, each, headers) for each in (body, body[:-1] + b"y")]

    assert answers[0].body.decode() == f"elsewhere {hashlib.sha256(body).hexdigest()}"
    assert answers[1].status == 403
    assert b"<Error><Code>SignatureDoesNotMatch</Code>" in answers[1].body


def test_unsigned_payload_of_s3_is_passed_on(gateway: Server) -> None:
    headers = sign(gateway, "PUT", "/b/k", b"signed", service="s3")
    digest = headers["X-Amz-Content-SHA256"]
    request = AWSRequest("PUT", f"http://127.0.0.1:{gateway.port}/b/k", {}, b"anything")
    request.context["payload_signing_enabled"] = False
    keys = Credentials(CALLER.access_key, CALLER.secret_key)
    botocore.auth.SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())

    answer = forward(gateway, b"something else", headers)

    assert digest != headers["X-Amz-Content-SHA256"] == "UNSIGNED-PAYLOAD"
    assert answer.status == 200


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("s3", "InvalidAccessKeyId"),
        ("sns", "InvalidClientTokenId"),
        ("sqs", "UnrecognizedClientException"),
        ("lambda", "UnrecognizedClientException"),
    ],
)
def test_refusal_has_the_shape_of_the_service(gateway: Server, service: str, code: str) -> None:
    client = gateway.client(service, caller=STRANGER)
    call = {
        "s3": "list_buckets",
        "sns": "list_topics",
        "sqs": "list_queues",
        "lambda": "list_event_source_mappings",
    }[service]

    with pytest.raises(ClientError) as refused:
        getattr(client, call)()

    assert refused.value.response["Error"]["Code"] == code
    assert "security token included in the request is invalid" in str(refused.value)


def test_large_unverified_bodies_are_bounded_together(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "UNVERIFIED_BYTES_MAX", 1)

    answer = server.send("POST", INVOKE, b"{}", sign(server, "POST", INVOKE, b"{}"))

    assert (answer.status, answer.code) == (429, "TooManyRequestsException")


def exchange(port: int, request: bytes) -> bytes:
    """Send raw bytes and read all that comes, whatever it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer


PAYLOAD = b'{"amount": 1, "to": "a"}'


@given(st.data())
def test_no_mutation_of_a_signed_request_runs_anything_else(
    server: Server, data: st.DataObject
) -> None:
    target = f"{INVOKE}?Qualifier=%24LATEST"
    digest = {"X-Amz-Content-SHA256": hashlib.sha256(PAYLOAD).hexdigest()}
    digest = data.draw(st.sampled_from([{}, digest]))
    headers = sign(server, "POST", target, PAYLOAD, headers=digest | {"X-Amz-Log-Type": "Tail"})
    headers |= {"Host": f"127.0.0.1:{server.port}", "Content-Length": str(len(PAYLOAD))}
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    whole = f"POST {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode() + PAYLOAD
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 2)))
    mutated = whole[:start] + data.draw(st.binary(max_size=3)) + whole[end:]
    server.world.functions.payloads.clear()

    answer = exchange(server.port, mutated)

    assert not answer.startswith(b"HTTP/1.1 5")
    ran = set(server.world.functions.payloads)
    assert ran <= {(FUNCTION_ARN + ":$LATEST", PAYLOAD)}


def test_link_to_code_needs_no_signature_and_ends(server: Server) -> None:
    client = server.client(caller=CALLER)
    create_active(client)
    location = client.get_function(FunctionName="made")["Code"]["Location"]
    path = "/" + location.split("/", 3)[3]

    fresh = server.send("GET", path)
    changed = server.send("GET", path[:-1] + "x")
    CLOCK.shift_s = 601
    old = server.send("GET", path)

    assert (fresh.status, fresh.body) == (200, zipped())
    assert [answer.status for answer in (changed, old)] == [403, 403]
