"""Kinesis streams: ``StreamSource`` over the wire client.

A stream is named both ways wherever AWS allows it: by its ARN, which a stream of another account
needs, and by its name, which is all that some emulators know.

Source: docs.aws.amazon.com/kinesis/latest/APIReference/API_Operations.html
"""

import msgspec

from penstock.aws.client import WireClient
from penstock.aws.exchange import ExchangeRules
from penstock.aws.json_protocol import JsonDialect
from penstock.core.stream_event import KinesisRecord, kinesis_records
from penstock.model.arn import Arn
from penstock.model.errors import (
    ConfigurationError,
    SourceAccessDeniedError,
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourcePositionError,
    SourceProtocolError,
    SourceUnavailableError,
)
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
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

SHARDS_PER_PAGE = 1_000  # ListShards' own default
# 10 MiB of records in base64, twice over for their other members and for an emulator's escapes.
ANSWER_BYTES_MAX = 32 * 1024 * 1024

_QUICK = ExchangeRules(is_idempotent=True)
_SERVICE = SourceService(
    endpoint_name="kinesis",
    signing_name="kinesis",
    dialect=JsonDialect("Kinesis_20131202", "1.1"),
    error_by_code={
        "ResourceNotFoundException": SourceNotFoundError,
        "ResourceInUseException": SourceUnavailableError,  # not ACTIVE yet
        "ExpiredNextTokenException": SourceUnavailableError,
        "KMSAccessDeniedException": SourceAccessDeniedError,
    },
)
_READING_ERRORS = {
    "ExpiredIteratorException": SourceIteratorExpiredError,
    "InvalidArgumentException": SourcePositionError,
}


class _NameStream(msgspec.Struct, frozen=True, rename="pascal"):
    stream_name: str
    stream_arn: str = msgspec.field(name="StreamARN")


class _ListShards(msgspec.Struct, frozen=True, rename="pascal"):
    stream_name: str
    stream_arn: str = msgspec.field(name="StreamARN")
    max_results: int = SHARDS_PER_PAGE


class _ListMoreShards(msgspec.Struct, frozen=True, rename="pascal"):
    """The token names the stream; a name beside it is refused."""

    next_token: str
    max_results: int = SHARDS_PER_PAGE


class _ListedShards(msgspec.Struct, frozen=True, rename="pascal"):
    shards: tuple[ListedShard, ...]
    next_token: str | None = None


class _Summary(msgspec.Struct, frozen=True, rename="pascal"):
    stream_creation_timestamp: float
    stream_status: str = "ACTIVE"
    stream_arn: str = msgspec.field(name="StreamARN", default="")


class _StreamSummary(msgspec.Struct, frozen=True, rename="pascal"):
    stream_description_summary: _Summary


