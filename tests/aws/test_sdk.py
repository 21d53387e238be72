"""botocore's clients: made once, with the credentials of now, each with threads of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Conversation, ReceivedRequest, RunFixture, Script, always, serve
from wire_builders import StandingClock

from penstock.aws.botocore_session import BotocoreSession
from penstock.aws.credentials import STALE_MS, CredentialCache
from penstock.aws.endpoints import EndpointResolver
from penstock.aws.errors import AnswerError, Fault, TransportError
from penstock.aws.sdk import CALLS_MAX, SdkClient, SdkClients
from penstock.aws.session import AwsSession
from penstock.aws.signer import Credentials
from penstock.model.errors import ConfigurationError

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

REGION = "eu-west-1"
TOPICS = b"<ListTopicsResponse><ListTopicsResult><Topics/></ListTopicsResult></ListTopicsResponse>"


class RotatingSession(AwsSession):
    """A session whose chain gives temporary credentials, another key each time."""

    def __init__(self) -> None:
        super().__init__()
        self.reading_count = 0

    def ask(self, question: Callable[[Any], Any]) -> asyncio.Future[Any]:
        """Ask with itself as botocore's session."""
        session = BotocoreSession(self)
        return asyncio.get_running_loop().run_in_executor(None, question, session)

    def get_credentials(self) -> "RotatingSession":
        """Stand in for botocore's session."""
        return self

    def refresh_needed(self) -> bool:
        """Say that these are temporary ones."""
        return False

    def get_frozen_credentials(self) -> Credentials:
        """Give the next key."""
        self.reading_count += 1
        return Credentials(f"KEY{self.reading_count}", "secret", "token")


class CountingSession(AwsSession):
    """A session that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.question_count = 0

    def ask(self, question: Callable[[Any], Any]) -> asyncio.Future[Any]:
        """Ask, and count."""
        self.question_count += 1
        return super().ask(question)


class Rig:
    """Clients, and a server that answers them and keeps what it was asked.

    Args:
        credentials_from: The session whose chain is looked through; None: the only session.
        script: What the server does; None: it lists no topics.
    """

    def __init__(
        self, credentials_from: AwsSession | None = None, *, script: Script | None = None
    ) -> None:
        session = self.session = CountingSession()
        self.clock = StandingClock()
        self.requests: list[ReceivedRequest] = []
        self._script = script or self._list_no_topics
        credentials = CredentialCache(credentials_from or session, self.clock)
        self.clients = SdkClients(session, EndpointResolver(session, ()), credentials, self.clock)

    async def _list_no_topics(self, conversation: Conversation) -> None:
        while True:
            self.requests.append(await conversation.read_request())
            await conversation.answer(TOPICS)

    def keys(self) -> list[str]:
        """Give the access key that each request was signed with."""
        headers = [request.headers["authorization"] for request in self.requests]
        return [header.partition("Credential=")[2].partition("/")[0] for header in headers]

    def run(
        self,
        run: RunFixture,
        monkeypatch: pytest.MonkeyPatch,
        scenario: Callable[[SdkClient], Awaitable[None]],
    ) -> None:
        """Run a scenario with a client of the server."""

        async def whole() -> None:
            async with serve(self._script) as origin:
                monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
                try:
                    await scenario(await self.clients.open("sns", REGION))
                finally:
                    self.clients.close()

        run(whole())


def test_service_is_opened_once_per_region(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig()

    async def scenario(client: SdkClient) -> None:
        assert await rig.clients.open("sns", REGION) is client
        assert await rig.clients.open("sns", "eu-west-2") is not client

    rig.run(run, monkeypatch, scenario)


def test_calls_are_signed_with_the_credentials_of_now(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(RotatingSession())

    async def scenario(client: SdkClient) -> None:
        await client.call("ListTopics", {})
        await client.call("ListTopics", {})
        rig.clock.advance_ms(STALE_MS)
        await client.call("ListTopics", {})

    rig.run(run, monkeypatch, scenario)

    assert rig.keys() == ["KEY1", "KEY1", "KEY2"]
    assert rig.requests[2].headers["x-amz-security-token"] == "token"


def test_first_calls_that_come_together_use_one_client(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig()

    async def scenario(client: SdkClient) -> None:
        known = rig.session.question_count
        await asyncio.gather(*(client.call("ListTopics", {}) for _ in range(2 * CALLS_MAX)))
        assert rig.session.question_count - known == len(["credentials", "client"])

    rig.run(run, monkeypatch, scenario)

    assert len(rig.requests) == 2 * CALLS_MAX


@pytest.mark.parametrize(
    ("endpoint_url", "style", "place"),
    [
        pytest.param("", "", "https://failed.s3.amazonaws.com/key", id="aws"),
        pytest.param("http://emulator:4566", "", "http://emulator:4566/failed/key", id="emulator"),
        pytest.param(
            "http://emulator:4566",
            "s3 =\n  addressing_style = virtual\n",
            "http://failed.emulator:4566/key",
            id="emulator-as-configured",
        ),
    ],
)
def test_bucket_is_in_the_path_only_at_a_configured_endpoint(
    run: RunFixture, tmp_path: Path, endpoint_url: str, style: str, place: str
) -> None:
    endpoint = f"endpoint_url = {endpoint_url}\n" if endpoint_url else ""
    (tmp_path / "config").write_text(f"[default]\n{endpoint}{style}")
    rig = Rig()

    async def scenario() -> str:
        opened = await rig.clients.open_client("s3", REGION, Credentials("key", "secret"))
        rig.clients.close()
        client = opened._client  # noqa: SLF001
        return str(client.generate_presigned_url("put_object", {"Bucket": "failed", "Key": "key"}))

    assert run(scenario()).partition("?")[0] == place


def test_error_answer_is_classified(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    error = b"<Error><Code>Throttling</Code><Message>slow</Message></Error>"
    body = b"<ErrorResponse>%b</ErrorResponse>" % error
    rig = Rig(script=always(body, status="400 Bad Request"))

    async def scenario(client: SdkClient) -> None:
        with pytest.raises(AnswerError, match=r"slow \(Throttling, HTTP 400\)") as failed:
            await client.call("ListTopics", {})
        assert failed.value.fault is Fault.THROTTLED

    rig.run(run, monkeypatch, scenario)


def test_answer_that_cannot_be_read_is_no_success(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(script=always(b"hello"))

    async def scenario(client: SdkClient) -> None:
        with pytest.raises(TransportError, match="cannot be read"):
            await client.call("ListTopics", {})

    rig.run(run, monkeypatch, scenario)


def test_parameters_that_botocore_refuses_are_named(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig()

    async def scenario(client: SdkClient) -> None:
        with pytest.raises(
            ConfigurationError, match=r"Publish cannot be asked for(.|\n)*\"Message\""
        ):
            await client.call("Publish", {"TopicArn": "arn"})

    rig.run(run, monkeypatch, scenario)

    assert rig.requests == []
