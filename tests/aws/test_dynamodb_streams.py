"""The DynamoDB Streams source against a scripted server: what is asked, what answers mean."""

import json

import pytest
from scripted_server import RunFixture, always, serve
from stream_builders import Ask, error
from wire_builders import make_wire

from penstock.model.errors import (
    ConfigurationError,
    SourceError,
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourcePositionError,
    SourceProtocolError,
    SourceThrottledError,
    SourceTrimmedError,
    SourceUnavailableError,
)
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    LatestPin,
    Position,
    Shard,
    ShardIterator,
    StreamDescription,
    TrimHorizon,
)
from penstock.sources.aws_sources import AwsSources

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

LABEL = "2024-06-10T19:26:16.525"
ARN = f"arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/{LABEL}"
RECORDS = (
    b'{"Records":[{"eventID":"e1","eventName":"INSERT","eventVersion":"1.0",'
    b'"eventSource":"aws:dynamodb","awsRegion":"us-east-1","dynamodb":{'
    b'"ApproximateCreationDateTime":1.7E9,"Keys":{"Id":{"N":"101"}},"SequenceNumber":"7",'
    b'"SizeBytes":6,"StreamViewType":"KEYS_ONLY"}}],"NextShardIterator":"it-2"}'
)
BAD_REQUEST = "400 Bad Request"


@pytest.fixture
def ask(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> Ask:
    return Ask(run, monkeypatch, ARN)


def description(*shards: object, **members: object) -> bytes:
    described = {"StreamStatus": "ENABLED", "StreamLabel": LABEL, "Shards": shards} | members
    return json.dumps({"StreamDescription": described}).encode()


def test_fetch_reads_records_and_where_to_go_on(ask: Ask) -> None:
    fetched = ask.fetch(RECORDS, limit=1000)

    (record,) = fetched.records
    assert (record.sequence_number, record.key) == ("7", b'{"Id":{"N":"101"}}')
    assert record.arrived_ms == 1_700_000_000_000
    event = json.loads(record.event)
    assert (event["awsRegion"], event["eventVersion"]) == ("eu-west-1", "1.1")
    assert event["eventSourceARN"] == ARN
    assert (fetched.next_iterator, fetched.behind_ms) == (ShardIterator("it-2"), None)
    assert ask.asked == [("GetRecords", {"ShardIterator": "it-1", "Limit": 1000})]
    assert ask.budget.asked == [len(RECORDS)]
    assert ask.headers["content-type"] == "application/x-amz-json-1.0"
    assert ask.headers["x-amz-target"] == "DynamoDBStreams_20120810.GetRecords"
    assert "/eu-west-1/dynamodb/aws4_request" in ask.headers["authorization"]


def test_last_answer_of_a_closed_shard_has_no_next_iterator(ask: Ask) -> None:
    assert ask.fetch(b'{"Records":[]}').next_iterator is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"<html>", id="html"),
        pytest.param(b'{"Records":[{}]}', id="no-members"),
        pytest.param(RECORDS.replace(b"101", b"\xff"), id="not-utf-8"),
        pytest.param(RECORDS.replace(b'{"Id":{"N":"101"}}', b"17"), id="keys-no-object"),
        pytest.param(RECORDS.replace(b'"7"', b'"x"'), id="sequence-number-no-number"),
        pytest.param(RECORDS.replace(b"1.7E9", b'"now"'), id="time-no-number"),
    ],
)
def test_unreadable_records_are_a_protocol_error(ask: Ask, answer: bytes) -> None:
    with pytest.raises(SourceProtocolError, match=r"orders.*: the server's answer cannot be read"):
        ask.fetch(answer)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredIteratorException", SourceIteratorExpiredError),
        ("TrimmedDataAccessException", SourceTrimmedError),
        ("LimitExceededException", SourceThrottledError),
        ("ThrottlingException", SourceThrottledError),
        ("ResourceNotFoundException", SourceNotFoundError),
        ("ValidationException", SourcePositionError),
        ("SerializationException", SourceProtocolError),
    ],
)
def test_error_answer_is_mapped_with_the_servers_words(
    ask: Ask, code: str, kind: type[SourceError]
) -> None:
    with pytest.raises(SourceError, match=r"GetRecords on table/orders/.*: text") as caught:
        ask.fetch(error(code), status=BAD_REQUEST)

    assert type(caught.value) is kind


def test_fetch_is_sent_once(ask: Ask) -> None:
    with pytest.raises(SourceUnavailableError):
        ask.fetch(error("InternalServerError"), status="500 Internal Server Error")

    assert len(ask.asked) == 1


