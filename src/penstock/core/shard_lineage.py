"""Which shards of a stream may run, and from where: parents before children.

A child starts only after all its parents have ended; a parent that is no longer listed (trimmed, or
out of scope) counts as ended.

Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html;
    where a shard without checkpoint starts: docs/semantics.md#starting-positions
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from penstock.core.stream_contract import StreamPolicy
from penstock.model.position import StreamPlace
from penstock.model.stream import (
    AtTimestamp,
    Checkpoint,
    LatestPin,
    Position,
    Shard,
    ShardEnd,
    StartingPosition,
    StreamDescription,
    TrimHorizon,
)


def runnable(
    shards: Sequence[Shard], ended: Collection[str], running: Collection[str] = ()
) -> list[Shard]:
    """Give the shards that have not ended and whose parents have; one that runs has not."""
    waited_for = ({shard.shard_id for shard in shards} | set(running)) - set(ended)
    return [
        shard
        for shard in shards
        if shard.shard_id not in ended and waited_for.isdisjoint(shard.parent_ids)
    ]


def childless(shards: Sequence[Shard], ended: Collection[str]) -> set[str]:
    """Give the ended shards that are listed and of which no child is listed yet."""
    parents = {parent for shard in shards for parent in shard.parent_ids}
    return {shard.shard_id for shard in shards if shard.shard_id in ended} - parents


def pinned(shards: Sequence[Shard], pins: Mapping[str, LatestPin]) -> dict[str, Checkpoint]:
    """Give LATEST's first checkpoints: open shards stand at their pin, closed ones have ended."""
    return {shard.shard_id: Checkpoint(pins.get(shard.shard_id) or ShardEnd()) for shard in shards}


def must_pin(place: StreamPlace, starting_position: StartingPosition) -> bool:
    """Tell whether LATEST is still to be pinned: the mapping never ran, and was never rewound."""
    is_latest = starting_position is StartingPosition.LATEST
    return is_latest and not place.incarnation and place.start is None


def settle_incarnation(
    place: StreamPlace, description: StreamDescription, pins: Mapping[str, LatestPin] | None = None
) -> StreamPlace:
    """Make a place one in this very stream: what its checkpoints begin with.

    Args:
        place: What belongs to a stream that had the same ARN before this one is forgotten.
        description: The stream as it is.
        pins: Of its open shards, where LATEST is still to be pinned.
    """
    if place.incarnation == description.incarnation:
        return place
    if place.incarnation:
        return StreamPlace(
            tenure=place.tenure,
            incarnation=description.incarnation,
            processing_result=place.processing_result,
        )
    checkpoints = place.checkpoints if pins is None else pinned(description.shards, pins)
    return msgspec.structs.replace(
        place,
        incarnation=description.incarnation,
        checkpoints=checkpoints,
    )


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
