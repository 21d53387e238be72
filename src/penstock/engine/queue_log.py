"""What a queue mapping's log says, derived from inputs and commands: the core stays silent."""

from typing import Protocol

from penstock.core import queue_contract as q
from penstock.model.message import Message

_REMIND_EVERY = 10  # repeated source failures are logged at 1, 10, 20, ...


class Log(Protocol):
    """A structured logger: an event and its fields."""

    def debug(self, event: str, **fields: object) -> object: ...  # noqa: D102
    def info(self, event: str, **fields: object) -> object: ...  # noqa: D102
    def warning(self, event: str, **fields: object) -> object: ...  # noqa: D102


class QueueLog:
    """The observer of one queue mapping's driver.

    Args:
        log: Bound to the mapping's name already.
        is_verbose: Also say what went well, message by message; costs time per batch.
    """

    def __init__(self, log: Log, *, is_verbose: bool) -> None:
        self._log = log
        self._is_verbose = is_verbose
        self._source_failures = 0
        self._failing: set[str] = set()
        self._visibility_failures = 0
        self._discards: dict[int, q.SendToDestination] = {}

    def observe(self, inp: q.Input, commands: list[q.Command]) -> None:
        """Say what the input and the commands mean to an operator."""
        self._observe_source(inp)
        self._observe_visibility(inp)
        self._observe_invocation(inp)
        self._observe_discard(inp)
        self.observe_commands(commands)

    @property
    def is_listening(self) -> bool:
        """Tell whether what went well is to be said, or means that trouble is over."""
        return self._is_verbose or self._source_failures > 0

    def observe_commands(self, commands: list[q.Command]) -> None:
        """Say what the commands mean to an operator."""
        for command in commands:
            if isinstance(command, q.SendToDestination):
                self._discards[command.discard.id] = command
            elif isinstance(command, q.Forget):
                ids = _ids(command.batch.messages)
                self._log.warning("messages visible again before they could run", ids=ids)
            elif self._is_verbose and isinstance(command, q.Invoke):
                self._log.debug("invocation started", ids=_ids(command.batch.messages))

    def _observe_source(self, inp: q.Input) -> None:
        match inp:
            case q.DescribeFailed(reason):
                self._note_source_failure("describe", reason)
            case q.ReceiveFailed(_, reason):
                self._note_source_failure("receive", reason)
            case q.QueueDescribed():
                self._note_source_success("describe")
            case q.MessagesReceived(_, messages):
                self._note_source_success("receive")
                if messages and self._is_verbose:
                    counts = _counts(messages)
                    self._log.debug("messages received", ids=_ids(messages), counts=counts)
            case q.DeleteEnded(report, attempt):
                if report.retryable or report.refused:
                    left = _ids((*report.retryable, *report.refused))
                    self._log.warning("messages not deleted", ids=left, attempt=attempt)
                if report.deleted and self._is_verbose:
                    self._log.debug("messages deleted", ids=_ids(report.deleted))

    def _observe_visibility(self, inp: q.Input) -> None:
        match inp:
            case q.ExtendVisibilityFailed(_, reason):
                self._note_visibility_failure(reason)
            case q.VisibilityChanged(_, reason) if reason:
                self._note_visibility_failure(reason)
            case q.VisibilityChanged() | q.VisibilityExtended():
                if self._visibility_failures:
                    self._visibility_failures = 0
                    self._log.info("visibility can be changed again")

    def _note_visibility_failure(self, reason: str) -> None:
        self._visibility_failures += 1
        if self._visibility_failures == 1 or self._visibility_failures % _REMIND_EVERY == 0:
            failures = self._visibility_failures
            self._log.warning("visibility not changed", reason=reason, failures=failures)

    def _observe_discard(self, inp: q.Input) -> None:
        match inp:
            case q.DestinationAccepted(discard_id):
                self._tell_discard(discard_id, "message discarded")
            case q.DestinationFailed(discard_id, reason):
                self._tell_discard(discard_id, "destination took nothing", reason=reason)

    def _tell_discard(self, discard_id: int, event: str, **fields: object) -> None:
        sent = self._discards.pop(discard_id, None)
        if sent is not None:
            ids, to = [sent.discard.message.message_id], sent.destination_arn
            self._log.warning(event, ids=ids, to=to, **fields)

    def _note_source_failure(self, call: str, reason: str) -> None:
        self._failing.add(call)
        self._source_failures += 1
        if self._source_failures == 1 or self._source_failures % _REMIND_EVERY == 0:
            failures = self._source_failures
            self._log.warning("queue not readable", reason=reason, failures=failures)

    def _note_source_success(self, call: str) -> None:
        # A queue that can be described may yet refuse receives: each kind of call must work again.
        self._failing.discard(call)
        if self._source_failures and not self._failing:
            self._source_failures = 0
            self._log.info("queue readable again")

    def _observe_invocation(self, inp: q.Input) -> None:
        match inp:
            case q.InvocationSucceeded(batch) if self._is_verbose:
                self._log.debug("invocation succeeded", ids=_ids(batch.messages))
            case q.InvocationPartiallyFailed(batch, failed):
                count = len(batch.messages)
                self._log.warning("invocation partly failed", failed=sorted(failed), of=count)
            case q.InvocationFailed(batch, reason):
                self._log.warning("invocation failed", ids=_ids(batch.messages), reason=reason)
            case q.InvocationRejected(batch, reason):
                self._log.warning("function did not run", ids=_ids(batch.messages), reason=reason)
            case q.InvocationOutcomeUnknown(batch, reason):
                ids = _ids(batch.messages)
                self._log.warning("invocation's outcome unknown", ids=ids, reason=reason)


def _ids(messages: tuple[Message, ...]) -> list[str]:
    return [message.message_id for message in messages]


def _counts(messages: tuple[Message, ...]) -> list[int]:
    return [message.receive_count for message in messages]
