"""TLS: only servers that the authorities vouch for, and no waiting for those that never greet."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from scripted_server import Conversation, RunFixture, always, serve
from self_signed import write_bundle

from penstock.aws.errors import ConnectFailedError, PhaseTimeoutError, TransportError
from penstock.aws.exchange import ExchangeRules, HttpRequest, Origin
from penstock.aws.session import AwsSession
from penstock.aws.transport import DirectTransport
from penstock.model.errors import ConfigurationError

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

GET = HttpRequest("GET", "/", (("Host", "test"),))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "bundle.pem"
    write_bundle(path)
    return path


def _server_context(bundle: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    return context


async def _exchange_over_tls(
    bundle: Path, open_context: Callable[[], Awaitable[ssl.SSLContext]], body: bytes
) -> bytes:
    async with serve(always(body), context=_server_context(bundle)) as origin:
        transport = DirectTransport(open_context)
        await transport.exchange(origin, GET, ExchangeRules())
        response = await transport.exchange(origin, GET, ExchangeRules())
        await transport.close()
        return response.body


def test_ca_bundle_of_the_environment_is_trusted(
    run: RunFixture, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    body = bytes(200_000)

    assert run(_exchange_over_tls(bundle, AwsSession().open_ssl_context, body)) == body


def test_six_megabytes_are_sent_over_tls(
    run: RunFixture, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    large = HttpRequest("POST", "/", GET.headers, bytes(6 * 1024 * 1024))

    async def scenario() -> int:
        async with serve(always(b""), context=_server_context(bundle)) as origin:
            transport = DirectTransport(AwsSession().open_ssl_context)
            response = await transport.exchange(origin, large, ExchangeRules())
            await transport.close()
            return response.status

    assert run(scenario()) == 200


def test_unknown_authority_is_refused(run: RunFixture, bundle: Path) -> None:
    with pytest.raises(ConnectFailedError, match=r"(?i)certificate"):
        run(_exchange_over_tls(bundle, AwsSession().open_ssl_context, b""))


def test_unreadable_ca_bundle_is_named(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/bundle.pem")

    with pytest.raises(ConfigurationError, match=r"AWS_CA_BUNDLE.*nowhere"):
        run(AwsSession().open_ssl_context())


def test_server_that_never_greets_is_given_up(run: RunFixture) -> None:
    async def scenario() -> None:
        done = asyncio.Event()

        async def never_greet(conversation: Conversation) -> None:
            await conversation.wait_for_end()
            done.set()

        async with serve(never_greet) as plain:
            origin = Origin("https", plain.host, plain.port)
            transport = DirectTransport(AwsSession().open_ssl_context, connect_s=0.05, tls_s=0.05)
            with pytest.raises(TransportError) as caught:
                await transport.exchange(origin, GET, ExchangeRules())
            assert isinstance(caught.value, (ConnectFailedError, PhaseTimeoutError))
            assert not caught.value.written
            await done.wait()

    run(scenario())


def test_plain_server_behind_https_is_refused(run: RunFixture) -> None:
    async def scenario() -> None:
        async with serve(always(b"")) as plain:
            origin = Origin("https", plain.host, plain.port)
            with pytest.raises(TransportError):
                await DirectTransport(AwsSession().open_ssl_context, tls_s=0.05).exchange(
                    origin, GET, ExchangeRules()
                )

    run(scenario())
