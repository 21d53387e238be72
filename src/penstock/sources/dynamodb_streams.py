"""DynamoDB streams: ``StreamSource`` over the wire client.

Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

import msgspec

from penstock.aws.client import WireClient
from penstock.aws.exchange import ExchangeRules
from penstock.aws.json_protocol import JsonDialect
from penstock.core.stream_event import DynamoDbRecord, dynamodb_records
from penstock.model.arn import Arn
from penstock.model.errors import (
    ConfigurationError,
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourcePositionError,
    SourceProtocolError,
    SourceTrimmedError,
)
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    FetchedRecords,
    LatestPin,
    Position,
    ShardIterator,
    StreamDescription,
    TrimHorizon,
)
from penstock.ports import ByteBudget, Clock
from penstock.sources.calls import SourceCalls, SourceService, open_calls
from penstock.sources.stream_wire import (
    PAGES_MAX,
    ListedShard,
    fetch_rules,
    server_time_ms,
    to_shards,
)

# 1 MB as DynamoDB counts it, whose JSON is some times larger, and an emulator's escapes.
ANSWER_BYTES_MAX = 16 * 1024 * 1024

_QUICK = ExchangeRules(is_idempotent=True)
_OPEN_STATUSES = frozenset({"ENABLING", "ENABLED"})
_SERVICE = SourceService(
    endpoint_name="dynamodbstreams",
    signing_name="dynamodb",
    dialect=JsonDialect("DynamoDBStreams_20120810", "1.0"),
    error_by_code={"ResourceNotFoundException": SourceNotFoundError},
)
_READING_ERRORS = {
    "ExpiredIteratorException": SourceIteratorExpiredError,
    "TrimmedDataAccessException": SourceTrimmedError,
    "ValidationException": SourcePositionError,
}


class _DescribeStream(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    stream_arn: str
    exclusive_start_shard_id: str | None = None


class _Described(msgspec.Struct, frozen=True, rename="pascal"):
    stream_status: str
    shards: tuple[ListedShard, ...] = ()
    stream_label: str | None = None
    last_evaluated_shard_id: str | None = None


class _DescribedStream(msgspec.Struct, frozen=True, rename="pascal"):
    stream_description: _Described


class _GetShardIterator(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    stream_arn: str
    shard_id: str
    shard_iterator_type: str
    sequence_number: str | None = None


class _FoundIterator(msgspec.Struct, frozen=True, rename="pascal"):
    shard_iterator: str


class _GetRecords(msgspec.Struct, frozen=True, rename="pascal"):
    shard_iterator: str
    limit: int


class _GotRecords(msgspec.Struct, frozen=True, rename="pascal"):
    records: tuple[DynamoDbRecord, ...]
    next_shard_iterator: str | None = None


_encode = msgspec.json.Encoder().encode
_description_decoder = msgspec.json.Decoder(_DescribedStream)
_iterator_decoder = msgspec.json.Decoder(_FoundIterator)
_records_decoder = msgspec.json.Decoder(_GotRecords)


async def open_dynamodb_stream(wire: WireClient, arn: Arn) -> "DynamoDbStream":
    """Make a stream readable; nothing is asked of it yet.

    Raises:
        SourceError: The name of its server cannot be looked up.
        ConfigurationError: Not a stream's ARN, or the endpoint is this service itself.
    """
    table, _, label = arn.resource.partition("/stream/")
    if not table.startswith("table/") or not label:
        raise ConfigurationError(
            f"'{arn}' is not the ARN of a DynamoDB stream; the form is "
            "arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL"
        )
    return DynamoDbStream(await open_calls(wire, _SERVICE, arn), arn, label, clock=wire.clock)


class DynamoDbStream:
    """One stream; keeps ``ports.StreamSource``. Opened by ``open_dynamodb_stream``."""

    def __init__(self, calls: SourceCalls, arn: Arn, label: str, *, clock: Clock) -> None:
        self._calls = calls
        self._reading = calls.with_errors(_READING_ERRORS)
        self._arn = arn
        self._arn_text = str(arn)
        self._label = label
        self._clock = clock

    async def describe(self) -> StreamDescription:
        """Read the status, and list the shards.

        Raises:
            SourceError: As mapped by ``to_source_error``.
        """
        listed: list[ListedShard] = []
        last_shard_id = None
        for _ in range(PAGES_MAX):
            ask = _encode(_DescribeStream(self._arn_text, last_shard_id))
            answer = await self._calls.call("DescribeStream", ask, _QUICK)
            page = self._calls.decode(_description_decoder, answer).stream_description
            self._refuse_other_stream(page.stream_label)
            listed += page.shards
            last_shard_id = page.last_evaluated_shard_id
            if not last_shard_id:
                return self._to_description(page.stream_status, listed)
        raise SourceProtocolError(f"{self._arn.resource}: the list of shards has no end")

    def _refuse_other_stream(self, found_label: str | None) -> None:
        """Refuse a later stream of the same table, which an emulator gives for any label."""
        if found_label and found_label != self._label:
            raise SourceNotFoundError(
                f"{self._arn} does not exist; the table's stream is now {found_label}"
            )

    def _to_description(self, status: str, listed: list[ListedShard]) -> StreamDescription:
        try:
            shards = to_shards(listed)
        except ValueError as exc:
            raise self._calls.unreadable(exc) from exc
        return StreamDescription(self._label, shards, is_enabled=status in _OPEN_STATUSES)

    async def pin_latest(self, shard_id: str) -> LatestPin:
        """Take an iterator at the shard's present end, with the server's time.

        Raises:
            SourceError: As mapped by ``to_source_error``.
        """
        ask = _encode(_GetShardIterator(self._arn_text, shard_id, "LATEST"))
        response = await self._calls.ask("GetShardIterator", ask, _QUICK)
        found = self._calls.decode(_iterator_decoder, response.body)
        return LatestPin(found.shard_iterator, server_time_ms(response, self._clock))

    async def open_iterator(self, shard_id: str, position: Position) -> ShardIterator:
        """Find a position: a horizon or a sequence number.

        Raises:
            SourceTrimmedError: What follows the position is no longer there.
            SourcePositionError: The server does not know the sequence number.
            SourceError: As mapped by ``to_source_error``.
        """
        kind, number = _to_iterator_type(position)
        ask = _encode(_GetShardIterator(self._arn_text, shard_id, kind, number))
        answer = await self._reading.call("GetShardIterator", ask, _QUICK)
        return ShardIterator(self._reading.decode(_iterator_decoder, answer).shard_iterator)

    async def fetch(
        self,
        shard_id: str,  # noqa: ARG002  (DynamoDB's records do not name it)
        iterator: ShardIterator,
        limit: int,
        *,
        budget: ByteBudget,
    ) -> FetchedRecords:
        """Read up to ``limit`` records, once.

        Raises:
            SourceIteratorExpiredError: The iterator is too old.
            SourceTrimmedError: What it points at is no longer there.
            SourceError: As mapped by ``to_source_error``.
        """
        ask = _encode(_GetRecords(iterator.token, limit))
        rules = fetch_rules(ANSWER_BYTES_MAX, budget)
        answer = await self._reading.call("GetRecords", ask, rules)
        self._reading.refuse_other_text(answer)
        got = self._reading.decode(_records_decoder, answer)
        try:
            records = dynamodb_records(got.records, stream_arn=self._arn_text)
        except ValueError as exc:
            raise self._reading.unreadable(exc) from exc
        following = ShardIterator(got.next_shard_iterator) if got.next_shard_iterator else None
        return FetchedRecords(records, following)


def _to_iterator_type(position: Position) -> tuple[str, str | None]:
    match position:
        case TrimHorizon():
            return "TRIM_HORIZON", None
        case AtSequenceNumber(sequence_number):
            return "AT_SEQUENCE_NUMBER", sequence_number
        case AfterSequenceNumber(sequence_number):
            return "AFTER_SEQUENCE_NUMBER", sequence_number
        case _:
            raise AssertionError(f"DynamoDB finds no iterator of {position}")
