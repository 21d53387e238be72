"""The inputs and commands of ``StreamConsumer``: all that crosses its border."""

import msgspec

from penstock.core.shard_contract import ShardPolicy
from penstock.model.position import StreamPlace, Tenure
from penstock.model.stream import (
    Checkpoint,
    LatestPin,
    Position,
    StartingPosition,
    StreamDescription,
)


class StreamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a mapping asks of its stream.

    Attributes:
        shard: What it asks of each shard; a change restarts the shards from their checkpoints.
        start_timestamp_ms: Unix ms; with AT_TIMESTAMP.
        list_every_ms: How often the shards are listed while nothing calls for it.
    """

    shard: ShardPolicy
    starting_position: StartingPosition
    start_timestamp_ms: int | None = None
    list_every_ms: int = 30_000


class ShardStart(msgspec.Struct, frozen=True, kw_only=True):
    """Where and as what a shard begins.

    Attributes:
        skips: Sequence numbers of the shard's records that an operator has given up.
        ending_sequence_number: Known of a shard that is closed already.
    """

    tenure: Tenure
    incarnation: str
    shard_id: str
    checkpoint: Checkpoint
    skips: frozenset[str] = frozenset()
    ending_sequence_number: str | None = None


# Inputs: something that happened.


class Started(msgspec.Struct, frozen=True):
    """The consumer's life begins."""


class PlaceTaken(msgspec.Struct, frozen=True):
    """The mapping is this node's from now on, and stands here."""

    place: StreamPlace


class StoreFailed(msgspec.Struct, frozen=True):
    """The store did not do what it was asked last; ``reason`` is for the log."""

    reason: str


class StreamDescribed(msgspec.Struct, frozen=True):
    """The stream is there, with these shards."""

    description: StreamDescription


class DescribeFailed(msgspec.Struct, frozen=True):
    """The stream could not be read; ``reason`` is for the log."""

    reason: str
    is_missing: bool = False


class LatestPinned(msgspec.Struct, frozen=True):
    """A LATEST iterator was taken for each shard asked for, by shard id."""

    pins: dict[str, LatestPin]


class PinFailed(msgspec.Struct, frozen=True):
    """A LATEST iterator could not be taken; ``reason`` is for the log."""

    reason: str


class IncarnationBegun(msgspec.Struct, frozen=True):
    """The store holds the checkpoints with which this incarnation begins."""


class ShardsForgotten(msgspec.Struct, frozen=True):
    """The store holds nothing of these shards any more."""

    shard_ids: tuple[str, ...]


class TenureLost(msgspec.Struct, frozen=True):
    """Another owner or another position is in force."""


class ShardEnded(msgspec.Struct, frozen=True):
    """A shard's consumer has ended: its shard is drained, and its end is saved."""

    shard_id: str


class ShardStopped(msgspec.Struct, frozen=True):
    """A shard's consumer has ended, because it was told to or has lost its tenure.

    Attributes:
        checkpoint: The last that was saved, or the one that it began with.
    """

    shard_id: str
    checkpoint: Checkpoint


class ShardBroke(msgspec.Struct, frozen=True):
    """A shard's consumer ended by a defect.

    Attributes:
        ran_ms: How long it had run.
        checkpoint: The last that was saved, or the one that it began with.
    """

    shard_id: str
    reason: str
    ran_ms: int
    checkpoint: Checkpoint


class ShardLost(msgspec.Struct, frozen=True):
    """A running shard says that its stream, or its place in it, is no longer there."""

    shard_id: str


class PositionChanged(msgspec.Struct, frozen=True):
    """An operator has changed the mapping's place in the store."""


class PolicyChanged(msgspec.Struct, frozen=True):
    """The mapping was updated."""

    policy: StreamPolicy


class StopRequested(msgspec.Struct, frozen=True):
    """Stop every shard; end."""


class DeadlineReached(msgspec.Struct, frozen=True):
    """The time of ``deadline_ms`` has come."""


Input = (
    Started
    | PlaceTaken
    | StoreFailed
    | StreamDescribed
    | DescribeFailed
    | LatestPinned
    | PinFailed
    | IncarnationBegun
    | ShardsForgotten
    | TenureLost
    | ShardEnded
    | ShardStopped
    | ShardBroke
    | ShardLost
    | PositionChanged
    | PolicyChanged
    | StopRequested
    | DeadlineReached
)


# Commands: something the shell must do. Those with a completion name its inputs.


class TakePlace(msgspec.Struct, frozen=True):
    """Take the mapping's tenure, and read where it stands -> PlaceTaken | StoreFailed."""


class DescribeStream(msgspec.Struct, frozen=True):
    """List the stream's shards, all pages -> StreamDescribed | DescribeFailed."""


class PinLatest(msgspec.Struct, frozen=True):
    """Take a LATEST iterator for each of these -> LatestPinned | PinFailed."""

    shard_ids: tuple[str, ...]


class BeginIncarnation(msgspec.Struct, frozen=True, kw_only=True):
    """Forget other incarnations and hold these -> IncarnationBegun | TenureLost | StoreFailed."""

    tenure: Tenure
    incarnation: str
    start: Position | None
    checkpoints: dict[str, Checkpoint]


class ForgetShards(msgspec.Struct, frozen=True):
    """Drop the checkpoints of shards that left -> ShardsForgotten | TenureLost | StoreFailed."""

    tenure: Tenure
    shard_ids: tuple[str, ...]


class RunShard(msgspec.Struct, frozen=True):
    """Run a shard's consumer -> ShardEnded | ShardStopped | ShardBroke (and ShardLost before)."""

    start: ShardStart
    policy: ShardPolicy


class StopShard(msgspec.Struct, frozen=True):
    """Tell a running shard to stop; its RunShard completes."""

    shard_id: str


class CloseShard(msgspec.Struct, frozen=True):
    """Tell a running shard that it takes no more records; done at once."""

    shard_id: str
    ending_sequence_number: str


Command = (
    TakePlace
    | DescribeStream
    | PinLatest
    | BeginIncarnation
    | ForgetShards
    | RunShard
    | StopShard
    | CloseShard
)
