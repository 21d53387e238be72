"""A simulated SQS queue, as AWS documents it.

Modelled: visibility timeouts and their bound of 12 hours, receive counts, a new receipt handle per
receive, redrive to a dead-letter queue, long polls that a message wakes, and polls whose client has
gone. Of standard queues: short polls that miss messages, copies handed out twice, deletes that
come late, are lost, refused or forgotten. Of FIFO queues: order and locks of message groups, sends
and receives that are known again, handles that expire.

Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html
"""

import asyncio
import collections
import heapq
from collections.abc import Callable, Sequence

import msgspec

from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.simulation.chance import Chance
from penstock.simulation.faults import FaultRates
from penstock.simulation.queue_shelf import (
    FifoShelf,
    Shelf,
    StandardShelf,
    StoredMessage,
    as_received,
)
from penstock.simulation.queue_watch import QueueWatch
from penstock.simulation.receive_attempts import DEDUPLICATION_MS, ReceiveAttempts
from penstock.simulation.trace import Trace
from penstock.simulation.wire import Reply

VISIBILITY_MS_MAX = 12 * 3600 * 1000  # of one receive, all its extensions together
_DELETE_DELAY_MS_MAX = 30_000
_SEQUENCE_NUMBER_FIRST = 18_850_000_000_000_000_000
_SEQUENCE_NUMBER_STEP = 256


class ReceiveAsk(msgspec.Struct, frozen=True):
    """What a receive asks for; ``ports.QueueSource.receive`` says what each means."""

    messages_max: int
    wait_s: int = 0
    visibility_timeout_s: int | None = None
    attempt_id: str | None = None


class _Poll(msgspec.Struct, frozen=True):
    """A receive that waits for messages."""

    reply: Reply[tuple[Message, ...]]
    ask: ReceiveAsk
    until_ms: int


class StaleHandles(msgspec.Struct, frozen=True):
    """What a standard queue does with a delete by an older handle; SQS promises nothing."""

    is_refused: bool
    is_deleted: bool


