"""The SQS source against a scripted server: what is asked, what each answer means."""

import json
from typing import Any

import msgspec
import pytest
from scripted_server import Conversation, RunFixture, Script, serve
from wire_builders import make_wire

from penstock.model.errors import (
    ConfigurationError,
    SourceAccessDeniedError,
    SourceError,
    SourceNotFoundError,
    SourceProtocolError,
    SourceThrottledError,
    SourceUnavailableError,
)
from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.sources.sqs import SqsQueue, SqsSources

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

ARN = "arn:aws:sqs:eu-west-1:123456789012:jobs"
URL = "http://sqs.test/123456789012/jobs"
MESSAGES = tuple(Message(str(n), f"handle-{n}", msgspec.Raw(b'"b"')) for n in range(3))
Asked = list[tuple[str, dict[str, Any]]]


def _scripted(asked: Asked, answer: bytes, status: str = "200 OK") -> Script:
    """Find the queue, then give every other operation the same answer."""

    async def converse(conversation: Conversation) -> None:
        while True:
            request = await conversation.read_request()
            operation = request.headers["x-amz-target"].removeprefix("AmazonSQS.")
            asked.append((operation, json.loads(request.body)))
            if operation == "GetQueueUrl":
                await conversation.answer(json.dumps({"QueueUrl": URL}).encode())
            else:
                await conversation.answer(answer, status=status)

    return converse


class Ask:
    """One call on an opened queue, against one answer."""

    def __init__(self, run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self._run = run
        self._monkeypatch = monkeypatch
        self.asked: Asked = []

    def __call__(
        self,
        method: str,
        *arguments: Any,
        answer: bytes = b"{}",
        status: str = "200 OK",
        **options: Any,
    ) -> Any:
        """Open the queue and call the method."""

        async def scenario() -> Any:
            async with serve(_scripted(self.asked, answer, status)) as origin:
                self._monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
                wire = make_wire()
                try:
                    queue: SqsQueue = await SqsSources(wire).open_queue(ARN)
                    return await getattr(queue, method)(*arguments, **options)
                finally:
                    await wire.close()

        return self._run(scenario())


@pytest.fixture
def ask(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> Ask:
    return Ask(run, monkeypatch)


def test_receive_asks_for_everything_and_passes_bytes_on(ask: Ask) -> None:
    answer = (
        b'{"Messages": [{"MessageId":"m","ReceiptHandle":"h","Body":"caf\\u00e9 \xc3\xa9",'
        b'"MD5OfBody":"d","Attributes":{"ApproximateReceiveCount": "1"},"Unknown":[1]}]}'
    )

    (message,) = ask("receive", 10, 20, answer=answer)

    assert ask.asked[1] == (
        "ReceiveMessage",
        {
            "QueueUrl": URL,
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": 20,
            "MessageSystemAttributeNames": ["All"],
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        },
    )
    assert bytes(message.body) == b'"caf\\u00e9 \xc3\xa9"'
    assert bytes(message.attributes) == b'{"ApproximateReceiveCount": "1"}'
    assert (message.message_id, message.md5_of_message_attributes) == ("m", None)


def test_receive_says_how_long_it_hides_and_which_attempt_it_is(ask: Ask) -> None:
    ask("receive", 10, 20, visibility_timeout_s=30, attempt_id="run-7")

    asked = ask.asked[1][1]
    assert (asked["VisibilityTimeout"], asked["ReceiveRequestAttemptId"]) == (30, "run-7")


@pytest.mark.parametrize("answer", [b"{}", b'{"Messages":[]}', b'{"Messages":null}'])
def test_receive_of_nothing_is_empty(ask: Ask, answer: bytes) -> None:
    assert ask("receive", 10, 0, answer=answer) == ()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b'{"Messages":[{}]}', id="no-fields"),
        pytest.param(b'{"Messages":[{"MessageId":1}]}', id="wrong-type"),
        pytest.param(
            b'{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":"\xff"}]}', id="not-utf-8"
        ),
        pytest.param(
            b'{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":7}]}', id="body-no-string"
        ),
        pytest.param(b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", id="nested-too-deeply"),
    ],
)
def test_unreadable_receive_is_a_protocol_error(ask: Ask, answer: bytes) -> None:
    with pytest.raises(SourceProtocolError, match="jobs"):
        ask("receive", 10, 0, answer=answer)


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        pytest.param(
            "400 Bad Request",
            b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"text"}',
            SourceNotFoundError,
            id="not-found",
        ),
        pytest.param(
            "400 Bad Request",
            b'{"__type":"AWS.SimpleQueueService.NonExistentQueue","message":"text"}',
            SourceNotFoundError,
            id="not-found-older-spelling",
        ),
        pytest.param(
            "403 Forbidden",
            b'{"__type":"AccessDenied","message":"text"}',
            SourceAccessDeniedError,
            id="denied",
        ),
        pytest.param(
            "400 Bad Request",
            b'{"__type":"OverLimit","message":"text"}',
            SourceThrottledError,
            id="over-limit",
        ),
        pytest.param("500 Internal Server Error", b"text", SourceUnavailableError, id="html"),
        pytest.param(
            "400 Bad Request",
            b'{"__type":"InvalidParameterValue","message":"text"}',
            SourceProtocolError,
            id="refused",
        ),
    ],
)
def test_error_answer_is_mapped_with_the_servers_words(
    ask: Ask, status: str, answer: bytes, error: type[SourceError]
) -> None:
    with pytest.raises(error, match="ReceiveMessage on jobs: text"):
        ask("receive", 10, 0, answer=answer, status=status)