@pytest.mark.parametrize(
    ("position", "members"),
    [
        (TrimHorizon(), {"ShardIteratorType": "TRIM_HORIZON"}),
        (
            AtSequenceNumber("7"),
            {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": "7"},
        ),
        (
            AfterSequenceNumber("7"),
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "7"},
        ),
    ],
)
def test_position_is_asked_for_as_an_iterator(
    ask: Ask, position: Position, members: dict[str, object]
) -> None:
    iterator = ask("open_iterator", "shard-1", position, answers=(b'{"ShardIterator":"it"}',))

    assert iterator == ShardIterator("it")
    asked = {"StreamArn": ARN, "ShardId": "shard-1", **members}
    assert ask.asked == [("GetShardIterator", asked)]


def test_timestamp_is_no_position_here(ask: Ask) -> None:
    with pytest.raises(AssertionError):
        ask("open_iterator", "shard-1", AtTimestamp(1), answers=(b"{}",))


def test_position_before_the_horizon_is_trimmed(ask: Ask) -> None:
    position, answers = AfterSequenceNumber("1"), (error("TrimmedDataAccessException"),)

    with pytest.raises(SourceTrimmedError):
        ask("open_iterator", "shard-1", position, answers=answers, status=BAD_REQUEST)


def test_latest_is_pinned_at_the_servers_time(ask: Ask) -> None:
    date = "Date: Wed, 15 Nov 2023 10:00:00 GMT\r\n"

    pin = ask("pin_latest", "shard-1", answers=(b'{"ShardIterator":"it"}',), head=date)

    assert pin == LatestPin("it", 1_700_042_400_000)
    asked = {"StreamArn": ARN, "ShardId": "shard-1", "ShardIteratorType": "LATEST"}
    assert ask.asked == [("GetShardIterator", asked)]


def test_describe_lists_every_page_of_shards(ask: Ask) -> None:
    closed = {"ShardId": "a", "SequenceNumberRange": {"EndingSequenceNumber": "9"}}
    opened = {"ShardId": "b", "ParentShardId": "a", "SequenceNumberRange": {}}

    described = ask(
        "describe", answers=(description(closed, LastEvaluatedShardId="a"), description(opened))
    )

    shards = (Shard("a", (), "9"), Shard("b", ("a",)))
    assert described == StreamDescription(LABEL, shards, is_enabled=True)
    assert ask.asked == [
        ("DescribeStream", {"StreamArn": ARN}),
        ("DescribeStream", {"StreamArn": ARN, "ExclusiveStartShardId": "a"}),
    ]


@pytest.mark.parametrize(
    ("status", "is_enabled"),
    [("ENABLING", True), ("ENABLED", True), ("DISABLING", False), ("DISABLED", False)],
)
def test_disabled_stream_takes_no_more_records(ask: Ask, status: str, *, is_enabled: bool) -> None:
    described = ask("describe", answers=(description(StreamStatus=status, StreamLabel=None),))

    assert described.is_enabled is is_enabled


def test_later_stream_of_the_table_is_not_taken_for_the_one_asked_for(ask: Ask) -> None:
    with pytest.raises(SourceNotFoundError, match="the table's stream is now 2025"):
        ask("describe", answers=(description(StreamLabel="2025-01-01T00:00:00.000"),))


def test_list_without_end_is_given_up(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.sources.dynamodb_streams.PAGES_MAX", 3)

    with pytest.raises(SourceProtocolError, match="no end"):
        ask("describe", answers=(description(LastEvaluatedShardId="a"),))

    assert len(ask.asked) == 3


@pytest.mark.parametrize("answer", [b"{}", description({}), description(StreamStatus=None)])
def test_unreadable_description_is_a_protocol_error(ask: Ask, answer: bytes) -> None:
    with pytest.raises(SourceProtocolError, match="orders"):
        ask("describe", answers=(answer,))


def test_endpoint_of_streams_is_the_one_configured_for_streams(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> StreamDescription:
        async with serve(always(description())) as origin:
            monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", str(origin))
            wire = make_wire()
            stream = await AwsSources(lambda _: wire).open_stream(
                ARN, function_arn="f", invoke_identity_arn="role"
            )
            described = await stream.describe()
            await wire.close()
            return described

    assert run(scenario()) == StreamDescription(LABEL, ())


@pytest.mark.parametrize("resource", ["table/orders", "stream/x", "table/orders/stream/"])
def test_other_arns_are_refused(run: RunFixture, resource: str) -> None:
    arn = f"arn:aws:dynamodb:eu-west-1:123456789012:{resource}"

    with pytest.raises(ConfigurationError, match="not the ARN of a DynamoDB stream"):
        run(
            AwsSources(lambda _: make_wire()).open_stream(
                arn, function_arn="f", invoke_identity_arn="role"
            )
        )
