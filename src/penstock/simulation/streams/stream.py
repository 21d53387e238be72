"""A simulated Kinesis or DynamoDB stream, as its server keeps it.

Modelled: lineage by splits and merges, sequence numbers whose text order is not their order,
retention, iterators that grow old, reads that are throttled, answers that are empty although there
is more, closed shards with and without an end, listings that lag behind, and a stream that is
deleted and made again under the same ARN.

Source: docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html and
    docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html
"""

import zlib
from collections.abc import Callable
from random import Random
from typing import Protocol

import msgspec

from penstock.model.errors import (
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourcePositionError,
    SourceThrottledError,
    SourceTrimmedError,
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
    StreamKind,
    StreamRecord,
    TrimHorizon,
)
from penstock.simulation.streams.shard import KEY_SPACE, ServedShard
from penstock.simulation.streams.written import Entry, write_dynamodb, write_kinesis

LIMIT_MAX = {StreamKind.KINESIS: 10_000, StreamKind.DYNAMODB: 1_000}
ITERATOR_MS = {StreamKind.KINESIS: 300_000, StreamKind.DYNAMODB: 900_000}


class StreamTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What servers do in different ways.

    Attributes:
        answer_count_max: Records per answer, whatever Limit says.
        reads_per_s: Reads of a shard per second, by all readers; more are throttled.
        ends_closed: A closed shard's last answer has no next iterator; else there always is one.
        refuses_foreign: A position or iterator of a stream that is gone is told from its own.
        listing_lag_ms: How late the list of shards may be.
        number_first: Sequence numbers begin above it.
    """

    answer_count_max: int
    answer_bytes_max: int
    reads_per_s: int | None
    ends_closed: bool
    refuses_foreign: bool
    listing_lag_ms: int
    number_first: int = 0


class StreamWatch(Protocol):
    """Told of what a stream takes in and loses."""

    def record_put(self, arn: str, incarnation: str, shard_id: str, record: StreamRecord) -> None:
        """A record is in the stream."""
        ...

    def record_trimmed(self, arn: str, incarnation: str, shard_id: str, number: str) -> None:
        """A record has left the stream by its age."""
        ...

    def stream_gone(self, arn: str) -> None:
        """The stream was deleted, and all that was in it."""
        ...


class SimulatedStream:
    """The server's side of one stream.

    Args:
        now_ms: The world's monotonic time.
        wall_ms: The server's own wall clock, which nobody sets.

    Attributes:
        shards: Of the present incarnation, by id.
        incarnation: Empty while the stream does not exist.
    """

    def __init__(  # noqa: PLR0913 - a world's parts, named where it is built
        self,
        arn: str,
        kind: StreamKind,
        traits: StreamTraits,
        *,
        rng: Random,
        now_ms: Callable[[], int],
        wall_ms: Callable[[], int],
        watch: StreamWatch,
    ) -> None:
        self.arn = arn
        self.name = arn.split("/")[1]
        self.kind = kind
        self.traits = traits
        self.shards: dict[str, ServedShard] = {}
        self.incarnation = ""
        self._rng = rng
        self._now_ms = now_ms
        self._wall_ms = wall_ms
        self._watch = watch
        self._incarnation_count = 0
        self._shard_count = 0
        self._number = 0
        self._wire: dict[int, bytes] = {}  # what was put, as answers write it, by sequence number

    # What its owner does.

    def create(self, shard_count: int) -> None:
        """Make the stream, once more perhaps; sequence numbers start over."""
        self._incarnation_count += 1
        self._shard_count = 0
        self._wire = {}
        self._number = self.traits.number_first + self._rng.choice((0, 5, 95, 990))
        self.incarnation = f"{self.name}#{self._incarnation_count}"
        self.shards = {}
        step = KEY_SPACE // shard_count
        for index in range(shard_count):
            end = KEY_SPACE if index == shard_count - 1 else (index + 1) * step
            self._add_shard((), (index * step, end), self._now_ms())

    def delete(self) -> None:
        """Delete the stream and all that is in it."""
        self._watch.stream_gone(self.arn)
        self.incarnation = ""
        self.shards = {}

    def put(self, key: str, filler_bytes: int, *, is_poison: bool) -> None:
        """Take a record in; one that comes while there is no stream is refused."""
        if not self.incarnation:
            return
        write_one = write_kinesis if self.kind is StreamKind.KINESIS else write_dynamodb

        def write(shard_id: str, number: int) -> StreamRecord:
            entry = Entry(
                stream_arn=self.arn,
                shard_name=f"{self.incarnation}:{shard_id}",
                number=number,
                key=key,
                wall_ms=self._wall_ms(),
                is_poison=is_poison,
                filler_bytes=filler_bytes,
            )
            written = write_one(entry)
            self._wire[number] = written.wire
            return written.record

        self.take_in(zlib.crc32(b"shard of " + key.encode()) % KEY_SPACE, write)

    def take_in(self, place: int, write: Callable[[str, int], StreamRecord]) -> StreamRecord:
        """Take a record in, of the shard that has that place of the key space.

        Args:
            place: 0..``KEY_SPACE`` - 1.
            write: Is given the shard's id and the sequence number.
        """
        shard = next(each for each in self.open_shards() if each.first_key <= place < each.end_key)
        record = write(shard.shard_id, self._next_number())
        shard.append(record)
        self._watch.record_put(self.arn, self.incarnation, shard.shard_id, record)
        return record

    def open_shards(self) -> list[ServedShard]:
        """Give the shards that take records, by their part of the key space."""
        opened = [shard for shard in self.shards.values() if shard.is_open]
        return sorted(opened, key=lambda shard: shard.first_key)

    def split(self, index: int) -> None:
        """Split an open shard in two."""
        opened = self.open_shards()
        if not opened:
            return
        parent = opened[index % len(opened)]
        middle = (parent.first_key + parent.end_key) // 2
        self._close(parent)
        for keys in ((parent.first_key, middle), (middle, parent.end_key)):
            self._add_shard((parent.shard_id,), keys, self._listed_ms())

    def merge(self, index: int) -> None:
        """Merge two neighbours; a DynamoDB shard only rolls over into a child of its own."""
        opened = self.open_shards()
        if not opened:
            return
        first = opened[index % len(opened)]
        neighbours = [each for each in opened if each.first_key == first.end_key]
        parents = [first, *neighbours] if self.kind is StreamKind.KINESIS else [first]
        for parent in parents:
            self._close(parent)
        keys = (parents[0].first_key, parents[-1].end_key)
        ids = tuple(parent.shard_id for parent in parents)
        self._add_shard(ids, keys, self._listed_ms())

    def trim(self, retention_ms: int) -> None:
        """Forget what is older."""
        before_ms = self._wall_ms() - retention_ms
        for shard in self.shards.values():
            for record in shard.trim(before_ms):
                self._watch.record_trimmed(
                    self.arn, self.incarnation, shard.shard_id, record.sequence_number
                )

    # The operations.

    def describe(self) -> StreamDescription:
        """List the shards, as late as this server does."""
        self._check_exists()
        now_ms = self._now_ms()
        listed = tuple(
            shard.listing(now_ms)
            for shard in self.shards.values()
            if shard.listed_ms <= now_ms and not shard.is_trimmed_away
        )
        return StreamDescription(self.incarnation, listed)

    def pin_latest(self, shard_id: str) -> LatestPin:
        """Give an iterator at the shard's end; the server's Date knows seconds only."""
        shard = self._shard(shard_id)
        wall_ms = self._wall_ms()
        return LatestPin(self._token(shard, shard.end_number()), wall_ms - wall_ms % 1000)

    def open_iterator(self, shard_id: str, position: Position) -> ShardIterator:
        """Find a position."""
        shard = self._shard(shard_id)
        match position:
            case TrimHorizon():
                number = 0
            case AtTimestamp(wall_ms):
                assert self.kind is StreamKind.KINESIS, "DynamoDB Streams has no AT_TIMESTAMP"
                number = shard.first_at(wall_ms)
            case AtSequenceNumber(sequence_number):
                number = self._known(shard, int(sequence_number))
            case AfterSequenceNumber(sequence_number):
                number = self._known(shard, int(sequence_number)) + 1
            case _:
                raise AssertionError(f"no server knows {position}")
        return ShardIterator(self._token(shard, number))

    def fetch(self, token: str, limit: int, *, is_empty: bool) -> FetchedRecords:
        """Read once; ``is_empty``: give nothing for now, although there may be something."""
        incarnation, shard_id, number_text, issued_ms = token.split("|")
        self._check_exists()
        if not 1 <= limit <= LIMIT_MAX[self.kind]:
            raise SourceUnavailableError(f"a Limit of {limit} fails to satisfy constraint")
        if incarnation != self.incarnation and self.traits.refuses_foreign:
            raise SourcePositionError("an iterator of another stream")
        shard = self._shard(shard_id)
        self._count_read(shard)
        if self._now_ms() - int(issued_ms) > ITERATOR_MS[self.kind]:
            raise SourceIteratorExpiredError("the iterator is too old")
        number = int(number_text)
        if number and self.kind is StreamKind.DYNAMODB and shard.is_trimmed(number):
            raise SourceTrimmedError("trimmed meanwhile")
        if is_empty:
            return self._answer(shard, (), number)
        count_max = min(limit, self.traits.answer_count_max)
        records, following = shard.read(number, count_max, self.traits.answer_bytes_max)
        return self._answer(shard, records, following)

    def wire_records(self, fetched: FetchedRecords) -> list[bytes]:
        """Give the records of an answer as it writes them."""
        return [self._wire[int(record.sequence_number)] for record in fetched.records]

    # What is inside.

    def _answer(
        self, shard: ServedShard, records: tuple[StreamRecord, ...], following: int
    ) -> FetchedRecords:
        is_over = not shard.is_open and not shard.has_after(following)
        behind_ms = None
        if self.kind is StreamKind.KINESIS:
            behind_ms = shard.behind_ms(following, self._wall_ms())
        if is_over and self.traits.ends_closed:
            return FetchedRecords(records, None, behind_ms)
        return FetchedRecords(records, ShardIterator(self._token(shard, following)), behind_ms)

    def _known(self, shard: ServedShard, number: int) -> int:
        if self.traits.refuses_foreign and not shard.knows(number):
            raise SourcePositionError(f"{number} is no record of {shard.shard_id}")
        if self.kind is StreamKind.DYNAMODB and shard.is_trimmed(number):
            raise SourceTrimmedError(f"{number} has left {shard.shard_id}")
        return number

    def _count_read(self, shard: ServedShard) -> None:
        limit = self.traits.reads_per_s
        if limit is None:
            return
        now_ms = self._now_ms()
        while shard.reads_ms and shard.reads_ms[0] <= now_ms - 1000:
            shard.reads_ms.popleft()
        if len(shard.reads_ms) >= limit:
            raise SourceThrottledError("Rate exceeded for shard")
        shard.reads_ms.append(now_ms)

    def _token(self, shard: ServedShard, number: int) -> str:
        return f"{self.incarnation}|{shard.shard_id}|{number}|{self._now_ms()}"

    def _check_exists(self) -> None:
        if not self.incarnation:
            raise SourceNotFoundError(f"{self.arn} does not exist")

    def _shard(self, shard_id: str) -> ServedShard:
        self._check_exists()
        shard = self.shards.get(shard_id)
        if shard is None or shard.is_trimmed_away:
            raise SourceNotFoundError(f"{self.arn} has no {shard_id}")
        return shard

    def _add_shard(self, parents: tuple[str, ...], keys: tuple[int, int], listed_ms: int) -> None:
        shard_id = f"shardId-{self._shard_count:012}"
        self._shard_count += 1
        self.shards[shard_id] = ServedShard(shard_id, parents, keys, listed_ms)

    def _close(self, shard: ServedShard) -> None:
        ending = self._next_number()
        if self.kind is StreamKind.DYNAMODB:
            ending = shard.numbers[-1] if shard.numbers else ending
        shard.close(self._now_ms(), ending, self._listed_ms())

    def _listed_ms(self) -> int:
        """Say when a change is listed: a shard is never listed before its parents are."""
        drawn_ms = self._now_ms() + self._rng.randint(0, self.traits.listing_lag_ms)
        listed_ms = [shard.listed_ms for shard in self.shards.values()]
        return max([drawn_ms, *listed_ms])

    def _next_number(self) -> int:
        # From one to many digits: numbers that are compared as text come out of order.
        self._number += self._rng.choice((1, 1, 1, 2, 7, 90, 900))
        return self._number
