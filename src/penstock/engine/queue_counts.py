"""What a queue mapping did, counted: plain integers, added to once per batch."""

from penstock.core import queue_contract as q


class QueueCounts:
    """One mapping's EventCount metrics, since the node began.

    Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    def __init__(self) -> None:
        self.polled = 0
        self.filtered_out = 0
        self.invoked = 0
        self.failed_invoke = 0
        self.deleted = 0
        self.delivered = 0

    def observe(self, inp: q.Input, commands: list[q.Command]) -> None:
        """Count an input of the consumer and what followed from it."""
        match inp:
            case q.SlotsGranted() | q.InvocationSucceeded():
                pass  # first: most of what happens
            case q.MessagesReceived(_, messages):
                self.polled += len(messages)
            case q.DeleteEnded(report):
                self.deleted += len(report.deleted)
            case q.DestinationAccepted():
                self.delivered += 1
            case (
                q.InvocationFailed(batch)
                | q.InvocationPartiallyFailed(batch)
                | q.InvocationRejected(batch)
                | q.InvocationOutcomeUnknown(batch)
            ):
                self.failed_invoke += len(batch.messages)
        for command in commands:
            if isinstance(command, q.Invoke):
                self.invoked += len(command.batch.messages)
            elif isinstance(command, q.ReportFilteredOut):
                self.filtered_out += command.count
