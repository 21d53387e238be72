"""CloudWatch Logs: groups and streams are made, and made again; against moto and a script."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from scripted_server import Conversation, RunFixture, serve
from wire_builders import make_wire

from penstock.aws.errors import AnswerError
from penstock.core.log_buffer import LogBatch, LogBuffer
from penstock.engine.clock import SystemClock
from penstock.functions.cloudwatch_logs import CloudWatchLogs
from penstock.functions.function_logs import FunctionLogs, open_function_logs
from penstock.model.function_log import FunctionLogStream

pytest_plugins = ["wire_fixtures", "moto_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

REGION = "eu-west-1"
GROUP = "/aws/lambda/charge"
STREAM = FunctionLogStream(
    function_arn=f"arn:aws:lambda:{REGION}:123456789012:function:charge",
    region=REGION,
    group=GROUP,
    name="2026/11/25/[$LATEST]0123456789abcdef0123456789abcdef",
)


class Silent:
    """Keeps ``TroubleLog``, and expects none."""

    def warning(self, event: str, **fields: object) -> None:
        """Fail."""
        raise AssertionError(event, fields)


@pytest.fixture
def logs(fresh_server: None) -> Iterator[Any]:
    """Give an unmodified client of a server without the group."""
    assert fresh_server is None
    client = boto3.client("logs", region_name=REGION)
    yield client
    client.delete_log_group(logGroupName=GROUP)
    client.close()


async def a_batch(*lines: str) -> LogBatch:
    """Make a batch of now: servers take no old events."""
    buffer = LogBuffer()
    now = SystemClock().now()
    for line in lines:
        buffer.add(STREAM, line, now)
    buffer.stop()
    [batch] = buffer.take(now)
    return batch


async def put(*batches: tuple[str, ...]) -> list[int]:
    """Write batches; give how many events of each were rejected."""
    wire = make_wire()
    server = CloudWatchLogs(lambda _: wire)
    try:
        return [await server.put(await a_batch(*lines)) for lines in batches]
    finally:
        await wire.close()


def seen(logs: Any) -> list[str]:
    events = logs.get_log_events(logGroupName=GROUP, logStreamName=STREAM.name, startFromHead=True)[
        "events"
    ]
    return [event["message"] for event in events]


def test_lines_are_what_get_and_filter_show(run: RunFixture, logs: Any) -> None:
    run(put(("START\n", 'é "☃" \\ \x07\n', "\n"), ("more\n",)))

    expected = ["START\n", 'é "☃" \\ \x07\n', "\n", "more\n"]
    assert seen(logs) == expected
    filtered = logs.filter_log_events(logGroupName=GROUP)["events"]
    assert [event["message"] for event in filtered] == expected
    assert {event["logStreamName"] for event in filtered} == {STREAM.name}


def test_group_that_was_deleted_is_made_again(run: RunFixture, logs: Any) -> None:
    run(put(("a\n",)))
    logs.delete_log_group(logGroupName=GROUP)

    run(put(("b\n",)))

    assert seen(logs) == ["b\n"]


def test_stream_that_was_deleted_is_made_again(run: RunFixture, logs: Any) -> None:
    run(put(("a\n",)))
    logs.delete_log_stream(logGroupName=GROUP, logStreamName=STREAM.name)

    run(put(("b\n",)))

    assert seen(logs) == ["b\n"]


def test_full_batch_is_taken(run: RunFixture, logs: Any) -> None:
    run(put(("x" * 100_000 + "\n",) * 10))

    assert [len(text) for text in seen(logs)] == [100_001] * 10


class Scripted:
    """A server of errors, by operation; what is left over succeeds."""

    def __init__(self, **errors: list[str]) -> None:
        self.errors = {operation: list(codes) for operation, codes in errors.items()}
        self.asked: list[str] = []

    async def converse(self, conversation: Conversation) -> None:
        """Answer one request after another."""
        while True:
            request = await conversation.read_request()
            operation = request.headers["x-amz-target"].removeprefix("Logs_20140328.")
            self.asked.append(operation)
            codes = self.errors.get(operation, [])
            if codes:
                body = json.dumps({"__type": codes.pop(0), "message": "no"}).encode()
                await conversation.answer(body, status="400 Bad Request")
            else:
                await conversation.answer(b"{}")


def run_scripted(run: RunFixture, monkeypatch: pytest.MonkeyPatch, server: Scripted) -> list[str]:
    async def scenario() -> None:
        async with serve(server.converse) as origin:
            monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", str(origin))
            await put(("a\n",))

    run(scenario())
    return server.asked


MISSING, THERE = "ResourceNotFoundException", "ResourceAlreadyExistsException"


@pytest.mark.parametrize(
    ("answer", "rejected_count"),
    [
        pytest.param({}, 0, id="none"),
        pytest.param({"rejectedLogEventsInfo": None}, 0, id="null"),
        pytest.param({"rejectedLogEventsInfo": {}}, 0, id="empty"),
        pytest.param({"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 2}}, 2, id="old"),
        pytest.param({"rejectedLogEventsInfo": {"expiredLogEventEndIndex": 1}}, 1, id="expired"),
        pytest.param({"rejectedLogEventsInfo": {"tooNewLogEventStartIndex": 1}}, 2, id="new"),
        pytest.param(
            {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}},
            2,
            id="both-ends",
        ),
        pytest.param({"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 9}}, 3, id="beyond"),
        pytest.param({"rejectedLogEventsInfo": {"tooNewLogEventStartIndex": 9}}, 0, id="after"),
        pytest.param({"rejectedLogEventsInfo": "all"}, 0, id="unreadable"),
    ],
)
def test_events_that_a_success_rejects_are_counted(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, answer: object, rejected_count: int
) -> None:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.answer(json.dumps(answer).encode())

    async def scenario() -> list[int]:
        async with serve(converse) as origin:
            monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", str(origin))
            return await put(("a\n", "b\n", "c\n"))

    assert run(scenario()) == [rejected_count]


def test_stream_that_is_there_costs_one_call(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_scripted(run, monkeypatch, Scripted()) == ["PutLogEvents"]


def test_group_is_made_only_where_it_is_missing(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Scripted(PutLogEvents=[MISSING])

    assert run_scripted(run, monkeypatch, server) == [
        "PutLogEvents",
        "CreateLogStream",
        "PutLogEvents",
    ]


def test_group_and_stream_that_others_make_meanwhile_are_good_enough(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Scripted(
        PutLogEvents=[MISSING], CreateLogStream=[MISSING, THERE], CreateLogGroup=[THERE]
    )

    assert run_scripted(run, monkeypatch, server) == [
        "PutLogEvents",
        "CreateLogStream",
        "CreateLogGroup",
        "CreateLogStream",
        "PutLogEvents",
    ]


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param({"PutLogEvents": ["AccessDeniedException"]}, id="put"),
        pytest.param(
            {"PutLogEvents": [MISSING], "CreateLogStream": ["AccessDeniedException"]}, id="stream"
        ),
        pytest.param(
            {
                "PutLogEvents": [MISSING],
                "CreateLogStream": [MISSING],
                "CreateLogGroup": ["AccessDeniedException"],
            },
            id="group",
        ),
    ],
)
def test_refusal_is_told(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, errors: dict[str, list[str]]
) -> None:
    with pytest.raises(AnswerError, match="AccessDeniedException"):
        run_scripted(run, monkeypatch, Scripted(**errors))


@pytest.mark.parametrize(
    ("choice", "variables", "expected"),
    [
        pytest.param("auto", {}, False, id="auto-at-aws"),
        pytest.param("auto", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, True, id="auto-elsewhere"),
        pytest.param(
            "auto",
            {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://127.0.0.1:1"},
            True,
            id="auto-logs-elsewhere",
        ),
        pytest.param(
            "auto", {"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1"}, False, id="auto-sqs-elsewhere"
        ),
        pytest.param("on", {}, True, id="on"),
        pytest.param("off", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, False, id="off"),
    ],
)
def test_lines_are_delivered_where_the_setting_says(
    monkeypatch: pytest.MonkeyPatch,
    choice: str,
    variables: dict[str, str],
    expected: bool,  # noqa: FBT001
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)

    async def is_open() -> bool:
        wire = make_wire()
        opened = await open_function_logs(
            FunctionLogs(choice), wire, lambda _: wire, region=REGION, log=Silent()
        )
        await wire.close()
        return opened is not None

    assert asyncio.run(is_open()) is expected


def test_profile_that_is_not_there_delivers_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    told: list[tuple[str, object]] = []

    class Told(Silent):
        def warning(self, event: str, **fields: object) -> None:
            told.append((event, fields["reason"]))

    async def open_it() -> object:
        wire = make_wire()
        return await open_function_logs(
            FunctionLogs.AUTO, wire, lambda _: wire, region=REGION, log=Told()
        )

    assert asyncio.run(open_it()) is None
    [(event, reason)] = told
    assert (event, "nobody" in str(reason)) == ("function logs are not delivered", True)
