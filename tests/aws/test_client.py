"""The wire client: what it sends, what it retries, where it refuses to go."""

from collections.abc import Callable

import pytest
from scripted_server import (
    Conversation,
    ReceivedRequest,
    RunFixture,
    Script,
    always,
    in_turn,
    serve,
)
from wire_builders import StandingClock, make_wire

from penstock.aws.client import JsonServiceClient, WireClient
from penstock.aws.credentials import CredentialCache
from penstock.aws.errors import (
    AnswerError,
    ConnectFailedError,
    ConnectionLostError,
    CredentialsError,
    WireError,
)
from penstock.aws.exchange import ExchangeRules
from penstock.aws.json_protocol import JsonDialect
from penstock.aws.network import Network
from penstock.aws.retry_quota import FAILURE_COST
from penstock.aws.session import AwsSession
from penstock.aws.signer import Credentials
from penstock.model.errors import ConfigurationError

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

TWICE = ExchangeRules(is_idempotent=True)
ONCE = ExchangeRules()


async def _call(
    script: Script,
    rules: ExchangeRules = TWICE,
    path: str = "",
    count_request: Callable[[str], None] | None = None,
) -> bytes:
    async with serve(script) as origin:
        wire = make_wire()
        service = await wire.open_url(f"{origin}{path}", service="sqs", region="eu-west-1")
        dialect = JsonDialect("AmazonSQS")
        client = JsonServiceClient(wire, service, dialect, count_request=count_request)
        try:
            return await client.call("DeleteMessage", b"{}", rules)
        finally:
            await wire.close()


def _answers(body: bytes, *, status: str = "200 OK") -> Script:
    """Answer one request and close."""

    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.answer(body, status=status, head="Connection: close\r\n")

    return converse


async def _hang_up(conversation: Conversation) -> None:
    await conversation.read_request()


THROTTLE = _answers(b'{"__type":"ThrottlingException"}', status="400 Bad Request")
FAILURE = _answers(b"oops", status="503 Service Unavailable")
REFUSAL = _answers(b'{"__type":"InvalidAddress"}', status="400 Bad Request")


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(THROTTLE, id="throttle"),
        pytest.param(FAILURE, id="server-failure"),
        pytest.param(_hang_up, id="lost-answer"),
    ],
)
def test_idempotent_call_is_tried_three_times(run: RunFixture, first: Script) -> None:
    assert run(_call(in_turn(first, first, _answers(b"done")))) == b"done"
    with pytest.raises(WireError):
        run(_call(in_turn(first, first, first, _answers(b"too late"))))


@pytest.mark.parametrize(
    "first", [pytest.param(THROTTLE, id="throttle"), pytest.param(_hang_up, id="lost-answer")]
)
def test_call_that_may_run_once_is_never_retried(run: RunFixture, first: Script) -> None:
    with pytest.raises((AnswerError, ConnectionLostError)):
        run(_call(in_turn(first, _answers(b"never")), ONCE))


def test_refusal_is_not_retried(run: RunFixture) -> None:
    with pytest.raises(AnswerError, match="InvalidAddress"):
        run(_call(in_turn(REFUSAL, _answers(b"never"))))


def test_failing_server_is_not_asked_again_once_the_quota_is_used_up(run: RunFixture) -> None:
    request_count = 0

    async def fail(conversation: Conversation) -> None:
        nonlocal request_count
        request_count += 1
        await FAILURE(conversation)

    async def scenario() -> None:
        async with serve(fail) as origin:
            wire = make_wire()
            service = await wire.open_url(str(origin), service="sqs", region="eu-west-1")
            service.retry_quota.tokens = FAILURE_COST
            for _ in range(3):
                client = JsonServiceClient(wire, service, JsonDialect("AmazonSQS"))
                with pytest.raises(AnswerError):
                    await client.call("DeleteMessage", b"{}", TWICE)
            await wire.close()

    run(scenario())

    assert request_count == 3 + 1


def test_each_attempt_that_was_sent_is_counted(run: RunFixture) -> None:
    counted: list[str] = []

    run(_call(in_turn(THROTTLE, _hang_up, _answers(b"done")), count_request=counted.append))

    assert counted == ["DeleteMessage"] * 3


def test_request_that_never_left_is_not_counted(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []

    async def call_nobody() -> None:
        wire = make_wire()
        service = await wire.open_url("http://127.0.0.1:9", service="sqs", region="eu-west-1")
        client = JsonServiceClient(
            wire, service, JsonDialect("AmazonSQS"), count_request=counted.append
        )
        await client.call("DeleteMessage", b"{}", TWICE)

    with pytest.raises(ConnectFailedError):
        run(call_nobody())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CredentialsError):
        run(call_nobody())
    assert counted == []


def test_request_is_signed_and_below_the_endpoints_path(run: RunFixture) -> None:
    seen: list[ReceivedRequest] = []

    async def converse(conversation: Conversation) -> None:
        seen.append(await conversation.read_request())
        await conversation.answer()

    run(_call(converse, path="/prefix/"))

    assert (seen[0].method, seen[0].target, seen[0].body) == ("POST", "/prefix/", b"{}")
    assert (
        seen[0]
        .headers["authorization"]
        .startswith(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/eu-west-1/sqs/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="
        )
    )


def test_request_is_dated_when_it_is_signed_not_when_its_credentials_were_sought(
    run: RunFixture,
) -> None:
    clock = StandingClock()
    seen: list[ReceivedRequest] = []

    class SlowCredentials(CredentialCache):
        async def find(self, now_ms: int) -> Credentials | None:
            clock.advance_ms(600_000)
            return await super().find(now_ms)

    async def converse(conversation: Conversation) -> None:
        seen.append(await conversation.read_request())
        await conversation.answer()

    async def scenario() -> None:
        wire = WireClient(Network(), clock=clock, draw_fraction=lambda: 0.0)
        wire.credentials = SlowCredentials(AwsSession(), clock)
        async with serve(converse) as origin:
            service = await wire.open_url(str(origin), service="sqs", region="eu-west-1")
            await service.send(service.open_form("POST", "/", ()), b"", ONCE)
        await wire.close()

    run(scenario())
    assert seen[0].headers["x-amz-date"] == "20231114T222320Z"


def test_missing_credentials_say_what_to_set(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(CredentialsError, match="AWS_ACCESS_KEY_ID"):
        run(_call(always(b"")))


def test_unknown_profile_is_a_configuration_error(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(ConfigurationError, match="nobody"):
        run(make_wire().open("sqs", "eu-west-1"))
