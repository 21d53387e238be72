"""A simulated SQS queue, as AWS documents it, and the client that a mapping reads it with.

Modelled: visibility timeouts, receive counts, a new receipt handle per receive, redrive to a
dead-letter queue, long polls that a send wakes, short polls that miss messages, copies handed out
twice, deletes that are lost, refused or forgotten, and polls whose client has gone.

Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html
"""

import asyncio
import collections
import heapq
from collections.abc import Sequence

import msgspec

from penstock.model.errors import SourceError
from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.simulation.auditor import Auditor
from penstock.simulation.chance import Chance
from penstock.simulation.faults import FaultRates
from penstock.simulation.trace import Trace
from penstock.simulation.wire import Reply, Wire


class _Stored(msgspec.Struct):
    """A message on the server; ``visible_at_ms`` is None while it is visible."""

    message_id: str
    body: msgspec.Raw
    receive_count: int = 0
    receipt_handle: str = ""
    visible_at_ms: int | None = None


class _Poll(msgspec.Struct):
    """A receive that waits for messages."""

    reply: Reply[tuple[Message, ...]]
    messages_max: int
    until_ms: int


class StaleHandles(msgspec.Struct, frozen=True):
    """What the server does with a delete whose handle is not the newest; SQS promises nothing."""

    is_refused: bool
    is_deleted: bool


class SimulatedQueue:
    """The server's side of one standard queue.

    Attributes:
        notices_gone: Whether a poll whose client has gone is given no messages.
    """

    def __init__(
        self,
        arn: str,
        attributes: QueueAttributes,
        *,
        chance: Chance[FaultRates],
        auditor: Auditor,
        trace: Trace,
    ) -> None:
        self.arn = arn
        self.name = arn.rpartition(":")[2]
        self.attributes = attributes
        self.notices_gone = chance.rng.choice((True, False))
        self.stale_handles = chance.rng.choice(_STALE_HANDLES)
        self._chance = chance
        self._auditor = auditor
        self._trace = trace
        self._stored: dict[str, _Stored] = {}
        self._visible: collections.deque[str] = collections.deque()
        self._hidden: list[tuple[int, str]] = []
        self._polls: collections.deque[_Poll] = collections.deque()
        self._handle_count = 0
        self._timer: asyncio.TimerHandle | None = None

    def now_ms(self) -> int:
        """Read the server's clock."""
        return self._chance.now_ms()

    def send(self, message_id: str, body: bytes) -> None:
        """Take a message in and wake a poll."""
        self._auditor.queues.message_sent(self.arn, message_id, body)
        self._trace.note(self.name, "sent", message_id)
        self._stored[message_id] = _Stored(message_id, msgspec.Raw(body))
        self._visible.append(message_id)
        self._serve_polls()

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

    def receive(self, reply: Reply[tuple[Message, ...]], messages_max: int, wait_s: int) -> None:
        """Answer a receive, now or when its wait ends."""
        is_missing = wait_s == 0 and self._chance.strikes(self._chance.rates.short_poll_missed)
        count = self._chance.rng.randint(0, messages_max - 1) if is_missing else messages_max
        messages = self._hand_out(count)
        if messages or wait_s == 0:
            reply.send(messages)
            return
        self._polls.append(_Poll(reply, messages_max, self.now_ms() + wait_s * 1000))
        self._arm()

    def delete(self, reply: Reply[DeleteReport], messages: Sequence[Message]) -> None:
        """Delete what can be deleted, and say so; or say something else."""
        rates = self._chance.rates
        deleted: list[Message] = []
        retryable: list[Message] = []
        refused: list[Message] = []
        for message in messages:
            stored = self._stored.get(message.message_id)
            is_stale = (
                self._chance.is_on
                and stored is not None
                and stored.receipt_handle != message.receipt_handle
            )
            if self._chance.strikes(rates.delete_entry_failed):
                retryable.append(message)
            elif self._chance.strikes(rates.delete_entry_refused) or (
                is_stale and self.stale_handles.is_refused
            ):
                refused.append(message)
            else:
                deleted.append(message)
                is_kept = is_stale and not self.stale_handles.is_deleted
                if not is_kept and not self._chance.strikes(rates.delete_forgotten):
                    self._remove(message.message_id)
        reply.send(DeleteReport(tuple(deleted), tuple(retryable), tuple(refused)))

    def change_visibility(self, reply: Reply[None], changes: Sequence[VisibilityChange]) -> None:
        """Hide messages from now on; handles that have expired are passed over."""
        self._show_due()
        for change in changes:
            message, timeout_s = change.message, change.timeout_s
            stored = self._stored.get(message.message_id)
            if (
                stored is None
                or stored.receipt_handle != message.receipt_handle
                or stored.visible_at_ms is None
            ):
                self._auditor.queues.copy_doubled(message.receipt_handle)
            else:
                self._trace.note(self.name, "hidden for", message.message_id, timeout_s)
                self._hide(stored, timeout_s)
                self._auditor.queues.visibility_changed(
                    stored.receipt_handle, self.now_ms() + timeout_s * 1000
                )
        self._serve_polls()
        reply.send(None)

    # What is inside.

    def _hand_out(self, count: int) -> tuple[Message, ...]:
        self._show_due()
        handed: list[Message] = []
        if self._chance.strikes(self._chance.rates.duplicated) and count > 0:
            handed.extend(self._hand_out_twice())
        while self._visible and len(handed) < count:
            stored = self._stored.get(self._visible.popleft())
            if stored is None or stored.visible_at_ms is not None:
                continue
            count_max = self.attributes.max_receive_count
            if count_max is not None and stored.receive_count >= count_max:
                self._trace.note(self.name, "dead-lettered", stored.message_id)
                del self._stored[stored.message_id]
                self._auditor.queues.message_dead_lettered(stored.message_id)
            else:
                handed.append(self._hand(stored))
        return tuple(handed)

    def _hand_out_twice(self) -> list[Message]:
        hidden = [each for each in self._stored.values() if each.visible_at_ms is not None]
        if not hidden:
            return []
        stored = self._chance.rng.choice(hidden)
        self._auditor.queues.copy_doubled(stored.receipt_handle)
        return [self._hand(stored)]

    def _hand(self, stored: _Stored) -> Message:
        self._handle_count += 1
        stored.receive_count += 1
        stored.receipt_handle = f"{self.name}/{stored.message_id}/{self._handle_count}"
        timeout_s = self.attributes.visibility_timeout_s
        self._hide(stored, timeout_s)
        self._trace.note(self.name, "handed", stored.message_id, f"#{stored.receive_count}")
        self._auditor.queues.message_handed(
            stored.message_id,
            stored.receipt_handle,
            receive_count=stored.receive_count,
            timeout_ms=timeout_s * 1000,
        )
        attributes = b'{"ApproximateReceiveCount":"%d"}' % stored.receive_count
        return Message(
            stored.message_id,
            stored.receipt_handle,
            stored.body,
            attributes=msgspec.Raw(attributes),
        )

    def _hide(self, stored: _Stored, timeout_s: int) -> None:
        stored.visible_at_ms = self.now_ms() + timeout_s * 1000
        heapq.heappush(self._hidden, (stored.visible_at_ms, stored.message_id))

    def _show_due(self) -> None:
        now_ms = self.now_ms()
        while self._hidden and self._hidden[0][0] <= now_ms:
            at_ms, message_id = heapq.heappop(self._hidden)
            stored = self._stored.get(message_id)
            # Another entry is the right one when the timeout was changed since.
            if stored is not None and stored.visible_at_ms == at_ms:
                stored.visible_at_ms = None
                self._visible.append(message_id)

    def _remove(self, message_id: str) -> None:
        if self._stored.pop(message_id, None) is not None:
            self._trace.note(self.name, "deleted", message_id)
            self._auditor.queues.message_deleted(message_id)

    def _serve_polls(self) -> None:
        """Answer the polls that wait, while there are messages or their time has come."""
        waiting, self._polls = self._polls, collections.deque()
        for poll in waiting:
            if poll.reply.asker.done() and self.notices_gone:
                continue
            messages = self._hand_out(poll.messages_max)
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
            self._timer = self._chance.later(min(moments) - self.now_ms(), self._serve_polls)


