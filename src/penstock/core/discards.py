"""Messages that failed at their last receive, on their way to an on-failure destination.

::

    waiting ──(few at a time)──> SendToDestination ──accepted──> deleted
                                   ▲          └─ not accepted ──> left: it comes again
                                   └─back-off─┘
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from penstock.core.held_batch import HeldBatch
from penstock.core.queue_contract import (
    DestinationFailed,
    InvocationFailed,
    InvocationPartiallyFailed,
    QueuePolicy,
    SendToDestination,
)
from penstock.core.renewals import Renewals
from penstock.core.retry import backoff_ms
from penstock.model.failure import InvocationTrace, MessageDiscard
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX, Message

DESTINATION_ATTEMPTS_MAX = 5
DISCARDS_MAX = 50  # at a destination or between two attempts; a batch may bring ten thousand
DISCARDS_HELD_MAX = 200  # above it nothing is received: the destination takes so few
_RETRY_FIRST_MS = 500
_RETRY_MS_MAX = 5_000


class _Cause(msgspec.Struct, frozen=True):
    """What the discards of one failed invocation share."""

    destination_arn: str
    queue_arn: str
    function_arn: str
    trace: InvocationTrace
    response: bytes
    discarded_ms: int


class _Waiting(msgspec.Struct, frozen=True):
    """A message that is yet to be sent; ``held`` keeps it hidden, with up to nine others."""

    message: Message
    held: HeldBatch
    cause: _Cause


class _Sending(msgspec.Struct):
    """A discard that its destination does not have yet; ``due_ms`` None: it is being sent."""

    command: SendToDestination
    held: HeldBatch
    attempt: int = 1
    due_ms: int | None = None


class Discards:
    """The discards of one mapping that are not recorded yet.

    Each message stays hidden until its destination has accepted or refused it: its function must
    not run again meanwhile, nor a redrive policy take it.

    Args:
        renewals: Keeps them hidden.
    """

    def __init__(self, renewals: Renewals) -> None:
        self._renewals = renewals
        self._coming: list[tuple[HeldBatch, Sequence[Message], _Cause]] = []
        self._waiting: deque[_Waiting] = deque()
        self._sending: dict[int, _Sending] = {}
        self._discard_id = 0
        self._held_id = 0

    def __len__(self) -> int:
        """Count the messages; for a stop to wait for."""
        coming_count = sum([len(messages) for _, messages, _ in self._coming])
        return coming_count + len(self._waiting) + len(self._sending)

    @property
    def is_full(self) -> bool:
        """Tell whether so many wait that receiving must wait, too."""
        # What is being sent alone is never so many.
        return bool(self._coming or self._waiting) and len(self) >= DISCARDS_HELD_MAX

    def add(
        self,
        messages: Sequence[Message],
        held: HeldBatch,
        *,
        failure: InvocationFailed | InvocationPartiallyFailed,
        policy: QueuePolicy,
        now: Instant,
    ) -> None:
        """Take in messages of a batch that failed for the last time."""
        assert policy.options.on_failure_arn is not None
        cause = _Cause(
            policy.options.on_failure_arn,
            policy.queue_arn,
            policy.function_arn,
            failure.trace,
            failure.payload,
            now.wall_ms,
        )
        self._coming.append((held, messages, cause))
        self._take_coming()

    def _take_coming(self) -> None:
        # While a message is being extended no other extension of it begins.
        coming = [entry for entry in self._coming if not entry[0].renewals]
        self._coming = [entry for entry in self._coming if entry[0].renewals]
        for held, messages, cause in coming:
            self._take_in(held, messages, cause)

    def _take_in(self, held: HeldBatch, messages: Sequence[Message], cause: _Cause) -> None:
        for start in range(0, len(messages), BATCH_ENTRIES_MAX):
            # Batches that were received count up from 1.
            self._held_id -= 1
            part = held.part(self._held_id, messages[start : start + BATCH_ENTRIES_MAX])
            self._renewals.watch(part)
            self._waiting += [_Waiting(message, part, cause) for message in part.messages]

    def accept(self, discard_id: int) -> tuple[Message, ...]:
        """A destination has a discard: its message may be deleted."""
        sending = self._sending.pop(discard_id)
        message = sending.command.discard.message
        self._let_go(message, sending.held)
        return (message,)

    def refuse(self, failed: DestinationFailed, now: Instant) -> None:
        """A destination has not taken a discard: try again, a few times, where that may help."""
        sending = self._sending[failed.discard_id]
        if failed.is_final or sending.attempt >= DESTINATION_ATTEMPTS_MAX:
            self._give_up(failed.discard_id)
            return
        sending.due_ms = now.monotonic_ms + backoff_ms(
            sending.attempt, first_ms=_RETRY_FIRST_MS, maximum_ms=_RETRY_MS_MAX
        )
        sending.attempt += 1

    def start_due(self, now: Instant, *, is_stopping: bool) -> list[SendToDestination]:
        """Give what may be sent now.

        A stop waits neither for another attempt nor for what was not sent: that comes again.
        """
        if not (self._coming or self._waiting or self._sending):
            return []
        self._take_coming()
        while self._waiting and len(self._sending) < DISCARDS_MAX:
            self._begin(self._waiting.popleft(), now)
        while self._waiting and is_stopping:
            waiting = self._waiting.popleft()
            self._let_go(waiting.message, waiting.held)
        commands: list[SendToDestination] = []
        for discard_id, sending in list(self._sending.items()):
            if sending.due_ms is None:
                continue
            if is_stopping and sending.attempt > 1:
                self._give_up(discard_id)
            elif sending.due_ms <= now.monotonic_ms:
                sending.due_ms = None
                commands.append(sending.command)
        return commands

    def deadline_ms(self) -> int | None:
        """When ``start_due`` has an attempt to give."""
        if not self._sending:
            return None
        dues = [each.due_ms for each in self._sending.values() if each.due_ms is not None]
        return min(dues, default=None)

    def _begin(self, waiting: _Waiting, now: Instant) -> None:
        self._discard_id += 1
        cause = waiting.cause
        discard = MessageDiscard(
            id=self._discard_id,
            message=waiting.message,
            queue_arn=cause.queue_arn,
            function_arn=cause.function_arn,
            receive_count=waiting.message.receive_count,
            trace=cause.trace,
            response=cause.response,
            discarded_ms=cause.discarded_ms,
        )
        command = SendToDestination(cause.destination_arn, discard)
        self._sending[discard.id] = _Sending(command, waiting.held, due_ms=now.monotonic_ms)

    def _give_up(self, discard_id: int) -> None:
        sending = self._sending.pop(discard_id)
        self._let_go(sending.command.discard.message, sending.held)

    def _let_go(self, message: Message, held: HeldBatch) -> None:
        """Extend this message no more."""
        held.drop(message)
        if not held.messages:
            self._renewals.leave(held)
