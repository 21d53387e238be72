"""Sees one queue mapping's inputs and commands: its log, its counts, its trouble, its advice."""

from collections.abc import Callable

from penstock.core import queue_contract as q
from penstock.engine.advice_log import AdviceLog
from penstock.engine.queue_counts import QueueCounts
from penstock.engine.queue_log import QueueLog

# Most of what happens: there is nothing to say of it.
_ORDINARY = frozenset(
    {
        q.MessagesReceived,
        q.SlotsGranted,
        q.SlotsContended,
        q.InvocationSucceeded,
        q.DeadlineReached,
    }
)


class QueueObserver:
    """The observer of one queue mapping's driver; it works once per input, never per message.

    Args:
        note_trouble: Told in words of what went wrong.
    """

    def __init__(
        self,
        log: QueueLog,
        counts: QueueCounts,
        *,
        advice: AdviceLog,
        note_trouble: Callable[[str], None],
    ) -> None:
        self._log = log
        self._advice = advice
        self._counts = counts
        self._note_trouble = note_trouble

    def observe(self, inp: q.Input, commands: list[q.Command]) -> None:
        """Take in what the driver fed and what the machine answered."""
        self._counts.observe(inp, commands)
        if not self._log.is_listening and is_ordinary(inp):
            self._log.observe_commands(commands)
            return
        self._log.observe(inp, commands)
        self._advice.observe(inp)
        trouble = trouble_of(inp)
        if trouble is not None:
            self._note_trouble(trouble)


def is_ordinary(inp: q.Input) -> bool:
    """Tell whether there is nothing to say of an input."""
    if type(inp) is q.DeleteEnded:
        return not (inp.report.retryable or inp.report.refused)
    return type(inp) in _ORDINARY


def trouble_of(inp: q.Input) -> str | None:  # noqa: PLR0911 - one per kind of trouble
    """Say what an input tells of trouble; None: nothing."""
    match inp:
        case q.DescribeFailed(reason) | q.ReceiveFailed(_, reason):
            return f"queue not readable: {reason}"
        case q.InvocationFailed(_, reason):
            return f"invocation failed: {reason}"
        case q.InvocationPartiallyFailed(batch, failed):
            return f"function reported {len(failed)} of {len(batch.messages)} messages as failed"
        case q.InvocationRejected(_, reason):
            return f"function did not run: {reason}"
        case q.InvocationOutcomeUnknown(_, reason):
            return f"invocation's outcome unknown: {reason}"
        case q.DestinationFailed(_, reason):
            return f"on-failure destination took nothing: {reason}"
        case q.ExtendVisibilityFailed(_, reason):
            return f"visibility not changed: {reason}"
        case q.VisibilityChanged(_, reason) if reason:
            return f"visibility not changed: {reason}"
        case q.DeleteEnded(report) if report.retryable or report.refused:
            return f"{len(report.retryable) + len(report.refused)} messages not deleted"
        case _:
            return None