class _GetShardIterator(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    stream_name: str
    stream_arn: str = msgspec.field(name="StreamARN")
    shard_id: str
    shard_iterator_type: str
    starting_sequence_number: str | None = None
    timestamp: float | None = None


class _FoundIterator(msgspec.Struct, frozen=True, rename="pascal"):
    shard_iterator: str


class _GetRecords(msgspec.Struct, frozen=True, rename="pascal"):
    shard_iterator: str
    limit: int
    stream_arn: str = msgspec.field(name="StreamARN")


class _GotRecords(msgspec.Struct, frozen=True, rename="pascal"):
    records: tuple[KinesisRecord, ...]
    next_shard_iterator: str | None = None
    millis_behind_latest: int | None = None


_encode = msgspec.json.Encoder().encode
_shards_decoder = msgspec.json.Decoder(_ListedShards)
_summary_decoder = msgspec.json.Decoder(_StreamSummary)
_iterator_decoder = msgspec.json.Decoder(_FoundIterator)
_records_decoder = msgspec.json.Decoder(_GotRecords)


async def open_kinesis_stream(
    wire: WireClient, arn: Arn, *, invoke_identity_arn: str
) -> "KinesisStream":
    """Make a stream readable; nothing is asked of it yet.

    Raises:
        SourceError: The name of its server cannot be looked up.
        ConfigurationError: Not a stream's ARN, or the endpoint is this service itself.
    """
    kind, _, name = arn.resource.partition("/")
    if kind != "stream" or not name or "/" in name:
        raise ConfigurationError(
            f"'{arn}' is not the ARN of a Kinesis stream; the form is "
            "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME (consumers are not offered)"
        )
    calls = await open_calls(wire, _SERVICE, arn)
    return KinesisStream(
        calls, arn, name, clock=wire.clock, invoke_identity_arn=invoke_identity_arn
    )


class KinesisStream:
    """One stream; keeps ``ports.StreamSource``. Opened by ``open_kinesis_stream``."""

    def __init__(
        self, calls: SourceCalls, arn: Arn, name: str, *, clock: Clock, invoke_identity_arn: str
    ) -> None:
        self._calls = calls
        self._reading = calls.with_errors(_READING_ERRORS)
        self._arn_text = str(arn)
        self._name = name
        self._clock = clock
        self._invoke_identity_arn = invoke_identity_arn

    async def describe(self) -> StreamDescription:
        """Read the creation time, and list the shards.

        Raises:
            SourceError: As mapped by ``to_source_error``.
        """
        ask = _encode(_NameStream(self._name, self._arn_text))
        answer = await self._calls.call("DescribeStreamSummary", ask, _QUICK)
        summary = self._calls.decode(_summary_decoder, answer).stream_description_summary
        self._calls.refuse_other_account(summary.stream_arn, "stream")
        listed = await self._list_shards()
        try:
            shards = to_shards(listed)
        except ValueError as exc:
            raise self._calls.unreadable(exc) from exc
        return StreamDescription(
            incarnation=str(summary.stream_creation_timestamp),
            shards=shards,
            is_enabled=summary.stream_status != "DELETING",
        )

    async def _list_shards(self) -> list[ListedShard]:
        listed: list[ListedShard] = []
        ask = _encode(_ListShards(self._name, self._arn_text))
        for _ in range(PAGES_MAX):
            answer = await self._calls.call("ListShards", ask, _QUICK)
            page = self._calls.decode(_shards_decoder, answer)
            listed += page.shards
            if not page.next_token:
                return listed
            ask = _encode(_ListMoreShards(page.next_token))
        raise SourceProtocolError(f"{self._name}: the list of shards has no end")

    async def pin_latest(self, shard_id: str) -> LatestPin:
        """Take an iterator at the shard's present end, with the server's time.

        Raises:
            SourceError: As mapped by ``to_source_error``.
        """
        ask = _encode(_GetShardIterator(self._name, self._arn_text, shard_id, "LATEST"))
        response = await self._calls.ask("GetShardIterator", ask, _QUICK)
        found = self._calls.decode(_iterator_decoder, response.body)
        return LatestPin(found.shard_iterator, server_time_ms(response, self._clock))

    async def open_iterator(self, shard_id: str, position: Position) -> ShardIterator:
        """Find a position: a horizon, a timestamp or a sequence number.

        Raises:
            SourcePositionError: The server does not know the sequence number.
            SourceError: As mapped by ``to_source_error``.
        """
        kind, number, seconds = _to_iterator_type(position)
        ask = _encode(
            _GetShardIterator(self._name, self._arn_text, shard_id, kind, number, seconds)
        )
        answer = await self._reading.call("GetShardIterator", ask, _QUICK)
        return ShardIterator(self._reading.decode(_iterator_decoder, answer).shard_iterator)

    async def fetch(
        self, shard_id: str, iterator: ShardIterator, limit: int, *, budget: ByteBudget
    ) -> FetchedRecords:
        """Read up to ``limit`` records, once.

        Raises:
            SourceIteratorExpiredError: The iterator is too old.
            SourcePositionError: It is none of this stream.
            SourceError: As mapped by ``to_source_error``.
        """
        ask = _encode(_GetRecords(iterator.token, limit, self._arn_text))
        rules = fetch_rules(ANSWER_BYTES_MAX, budget)
        answer = await self._reading.call("GetRecords", ask, rules)
        self._reading.refuse_other_text(answer)
        got = self._reading.decode(_records_decoder, answer)
        try:
            records = kinesis_records(
                got.records,
                shard_id=shard_id,
                stream_arn=self._arn_text,
                invoke_identity_arn=self._invoke_identity_arn,
            )
        except ValueError as exc:
            raise self._reading.unreadable(exc) from exc
        following = ShardIterator(got.next_shard_iterator) if got.next_shard_iterator else None
        return FetchedRecords(records, following, got.millis_behind_latest)


def _to_iterator_type(position: Position) -> tuple[str, str | None, float | None]:
    match position:
        case TrimHorizon():
            return "TRIM_HORIZON", None, None
        case AtTimestamp(wall_ms):
            return "AT_TIMESTAMP", None, wall_ms / 1000
        case AtSequenceNumber(sequence_number):
            return "AT_SEQUENCE_NUMBER", sequence_number, None
        case AfterSequenceNumber(sequence_number):
            return "AFTER_SEQUENCE_NUMBER", sequence_number, None
        case _:
            raise AssertionError(f"the server finds no iterator of {position}")