def test_receive_is_sent_once(ask: Ask) -> None:
    with pytest.raises(SourceUnavailableError):
        ask("receive", 10, 0, status="503 Service Unavailable")

    assert [operation for operation, _ in ask.asked] == ["GetQueueUrl", "ReceiveMessage"]


def test_delete_reports_each_message_once(ask: Ask) -> None:
    answer = (
        b'{"Successful":[{"Id":"0"}],"Failed":['
        b'{"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid"},'
        b'{"Id":"2","SenderFault":true,"Code":"RequestThrottled","Message":"slow"}]}'
    )

    report = ask("delete", MESSAGES, answer=answer)

    assert report == DeleteReport(
        deleted=MESSAGES[:1], retryable=MESSAGES[2:], refused=MESSAGES[1:2]
    )
    entries = [{"Id": str(n), "ReceiptHandle": f"handle-{n}"} for n in range(3)]
    assert ask.asked[1] == ("DeleteMessageBatch", {"QueueUrl": URL, "Entries": entries})


def test_delete_of_all_needs_no_list_of_failures(ask: Ask) -> None:
    assert ask("delete", MESSAGES) == DeleteReport(MESSAGES)


def test_change_visibility_tells_of_expired_handles(ask: Ask) -> None:
    answer = b'{"Failed":[{"Id":"0","SenderFault":true,"Code":"MessageNotInflight"}]}'

    refused = ask("change_visibility", [VisibilityChange(MESSAGES[0], 0)], answer=answer)

    assert refused == (MESSAGES[0],)
    entries = [{"Id": "0", "ReceiptHandle": "handle-0", "VisibilityTimeout": 0}]
    assert ask.asked[1] == ("ChangeMessageVisibilityBatch", {"QueueUrl": URL, "Entries": entries})


def test_change_visibility_tells_of_the_servers_failure(ask: Ask) -> None:
    answer = b'{"Failed":[{"Id":"0","SenderFault":false,"Code":"InternalError"}]}'

    with pytest.raises(SourceUnavailableError, match="InternalError"):
        ask("change_visibility", [VisibilityChange(MESSAGES[0], 30)], answer=answer)


@pytest.mark.parametrize(
    ("policy", "redrive"),
    [
        pytest.param("", (None, None), id="none"),
        pytest.param(',"RedrivePolicy":"{\\"maxReceiveCount\\":3}"', (3, None), id="number"),
        pytest.param(
            ',"RedrivePolicy":"{\\"maxReceiveCount\\":\\"3\\",\\"deadLetterTargetArn\\":\\"dead\\"}"',
            (3, "dead"),
            id="string",
        ),
    ],
)
def test_describe_reads_timeout_and_redrive_policy(
    ask: Ask, policy: str, redrive: tuple[int | None, str | None]
) -> None:
    answer = f'{{"Attributes":{{"VisibilityTimeout":"45"{policy}}}}}'.encode()

    assert ask("describe", answer=answer) == QueueAttributes(45, *redrive)


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param('{"VisibilityTimeout":"soon"}', id="timeout"),
        pytest.param('{"VisibilityTimeout":"1","RedrivePolicy":"{"}', id="policy"),
        pytest.param("{}", id="none"),
    ],
)
def test_unreadable_attributes_are_a_protocol_error(ask: Ask, attributes: str) -> None:
    with pytest.raises(SourceProtocolError):
        ask("describe", answer=f'{{"Attributes":{attributes}}}'.encode())


def test_requests_are_counted_by_their_operation(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    one = MESSAGES[0]

    async def scenario() -> None:
        async with serve(_scripted([], b'{"Attributes":{"VisibilityTimeout":"30"}}')) as origin:
            monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
            wire = make_wire()
            queue = await SqsSources(wire).open_queue(ARN, count_request=counted.append)
            await queue.describe()
            await queue.receive(10, 0)
            await queue.change_visibility([VisibilityChange(one, 30)])
            await queue.delete([one])
            await wire.close()

    run(scenario())
    assert counted == [
        "GetQueueUrl",
        "GetQueueAttributes",
        "ReceiveMessage",
        "ChangeMessageVisibilityBatch",
        "DeleteMessageBatch",
    ]


def test_opening_asks_for_the_owners_queue(ask: Ask) -> None:
    ask("receive", 1, 0)

    owner = {"QueueName": "jobs", "QueueOwnerAWSAccountId": "123456789012"}
    assert ask.asked[0] == ("GetQueueUrl", owner)


@pytest.mark.parametrize("arn", ["arn:aws:kinesis:eu-west-1:1:stream/s", "jobs"])
def test_other_arns_are_refused(run: RunFixture, arn: str) -> None:
    with pytest.raises(ConfigurationError):
        run(SqsSources(make_wire()).open_queue(arn))


def test_server_that_is_away_is_unavailable(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with serve(_scripted([], b"{}")) as origin:
            monkeypatch.setenv("AWS_ENDPOINT_URL", str(origin))
        with pytest.raises(SourceUnavailableError, match="cannot connect"):
            await SqsSources(make_wire()).open_queue(ARN)

    run(scenario())


def test_endpoint_whose_name_cannot_be_looked_up_is_unavailable(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://no-such-host.invalid:4567")
    sources = SqsSources(make_wire([("127.0.0.1", 4567)]))

    with pytest.raises(SourceUnavailableError, match=r"no-such-host\.invalid"):
        run(sources.open_queue(ARN))


def test_missing_credentials_are_an_access_error_that_says_what_to_set(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(SourceAccessDeniedError, match="set AWS_ACCESS_KEY_ID"):
        run(SqsSources(make_wire()).open_queue(ARN))
