"""Received batches that wait: for more messages, for a slot, or for their next try."""

import heapq
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
    A thousand may wait where a function throttles: what an input costs must not grow with them, but
    for those of a FIFO queue, whose groups are compared.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, HeldBatch] = {}
        self._has_groups = False
        self._open: HeldBatch | None = None
        self._later: list[tuple[int, int]] = []  # heap of (due_ms, id): of what is not due yet
        self._due: dict[int, HeldBatch] = {}  # of a standard queue
        self._ends: list[tuple[int, int]] = []  # heap of (ms, id): it is not visible before that
        self._end_ms: dict[int, int] = {}  # by id: which of its moments in the heap counts
        self._expired: dict[int, HeldBatch] = {}
        self._returning: dict[int, HeldBatch] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def message_count(self) -> int:
        """Count the messages of all batches."""
        return sum(len(held.messages) for held in self._by_id.values())

    def closed_count(self, now: Instant) -> int:
        """Count the batches that no more messages are waited for."""
        self._settle(now)
        return len(self._by_id) - (self._open is not None)

    def holding_count(self, now: Instant, busy_groups: set[str]) -> int:
        """Count the closed batches that nothing is received beside.

        A batch that waits for its message groups holds up no others, up to a few such batches.
        """
        closed_count = self.closed_count(now)
        if not self._has_groups:
            return closed_count
        blocked_count = self._blocked_count(busy_groups)
        return closed_count - (blocked_count if blocked_count <= BLOCKED_BATCHES_MAX else 0)

    def add(self, held: HeldBatch) -> None:
        """Take in a batch that was received."""
        self._by_id[held.id] = held
        self._watch_end(held)
        self._has_groups = self._has_groups or bool(held.groups)
        if held.is_open:
            self._note_closed()
            self._open = held
        else:
            self._note_due(held)

    def look_again(self) -> None:
        """Some may be visible earlier than was known."""
        for held in self._by_id.values():
            self._watch_end(held)

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
        self._watch_end(held)
        heapq.heappush(self._later, (held.due_ms, held.id))

    def ready_count(self, now: Instant, busy_groups: set[str]) -> int:
        """Count the batches that could be invoked now."""
        self._settle(now)
        if self._has_groups:
            return len(self._ready_of_groups(now, busy_groups))
        return len(self._due) - len(self._expired.keys() & self._due.keys())

    def take_ready(self, now: Instant, busy_groups: set[str]) -> HeldBatch | None:
        """Take out the oldest batch that may be invoked now.

        Args:
            now: The moment.
            busy_groups: Message groups in flight: none of them may run a second time.
        """
        self._settle(now)
        waiting: Iterable[HeldBatch] = self._due.values()
        if self._has_groups:
            waiting = self._ready_of_groups(now, busy_groups, at_most=1)
        for held in waiting:
            if held.is_ready(now):
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
                self._returning[held.id] = held
                groups |= held.groups

    def take_returning(self, *, takes_all: bool) -> list[HeldBatch]:
        """Take out the batches that go back to the queue, or every batch.

        One whose extension is under way stays until that has ended: landing last, it would hide
        messages that were given back.
        """
        waiting = self._by_id if takes_all else self._returning
        if not waiting:
            return []
        returning = [held for held in waiting.values() if not held.renewals]
        for held in returning:
            self._remove(held)
        return returning

    def forget_visible(self, now: Instant) -> list[tuple[HeldBatch, MessageBatch]]:
        """Take out the messages that come again by themselves, or soon will.

        What is left of a batch waits on; of FIFO groups it goes back to its queue.

        They are no longer hidden, or were tried for long enough. One whose extension is under way
        may be hidden still: its answer will tell.
        """
        self._settle(now)
        if not self._expired:
            return []
        forgotten: list[tuple[HeldBatch, MessageBatch]] = []
        for held in [held for held in self._expired.values() if not held.renewals]:
            forgotten.append((held, held.drop_visible(now)))
            if not held.messages:
                self._remove(held)
            self.send_back(held.groups)
        return forgotten

    def deadline_ms(self, now: Instant) -> int | None:
        """The next moment at which a batch becomes due or is forgotten."""
        if not self._by_id:
            return None
        self._settle(now)
        self._settle_ends(now)
        moments = [heap[0][0] for heap in (self._later, self._ends) if heap]
        if self._open is not None:
            moments.append(self._open.due_ms)
        return min(moments, default=None)

    def _settle(self, now: Instant) -> None:
        """Move on what time, or a closed window, has changed."""
        if self._open is not None and self._open.due_ms <= now.monotonic_ms:
            self._note_closed()
        if self._later:
            self._settle_later(now)
        if self._expired:
            self._settle_expired(now)
        if self._ends and self._ends[0][0] <= now.monotonic_ms:
            self._settle_ends(now)

    def _settle_later(self, now: Instant) -> None:
        """Find those that are due; what is not waiting any more leaves the heap."""
        while self._later:
            due_ms, batch_id = self._later[0]
            held = self._by_id.get(batch_id)
            is_current = held is not None and held.due_ms == due_ms
            if held is not None and is_current and due_ms > now.monotonic_ms:
                break
            heapq.heappop(self._later)
            if held is not None and is_current:
                self._note_due(held)

    def _settle_expired(self, now: Instant) -> None:
        for held in list(self._expired.values()):
            if held.waits_until_ms > now.monotonic_ms:
                del self._expired[held.id]
                self._watch_end(held)

    def _settle_ends(self, now: Instant) -> None:
        """Find those that are visible again; most were extended since their end was noted."""
        while self._ends:
            end_ms, batch_id = self._ends[0]
            held = self._by_id.get(batch_id)
            if held is None or self._end_ms.get(batch_id) != end_ms:
                heapq.heappop(self._ends)
            elif held.waits_until_ms > max(end_ms, now.monotonic_ms):
                heapq.heappop(self._ends)
                del self._end_ms[batch_id]
                self._watch_end(held)
            elif end_ms <= now.monotonic_ms:
                heapq.heappop(self._ends)
                del self._end_ms[batch_id]
                self._expired[batch_id] = held
            else:
                break

    def _watch_end(self, held: HeldBatch) -> None:
        end_ms = held.waits_until_ms
        if held.id not in self._end_ms or end_ms < self._end_ms[held.id]:
            self._end_ms[held.id] = end_ms
            heapq.heappush(self._ends, (end_ms, held.id))

    def _note_closed(self) -> None:
        if self._open is not None:
            self._note_due(self._open)
            self._open = None

    def _note_due(self, held: HeldBatch) -> None:
        if not held.groups:
            self._due[held.id] = held

    def _ready_of_groups(
        self, now: Instant, busy_groups: set[str], *, at_most: int | None = None
    ) -> Sequence[HeldBatch]:
        ready: list[HeldBatch] = []
        blocked = set(busy_groups)
        for held in self._by_id.values():
            is_free = blocked.isdisjoint(held.groups)
            # Whatever becomes of it, a later batch of its groups comes after it.
            blocked |= held.groups
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
        self._end_ms.pop(held.id, None)
        for each in (self._due, self._expired, self._returning):
            if each:
                each.pop(held.id, None)
        if self._open is held:
            self._open = None
        if not self._by_id:
            self._later.clear()
            self._ends.clear()
        held.close()
