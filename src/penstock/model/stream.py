"""A stream as a mapping reads it: its shards, its records, and where reading starts or stands."""

import enum

import msgspec


class StreamKind(enum.StrEnum):
    """The two services whose streams can be read."""

    KINESIS = "kinesis"
    DYNAMODB = "dynamodb"


class StartingPosition(enum.StrEnum):
    """Lambda's StartingPosition."""

    TRIM_HORIZON = "TRIM_HORIZON"
    LATEST = "LATEST"
    AT_TIMESTAMP = "AT_TIMESTAMP"


class TrimHorizon(msgspec.Struct, frozen=True, tag="trim_horizon"):
    """The oldest record that the shard still has."""


class AtTimestamp(msgspec.Struct, frozen=True, tag="at_timestamp"):
    """The first record that arrived then or later.

    Attributes:
        wall_ms: Unix time in milliseconds.
    """

    wall_ms: int


class AtSequenceNumber(msgspec.Struct, frozen=True, tag="at_sequence_number"):
    """That record, and what follows."""

    sequence_number: str


class AfterSequenceNumber(msgspec.Struct, frozen=True, tag="after_sequence_number"):
    """What follows that record."""

    sequence_number: str


class LatestPin(msgspec.Struct, frozen=True, tag="latest_pin"):
    """Where the shard ended when the mapping began.

    Attributes:
        iterator: A LATEST iterator, taken before the mapping became Enabled.
        taken_ms: The server's time then: the iterator serves only while it is young.
    """

    iterator: str
    taken_ms: int


class ShardEnd(msgspec.Struct, frozen=True, tag="shard_end"):
    """Every record of the shard is settled, and no more will come: its children may run."""


Position = TrimHorizon | AtTimestamp | AtSequenceNumber | AfterSequenceNumber | LatestPin | ShardEnd


class ShardIterator(msgspec.Struct, frozen=True):
    """The server's own token of a place in a shard; minutes old at most."""

    token: str


class LaneMarks(msgspec.Struct, frozen=True):
    """How far the lanes of one ParallelizationFactor were settled beyond the checkpoint's position.

    Attributes:
        factor: The ParallelizationFactor that the lanes were made with.
        settled: Sequence number by lane index: records of the lane up to it are settled.
    """

    factor: int
    settled: dict[int, str]


class Checkpoint(msgspec.Struct, frozen=True):
    """How far one shard is settled.

    Attributes:
        position: Everything before it is settled: the frontier.
        lanes: What is settled beyond it; oldest factor first, empty without parallel lanes.
        arrived_ms: When the frontier's last record arrived; None before the first.
    """

    position: Position
    lanes: tuple[LaneMarks, ...] = ()
    arrived_ms: int | None = None


class Shard(msgspec.Struct, frozen=True):
    """A shard as the stream's server lists it.

    Attributes:
        parent_ids: The shards it came from: none, one (a split), or two (a merge); some may be
            trimmed and no longer listed.
        ending_sequence_number: None while the shard is open.
    """

    shard_id: str
    parent_ids: tuple[str, ...] = ()
    ending_sequence_number: str | None = None


class StreamDescription(msgspec.Struct, frozen=True):
    """A stream and its shards.

    Attributes:
        incarnation: Differs between two streams that had the same ARN, one after the other: the
            creation time (Kinesis) or the stream's label (DynamoDB).
        is_enabled: False once the stream takes no more records: its shards end, and none follow.
    """

    incarnation: str
    shards: tuple[Shard, ...]
    is_enabled: bool = True


class StreamRecord(msgspec.Struct, frozen=True, gc=False):
    """One record, ready to be handed to a function; the collector need not look at it.

    Attributes:
        sequence_number: Decimal digits; ordered as an integer within its shard.
        key: What order is kept for: the partition key, or the item's key attributes by name.
        arrived_ms: ApproximateArrivalTimestamp or ApproximateCreationDateTime, Unix ms.
        event: The record as it stands in the event's ``Records``, JSON.
    """

    sequence_number: str
    key: bytes
    arrived_ms: int
    event: bytes


class FetchedRecords(msgspec.Struct, frozen=True):
    """One answer of GetRecords.

    Attributes:
        next_iterator: None: the shard is closed and this was its last answer.
        behind_ms: MillisBehindLatest; None where the server does not tell (DynamoDB).
    """

    records: tuple[StreamRecord, ...]
    next_iterator: ShardIterator | None
    behind_ms: int | None = None


class StreamBatch(msgspec.Struct, frozen=True):
    """Records of one shard that are invoked together, in the shard's order.

    Attributes:
        id: Unique within its shard consumer's life.
        lane: 0..ParallelizationFactor - 1.
    """

    id: int
    lane: int
    records: tuple[StreamRecord, ...]
