"""The Kinesis source against a scripted server: what is asked, what each answer means."""

import json

import pytest
from scripted_server import Conversation, RunFixture
from stream_builders import Ask, error
from wire_builders import make_wire

from penstock.model.errors import (
    ConfigurationError,
    SourceAccessDeniedError,
    SourceAnswerTooLargeError,
    SourceError,
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourcePositionError,
    SourceProtocolError,
    SourceThrottledError,
    SourceUnavailableError,
)
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    LatestPin,
    Position,
    Shard,
    ShardEnd,
    ShardIterator,
    StreamDescription,
    TrimHorizon,
)
from penstock.sources.aws_sources import AwsSources
from penstock.sources.kinesis import ANSWER_BYTES_MAX
from penstock.sources.stream_wire import UNKNOWN_END

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")

ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"
NAMED = {"StreamName": "clicks", "StreamARN": ARN}
RECORD = (
    b'{"SequenceNumber":"7","PartitionKey":"k","Data":"SGVsbG8=",'
    b'"ApproximateArrivalTimestamp":1545084650.987}'
)
RECORDS = b'{"Records":[%b],"NextShardIterator":"it-2","MillisBehindLatest":12}' % RECORD
EMPTY = b'{"Records":[],"NextShardIterator":"it-2","MillisBehindLatest":0}'
BAD_REQUEST = "400 Bad Request"


@pytest.fixture
def ask(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> Ask:
    return Ask(run, monkeypatch, ARN)


def summary(**members: object) -> bytes:
    described = {"StreamCreationTimestamp": 1.6e9, "StreamStatus": "ACTIVE"} | members
    return json.dumps({"StreamDescriptionSummary": described}).encode()


def test_fetch_reads_records_and_where_to_go_on(ask: Ask) -> None:
    fetched = ask.fetch(RECORDS, limit=500)

    (record,) = fetched.records
    assert (record.sequence_number, record.key, record.arrived_ms) == ("7", b"k", 1545084650987)
    event = json.loads(record.event)
    assert (event["eventID"], event["invokeIdentityArn"]) == (
        "shard-1:7",
        "arn:aws:iam::123456789012:role/penstock",
    )
    assert (fetched.next_iterator, fetched.behind_ms) == (ShardIterator("it-2"), 12)
    assert ask.asked == [("GetRecords", {"ShardIterator": "it-1", "Limit": 500, "StreamARN": ARN})]
    assert ask.headers["content-type"] == "application/x-amz-json-1.1"
    assert ask.headers["x-amz-target"] == "Kinesis_20131202.GetRecords"
    assert "/eu-west-1/kinesis/aws4_request" in ask.headers["authorization"]


@pytest.mark.parametrize("tail", [b"", b',"NextShardIterator":null', b',"NextShardIterator":""'])
def test_last_answer_of_a_closed_shard_has_no_next_iterator(ask: Ask, tail: bytes) -> None:
    fetched = ask.fetch(b'{"Records":[],"ChildShards":[]%b}' % tail)

    assert (fetched.records, fetched.next_iterator, fetched.behind_ms) == ((), None, None)


def test_fetch_takes_room_for_its_answer(ask: Ask) -> None:
    ask.fetch(RECORDS)

    assert ask.budget.asked == [len(RECORDS)]


def test_fetch_of_more_than_kinesis_gives_is_refused_before_room_is_taken(ask: Ask) -> None:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        length = ANSWER_BYTES_MAX + 1
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
        await conversation.wait_for_end()

    with pytest.raises(SourceAnswerTooLargeError, match="larger than"):
        ask.fetch_by_script(converse)

    assert ask.budget.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b"{}", id="no-records"),
        pytest.param(b'{"Records":[{}]}', id="no-members"),
        pytest.param(RECORDS.replace(b"SGVsbG8=", b"\xff"), id="not-utf-8"),
        pytest.param(RECORDS.replace(b'"SGVsbG8="', b"17"), id="data-no-string"),
        pytest.param(RECORDS.replace(b'"7"', b'"x"'), id="sequence-number-no-number"),
        pytest.param(RECORDS.replace(b'"7"', b"7"), id="sequence-number-no-string"),
        pytest.param(b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", id="nested-too-deeply"),
    ],
)
def test_unreadable_records_are_a_protocol_error(ask: Ask, answer: bytes) -> None:
    with pytest.raises(SourceProtocolError, match="clicks: the server's answer cannot be read"):
        ask.fetch(answer)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredIteratorException", SourceIteratorExpiredError),
        ("ProvisionedThroughputExceededException", SourceThrottledError),
        ("LimitExceededException", SourceThrottledError),
        ("KMSThrottlingException", SourceThrottledError),
        ("KMSAccessDeniedException", SourceAccessDeniedError),
        ("AccessDeniedException", SourceAccessDeniedError),
        ("ResourceNotFoundException", SourceNotFoundError),
        ("ResourceInUseException", SourceUnavailableError),
        ("InvalidArgumentException", SourcePositionError),
        ("SerializationException", SourceProtocolError),
    ],
)
def test_error_answer_is_mapped_with_the_servers_words(
    ask: Ask, code: str, kind: type[SourceError]
) -> None:
    with pytest.raises(SourceError, match="GetRecords on stream/clicks: text") as caught:
        ask.fetch(error(code), status=BAD_REQUEST)

    assert type(caught.value) is kind


