"""How old the records are that a shard's function is given: IteratorAge."""

from penstock.core import shard_contract as s
from penstock.engine.shard_discards import DiscardEnd
from penstock.model.stream import FetchedRecords


class ShardAge:
    """The iterator age of one shard, live.

    While a batch is not done it is the age of that batch's last record, and grows; else it is what
    the server said last of how far reading is behind.

    Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html; that it grows
        between invocations: docs/semantics.md#stream-metrics
    """

    def __init__(self) -> None:
        self._arrived_ms: dict[int, int] = {}  # by lane, of the batch that is not done
        self._behind_ms: int | None = None  # not read yet

    def observe(self, inp: s.Input, commands: list[s.Command]) -> None:
        """Take in what happened."""
        match inp:
            case s.RecordsFetched(fetched):
                self._behind_ms = _behind_ms(fetched)
            case s.InvocationSucceeded(batch):
                self._arrived_ms.pop(batch.lane, None)
        for command in commands:
            if isinstance(command, s.Invoke) and command.batch.records:
                self._arrived_ms[command.batch.lane] = command.batch.records[-1].arrived_ms

    def end_discard(self, end: DiscardEnd) -> None:
        """The records that were not done have left the shard."""
        self._arrived_ms.pop(end.discard.lane, None)

    def age_ms(self, wall_ms: int) -> int | None:
        """Give the age at that Unix time in milliseconds, never negative; None before a read."""
        oldest_ms = min(self._arrived_ms.values(), default=None)
        return self._behind_ms if oldest_ms is None else max(0, wall_ms - oldest_ms)


def _behind_ms(fetched: FetchedRecords) -> int:
    return 0 if fetched.behind_ms is None else fetched.behind_ms
