"""A look at a source whose server refuses: its real answers, and Lambda's words for each."""

import json
from collections.abc import Callable

import pytest
from scripted_server import Conversation, RunFixture, Script, serve
from wire_builders import make_wire

from penstock.api.errors import ApiError
from penstock.api.probe import probe_source
from penstock.model.arn import Scope
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StreamKind
from penstock.sources.aws_sources import AwsSources

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

ACCOUNT, REGION = "123456789012", "us-east-2"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"
CLICKS = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/clicks"
ITEMS = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/items/stream/2019-06-10T19:26:16.525"
DENIED = "com.amazon.coral.service#AccessDeniedException"
NOT_AUTHORIZED = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/worker/1 is not authorized to perform:"
STREAM_DENIED = (
    "Cannot access stream {}. Please ensure the role can perform the GetRecords, GetShardIterator, "
    "DescribeStream, ListShards, and ListStreams Actions on your stream in IAM."
)

Refusal = Callable[[str, StreamKind | None, Script], tuple[str, str]]


def _answering(refused: str, code: str, status: str) -> Script:
    """Refuse one operation, by name or ``*``; others find the queue."""

    async def converse(conversation: Conversation) -> None:
        while True:
            request = await conversation.read_request()
            operation = request.headers["x-amz-target"].rpartition(".")[2]
            if refused in ("*", operation):
                error = {"__type": code, "message": f"{NOT_AUTHORIZED} {operation}"}
                await conversation.answer(json.dumps(error).encode(), status=status)
            else:
                url = {"QueueUrl": f"https://sqs.test/{ACCOUNT}/jobs"}
                await conversation.answer(json.dumps(url).encode())

    return converse


@pytest.fixture(name="refusal")
def fixture_refusal(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> Refusal:
    """Give what a look at a source says that a script's server has."""

    def look(arn: str, kind: StreamKind | None, script: Script) -> tuple[str, str]:
        mapping = EventSourceMapping(
            uuid="u",
            scope=Scope(ACCOUNT, REGION),
            event_source_arn=arn,
            function_arn="",
            stream_kind=kind,
        )

        async def scenario() -> ApiError:
            async with serve(script) as origin:
                monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
                wire = make_wire()
                try:
                    with pytest.raises(ApiError) as caught:
                        await probe_source(AwsSources(lambda _: wire), mapping, None)
                    return caught.value
                finally:
                    await wire.close()

        error = run(scenario())
        return error.kind.code, str(error)

    return look


@pytest.mark.parametrize("operation", ["GetQueueUrl", "GetQueueAttributes"])
def test_queue_that_refuses_names_the_permission(refusal: Refusal, operation: str) -> None:
    script = _answering(operation, DENIED, "403 Forbidden")

    assert refusal(QUEUE, None, script) == (
        "InvalidParameterValueException",
        f"The provided execution role does not have permissions to call {operation} on SQS",
    )


@pytest.mark.parametrize(
    ("arn", "kind"),
    [
        pytest.param(CLICKS, StreamKind.KINESIS, id="kinesis"),
        pytest.param(ITEMS, StreamKind.DYNAMODB, id="dynamodb"),
    ],
)
def test_stream_that_refuses_names_the_permissions(
    refusal: Refusal, arn: str, kind: StreamKind
) -> None:
    script = _answering("*", DENIED, "400 Bad Request")

    assert refusal(arn, kind, script) == (
        "InvalidParameterValueException",
        STREAM_DENIED.format(arn),
    )


@pytest.mark.parametrize(
    ("arn", "kind", "code", "status"),
    [
        pytest.param(QUEUE, None, "ExpiredToken", "403 Forbidden", id="expired"),
        pytest.param(QUEUE, None, "InvalidClientTokenId", "403 Forbidden", id="unknown key"),
        pytest.param(
            CLICKS, StreamKind.KINESIS, "UnrecognizedClientException", "400 Bad Request", id="key"
        ),
        pytest.param(
            ITEMS, StreamKind.DYNAMODB, "InvalidSignatureException", "400 Bad Request", id="secret"
        ),
    ],
)
def test_credentials_that_the_server_does_not_know_are_no_missing_permission(
    refusal: Refusal, arn: str, kind: StreamKind | None, code: str, status: str
) -> None:
    told, text = refusal(arn, kind, _answering("*", code, status))

    assert told == "InvalidParameterValueException"
    assert code in text
    assert "permissions" not in text