def test_fetch_is_sent_once(ask: Ask) -> None:
    with pytest.raises(SourceUnavailableError):
        ask.fetch(b"<html>", status="500 Internal Server Error")

    assert len(ask.asked) == 1


def test_truncated_answer_is_unavailable(ask: Ask) -> None:
    async def converse(conversation: Conversation) -> None:
        await conversation.read_request()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", RECORDS)

    with pytest.raises(SourceUnavailableError, match="lost"):
        ask.fetch_by_script(converse)


@pytest.mark.parametrize(
    ("position", "members"),
    [
        (TrimHorizon(), {"ShardIteratorType": "TRIM_HORIZON"}),
        (
            AtTimestamp(1_700_000_000_123),
            {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_700_000_000.123},
        ),
        (
            AtSequenceNumber("7"),
            {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "7"},
        ),
        (
            AfterSequenceNumber("7"),
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": "7"},
        ),
    ],
)
def test_position_is_asked_for_as_an_iterator(
    ask: Ask, position: Position, members: dict[str, object]
) -> None:
    iterator = ask("open_iterator", "shard-1", position, answers=(b'{"ShardIterator":"it"}',))

    assert iterator == ShardIterator("it")
    assert ask.asked == [("GetShardIterator", {**NAMED, "ShardId": "shard-1", **members})]


@pytest.mark.parametrize("position", [LatestPin("it", 1), ShardEnd()])
def test_position_that_only_the_machine_resolves_is_never_asked_for(
    ask: Ask, position: Position
) -> None:
    with pytest.raises(AssertionError):
        ask("open_iterator", "shard-1", position, answers=(b"{}",))


def test_sequence_number_of_another_stream_is_a_position_error(ask: Ask) -> None:
    position, answers = AfterSequenceNumber("7"), (error("InvalidArgumentException"),)

    with pytest.raises(SourcePositionError):
        ask("open_iterator", "shard-1", position, answers=answers, status=BAD_REQUEST)


@pytest.mark.parametrize(
    ("date", "taken_ms"),
    [
        pytest.param("Date: Wed, 15 Nov 2023 10:00:00 GMT\r\n", 1_700_042_400_000, id="server"),
        pytest.param("", 1_700_000_000_000, id="none"),
        pytest.param("Date: yesterday\r\n", 1_700_000_000_000, id="unreadable"),
    ],
)
def test_latest_is_pinned_at_the_servers_time(ask: Ask, date: str, taken_ms: int) -> None:
    pin = ask("pin_latest", "shard-1", answers=(b'{"ShardIterator":"it"}',), head=date)

    assert pin == LatestPin("it", taken_ms)
    members = {**NAMED, "ShardId": "shard-1", "ShardIteratorType": "LATEST"}
    assert ask.asked == [("GetShardIterator", members)]


