"""The filter that a mapping's policy asks for, compiled once for all that runs by it."""

import functools

from penstock.core.queue_contract import QueuePolicy
from penstock.core.record_filter import RecordFilter
from penstock.core.shard_contract import ShardPolicy
from penstock.model.filtering import FilterSource
from penstock.model.message import Message

COMPILED_MAX = 256  # filters kept; one that is not there any more is compiled again

Messages = tuple[Message, ...]


def part_messages(messages: Messages, policy: QueuePolicy) -> tuple[Messages, Messages]:
    """Give the messages that match one of a queue mapping's filters, and the others."""
    if not policy.filters:
        return messages, ()
    kept, excluded = _compiled(policy.filters, FilterSource.SQS).part_messages(messages)
    return tuple(kept), tuple(excluded)


def shard_filter(policy: ShardPolicy) -> RecordFilter | None:
    """Give a stream mapping's filter, one for all its shards; None: every record matches."""
    return _compiled(policy.filters, FilterSource[policy.kind.name]) if policy.filters else None


@functools.lru_cache(COMPILED_MAX)
def _compiled(patterns: tuple[str, ...], source: FilterSource) -> RecordFilter:
    return RecordFilter(patterns, source)
