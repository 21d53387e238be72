"""Where a mapping stands in its stream, and where an operator puts it.

A rewind to one record reaches beyond its shard, because a stream's shards follow one another::

    parent ──┬── target ──┬── child ── grandchild       target:       at the record
             └── sibling  │                             descendants:  at their horizon
    stranger ─────────────┘                             ancestors:    ended
                                                        all others:   as they are

So a merge's other parent, here the stranger, stays ended if it was, and else keeps its place: the
child waits for it as it did before.
"""

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from penstock.model.errors import ConfigurationError
from penstock.model.position import Skip, StreamPlace
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    AtTimestamp,
    Checkpoint,
    Position,
    Shard,
    ShardEnd,
    TrimHorizon,
)

SKIPS_MAX = 100  # ours: an operator's list, not a filter
_SHARDS_NAMED_MAX = 20  # of the thousands that an error could name


class ShardState(enum.StrEnum):
    """How far a mapping has come with a shard."""

    NOT_STARTED = "not started"
    READING = "reading"
    ENDED = "ended"


class ShardPositionView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mapping stands in one shard, as an operator is shown it.

    Attributes:
        position: None: where the mapping starts shards that it has not come to.
        sequence_number: Everything before it, and it itself once reading, is settled; None: the
            position is no record's.
        arrived_ms: When that record arrived, Unix ms; None when that is not known.
        behind_ms: Its iterator age; None when it does not run.
    """

    shard_id: str
    parent_ids: tuple[str, ...]
    state: ShardState
    position: Position | None = None
    sequence_number: str | None = None
    arrived_ms: int | None = None
    behind_ms: int | None = None


def rewind_to_horizon(place: StreamPlace) -> StreamPlace:
    """Start every shard at the oldest record it still has."""
    return _start_all(place, TrimHorizon())


def rewind_to_timestamp(place: StreamPlace, wall_ms: int) -> StreamPlace:
    """Start every shard at the first record that arrived then or later."""
    return _start_all(place, AtTimestamp(wall_ms))


def rewind_to_sequence_number(
    place: StreamPlace, shards: Sequence[Shard], *, shard_id: str, sequence_number: str
) -> StreamPlace:
    """Start one shard at a record, and what descends from it at the oldest record.

    Args:
        place: Where the mapping stands.
        shards: All that the stream lists.
        shard_id: One of them.
        sequence_number: Decimal digits.

    Raises:
        ConfigurationError: The stream lists no such shard.
    """
    _check_is_listed(shard_id, shards)
    ancestors = _closure(shard_id, {shard.shard_id: shard.parent_ids for shard in shards})
    descendants = _closure(shard_id, _children(shards))
    ended = {each: Checkpoint(ShardEnd()) for each in ancestors & _ids(shards)}
    begun = {each: Checkpoint(TrimHorizon()) for each in descendants}
    target = {shard_id: Checkpoint(AtSequenceNumber(sequence_number))}
    return msgspec.structs.replace(place, checkpoints=place.checkpoints | ended | begun | target)


def skip(
    place: StreamPlace, shards: Sequence[Shard], *, shard_id: str, sequence_number: str
) -> StreamPlace:
    """Give one record up: it goes to the failure journal instead of the function.

    When the list is full, what has been passed leaves it: a rewind to before such a record delivers
    it again.

    Raises:
        ConfigurationError: The stream lists no such shard, the record is settled already, or
            ``SKIPS_MAX`` records are still to be skipped.
    """
    _check_is_listed(shard_id, shards)
    added = Skip(shard_id, sequence_number)
    if added in place.skips:
        return place
    if _is_passed(place, added):
        raise ConfigurationError(
            f"Record {sequence_number} of shard {shard_id} is settled already; there is nothing to "
            "skip"
        )
    kept = place.skips
    if len(kept) >= SKIPS_MAX:
        listed = _ids(shards)
        kept = tuple(
            each for each in kept if each.shard_id in listed and not _is_passed(place, each)
        )
    if len(kept) >= SKIPS_MAX:
        raise ConfigurationError(
            f"{SKIPS_MAX} records wait to be skipped already, which is the limit; to pass over "
            "many, rewind the shard to the record behind them"
        )
    return msgspec.structs.replace(place, skips=(*kept, added))


def describe_positions(
    place: StreamPlace, shards: Iterable[Shard], ages_ms: Mapping[str, int]
) -> tuple[ShardPositionView, ...]:
    """Say of each listed shard how far the mapping has come.

    Args:
        place: Where the mapping stands.
        shards: All that the stream lists.
        ages_ms: How far behind the running shards are, by shard id.
    """
    return tuple(
        _describe(shard, place.checkpoints.get(shard.shard_id), ages_ms.get(shard.shard_id))
        for shard in shards
    )


def _describe(shard: Shard, checkpoint: Checkpoint | None, age_ms: int | None) -> ShardPositionView:
    state = _state_of(checkpoint, is_running=age_ms is not None)
    position = None if checkpoint is None else checkpoint.position
    sequence_number = None
    if isinstance(position, AtSequenceNumber | AfterSequenceNumber):
        sequence_number = position.sequence_number
    return ShardPositionView(
        shard_id=shard.shard_id,
        parent_ids=shard.parent_ids,
        state=state,
        position=position,
        sequence_number=sequence_number,
        arrived_ms=None if checkpoint is None else checkpoint.arrived_ms,
        behind_ms=None if state is ShardState.ENDED else age_ms,
    )


def _state_of(checkpoint: Checkpoint | None, *, is_running: bool) -> ShardState:
    match None if checkpoint is None else checkpoint.position:
        case ShardEnd():
            return ShardState.ENDED
        case AfterSequenceNumber():
            return ShardState.READING
        case _:
            # Lanes may have come further than the shard's frontier.
            has_settled = checkpoint is not None and bool(checkpoint.lanes)
            return ShardState.READING if is_running or has_settled else ShardState.NOT_STARTED


def _start_all(place: StreamPlace, start: Position) -> StreamPlace:
    return msgspec.structs.replace(place, start=start, checkpoints={})


def _check_is_listed(shard_id: str, shards: Sequence[Shard]) -> None:
    listed = [shard.shard_id for shard in shards]
    if shard_id in listed:
        return
    named = ", ".join(listed[:_SHARDS_NAMED_MAX]) or "no shard"
    more = len(listed) - _SHARDS_NAMED_MAX
    rest = f" and {more} more" if more > 0 else ""
    raise ConfigurationError(f"The stream has no shard {shard_id!r}; it lists {named}{rest}")


def _ids(shards: Iterable[Shard]) -> set[str]:
    return {shard.shard_id for shard in shards}


def _children(shards: Iterable[Shard]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for shard in shards:
        for parent_id in shard.parent_ids:
            children.setdefault(parent_id, []).append(shard.shard_id)
    return children


def _closure(shard_id: str, next_ids: Mapping[str, Collection[str]]) -> set[str]:
    """Give all that can be reached from a shard, itself not among them."""
    reached: set[str] = set()
    waiting = [shard_id]
    while waiting:
        for each in next_ids.get(waiting.pop(), ()):
            if each not in reached:
                reached.add(each)
                waiting.append(each)
    return reached


def _is_passed(place: StreamPlace, skipped: Skip) -> bool:
    """Tell whether the shard's checkpoint is at the record or beyond it."""
    checkpoint = place.checkpoints.get(skipped.shard_id)
    match None if checkpoint is None else checkpoint.position:
        case ShardEnd():
            return True
        case AfterSequenceNumber(sequence_number):
            return int(skipped.sequence_number) <= int(sequence_number)
        case AtSequenceNumber(sequence_number):
            return int(skipped.sequence_number) < int(sequence_number)
        case _:
            return False
