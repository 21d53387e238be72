"""The client that a mapping reads a simulated stream with."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from penstock.core.stream_event import (
    DynamoDbRecord,
    KinesisRecord,
    dynamodb_records,
    kinesis_records,
)
from penstock.model.errors import (
    SourceError,
    SourceIteratorExpiredError,
    SourceNotFoundError,
    SourceProtocolError,
    SourceThrottledError,
)
from penstock.model.stream import (
    FetchedRecords,
    LatestPin,
    Position,
    ShardIterator,
    StreamDescription,
    StreamKind,
    StreamRecord,
)
from penstock.ports import ByteBudget, QueueSource, StreamSource
from penstock.simulation.chance import Chance
from penstock.simulation.faults import StreamFaultRates
from penstock.simulation.streams.stream import SimulatedStream
from penstock.simulation.streams.written import INVOKE_IDENTITY_ARN, garble
from penstock.simulation.trace import Trace
from penstock.simulation.wire import Reply, Wire

AnswerT = TypeVar("AnswerT")

_decode_kinesis = msgspec.json.Decoder(list[KinesisRecord]).decode
_decode_dynamodb = msgspec.json.Decoder(list[DynamoDbRecord]).decode


class ReadWatch(Protocol):
    """Told of reads."""

    def iterator_asked(self, mapping: str, shard_id: str) -> None:
        """A mapping looks for a position in a shard, before it reads."""
        ...

    def fetch_started(self, mapping: str, shard_id: str, limit: int) -> None:
        """A mapping reads a shard, for so many records."""
        ...

    def iterator_reused(self, mapping: str, shard_id: str) -> None:
        """A mapping reads with an iterator of which it was told that it has expired."""
        ...

    def read_failed(self, mapping: str, shard_id: str) -> None:
        """A mapping learns that a read has failed."""
        ...

    def answer_served(self, mapping: str, shard_id: str, fetched: FetchedRecords) -> None:
        """An answer is there, and waits for room."""
        ...

    def records_given(self, mapping: str, shard_id: str, fetched: FetchedRecords) -> None:
        """A mapping has room for an answer, and is given it."""
        ...


class SimulatedStreamSource:
    """Keeps ``ports.StreamSource`` for one mapping.

    Attributes:
        described: The list of shards that was read last.
    """

    def __init__(  # noqa: PLR0913 - a world's parts, named where it is built
        self,
        stream: SimulatedStream,
        wire: Wire,
        *,
        mapping: str,
        chance: Chance[StreamFaultRates],
        watch: ReadWatch,
        trace: Trace,
    ) -> None:
        self._stream = stream
        self._wire = wire
        self._mapping = mapping
        self._chance = chance
        self._watch = watch
        self._trace = trace
        self._expired: set[str] = set()  # an iterator that was refused is refused for ever
        self._told: set[str] = set()  # of these the mapping knows
        self._pinned: set[str] = set()  # those are stored, and every life of a shard may try them
        self.described: StreamDescription | None = None

    @property
    def arn(self) -> str:
        """Name the stream."""
        return self._stream.arn

    async def describe(self) -> StreamDescription:
        """List the stream's shards."""
        if self._chance.strikes(self._chance.rates.listing_failed):
            raise SourceThrottledError("too many listings")
        self.described = await self._call(self._stream.describe)
        return self.described

    async def pin_latest(self, shard_id: str) -> LatestPin:
        """Take an iterator at the shard's present end."""
        pin = await self._call(lambda: self._stream.pin_latest(shard_id))
        self._pinned.add(pin.iterator)
        self._trace.note(self._mapping, "pins", shard_id, pin.iterator)
        return pin

    async def open_iterator(self, shard_id: str, position: Position) -> ShardIterator:
        """Find a position."""
        self._watch.iterator_asked(self._mapping, shard_id)
        self._trace.note(self._mapping, "looks for", shard_id, position)
        return await self._read(shard_id, lambda: self._stream.open_iterator(shard_id, position))

    async def fetch(
        self, shard_id: str, iterator: ShardIterator, limit: int, *, budget: ByteBudget
    ) -> FetchedRecords:
        """Read once; the answer's body is read when there is room for it."""
        self._watch.fetch_started(self._mapping, shard_id, limit)
        is_empty = self._chance.strikes(self._chance.rates.answer_empty)
        is_garbled = self._chance.strikes(self._chance.rates.answer_garbled)
        if iterator.token in self._told:
            self._watch.iterator_reused(self._mapping, shard_id)
        if self._chance.strikes(self._chance.rates.iterator_expired):
            self._expired.add(iterator.token)

        def serve() -> FetchedRecords:
            if iterator.token in self._expired:
                raise SourceIteratorExpiredError("the iterator is too old")
            fetched = self._stream.fetch(iterator.token, limit, is_empty=is_empty)
            return self._read_answer(shard_id, fetched, is_garbled=is_garbled)

        try:
            fetched = await self._read(shard_id, serve)
        except SourceIteratorExpiredError:
            if iterator.token not in self._pinned:
                self._told.add(iterator.token)
            raise
        self._watch.answer_served(self._mapping, shard_id, fetched)
        await budget.take(sum([len(record.event) for record in fetched.records]) + 100)
        self._watch.records_given(self._mapping, shard_id, fetched)
        if fetched.records or fetched.next_iterator is None:
            self._trace.note(
                self._mapping,
                "is given",
                shard_id,
                *[record.sequence_number for record in fetched.records],
                "the end" if fetched.next_iterator is None else "",
            )
        return fetched

    def _read_answer(
        self, shard_id: str, fetched: FetchedRecords, *, is_garbled: bool
    ) -> FetchedRecords:
        """Read an answer's records as the adapters do; one that is odd is refused, whole."""
        wire = self._stream.wire_records(fetched)
        if is_garbled and wire:
            index = self._chance.rng.randrange(len(wire))
            wire[index] = garble(wire[index], self._chance.rng)
        try:
            records = self._decode_records(shard_id, b"[%b]" % b",".join(wire))
        except ValueError as error:
            raise SourceProtocolError("the answer cannot be read") from error
        return msgspec.structs.replace(fetched, records=records)

    def _decode_records(self, shard_id: str, wire: bytes) -> tuple[StreamRecord, ...]:
        if self._stream.kind is StreamKind.DYNAMODB:
            return dynamodb_records(_decode_dynamodb(wire), stream_arn=self.arn)
        return kinesis_records(
            _decode_kinesis(wire),
            shard_id=f"{self._stream.incarnation}:{shard_id}",
            stream_arn=self.arn,
            invoke_identity_arn=INVOKE_IDENTITY_ARN,
        )

    async def _read(self, shard_id: str, serve: Callable[[], AnswerT]) -> AnswerT:
        try:
            return await self._call(serve)
        except SourceError:
            self._watch.read_failed(self._mapping, shard_id)
            raise

    async def _call(self, serve: Callable[[], AnswerT]) -> AnswerT:
        def answer(reply: Reply[AnswerT]) -> None:
            try:
                found = serve()
            except SourceError as error:
                self._trace.note(self._mapping, "is refused", error)
                reply.refuse(error)
            else:
                reply.send(found)

        return await self._wire.call(answer)


class SimulatedStreamSources:
    """Keeps ``ports.Sources``: each mapping has its own alias of its function, and its own client.

    Args:
        by_mapping: Each mapping's client and its way to the server, by uuid: the alias.
    """

    def __init__(self, by_mapping: dict[str, tuple[SimulatedStreamSource, Wire]]) -> None:
        self._by_mapping = by_mapping

    def client(self, mapping_uuid: str) -> SimulatedStreamSource:
        """Give a mapping's client."""
        return self._by_mapping[mapping_uuid][0]

    async def open_stream(
        self, arn: str, *, function_arn: str, invoke_identity_arn: str
    ) -> StreamSource:
        """Open a stream; a broken way to it is found here too."""
        del invoke_identity_arn
        source, wire = self._by_mapping[function_arn.rpartition(":")[2]]
        if wire.broken is not None:
            raise wire.broken
        assert source.arn == arn, "a mapping reads its own stream"
        return source

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> QueueSource:
        """Find no queue: there is none in a world of streams."""
        del function_arn, count_request
        raise SourceNotFoundError(f"{arn}: there are only streams")
