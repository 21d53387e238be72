"""When a mapping has nothing left to do, and what keeps it busy."""

from penstock.model.mapping import EventSourceMapping, State
from penstock.ports import Store
from penstock.testing.history import History, Invocation, Outcome
from penstock.testing.queues import Queue
from penstock.testing.source import Source
from penstock.testing.streams import Stream
from penstock.testing.values import Entry, name_entries

SETTLED = {State.ENABLED, State.DISABLED}
_NAMED_MAX = 5


def is_busy(row: EventSourceMapping, source: Source, history: History, store: Store) -> bool:
    """Tell whether a mapping has something to do, now or when time passes.

    Of a queue: any message that is still in it. Of a stream: a record that no checkpoint covers.
    """
    if row.state not in SETTLED or history.running_count:
        return True
    if not row.enabled:
        return False
    match source:
        case Queue():
            return not source.server.is_empty
        case Stream():
            place = store.read_place(row.uuid)
            checkpoints = {} if place is None else place.checkpoints
            return not all(
                source.is_settled(shard_id, checkpoints.get(shard_id))
                for shard_id in source.server.shards
            )
        case _:
            raise AssertionError(f"{source!r} is no kind of source")


def tell_busy(source: Source, history: History) -> str:
    """Say in words what keeps a mapping busy, and what would end it."""
    left = _left_in(source, history)
    if not left:
        return "an invocation has not ended, or its mapping has not settled"
    counts = [sum(entry in set(each.entries) for each in history.invocations) for entry in left]
    text = (
        f"{name_entries(left)} {'is' if len(left) == 1 else 'are'} not settled after "
        f"{max(counts)} invocations"
    )
    last = next((each for each in reversed(history.invocations) if left[0] in each.entries), None)
    if last is None:
        return f"{text}: the function did not run with it"
    return f"{text}; the last one {_tell_end(last)}. {_tell_way_out(source)}"


def _left_in(source: Source, history: History) -> list[Entry]:
    done = {*history.succeeded, *history.discarded}
    if isinstance(source, Queue):
        return [source.entries[each] for each in source.server.message_ids()][:_NAMED_MAX]
    return [entry for entry in source.entries.values() if entry not in done][:_NAMED_MAX]


def _tell_end(invocation: Invocation) -> str:
    if invocation.outcome is Outcome.SUCCEEDED:
        return "succeeded"
    return f"{invocation.outcome}: {invocation.reason}" if invocation.reason else invocation.outcome


def _tell_way_out(source: Source) -> str:
    if isinstance(source, Queue):
        return (
            "A queue gives a message for ever, unless it has a dead-letter queue: "
            "penstock.queue(maxReceiveCount=3)."
        )
    return (
        "A stream mapping tries for ever, unless it has MaximumRetryAttempts or "
        "MaximumRecordAgeInSeconds."
    )
