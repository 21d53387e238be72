"""Received batches that wait: for more messages, for a slot, or for their next try."""

from collections.abc import Iterable, Sequence

from penstock.core.held_batch import HeldBatch, Visibility
from penstock.core.retry import backoff_ms
from penstock.model.instant import Instant
from penstock.model.message import MessageBatch

BLOCKED_BATCHES_MAX = 10  # with more that wait for their message groups nothing is received
_RETRY_FIRST_MS = 200
_RETRY_MS_MAX = 10_000


class WaitingBatches:
    """The batches of one mapping that are received and not in flight, oldest first.

    With a batching window the newest may be open: it grows until it is full or its window ends.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, HeldBatch] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def message_count(self) -> int:
        """Count the messages of all batches."""
        return sum(len(held.messages) for held in self._by_id.values())

    def closed_count(self, now: Instant) -> int:
        """Count the batches that no more messages are waited for."""
        waiting = self._by_id.values()
        return sum(1 for held in waiting if not held.is_open or held.due_ms <= now.monotonic_ms)

    def holding_count(self, now: Instant, busy_groups: set[str]) -> int:
        """Count the closed batches that nothing is received beside.

        A batch that waits for its message groups holds up no others, up to a few such batches.
        """
        closed_count = self.closed_count(now)
        blocked_count = self._blocked_count(busy_groups)
        return closed_count - (blocked_count if blocked_count <= BLOCKED_BATCHES_MAX else 0)

    def add(self, held: HeldBatch) -> None:
        """Take in a batch that was received."""
        self._by_id[held.id] = held

    def add_rejected(self, held: HeldBatch, visibility: Visibility, now: Instant) -> None:
        """Take back a batch whose function did not run; it is tried again with back-off.

        That goes on while its messages stay hidden by the queue's own visibility timeout.

        Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        held.attempt += 1
        if visibility.is_heartbeat:
            held.tried_until_ms = held.received_ms + visibility.queue_timeout_s * 1000
            held.renew_until(held.tried_until_ms)
        else:
            held.renew_until(held.received_ms)
        held.due_ms = now.monotonic_ms + backoff_ms(
            held.attempt,
            first_ms=_RETRY_FIRST_MS,
            maximum_ms=_RETRY_MS_MAX,
            spread=held.id,
        )
        self._by_id[held.id] = held

    def ready_count(self, now: Instant, busy_groups: set[str]) -> int:
        """Count the batches that could be invoked now."""
        return len(self._ready(now, busy_groups))

    def take_ready(self, now: Instant, busy_groups: set[str]) -> HeldBatch | None:
        """Take out the oldest batch that may be invoked now.

        Args:
            now: The moment.
            busy_groups: Message groups in flight: none of them may run a second time.
        """
        for held in self._ready(now, busy_groups, at_most=1):
            self._remove(held)
            return held
        return None

    def send_back(self, groups: Iterable[str]) -> None:
        """Give back what waits of these message groups: an earlier message of them comes again.

        What goes back takes along what waits behind it, of whatever group: no message may overtake.
        """
        groups = set(groups)
        for held in self._by_id.values() if groups else ():
            if not groups.isdisjoint(held.groups):
                held.is_returning = True
                groups |= held.groups

    def take_returning(self, *, takes_all: bool) -> list[HeldBatch]:
        """Take out the batches that go back to the queue, or every batch.

        One whose extension is under way stays until that has ended: landing last, it would hide
        messages that were given back.
        """
        returning = [
            held
            for held in self._by_id.values()
            if (takes_all or held.is_returning) and not held.renewals
        ]
        for held in returning:
            self._remove(held)
        return returning

    def forget_visible(self, now: Instant) -> list[tuple[HeldBatch, MessageBatch]]:
        """Take out the messages that come again by themselves, or soon will.

        What is left of a batch waits on; of FIFO groups it goes back to its queue.

        They are no longer hidden, or were tried for long enough. One whose extension is under way
        may be hidden still: its answer will tell.
        """
        expired = [
            held
            for held in self._by_id.values()
            if held.waits_until_ms <= now.monotonic_ms and not held.renewals
        ]
        forgotten: list[tuple[HeldBatch, MessageBatch]] = []
        for held in expired:
            forgotten.append((held, held.drop_visible(now)))
            if not held.messages:
                self._remove(held)
            self.send_back(held.groups)
        return forgotten

    def deadline_ms(self, now: Instant) -> int | None:
        """The next moment at which a batch becomes due or is forgotten."""
        moments: list[int] = []
        for held in self._by_id.values():
            if held.due_ms > now.monotonic_ms:
                moments.append(held.due_ms)
            if not held.renewals:
                moments.append(held.waits_until_ms)
        return min(moments, default=None)

    def _ready(
        self, now: Instant, busy_groups: set[str], *, at_most: int | None = None
    ) -> Sequence[HeldBatch]:
        ready: list[HeldBatch] = []
        blocked: set[str] | None = None
        for held in self._by_id.values():
            if held.groups:
                blocked = set(busy_groups) if blocked is None else blocked
                is_free = blocked.isdisjoint(held.groups)
                # Whatever becomes of it, a later batch of its groups comes after it.
                blocked |= held.groups
            else:
                is_free = True
            if is_free and held.is_ready(now):
                ready.append(held)
                if len(ready) == at_most:
                    break
        return ready

    def _blocked_count(self, busy_groups: set[str]) -> int:
        blocked, count = set(busy_groups), 0
        for held in self._by_id.values():
            count += not blocked.isdisjoint(held.groups)
            blocked |= held.groups
        return count

    def _remove(self, held: HeldBatch) -> None:
        del self._by_id[held.id]
        held.close()
