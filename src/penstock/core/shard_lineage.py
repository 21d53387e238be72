"""Which shards of a stream may run, and from where: parents before children.

A child starts only after all its parents have ended; a parent that is no longer listed (trimmed, or
out of scope) counts as ended.

Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html;
    where a shard without checkpoint starts: docs/semantics.md#starting-positions
"""

from collections.abc import Collection, Mapping, Sequence

from penstock.core.stream_contract import StreamPolicy
from penstock.model.instant import Instant
from penstock.model.position import StreamPlace
from penstock.model.stream import (
    AtTimestamp,
    Checkpoint,
    LatestPin,
    Position,
    Shard,
    ShardEnd,
    StartingPosition,
    TrimHorizon,
)

OLD_SHARD_MS = 48 * 3600 * 1000  # twice as long as DynamoDB keeps a record


def runnable(shards: Sequence[Shard], ended: Collection[str]) -> list[Shard]:
    """Give the shards that have not ended and whose parents have."""
    listed = {shard.shard_id for shard in shards}
    return [
        shard
        for shard in shards
        if shard.shard_id not in ended
        and all(parent in ended or parent not in listed for parent in shard.parent_ids)
    ]


def childless(shards: Sequence[Shard], ended: Collection[str]) -> set[str]:
    """Give the ended shards that are listed and of which no child is listed yet."""
    parents = {parent for shard in shards for parent in shard.parent_ids}
    return {shard.shard_id for shard in shards if shard.shard_id in ended} - parents


def pinned(shards: Sequence[Shard], pins: Mapping[str, LatestPin]) -> dict[str, Checkpoint]:
    """Give LATEST's first checkpoints: open shards stand at their pin, closed ones have ended."""
    return {shard.shard_id: Checkpoint(pins.get(shard.shard_id) or ShardEnd()) for shard in shards}


def without_old_shards(
    checkpoints: Mapping[str, Checkpoint], shards: Sequence[Shard], now: Instant
) -> dict[str, Checkpoint]:
    """Leave out ended shards that are no longer listed and whose last record is long past.

    An unlisted parent counts as ended anyway. The age keeps a shard that a listing has left out by
    mistake from being read all over again.
    """
    listed = {shard.shard_id for shard in shards}

    def is_old(shard_id: str, checkpoint: Checkpoint) -> bool:
        return (
            shard_id not in listed
            and isinstance(checkpoint.position, ShardEnd)
            and checkpoint.arrived_ms is not None
            and now.wall_ms - checkpoint.arrived_ms > OLD_SHARD_MS
        )

    return {
        shard_id: checkpoint
        for shard_id, checkpoint in checkpoints.items()
        if not is_old(shard_id, checkpoint)
    }


def starting_position(place: StreamPlace, policy: StreamPolicy) -> Position:
    """Say where a shard without a checkpoint starts.

    TRIM_HORIZON: its horizon. AT_TIMESTAMP: that time, children too. LATEST: its horizon, since
    what was there at the pin has a checkpoint. A rewind overrules all three.
    """
    if place.start is not None:
        return place.start
    if policy.starting_position is StartingPosition.AT_TIMESTAMP:
        assert policy.start_timestamp_ms is not None, "AT_TIMESTAMP comes with a timestamp"
        return AtTimestamp(policy.start_timestamp_ms)
    return TrimHorizon()
