"""What destinations say when their server says no, or nothing."""

import asyncio
import socket

import pytest
from destination_builders import BUCKET_ARN, QUEUE_ARN, REPORT, TOPIC_ARN, send_to
from scripted_server import Conversation, RunFixture, Script, always, serve

from penstock.model.errors import (
    ConfigurationError,
    DestinationError,
    DestinationRefusedError,
    DestinationUnavailableError,
)

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

EVERY_KIND = [
    pytest.param(QUEUE_ARN, id="queue"),
    pytest.param(TOPIC_ARN, id="topic"),
    pytest.param(BUCKET_ARN, id="bucket"),
]
QUERY_ERROR = "<ErrorResponse><Error><Code>{0}</Code><Message>no</Message></Error></ErrorResponse>"
BODY_BY_ARN = {
    QUEUE_ARN: '{{"__type":"com.amazonaws.sqs#{0}","message":"no"}}',
    TOPIC_ARN: QUERY_ERROR,
    BUCKET_ARN: "<Error><Code>{0}</Code><Message>no</Message></Error>",
}


def attempt(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str, script: Script
) -> DestinationError:
    """Send to a server that does as the script says; give the error."""

    async def scenario() -> None:
        async with serve(script) as origin:
            monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
            await send_to(arn, REPORT)

    with pytest.raises(DestinationError) as failed:
        run(scenario())
    return failed.value


def answering(arn: str, code: str, status: str) -> Script:
    return always(BODY_BY_ARN[arn].format(code).encode(), status=status)


@pytest.mark.parametrize("arn", EVERY_KIND)
def test_denial_is_refused_and_says_what_to_allow(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str
) -> None:
    error = attempt(run, monkeypatch, arn, answering(arn, "AccessDenied", "403 Forbidden"))

    assert isinstance(error, DestinationRefusedError)
    assert arn in str(error)
    assert f"; allow {arn.split(':')[2]}:" in str(error)


@pytest.mark.parametrize("arn", EVERY_KIND)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("ThrottlingException", "400 Bad Request", id="throttle"),
        pytest.param("SlowDown", "503 Slow Down", id="slow-down"),
        pytest.param("InternalError", "500 Internal Server Error", id="server-error"),
    ],
)
def test_throttles_and_server_errors_are_worth_asking_again(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str, code: str, status: str
) -> None:
    error = attempt(run, monkeypatch, arn, answering(arn, code, status))

    assert isinstance(error, DestinationUnavailableError)
    assert code in str(error)


@pytest.mark.parametrize("arn", EVERY_KIND)
def test_other_refusals_are_told_in_the_server_s_words(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str
) -> None:
    error = attempt(run, monkeypatch, arn, answering(arn, "InvalidRequest", "400 Bad Request"))

    assert isinstance(error, DestinationRefusedError)
    assert f"on {arn}: no (InvalidRequest, HTTP 400)" in str(error)


@pytest.mark.parametrize("arn", EVERY_KIND)
def test_each_sending_asks_once(run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str) -> None:
    asked = 0

    async def count(conversation: Conversation) -> None:
        nonlocal asked
        while True:
            await conversation.read_head()
            asked += 1
            await conversation.answer(
                status="503 Service Unavailable", head="Connection: close\r\n"
            )

    attempt(run, monkeypatch, arn, count)

    assert asked == 1


@pytest.mark.parametrize("arn", EVERY_KIND)
def test_server_that_is_gone_is_unavailable_and_named(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        url = f"http://127.0.0.1:{closed_soon.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)

    with pytest.raises(DestinationUnavailableError, match=url):
        run(send_to(arn, REPORT))


@pytest.mark.parametrize("arn", EVERY_KIND)
def test_lost_answer_is_unavailable(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str
) -> None:
    async def hang_up(conversation: Conversation) -> None:
        await conversation.read_head()

    error = attempt(run, monkeypatch, arn, hang_up)

    assert isinstance(error, DestinationUnavailableError)


@pytest.mark.parametrize(
    ("arn", "kind", "words"),
    [
        pytest.param(QUEUE_ARN, DestinationRefusedError, "AWS_ENDPOINT_URL_SQS", id="queue"),
        pytest.param(TOPIC_ARN, DestinationUnavailableError, "cannot be read", id="topic"),
        pytest.param(BUCKET_ARN, DestinationRefusedError, "AWS_ENDPOINT_URL_S3", id="bucket"),
    ],
)
def test_server_of_something_else_takes_nothing_in(
    run: RunFixture,
    monkeypatch: pytest.MonkeyPatch,
    arn: str,
    kind: type[DestinationError],
    words: str,
) -> None:
    error = attempt(run, monkeypatch, arn, always(b""))

    assert type(error) is kind
    assert words in str(error)


def test_queue_that_vanishes_is_refused_when_it_is_sent_to(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def vanish(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.answer(b'{"QueueUrl":"http://h/123456789012/failed"}')
        await conversation.read_request()
        body = BODY_BY_ARN[QUEUE_ARN].format("QueueDoesNotExist").encode()
        await conversation.answer(body, status="400 Bad Request")

    error = attempt(run, monkeypatch, QUEUE_ARN, vanish)

    assert isinstance(error, DestinationRefusedError)
    assert "SendMessage on" in str(error)
    assert "create the queue, or give the mapping another on-failure destination" in str(error)


@pytest.mark.parametrize("arn", [f"{QUEUE_ARN}.fifo", f"{TOPIC_ARN}.fifo"])
def test_fifo_is_refused_without_asking(run: RunFixture, arn: str) -> None:
    with pytest.raises(DestinationRefusedError, match="only standard queues and topics"):
        run(send_to(arn, REPORT))


@pytest.mark.parametrize("arn", EVERY_KIND)
def test_own_address_is_refused(run: RunFixture, monkeypatch: pytest.MonkeyPatch, arn: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4567")

    with pytest.raises(ConfigurationError, match="this service's own address"):
        run(send_to(arn, REPORT, own_addresses=[("127.0.0.1", 4567)]))


@pytest.mark.parametrize(
    "arn", ["arn:aws:lambda:us-east-2:123456789012:function:f", "kafka://topic"]
)
def test_destination_of_another_kind_is_refused(run: RunFixture, arn: str) -> None:
    with pytest.raises(ConfigurationError, match=arn):
        run(send_to(arn, REPORT))


def test_credentials_that_are_missing_are_named(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4567")

    with pytest.raises(DestinationRefusedError, match="set AWS_ACCESS_KEY_ID"):
        run(send_to(TOPIC_ARN, REPORT))


def test_destination_that_hangs_keeps_no_other_waiting(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        hanging, released = asyncio.Event(), asyncio.Event()

        async def hang(conversation: Conversation) -> None:
            await conversation.read_request()
            hanging.set()
            await released.wait()

        async with serve(hang) as sns, serve(answering(BUCKET_ARN, "NoSuchBucket", "404 No")) as s3:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", str(sns))
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", str(s3))
            waiting = asyncio.ensure_future(send_to(TOPIC_ARN, REPORT))
            await hanging.wait()
            with pytest.raises(DestinationRefusedError):
                await send_to(BUCKET_ARN, REPORT)
            assert not waiting.done()
            released.set()
            with pytest.raises(DestinationUnavailableError):
                await waiting

    run(scenario())
