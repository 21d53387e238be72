"""What a stream mapping did, counted: plain integers, added to once per batch."""

from penstock.core import shard_contract as s
from penstock.engine.shard_discards import DiscardEnd
from penstock.model.failure import Condition


class StreamCounts:
    """One mapping's EventCount metrics, since the node began.

    Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html; ``journaled`` is
        ours, and ``dropped`` records are in the journal: docs/semantics.md#stream-metrics
    """

    def __init__(self) -> None:
        self.polled = 0
        self.filtered_out = 0
        self.invoked = 0
        self.failed_invoke = 0
        self.dropped = 0
        self.delivered = 0
        self.journaled = 0

    def observe(self, inp: s.Input, commands: list[s.Command]) -> None:
        """Count a shard's input and what followed from it."""
        match inp:
            case s.RecordsFetched(fetched):
                self.polled += len(fetched.records)
            case (
                s.InvocationFailed(batch)
                | s.InvocationPartiallyFailed(batch)
                | s.InvocationRejected(batch)
                | s.InvocationOutcomeUnknown(batch)
            ):
                self.failed_invoke += len(batch.records)
        for command in commands:
            if isinstance(command, s.Invoke):
                self.invoked += len(command.batch.records)
            elif isinstance(command, s.ReportFilteredOut):
                self.filtered_out += command.count

    def count_discard(self, end: DiscardEnd) -> None:
        """Count records that left their shard without having succeeded."""
        count = end.discard.batch_size
        if not end.is_journaled:
            self.delivered += count
            return
        self.journaled += count
        if end.discard.condition is not Condition.SKIPPED:
            self.dropped += count
