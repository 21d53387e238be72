"""The Kinesis streams of a test, and what they share with DynamoDB's."""

import hashlib
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from penstock.core.stream_event import KinesisRecord, kinesis_records
from penstock.model.arn import STREAM_NAME, invoke_identity_arn
from penstock.model.errors import (
    ConfigurationError,
    SourceIteratorExpiredError,
    SourceThrottledError,
)
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    Checkpoint,
    FetchedRecords,
    LatestPin,
    Position,
    ShardEnd,
    ShardIterator,
    StreamDescription,
    StreamKind,
    StreamRecord,
)
from penstock.ports import ByteBudget
from penstock.simulation.streams.shard import KEY_SPACE, ServedShard
from penstock.simulation.streams.stream import SimulatedStream, StreamTraits
from penstock.testing.faults import Fault
from penstock.testing.source import Source, Surface
from penstock.testing.values import Entry, write_value

RECORD_BYTES_MAX = 10 * 1024 * 1024  # Kinesis: a record, 10 MiB since 2025
RETENTION_MS = 24 * 3600 * 1000  # Kinesis's default, and DynamoDB's only one
SHARDS_MAX = 200
_KEY_CHARS_MAX = 256
_RECORD_MEMBERS = {"Data", "PartitionKey"}
_DIGEST_BITS = 128

# Sequence numbers are as long as the service's own.
_KINESIS = StreamTraits(
    answer_count_max=10_000,
    answer_bytes_max=10 * 1024 * 1024,
    reads_per_s=5,
    ends_closed=True,
    refuses_foreign=True,
    listing_lag_ms=0,
    number_first=49_668_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000,
)
_DYNAMODB = msgspec.structs.replace(
    _KINESIS,
    answer_count_max=1_000,
    answer_bytes_max=1024 * 1024,
    reads_per_s=None,
    number_first=100_000_000_000_000_000_000_000,
)

_encode = msgspec.json.Encoder().encode


class Stream(Source):
    """A stream of a test, as its mappings read it; keeps ``ports.StreamSource``."""

    def __init__(
        self, surface: Surface, name: str, arn: str, kind: StreamKind, *, shard_count: int
    ) -> None:
        super().__init__(surface, name, arn)
        self.server = SimulatedStream(
            arn,
            kind,
            _KINESIS if kind is StreamKind.KINESIS else _DYNAMODB,
            rng=Random(arn),
            now_ms=surface.now_ms,
            wall_ms=surface.wall_ms,
            watch=self,
        )
        self.server.create(shard_count)

    def is_settled(self, shard_id: str, checkpoint: Checkpoint | None) -> bool:
        """Tell whether a mapping that stands there has nothing left to do in a shard."""
        shard = self.server.shards[shard_id]
        return not _is_behind(shard, None if checkpoint is None else checkpoint.position)

    def _take_in(
        self,
        value: object,
        key: bytes,
        write: Callable[[str, int], StreamRecord],
        *,
        body: object = None,
    ) -> Entry:
        digest = hashlib.md5(key, usedforsecurity=False).digest()
        place = int.from_bytes(digest) * KEY_SPACE >> _DIGEST_BITS
        found = ""

        def write_in(shard_id: str, number: int) -> StreamRecord:
            nonlocal found
            found = shard_id
            return write(shard_id, number)

        record = self.server.take_in(place, write_in)
        return self._add(value, record.sequence_number, shard=found, body=body)

    # What the server tells: ``StreamWatch``.

    def record_put(self, arn: str, incarnation: str, shard_id: str, record: StreamRecord) -> None:
        """Pass over: whoever puts notes it."""

    def record_trimmed(self, arn: str, incarnation: str, shard_id: str, number: str) -> None:
        """Pass over: a mapping that misses it notes that."""

    def stream_gone(self, arn: str) -> None:
        """Pass over: a test's stream stays."""

    # What a mapping calls: ``StreamSource``.

    async def describe(self) -> StreamDescription:
        """List the shards."""
        return self.server.describe()

    async def pin_latest(self, shard_id: str) -> LatestPin:
        """Take an iterator at the shard's present end."""
        return self.server.pin_latest(shard_id)

    async def open_iterator(self, shard_id: str, position: Position) -> ShardIterator:
        """Find a position."""
        return self.server.open_iterator(shard_id, position)

    async def fetch(
        self, shard_id: str, iterator: ShardIterator, limit: int, *, budget: ByteBudget
    ) -> FetchedRecords:
        """Read once."""
        del shard_id
        faults = self._surface.faults
        if faults.strikes(Fault.READ, self.arn):
            raise SourceThrottledError("Rate exceeded for shard (injected)")
        if faults.strikes(Fault.ITERATOR, self.arn):
            raise SourceIteratorExpiredError("Iterator expired (injected)")
        self.server.trim(RETENTION_MS)
        fetched = self.server.fetch(iterator.token, limit, is_empty=False)
        await budget.take(sum([len(record.event) for record in fetched.records]) + 100)
        return fetched


