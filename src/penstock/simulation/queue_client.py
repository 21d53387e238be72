"""The client that a mapping reads a simulated queue with, over a wire that loses things."""

from collections.abc import Callable, Sequence

from penstock.model.errors import SourceError, SourceNotFoundError
from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.simulation.auditor import Auditor
from penstock.simulation.queue import ReceiveAsk, SimulatedQueue
from penstock.simulation.trace import Trace
from penstock.simulation.wire import AnswerT, Reply, Wire


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
        self._call_count = 0

    async def describe(self) -> QueueAttributes:
        """Read the queue's attributes."""

        def serve(reply: Reply[QueueAttributes]) -> None:
            reply.send(self._queue.attributes)

        return await self._ask(serve)

    async def receive(
        self,
        max_messages: int,
        wait_s: int,
        *,
        visibility_timeout_s: int | None = None,
        attempt_id: str | None = None,
    ) -> tuple[Message, ...]:
        """Long-poll once."""
        ask = ReceiveAsk(max_messages, wait_s, visibility_timeout_s, attempt_id)
        arn = self._queue.arn
        has_failed = False
        self._auditor.queues.call_asked(arn, max_messages)
        self._auditor.pace.receive_started(arn, wait_s, attempt_id)

        def serve(reply: Reply[tuple[Message, ...]]) -> None:
            if self.receives_denied is not None:
                reply.refuse(self.receives_denied)
            else:
                self._queue.receive(reply, ask)

        try:
            messages = await self._ask(serve)
        except SourceError:
            has_failed = True
            raise
        finally:
            self._auditor.pace.receive_ended(arn, wait_s, attempt_id, has_failed=has_failed)
        handles = [message.receipt_handle for message in messages]
        self._note("is given", messages)
        self._auditor.pace.answered(arn, wait_s, [bytes(each.body) for each in messages])
        self._auditor.queues.messages_delivered(arn, handles)
        return messages

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Delete messages in one call."""
        self._note("asks to delete", messages)
        self._auditor.queues.call_asked(self._queue.arn, len(messages))
        self._auditor.queues.delete_asked([message.receipt_handle for message in messages])

        def serve(reply: Reply[DeleteReport]) -> None:
            self._queue.delete(reply, messages)

        return await self._call(serve)

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> tuple[Message, ...]:
        """Hide messages, each for its time from now; 0 gives one back."""
        asked_ms = self._queue.now_ms()
        self._auditor.queues.call_asked(self._queue.arn, len(changes))
        for change in changes:
            self._note(f"asks to hide {change.timeout_s}", [change.message])
            self._auditor.queues.hiding_asked(change.message.receipt_handle, change.timeout_s)
        returned = [c.message.receipt_handle for c in changes if c.timeout_s == 0]
        self._auditor.queues.return_asked(returned)

        def serve(reply: Reply[tuple[Message, ...]]) -> None:
            self._queue.change_visibility(reply, changes)

        try:
            refused = await self._call(serve)
        except SourceError:
            handles = [change.message.receipt_handle for change in changes]
            self._auditor.queues.extension_failed(handles)
            self._auditor.queues.return_failed(returned)
            raise
        for change in changes:
            # One that is refused is believed to be visible, from when that was asked.
            timeout_ms = 0 if change.message in refused else change.timeout_s * 1000
            handles = [change.message.receipt_handle]
            self._auditor.queues.extension_answered(handles, asked_ms, timeout_ms)
        return refused

    async def _call(self, serve: Callable[[Reply[AnswerT]], None]) -> AnswerT:
        """Call the queue, and let the auditor know how long it took."""
        self._call_count += 1
        call_id = self._call_count
        has_failed = True
        self._auditor.queues.call_began(self._queue.arn, call_id)
        try:
            answer = await self._ask(serve)
            has_failed = False
        finally:
            self._auditor.queues.call_ended(self._queue.arn, call_id, has_failed=has_failed)
        return answer

    async def _ask(self, serve: Callable[[Reply[AnswerT]], None]) -> AnswerT:
        """Ask the queue; who hears that it is gone asks nothing more before it is opened anew."""
        try:
            return await self._wire.call(serve)
        except SourceNotFoundError:
            self._auditor.queues.queue_lost(self._queue.arn)
            raise

    def _note(self, verb: str, messages: Sequence[Message]) -> None:
        if messages:
            ids = (message.message_id for message in messages)
            self._trace.note(f"{self._queue.name}'s", verb, *ids)
