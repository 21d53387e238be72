"""Fakes of a stream, of what its mapping stores, and of a destination."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from penstock.core.shard_contract import ReadPace
from penstock.engine.clock import SystemClock
from penstock.engine.surroundings import StreamSettings
from penstock.model.errors import PenstockError, StoreConflictError
from penstock.model.failure import Condition, Discard, Failure, FailureReport, InvocationTrace
from penstock.model.position import CheckpointSave, StreamPlace, Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    FetchedRecords,
    LatestPin,
    Position,
    Shard,
    ShardIterator,
    StreamBatch,
    StreamDescription,
    StreamKind,
    StreamRecord,
    TrimHorizon,
)
from penstock.ports import ByteBudget
from penstock.store.sql import SqlStore

STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks"
DESTINATION_ARN = "arn:aws:sqs:us-east-1:000000000000:failed"
SHARD_ID = "shardId-000000000000"
FAST = ReadPace(hot_ms=1, idle_ms=1, reads_per_s_max=None)
FAST_STREAMS = StreamSettings(kinesis_pace=FAST, dynamodb_pace=FAST, list_every_ms=5)
WALL_MS = 1_700_000_000_000


def a_record(number: int, key: str = "k", arrived_ms: int = WALL_MS) -> StreamRecord:
    """A record whose event is its number."""
    return StreamRecord(str(number), key.encode(), arrived_ms, b'{"n":%d}' % number)


def a_batch(*numbers: int, lane: int = 0) -> StreamBatch:
    """A batch of those records."""
    return StreamBatch(1, lane, tuple(a_record(number) for number in numbers))


def a_discard(*numbers: int, **changes: Any) -> Discard:
    """A discard of those records."""
    members: dict[str, Any] = {
        "id": 1,
        "lane": 0,
        "shard_id": SHARD_ID,
        "records": tuple(a_record(number) for number in numbers),
        "batch_size": len(numbers),
        "condition": Condition.RETRY_ATTEMPTS_EXHAUSTED,
        "invoke_count": 2,
        "trace": InvocationTrace("request", "$LATEST", "Unhandled"),
        "discarded_ms": WALL_MS,
        "reason": "ValueError: no",
        **changes,
    }
    return Discard(**members)


def a_failure(failure_id: str) -> Failure:
    """A row of the journal."""
    return Failure(
        id=failure_id,
        mapping_uuid="u1",
        kind=StreamKind.KINESIS,
        stream_arn=STREAM_ARN,
        function_arn="arn:aws:lambda:us-east-1:000000000000:function:charge",
        shard_id=SHARD_ID,
        condition=Condition.RETRY_ATTEMPTS_EXHAUSTED,
        invoke_count=2,
        start_sequence_number="1",
        end_sequence_number="1",
        record_count=1,
        first_arrived_ms=WALL_MS,
        last_arrived_ms=WALL_MS,
        discarded_ms=WALL_MS,
    )


class FakeStream:
    """A stream in memory; an iterator is the index of the next record."""

    def __init__(self) -> None:
        self.incarnation = "1"
        self.shards: dict[str, Shard] = {SHARD_ID: Shard(SHARD_ID)}
        self.records: dict[str, list[StreamRecord]] = {SHARD_ID: []}
        self.failure: PenstockError | None = None
        self.fetch_failure: PenstockError | None = None
        self.fetches: list[tuple[str, str]] = []
        self.fetches_held: asyncio.Event | None = None
        self.pinned: list[str] = []
        self.pinning_count_max = 0
        self.pins_held: asyncio.Event | None = None
        self._pinning_count = 0

    def add_shard(self, shard_id: str, *parent_ids: str) -> None:
        """Let the stream have another open shard."""
        self.shards[shard_id] = Shard(shard_id, parent_ids)
        self.records[shard_id] = []

    def put(self, *numbers: int, shard_id: str = SHARD_ID) -> None:
        """Let records arrive."""
        self.records[shard_id] += [a_record(number) for number in numbers]

    async def describe(self) -> StreamDescription:
        """Keep ``StreamSource``."""
        self._fail_if_asked(self.failure)
        return StreamDescription(self.incarnation, tuple(self.shards.values()))

    async def pin_latest(self, shard_id: str) -> LatestPin:
        """Keep ``StreamSource``."""
        self._fail_if_asked(self.failure)
        self._pinning_count += 1
        self.pinning_count_max = max(self.pinning_count_max, self._pinning_count)
        if self.pins_held is not None:
            await self.pins_held.wait()
        self._pinning_count -= 1
        self.pinned.append(shard_id)
        return LatestPin(str(len(self.records[shard_id])), SystemClock().now().wall_ms)

    async def open_iterator(self, shard_id: str, position: Position) -> ShardIterator:
        """Keep ``StreamSource``."""
        self._fail_if_asked(self.failure)
        match position:
            case TrimHorizon():
                return ShardIterator("0")
            case AfterSequenceNumber(sequence_number):
                after = int(sequence_number)
                numbers = [int(record.sequence_number) for record in self.records[shard_id]]
                return ShardIterator(str(sum(number <= after for number in numbers)))
            case LatestPin(iterator):
                return ShardIterator(iterator)
            case _:
                raise AssertionError(position)

    async def fetch(
        self, shard_id: str, iterator: ShardIterator, limit: int, *, budget: ByteBudget
    ) -> FetchedRecords:
        """Keep ``StreamSource``; empty answers take no room."""
        self.fetches.append((shard_id, iterator.token))
        if self.fetches_held is not None:
            await self.fetches_held.wait()
        self._fail_if_asked(self.failure)
        self._fail_if_asked(self.fetch_failure)
        first = int(iterator.token)
        records = tuple(self.records[shard_id][first : first + limit])
        if records:
            await budget.take(sum(len(record.event) for record in records))
        is_over = self.shards[shard_id].ending_sequence_number is not None and not records
        following = None if is_over else ShardIterator(str(first + len(records)))
        return FetchedRecords(records, following, 0)

    def _fail_if_asked(self, failure: PenstockError | None) -> None:
        if failure is not None:
            raise failure


class RecordingStore(SqlStore):
    """Mappings in a database in memory; where stream mappings stand in a dictionary.

    Attributes:
        transactions: The saves of each ``save_checkpoints``.
        is_tenure_over: Let every save find its tenure over.
    """

    def __init__(self) -> None:
        super().__init__("sqlite://")
        self.places: dict[str, StreamPlace] = {}
        self.transactions: list[list[CheckpointSave]] = []
        self.is_tenure_over = False

    @property
    def failures(self) -> list[Failure]:
        """Every failure journaled."""
        return [each for saves in self.transactions for save in saves for each in save.failures]

    def checkpoint(self, shard_id: str = SHARD_ID) -> Checkpoint | None:
        """Give a shard's checkpoint."""
        return self.places["u1"].checkpoints.get(shard_id)

    def take_place(self, mapping_uuid: str) -> StreamPlace:
        """Keep ``StreamStore``."""
        place = self.places.get(mapping_uuid, StreamPlace(tenure=Tenure(mapping_uuid, 0, 0)))
        counter = place.tenure.lease_counter + 1
        tenure = msgspec.structs.replace(place.tenure, lease_counter=counter)
        self.places[mapping_uuid] = msgspec.structs.replace(place, tenure=tenure)
        return self.places[mapping_uuid]

    def begin_incarnation(
        self,
        tenure: Tenure,
        incarnation: str,
        checkpoints: dict[str, Checkpoint],
        *,
        start: Position | None = None,
    ) -> bool:
        """Keep ``StreamStore``."""
        place = self.places[tenure.mapping_uuid]
        if place.tenure != tenure:
            return False
        self.places[tenure.mapping_uuid] = msgspec.structs.replace(
            place,
            incarnation=incarnation,
            checkpoints=checkpoints,
            start=start,
        )
        return True

    def forget_shards(self, tenure: Tenure, shard_ids: Sequence[str]) -> bool:
        """Keep ``StreamStore``."""
        place = self.places[tenure.mapping_uuid]
        kept = {key: value for key, value in place.checkpoints.items() if key not in shard_ids}
        self.places[tenure.mapping_uuid] = msgspec.structs.replace(place, checkpoints=kept)
        return place.tenure == tenure

    def save_checkpoints(self, saves: Sequence[CheckpointSave]) -> list[bool]:
        """Keep ``StreamStore``."""
        if self.is_tenure_over:
            return [False for _ in saves]
        self.transactions.append(list(saves))
        return [self._save(save) for save in saves]

    def save_processing_result(self, tenure: Tenure, text: str) -> bool:
        """Keep ``StreamStore``."""
        place = self.places.get(tenure.mapping_uuid)
        if place is None or place.tenure != tenure:
            return False
        self.places[tenure.mapping_uuid] = msgspec.structs.replace(place, processing_result=text)
        return True

    def evicted_failure_count(self) -> int:
        """Keep ``FailureStore``."""
        return 7

    def move(self, mapping_uuid: str, checkpoints: dict[str, Checkpoint]) -> None:
        """Put a mapping elsewhere, as an operator does."""
        place = self.places[mapping_uuid]
        tenure = msgspec.structs.replace(place.tenure, epoch=place.tenure.epoch + 1)
        self.places[mapping_uuid] = msgspec.structs.replace(
            place, tenure=tenure, checkpoints=checkpoints
        )

    def _save(self, save: CheckpointSave) -> bool:
        place = self.places.get(save.tenure.mapping_uuid)
        if place is None:
            raise StoreConflictError("nobody has taken that place")
        if place.tenure != save.tenure:
            return False
        result = place.processing_result
        self.places[save.tenure.mapping_uuid] = msgspec.structs.replace(
            place,
            checkpoints={**place.checkpoints, save.shard_id: save.checkpoint},
            processing_result=save.processing_result or result,
        )
        return True


class FakeDestination:
    """Takes reports in, or fails as asked."""

    def __init__(self) -> None:
        self.failure: PenstockError | None = None
        self.taken: list[FailureReport] = []
        self.opened: list[str] = []
        self.opened_for: list[str] = []

    async def open(self, arn: str, *, function_arn: str) -> "FakeDestination":
        """Keep ``Destinations``."""
        self.opened.append(arn)
        self.opened_for.append(function_arn)
        return self

    async def send(self, report: FailureReport) -> None:
        """Keep ``Destination``."""
        if self.failure is not None:
            raise self.failure
        self.taken.append(report)


def count_up() -> Callable[[], str]:
    """Make identities that count: "1", "2" and so on."""
    numbers = iter(range(1, 1_000_000))
    return lambda: str(next(numbers))
