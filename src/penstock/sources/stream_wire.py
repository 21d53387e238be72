"""What the two stream services share on the wire: shards, the server's time, rules of reading."""

import email.utils
from collections.abc import Iterable

import msgspec

from penstock.aws.exchange import ExchangeRules, HttpResponse, Timeouts
from penstock.model.stream import Shard
from penstock.ports import ByteBudget, Clock

PAGES_MAX = 1_000  # of one listing; a server that goes on and on is not believed

# Of a closed shard whose end is not known: no record reaches it, so only the last answer's missing
# iterator ends the shard.
UNKNOWN_END = "9" * 128

_FETCH_TIMEOUTS = Timeouts(total_s=60.0)


class SequenceNumberRange(msgspec.Struct, frozen=True, rename="pascal"):
    """The ending sequence number is there once the shard is closed."""

    starting_sequence_number: str | None = None
    ending_sequence_number: str | None = None


class ListedShard(msgspec.Struct, frozen=True, rename="pascal"):
    """A shard in an answer; ``adjacent_parent_shard_id`` is the second parent of a merge."""

    shard_id: str
    parent_shard_id: str | None = None
    adjacent_parent_shard_id: str | None = None
    sequence_number_range: SequenceNumberRange = SequenceNumberRange()


def to_shards(listed: Iterable[ListedShard]) -> tuple[Shard, ...]:
    """Translate a listing.

    Raises:
        ValueError: A sequence number is not a number.
    """
    return tuple([_to_shard(shard) for shard in listed])


def _to_shard(shard: ListedShard) -> Shard:
    parents = (shard.parent_shard_id, shard.adjacent_parent_shard_id)
    ending = shard.sequence_number_range.ending_sequence_number or None
    if ending is not None:
        starting = shard.sequence_number_range.starting_sequence_number or "0"
        if not (starting + ending).isdecimal() or not (starting + ending).isascii():
            raise ValueError(f"shard {shard.shard_id} ends at {ending!r}, which is not a number")
        if int(ending) < int(starting):  # kinesis-local says so of every closed shard
            ending = UNKNOWN_END
    return Shard(shard.shard_id, tuple([parent for parent in parents if parent]), ending)


def server_time_ms(response: HttpResponse, clock: Clock) -> int:
    """Give the server's time of an answer: its Date, and without one our own clock's."""
    try:
        told = email.utils.parsedate_to_datetime(response.header("date") or "")
    except ValueError:
        return clock.now().wall_ms
    return int(told.timestamp() * 1000)


def fetch_rules(answer_bytes_max: int, budget: ByteBudget) -> ExchangeRules:
    """Give the rules of one GetRecords: tried once, since the machine paces the reading.

    It takes a connection of its own, because it may wait long for room.
    """
    return ExchangeRules(
        timeouts=_FETCH_TIMEOUTS,
        is_idempotent=True,
        attempts_max=1,
        is_long=True,
        answer_bytes_max=answer_bytes_max,
        admit=budget.take,
    )
