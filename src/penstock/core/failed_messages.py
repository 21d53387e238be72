"""What becomes of messages whose function failed: left, hidden for a while, or discarded.

::

    failed ──> left to its visibility timeout
       ├─(back-off)──────────> hidden for a time that grows with its receives ──> comes again
       └─(its last receive)──> SendToDestination ──accepted──> deleted
                                     └─ not accepted ──> left: it comes again
"""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from penstock.core.held_batch import HeldBatch
from penstock.core.queue_contract import (
    DestinationFailed,
    InvocationFailed,
    InvocationPartiallyFailed,
    QueuePolicy,
    ReturnToQueue,
    SendToDestination,
)
from penstock.core.retry import backoff_ms
from penstock.model.failure import MessageDiscard
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX, Message, VisibilityChange
from penstock.model.queue_options import RetryBackoff

DESTINATION_ATTEMPTS_MAX = 5
DISCARDS_MAX = 50  # at a destination or between two attempts; a batch may bring ten thousand
_RETRY_FIRST_MS = 500
_RETRY_MS_MAX = 5_000


class _Discarding(msgspec.Struct):
    """A discard that its destination does not have yet; ``due_ms`` None: it is being sent."""

    command: SendToDestination
    attempt: int = 1
    due_ms: int | None = None


class FailedMessages:
    """The failed messages of one mapping that something is still to be done about."""

    def __init__(self) -> None:
        self._delayed: list[tuple[HeldBatch, tuple[VisibilityChange, ...]]] = []
        self._discards: deque[_Discarding] = deque()
        self._discarding: dict[int, _Discarding] = {}
        self._discard_id = 0

    def __len__(self) -> int:
        """Count what is not done; for a stop to wait for."""
        return len(self._delayed) + len(self._discards) + len(self._discarding)

    def take(
        self,
        held: HeldBatch,
        failure: InvocationFailed | InvocationPartiallyFailed,
        policy: QueuePolicy,
        receives_max: int | None,
        now: Instant,
    ) -> None:
        """Take in what failed of a batch.

        Args:
            held: The batch.
            failure: Names what failed.
            policy: Says whether there is a back-off or a destination.
            receives_max: Which receive of a message is its last; None: it has none.
            now: The moment.
        """
        options = policy.options
        if options.backoff is None and options.on_failure_arn is None:
            return
        failed = failed_of(held.messages, failure)
        if options.on_failure_arn is not None and receives_max is not None:
            again: list[Message] = []
            for message in failed:
                if message.receive_count >= receives_max:
                    self._discard(message, failure, policy, options.on_failure_arn, now)
                else:
                    again.append(message)
            failed = again
        if options.backoff is not None and failed:
            self._delayed.append((held, delays(failed, options.backoff, is_fifo=policy.is_fifo)))

    def accept(self, discard_id: int) -> tuple[Message, ...]:
        """A destination has a discard: its message may be deleted."""
        discarding = self._discarding.pop(discard_id)
        return (discarding.command.discard.message,)

    def refuse(self, failed: DestinationFailed, now: Instant) -> None:
        """A destination has not taken a discard: try again, a few times, where that may help."""
        discarding = self._discarding[failed.discard_id]
        if failed.is_final or discarding.attempt >= DESTINATION_ATTEMPTS_MAX:
            del self._discarding[failed.discard_id]
            return
        discarding.due_ms = now.monotonic_ms + backoff_ms(
            discarding.attempt, first_ms=_RETRY_FIRST_MS, maximum_ms=_RETRY_MS_MAX
        )
        discarding.attempt += 1

    def start_due(
        self, now: Instant, *, is_stopping: bool
    ) -> list[ReturnToQueue | SendToDestination]:
        """Give what may be done now; a stop does not wait for another attempt."""
        commands: list[ReturnToQueue | SendToDestination] = []
        # An extension that is under way would land last, and undo the back-off.
        ready = [changes for held, changes in self._delayed if not held.renewals]
        self._delayed = [entry for entry in self._delayed if entry[0].renewals]
        for changes in ready:
            commands += returns(changes)
        while self._discards and len(self._discarding) < DISCARDS_MAX:
            discarding = self._discards.popleft()
            self._discarding[discarding.command.discard.id] = discarding
        for discard_id, discarding in list(self._discarding.items()):
            if discarding.due_ms is None:
                continue
            if is_stopping and discarding.attempt > 1:
                del self._discarding[discard_id]
            elif discarding.due_ms <= now.monotonic_ms:
                discarding.due_ms = None
                commands.append(discarding.command)
        return commands

    def deadline_ms(self) -> int | None:
        """When ``start_due`` has an attempt to give."""
        dues = [one.due_ms for one in self._discarding.values() if one.due_ms is not None]
        return min(dues, default=None)

    def _discard(
        self,
        message: Message,
        failure: InvocationFailed | InvocationPartiallyFailed,
        policy: QueuePolicy,
        destination_arn: str,
        now: Instant,
    ) -> None:
        self._discard_id += 1
        discard = MessageDiscard(
            id=self._discard_id,
            message=message,
            queue_arn=policy.queue_arn,
            function_arn=policy.function_arn,
            receive_count=message.receive_count,
            trace=failure.trace,
            response=failure.payload,
            discarded_ms=now.wall_ms,
        )
        command = SendToDestination(destination_arn, discard)
        self._discards.append(_Discarding(command, due_ms=now.monotonic_ms))


def failed_of(
    messages: Iterable[Message], failure: InvocationFailed | InvocationPartiallyFailed
) -> list[Message]:
    """Give the messages that failed."""
    if isinstance(failure, InvocationFailed):
        return list(messages)
    return [message for message in messages if message.message_id in failure.failed]


def delays(
    failed: Sequence[Message], backoff: RetryBackoff, *, is_fifo: bool
) -> tuple[VisibilityChange, ...]:
    """Say for how long each failed message is hidden: it doubles with its receives.

    Messages of one group come back together, after the longest of their times: the group is locked
    as long as any of them is hidden.

    Source: docs/semantics.md#queue-options
    """
    delay_s = [
        backoff_ms(
            max(1, message.receive_count),
            first_ms=backoff.first_s * 1000,
            maximum_ms=backoff.maximum_s * 1000,
        )
        // 1000
        for message in failed
    ]
    if is_fifo:
        longest: dict[str, int] = {}
        for message, each_s in zip(failed, delay_s, strict=True):
            longest[message.group] = max(longest.get(message.group, 0), each_s)
        delay_s = [longest[message.group] for message in failed]
    return tuple(
        [VisibilityChange(message, each_s) for message, each_s in zip(failed, delay_s, strict=True)]
    )


def returns(changes: Sequence[VisibilityChange]) -> list[ReturnToQueue]:
    """Cut changes into calls."""
    return [
        ReturnToQueue(tuple(changes[start : start + BATCH_ENTRIES_MAX]))
        for start in range(0, len(changes), BATCH_ENTRIES_MAX)
    ]