def test_describe_lists_every_page_of_shards(ask: Ask) -> None:
    first = (
        b'{"Shards":[{"ShardId":"a","SequenceNumberRange":{"StartingSequenceNumber":"1",'
        b'"EndingSequenceNumber":"9"}},{"ShardId":"b"}],"NextToken":"more"}'
    )
    second = b'{"Shards":[{"ShardId":"c","ParentShardId":"a","AdjacentParentShardId":"b"}]}'

    described = ask("describe", answers=(summary(StreamARN=ARN), first, second))

    shards = (Shard("a", (), "9"), Shard("b"), Shard("c", ("a", "b")))
    assert described == StreamDescription("1600000000.0", shards, is_enabled=True)
    assert ask.asked == [
        ("DescribeStreamSummary", NAMED),
        ("ListShards", {**NAMED, "MaxResults": 1000}),
        ("ListShards", {"NextToken": "more", "MaxResults": 1000}),
    ]


def test_end_before_the_start_of_a_shard_is_not_believed(ask: Ask) -> None:
    listed = (
        b'{"Shards":[{"ShardId":"a","SequenceNumberRange":{'
        b'"StartingSequenceNumber":"49680527350069882488791526","EndingSequenceNumber":"922"}}]}'
    )

    described = ask("describe", answers=(summary(), listed))

    assert described.shards == (Shard("a", (), UNKNOWN_END),)


def test_stream_that_is_being_deleted_takes_no_more_records(ask: Ask) -> None:
    described = ask("describe", answers=(summary(StreamStatus="DELETING"), b'{"Shards":[]}'))

    assert not described.is_enabled


def test_stream_of_another_account_is_not_taken_for_the_one_asked_for(ask: Ask) -> None:
    with pytest.raises(SourceNotFoundError, match="the stream of that name is"):
        ask("describe", answers=(summary(StreamARN=ARN.replace("123456789012", "111111111111")),))


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param((b"{}",), id="summary"),
        pytest.param((summary(), b"{}"), id="shards"),
        pytest.param(
            (
                summary(),
                b'{"Shards":[{"ShardId":"a","SequenceNumberRange":{"EndingSequenceNumber":"x"}}]}',
            ),
            id="ending",
        ),
    ],
)
def test_unreadable_description_is_a_protocol_error(ask: Ask, answers: tuple[bytes, ...]) -> None:
    with pytest.raises(SourceProtocolError, match="clicks"):
        ask("describe", answers=answers)


def test_list_without_end_is_given_up(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.sources.kinesis.PAGES_MAX", 3)

    with pytest.raises(SourceProtocolError, match="no end"):
        ask("describe", answers=(summary(), b'{"Shards":[],"NextToken":"again"}'))

    assert len(ask.asked) == 4


def test_throttled_description_is_asked_again(ask: Ask) -> None:
    with pytest.raises(SourceThrottledError):
        ask("describe", answers=(error("LimitExceededException"),), status=BAD_REQUEST)

    assert len(ask.asked) == 3


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sqs:eu-west-1:123456789012:jobs",
        "arn:aws:kinesis:eu-west-1:123456789012:clicks",
        "arn:aws:kinesis:eu-west-1:123456789012:stream/",
        "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks/consumer/c:1",
        "clicks",
    ],
)
def test_other_arns_are_refused(run: RunFixture, arn: str) -> None:
    with pytest.raises(ConfigurationError):
        run(
            AwsSources(lambda _: make_wire()).open_stream(
                arn, function_arn="f", invoke_identity_arn="role"
            )
        )
