"""What becomes of messages whose function failed: left, hidden for a while, or discarded.

::

    failed ──> left to its visibility timeout
       ├─(back-off)──────────> hidden for a time that grows with its receives ──> comes again
       └─(its last receive)──> discards
"""

from collections.abc import Iterable, Sequence

from penstock.core.discards import Discards
from penstock.core.held_batch import VISIBILITY_MS_MAX, HeldBatch
from penstock.core.queue_contract import (
    ChangeVisibility,
    InvocationFailed,
    InvocationPartiallyFailed,
    QueuePolicy,
    SendToDestination,
)
from penstock.core.renewals import Renewals
from penstock.core.retry import backoff_ms
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX, Message, VisibilityChange
from penstock.model.queue_options import RetryBackoff


class FailedMessages:
    """The failed messages of one mapping that something is still to be done about.

    Args:
        renewals: Keeps hidden what is being recorded.

    Attributes:
        discards: Those that failed at their last receive.
    """

    def __init__(self, renewals: Renewals) -> None:
        self._delayed: list[tuple[HeldBatch, tuple[VisibilityChange, ...]]] = []
        self.discards = Discards(renewals)

    def __len__(self) -> int:
        """Count what is not done; for a stop to wait for."""
        return len(self._delayed) + len(self.discards)

    def take(
        self,
        held: HeldBatch,
        failure: InvocationFailed | InvocationPartiallyFailed,
        policy: QueuePolicy,
        max_receive_count: int | None,
        now: Instant,
    ) -> None:
        """Take in what failed of a batch.

        Args:
            held: The batch.
            failure: Names what failed.
            policy: Says whether there is a back-off or a destination.
            max_receive_count: Which receive of a message is its last; None: it has none.
            now: The moment.
        """
        options = policy.options
        if options.backoff is None and options.on_failure_arn is None:
            return
        failed = select_failed(held.messages, failure)
        if options.on_failure_arn is not None and max_receive_count is not None:
            again: list[Message] = []
            last: list[Message] = []
            for message in failed:
                (last if message.receive_count >= max_receive_count else again).append(message)
            self.discards.add(last, held, failure=failure, policy=policy, now=now)
            failed = again
        if options.backoff is not None and failed:
            elapsed_ms = now.monotonic_ms - held.received_ms
            maximum_s = min(options.backoff.maximum_s, (VISIBILITY_MS_MAX - elapsed_ms) // 1000 - 1)
            backoff = RetryBackoff(options.backoff.first_s, max(0, maximum_s))
            self._delayed.append((held, back_off(failed, backoff, is_fifo=policy.is_fifo)))

    def start_due(
        self, now: Instant, *, is_stopping: bool
    ) -> list[ChangeVisibility | SendToDestination]:
        """Give what may be done now; a stop does not wait for another attempt."""
        if not self._delayed:
            return [*self.discards.start_due(now, is_stopping=is_stopping)]
        commands: list[ChangeVisibility | SendToDestination] = []
        # An extension that is under way would land last, and undo the back-off.
        ready = [changes for held, changes in self._delayed if not held.renewals]
        self._delayed = [entry for entry in self._delayed if entry[0].renewals]
        for changes in ready:
            commands += cut_into_calls(changes)
        return commands + self.discards.start_due(now, is_stopping=is_stopping)


def select_failed(
    messages: Iterable[Message], failure: InvocationFailed | InvocationPartiallyFailed
) -> list[Message]:
    """Give the messages that failed."""
    if isinstance(failure, InvocationFailed):
        return list(messages)
    return [message for message in messages if message.message_id in failure.failed]


def back_off(
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


def cut_into_calls(changes: Sequence[VisibilityChange]) -> list[ChangeVisibility]:
    """Cut changes into calls."""
    return [
        ChangeVisibility(tuple(changes[start : start + BATCH_ENTRIES_MAX]))
        for start in range(0, len(changes), BATCH_ENTRIES_MAX)
    ]
