"""Received batches that wait for a slot or for their next try, and how long they may."""

from penstock.core.queue_contract import ExtendVisibility, Forget, QueuePolicy
from penstock.core.retry import backoff_ms
from penstock.model.instant import Instant
from penstock.model.message import MessageBatch

_RETRY_FIRST_MS = 200
_RETRY_MS_MAX = 10_000
_RENEWALS_PER_TIMEOUT_MAX = 4


class WaitingBatch:
    """A batch and its two clocks: when it may be invoked, and until when it is hidden.

    A batch that never ran is kept hidden while it waits for a slot. A batch whose function refused
    it is tried again only while its messages stay hidden (AWS's rule), and then forgotten.
    """

    __slots__ = ("attempt", "batch", "due_ms", "hidden_until_ms", "renew_at_ms")

    def __init__(self, batch: MessageBatch, hidden_until_ms: int, renew_at_ms: int) -> None:
        self.batch = batch
        self.hidden_until_ms = hidden_until_ms
        # None: it has been refused once, and its wait is not extended any more.
        self.renew_at_ms: int | None = renew_at_ms
        self.due_ms = 0
        self.attempt = 0


class Visibility:
    """How long messages stay hidden, and when a wait must be extended.

    Attributes:
        timeout_s: The queue's own; at least 1, since a batch that is visible at once could never be
            held at all.
    """

    def __init__(self, timeout_s: int, policy: QueuePolicy) -> None:
        self.timeout_s = max(1, timeout_s)
        timeout_ms = self.timeout_s * 1000
        # The server counts from before its answer arrived here.
        self.hidden_ms = timeout_ms - timeout_ms // 20
        function_ms = (policy.function_timeout_s or 0) * 1000
        spare_ms = min(self.hidden_ms // 2, self.hidden_ms - function_ms)
        # Early enough that the function's whole timeout still fits, not so early that it is a loop.
        self.renew_after_ms = max(spare_ms, self.hidden_ms // _RENEWALS_PER_TIMEOUT_MAX)


class WaitingBatches:
    """The batches of one mapping that are received and not in flight, oldest first."""

    def __init__(self) -> None:
        self._by_id: dict[int, WaitingBatch] = {}
        # Extensions under way and when they were asked for; of batches that have left, too.
        self._renewals: dict[int, tuple[WaitingBatch, int]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, batch: MessageBatch, visibility: Visibility, now: Instant) -> None:
        """Take in a batch that has just been received."""
        self._by_id[batch.id] = WaitingBatch(
            batch,
            now.monotonic_ms + visibility.hidden_ms,
            now.monotonic_ms + visibility.renew_after_ms,
        )

    def add_rejected(self, waiting: WaitingBatch, now: Instant) -> None:
        """Take back a batch whose function did not run; it is tried again with back-off."""
        waiting.attempt += 1
        waiting.renew_at_ms = None
        waiting.due_ms = now.monotonic_ms + backoff_ms(
            waiting.attempt,
            first_ms=_RETRY_FIRST_MS,
            maximum_ms=_RETRY_MS_MAX,
            spread=waiting.batch.id,
        )
        self._by_id[waiting.batch.id] = waiting

    def ready_count(self, now: Instant) -> int:
        """Count the batches that could be invoked now."""
        return sum(1 for waiting in self._by_id.values() if _is_ready(waiting, now))

    def take_ready(self, now: Instant) -> WaitingBatch | None:
        """Take out the oldest batch that may be invoked now."""
        for waiting in self._by_id.values():
            if _is_ready(waiting, now):
                return self._by_id.pop(waiting.batch.id)
        return None

    def take_returnable(self) -> list[MessageBatch]:
        """Take out every batch, to give it back.

        One whose extension is under way stays until that has ended: landing last, it would hide
        messages that were given back.
        """
        returnable = [
            waiting.batch
            for waiting in self._by_id.values()
            if waiting.batch.id not in self._renewals
        ]
        for batch in returnable:
            del self._by_id[batch.id]
        return returnable

    def forget_visible(self, now: Instant) -> list[Forget]:
        """Drop the batches whose messages are no longer hidden: they come again by themselves.

        One whose extension is under way may be hidden still: its answer will tell.
        """
        expired = [
            waiting.batch
            for waiting in self._by_id.values()
            if waiting.hidden_until_ms <= now.monotonic_ms
            and waiting.batch.id not in self._renewals
        ]
        for batch in expired:
            del self._by_id[batch.id]
        return [Forget(batch) for batch in expired]

    def renew_due(self, visibility: Visibility, now: Instant) -> list[ExtendVisibility]:
        """Give the extensions that are due; one at a time per batch."""
        due = [
            waiting
            for waiting in self._by_id.values()
            if waiting.renew_at_ms is not None
            and waiting.renew_at_ms <= now.monotonic_ms
            and waiting.batch.id not in self._renewals
        ]
        for waiting in due:
            self._renewals[waiting.batch.id] = (waiting, now.monotonic_ms)
        return [ExtendVisibility(waiting.batch, visibility.timeout_s) for waiting in due]

    def end_renewal(
        self, batch_id: int, visibility: Visibility, now: Instant, *, is_extended: bool
    ) -> None:
        """An extension ended; the new timeout counts from when it was asked for."""
        waiting, asked_at_ms = self._renewals.pop(batch_id)
        if is_extended:
            waiting.hidden_until_ms = asked_at_ms + visibility.hidden_ms
            next_ms = asked_at_ms + visibility.renew_after_ms
        else:
            next_ms = now.monotonic_ms + visibility.hidden_ms // _RENEWALS_PER_TIMEOUT_MAX
        if waiting.renew_at_ms is not None:
            waiting.renew_at_ms = next_ms

    def deadline_ms(self, now: Instant) -> int | None:
        """The next moment at which a batch becomes due, must be renewed, or is forgotten."""
        moments: list[int] = []
        for waiting in self._by_id.values():
            if waiting.due_ms > now.monotonic_ms:
                moments.append(waiting.due_ms)
            if waiting.batch.id in self._renewals:
                continue
            moments.append(waiting.hidden_until_ms)
            if waiting.renew_at_ms is not None:
                moments.append(waiting.renew_at_ms)
        return min(moments, default=None)


def _is_ready(waiting: WaitingBatch, now: Instant) -> bool:
    return waiting.due_ms <= now.monotonic_ms < waiting.hidden_until_ms