_STALE_HANDLES = (
    StaleHandles(is_refused=True, is_deleted=False),
    StaleHandles(is_refused=False, is_deleted=True),
    StaleHandles(is_refused=False, is_deleted=False),
)


class SimulatedQueueSource:
    """Keeps ``ports.QueueSource`` for one mapping.

    Attributes:
        receives_denied: While set, receiving fails for this reason, and everything else works.
    """

    def __init__(
        self, queue: SimulatedQueue, wire: Wire, *, auditor: Auditor, trace: Trace
    ) -> None:
        self._queue = queue
        self._trace = trace
        self._wire = wire
        self._auditor = auditor
        self.receives_denied: SourceError | None = None

    async def describe(self) -> QueueAttributes:
        """Read the queue's attributes."""

        def serve(reply: Reply[QueueAttributes]) -> None:
            reply.send(self._queue.attributes)

        return await self._wire.call(serve)

    async def receive(
        self,
        max_messages: int,
        wait_s: int,
        *,
        visibility_timeout_s: int | None = None,
        attempt_id: str | None = None,
    ) -> tuple[Message, ...]:
        """Long-poll once."""
        assert visibility_timeout_s is None and attempt_id is None  # noqa: PT018
        arn = self._queue.arn
        has_failed = False
        self._auditor.pace.receive_started(arn, wait_s)

        def serve(reply: Reply[tuple[Message, ...]]) -> None:
            if self.receives_denied is not None:
                reply.refuse(self.receives_denied)
            else:
                self._queue.receive(reply, max_messages, wait_s)

        try:
            messages = await self._wire.call(serve)
        except SourceError:
            has_failed = True
            raise
        finally:
            self._auditor.pace.receive_ended(arn, wait_s, has_failed=has_failed)
        handles = [message.receipt_handle for message in messages]
        self._note("is given", messages)
        self._auditor.queues.messages_delivered(arn, handles)
        return messages

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Delete messages in one call."""
        self._note("asks to delete", messages)
        self._auditor.queues.delete_asked([message.receipt_handle for message in messages])

        def serve(reply: Reply[DeleteReport]) -> None:
            self._queue.delete(reply, messages)

        return await self._wire.call(serve)

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> None:
        """Hide messages, each for its time from now; 0 gives one back."""
        asked_ms = self._queue.now_ms()
        for change in changes:
            self._note(f"asks to hide {change.timeout_s}", [change.message])
        returned = [c.message.receipt_handle for c in changes if c.timeout_s == 0]
        self._auditor.queues.return_asked(returned)

        def serve(reply: Reply[None]) -> None:
            self._queue.change_visibility(reply, changes)

        try:
            await self._wire.call(serve)
        except SourceError:
            self._auditor.queues.return_failed(returned)
            raise
        for change in changes:
            handles = [change.message.receipt_handle]
            self._auditor.queues.extension_answered(handles, asked_ms, change.timeout_s * 1000)

    def _note(self, verb: str, messages: Sequence[Message]) -> None:
        if messages:
            ids = (message.message_id for message in messages)
            self._trace.note(f"{self._queue.name}'s", verb, *ids)