class SimulatedQueue:
    """The server's side of one queue; FIFO if its name ends with ``.fifo``.

    Args:
        watch: Is told of every message.
        show: Gives a message as a receive answers it.

    Attributes:
        notices_gone: Whether a poll whose client has gone is given no messages.
    """

    def __init__(  # noqa: PLR0913 - a world's parts, named where it is built
        self,
        arn: str,
        attributes: QueueAttributes,
        *,
        chance: Chance[FaultRates],
        watch: QueueWatch,
        trace: Trace,
        show: Callable[[StoredMessage], Message] | None = None,
    ) -> None:
        self.arn = arn
        self.name = arn.rpartition(":")[2]
        self.attributes = attributes
        self.is_fifo = arn.endswith(".fifo")
        self.notices_gone = chance.rng.choice((True, False))
        self.stale_handles = chance.rng.choice(_STALE_HANDLES)
        self._chance = chance
        self._watch = watch
        self._show = show or as_received
        self._trace = trace
        self._shelf: Shelf = FifoShelf() if self.is_fifo else StandardShelf()
        self._stored: dict[str, StoredMessage] = {}
        self._hidden: list[tuple[int, int, str]] = []
        self._polls: collections.deque[_Poll] = collections.deque()
        self._attempts = ReceiveAttempts()
        self._sent_ms: dict[str, int] = {}
        self._sent_count = 0
        self._handle_count = 0
        self._timer: asyncio.TimerHandle | None = None

    def now_ms(self) -> int:
        """Read the server's clock."""
        return self._chance.now_ms()

    def send(
        self, message_id: str, body: bytes, *, group: str = "", deduplication_id: str = ""
    ) -> None:
        """Take a message in and wake a poll; one that a FIFO queue knows is accepted, no more."""
        if self.take_in(message_id, body, group=group, deduplication_id=deduplication_id):
            self.serve_polls()

    def take_in(
        self, message_id: str, body: bytes, *, group: str = "", deduplication_id: str = ""
    ) -> bool:
        """Take a message in, and wake nobody; False for one that a FIFO queue knows."""
        if self.is_fifo:
            deduplication_id = deduplication_id or message_id
            if self._is_known(deduplication_id):
                self._trace.note(self.name, "knows", deduplication_id)
                return False
        self._sent_count += 1
        stored = StoredMessage(
            message_id=message_id,
            body=msgspec.Raw(body),
            sequence_number=_SEQUENCE_NUMBER_FIRST + self._sent_count * _SEQUENCE_NUMBER_STEP,
            sent_ms=self.now_ms(),
            group=group,
            deduplication_id=deduplication_id,
        )
        self._watch.message_sent(self.arn, message_id, body, group=group)
        self._trace.note(self.name, "sent", message_id, group)
        self._stored[message_id] = stored
        self._shelf.put(stored)
        return True

    def _is_known(self, deduplication_id: str) -> bool:
        known_ms = self._sent_ms.get(deduplication_id)
        if known_ms is not None and self.now_ms() - known_ms < DEDUPLICATION_MS:
            return True
        self._sent_ms[deduplication_id] = self.now_ms()
        return False

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no message, visible or hidden."""
        return not self._stored

    def message_ids(self) -> list[str]:
        """Give the ids of all messages, in the order in which they were sent."""
        return list(self._stored)

    def counts(self) -> tuple[int, int]:
        """Count the visible and the hidden messages."""
        self._show_due()
        hidden = sum(1 for stored in self._stored.values() if stored.visible_at_ms is not None)
        return len(self._stored) - hidden, hidden

    def hidden_handles(self) -> list[str]:
        """Give the newest receipt handle of every hidden message."""
        self._show_due()
        stored = self._stored.values()
        return [each.receipt_handle for each in stored if each.visible_at_ms is not None]

    # The operations.

    def receive(self, reply: Reply[tuple[Message, ...]], ask: ReceiveAsk) -> None:
        """Answer a receive, now or when its wait ends."""
        is_missing = ask.wait_s == 0 and self._chance.strikes(self._chance.rates.short_poll_missed)
        count = ask.messages_max
        if is_missing:
            count = self._chance.rng.randint(0, count - 1)
        messages = self._hand_out(ask, count)
        if messages or ask.wait_s == 0:
            reply.send(messages)
            return
        self._polls.append(_Poll(reply, ask, self.now_ms() + ask.wait_s * 1000))
        self._arm()

    def delete(self, reply: Reply[DeleteReport], messages: Sequence[Message]) -> None:
        """Delete what can be deleted, and say so; or say something else."""
        self._show_due()
        rates = self._chance.rates
        deleted: list[Message] = []
        retryable: list[Message] = []
        refused: list[Message] = []
        for message in messages:
            if self._chance.strikes(rates.delete_entry_failed):
                retryable.append(message)
            elif self._chance.strikes(rates.delete_entry_refused) or self._refuses(message):
                refused.append(message)
            else:
                deleted.append(message)
                self._delete(message)
        if self.is_fifo:
            self.serve_polls()
        reply.send(DeleteReport(tuple(deleted), tuple(retryable), tuple(refused)))

    def change_visibility(
        self, reply: Reply[tuple[Message, ...]], changes: Sequence[VisibilityChange]
    ) -> None:
        """Hide messages from now on, and say which cannot be changed."""
        self._show_due()
        refused: list[Message] = []
        for change in changes:
            stored = self._held_by(change.message)
            if stored is None:
                self._watch.copy_doubled(change.message.receipt_handle)
                refused.append(change.message)
                continue
            hidden_until_ms = self.now_ms() + change.timeout_s * 1000
            if hidden_until_ms > stored.received_ms + VISIBILITY_MS_MAX:
                self._trace.note(self.name, "hides no longer", stored.message_id)
                refused.append(change.message)
                continue
            self._trace.note(self.name, "hidden for", stored.message_id, change.timeout_s)
            self._hide(stored, change.timeout_s)
            self._watch.visibility_changed(stored.receipt_handle, hidden_until_ms)
        self.serve_polls()
        reply.send(tuple(refused))

    # What is inside.

    def _held_by(self, message: Message) -> StoredMessage | None:
        """Find a message by its handle; None when the handle has expired."""
        stored = self._stored.get(message.message_id)
        if (
            stored is None
            or stored.receipt_handle != message.receipt_handle
            or stored.visible_at_ms is None
        ):
            return None
        return stored

    def _is_stale(self, message: Message) -> bool:
        stored = self._stored.get(message.message_id)
        return (
            self._chance.is_on
            and stored is not None
            and stored.receipt_handle != message.receipt_handle
        )

    def _refuses(self, message: Message) -> bool:
        if self.is_fifo:
            return message.message_id in self._stored and self._held_by(message) is None
        return self.stale_handles.is_refused and self._is_stale(message)

    def _delete(self, message: Message) -> None:
        """Delete a message of which the consumer is told that it is gone."""
        rates = self._chance.rates
        if self.is_fifo:
            self._remove(message.message_id)
        elif self._is_stale(message) and not self.stale_handles.is_deleted:
            return
        elif self._chance.strikes(rates.delete_delayed):
            delay_ms = self._chance.rng.randint(1, _DELETE_DELAY_MS_MAX)
            self._chance.later(delay_ms, lambda: self._remove(message.message_id))
        elif not self._chance.strikes(rates.delete_forgotten):
            self._remove(message.message_id)

    def _hand_out(self, ask: ReceiveAsk, count: int) -> tuple[Message, ...]:
        self._show_due()
        attempt_id = ask.attempt_id if self.is_fifo else None
        handed: list[StoredMessage] = []
        if attempt_id is not None:
            again = self._attempts.find(attempt_id, self.now_ms())
            handed = [self._hand_again(stored, ask) for stored in again]
        if not handed:
            handed = self._hand_out_anew(ask, count)
        if attempt_id is not None and handed:
            self._attempts.remember(attempt_id, handed, self.now_ms())
        return tuple(self._show(stored) for stored in handed)

    def _hand_out_anew(self, ask: ReceiveAsk, count: int) -> list[StoredMessage]:
        if count == 0:
            return []
        handed: list[StoredMessage] = []
        if not self.is_fifo and self._chance.strikes(self._chance.rates.duplicated):
            handed.extend(self._hand_out_twice(ask))
        if len(handed) == count:
            return handed
        for stored in self._shelf.pick():
            if not self._dead_letter(stored):
                handed.append(self._hand(stored, ask))
            if len(handed) == count:
                break
        return handed

    def _hand_out_twice(self, ask: ReceiveAsk) -> list[StoredMessage]:
        hidden = [each for each in self._stored.values() if each.visible_at_ms is not None]
        if not hidden:
            return []
        stored = self._chance.rng.choice(hidden)
        self._watch.copy_doubled(stored.receipt_handle)
        return [self._hand(stored, ask)]

    def _dead_letter(self, stored: StoredMessage) -> bool:
        """Move a message to the dead-letter queue, if it was received often enough."""
        count_max = self.attributes.max_receive_count
        if count_max is None or stored.receive_count < count_max:
            return False
        self._trace.note(self.name, "dead-lettered", stored.message_id)
        self._take_off(stored)
        self._watch.message_dead_lettered(stored.message_id)
        return True

    def _hand(self, stored: StoredMessage, ask: ReceiveAsk) -> StoredMessage:
        self._handle_count += 1
        stored.receive_count += 1
        stored.receipt_handle = f"{self.name}/{stored.message_id}/{self._handle_count}"
        stored.received_ms = self.now_ms()
        timeout_s = self._timeout_s_of(ask)
        self._hide(stored, timeout_s)
        self._trace.note(self.name, "handed", stored.message_id, f"#{stored.receive_count}")
        self._watch.message_handed(
            stored.message_id,
            stored.receipt_handle,
            receive_count=stored.receive_count,
            timeout_ms=timeout_s * 1000,
        )
        return stored

    def _hand_again(self, stored: StoredMessage, ask: ReceiveAsk) -> StoredMessage:
        """Give a message of an attempt once more: the same copy, hidden anew."""
        timeout_s = self._timeout_s_of(ask)
        self._hide(stored, timeout_s)
        self._trace.note(self.name, "handed again", stored.message_id)
        hidden_until_ms = self.now_ms() + timeout_s * 1000
        self._watch.visibility_changed(stored.receipt_handle, hidden_until_ms)
        return stored

    def _timeout_s_of(self, ask: ReceiveAsk) -> int:
        if ask.visibility_timeout_s is None:
            return self.attributes.visibility_timeout_s
        return ask.visibility_timeout_s

    def _hide(self, stored: StoredMessage, timeout_s: int) -> None:
        if stored.visible_at_ms is None:
            self._shelf.hidden(stored)
        stored.visible_at_ms = self.now_ms() + timeout_s * 1000
        due = (stored.visible_at_ms, stored.sequence_number, stored.message_id)
        heapq.heappush(self._hidden, due)

    def _show_due(self) -> None:
        now_ms = self.now_ms()
        while self._hidden and self._hidden[0][0] <= now_ms:
            at_ms, _, message_id = heapq.heappop(self._hidden)
            stored = self._stored.get(message_id)
            # Another entry is the right one when the timeout was changed since.
            if stored is not None and stored.visible_at_ms == at_ms:
                stored.visible_at_ms = None
                self._shelf.shown(stored)

    def _remove(self, message_id: str) -> None:
        stored = self._stored.get(message_id)
        if stored is not None:
            self._take_off(stored)
            self._trace.note(self.name, "deleted", message_id)
            self._watch.message_deleted(message_id)

    def _take_off(self, stored: StoredMessage) -> None:
        del self._stored[stored.message_id]
        stored.is_gone = True
        self._shelf.removed(stored, was_hidden=stored.visible_at_ms is not None)

    def serve_polls(self) -> None:
        """Answer the polls that wait, while there are messages or their time has come."""
        waiting, self._polls = self._polls, collections.deque()
        for poll in waiting:
            if poll.reply.asker.done() and self.notices_gone:
                continue
            messages = self._hand_out(poll.ask, poll.ask.messages_max)
            if messages or poll.until_ms <= self.now_ms():
                poll.reply.send(messages)
            else:
                self._polls.append(poll)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._polls:
            moments = [poll.until_ms for poll in self._polls]
            if self._hidden:
                moments.append(self._hidden[0][0])
            self._timer = self._chance.later(min(moments) - self.now_ms(), self.serve_polls)


_STALE_HANDLES = (
    StaleHandles(is_refused=True, is_deleted=False),
    StaleHandles(is_refused=False, is_deleted=True),
    StaleHandles(is_refused=False, is_deleted=False),
)