class KinesisStream(Stream):
    """A Kinesis stream of a test; made by ``penstock.kinesis_stream``.

    Attributes:
        name: StreamName.
        arn: StreamARN.
    """

    NAME = STREAM_NAME

    def __init__(self, surface: Surface, name: str, *, shard_count: int, key: str | None) -> None:
        super().__init__(
            surface,
            name,
            surface.arn_of("kinesis", f"stream/{name}"),
            StreamKind.KINESIS,
            shard_count=shard_count,
        )
        self._key = key

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        return f"stream {self.name}"

    @property
    def records(self) -> list[Any]:
        """The values of all records that were put, in that order."""
        return [entry.value for entry in self.entries.values()]

    def put(self, *records: object, PartitionKey: str | None = None) -> None:  # noqa: N803
        """Put records: each is its data, or a dict with PutRecord's own members.

        Data that is bytes or text is put as it is, any other as JSON. The partition key is the
        dict's own; else ``PartitionKey``; else the member that the stream was made with as its
        ``key``; else the record's number, so that each has a key of its own.

        Args:
            *records: ``{"id": 1}``, ``b"..."``, ``{"Data": .., "PartitionKey": "customer-1"}``.
            PartitionKey: Of all of them.

        Raises:
            ConfigurationError: Kinesis would not take it.
        """
        self._note_put([self._put(each, PartitionKey) for each in records])

    def _put(self, given: object, key: str | None) -> Entry:
        what = f"record {len(self.entries) + 1} for {self.name}"
        value = given
        if isinstance(given, dict) and given.keys() == _RECORD_MEMBERS:
            value, key = given["Data"], given["PartitionKey"]
        elif key is None:
            key = self._key_of(value, what)
        if not isinstance(key, str) or not 1 <= len(key) <= _KEY_CHARS_MAX:
            raise ConfigurationError(
                f"{what}: PartitionKey {key!r} is no text of 1..{_KEY_CHARS_MAX} characters"
            )
        record_bytes = write_value(value, what=what, bytes_max=RECORD_BYTES_MAX)
        seconds = self._surface.wall_ms() / 1000

        def write(shard_id: str, number: int) -> StreamRecord:
            record = KinesisRecord(
                sequence_number=str(number),
                partition_key=key,
                approximate_arrival_timestamp=msgspec.Raw(repr(seconds).encode()),
                blob=msgspec.Raw(_encode(record_bytes)),
            )
            return kinesis_records(
                [record],
                shard_id=shard_id,
                stream_arn=self.arn,
                invoke_identity_arn=invoke_identity_arn(self._surface.scope, self.arn, role=None),
            )[0]

        return self._take_in(given, key.encode(), write, body=value)

    def _key_of(self, value: object, what: str) -> str:
        if self._key is None:
            return str(len(self.entries) + 1)
        if isinstance(value, dict) and self._key in value:
            return str(value[self._key])
        raise ConfigurationError(
            f"{what} has no member {self._key!r}, the stream's key; give PartitionKey"
        )


def _is_behind(shard: ServedShard, position: Position | None) -> bool:
    """Tell whether a shard has something at a position or after it, or has yet to end."""
    match position:
        case ShardEnd():
            return False
        case AfterSequenceNumber(number):
            following = int(number) + 1
        case AtSequenceNumber(number):
            following = int(number)
        case AtTimestamp(wall_ms):
            following = shard.first_at(wall_ms)
        case LatestPin(iterator):
            following = int(iterator.split("|")[2])
        case _:  # the horizon, or where nothing is known yet
            following = 0
    return shard.has_after(following) or not shard.is_open
