"""Checks what queues hand out and what their consumers do with it."""

from collections.abc import Iterable, Sequence

from penstock.simulation.audits import Audits
from penstock.simulation.ledger import (
    DARK,
    SLOW_MS,
    AuditedMapping,
    Books,
    Fate,
    HandedMessage,
    Holding,
    Rule,
    SentMessage,
    unqualified,
)
from penstock.simulation.option_tags import options_of

OVERPULL_CALM_MS = 30_000  # after trouble or a change, what is held may not fit what is free
BELIEVED_PERCENT = 95  # of a timeout: a careful holder counts on no more of it
RECEIVE_MAX = 10  # SQS: messages per ReceiveMessage
ENTRIES_MAX = 10  # SQS: entries of a batch


class QueueAudit:
    """The auditor's eyes at the queues."""

    def __init__(self, books: Books, audits: Audits) -> None:
        self._books = books
        self._pace = audits.pace
        self._groups = audits.groups
        self._visibility = audits.visibility
        self._failures = audits.failures
        self._deletions = audits.deletions
        self._promptness = audits.promptness

    def message_sent(
        self, queue_arn: str, message_id: str, body: bytes, *, group: str = ""
    ) -> None:
        """Take note of a message that must end some day."""
        mapping = self._books.mappings[queue_arn]
        is_excluded = mapping.has_filter and body.startswith(DARK)
        message = SentMessage(message_id, queue_arn, body, is_excluded=is_excluded)
        self._books.messages[message_id] = message
        self._books.unsettled_count += 1
        mapping.body_bytes_max = max(mapping.body_bytes_max, len(body))
        self._groups.message_sent(message, group)

    def message_handed(
        self, message_id: str, receipt_handle: str, *, receive_count: int, timeout_ms: int
    ) -> None:
        """Take note of a copy that left the server."""
        message = self._books.messages[message_id]
        copy = self._books.copies[receipt_handle] = HandedMessage(
            receipt_handle,
            message,
            timeout_ms,
            self._books.now_ms() + timeout_ms,
            receive_count,
        )
        self._visibility.handed(copy)
        self._deletions.came_again(message)
        self._pace.message_moved(message.queue_arn)
        self._promptness.handed(self._books.mappings[message.queue_arn])
        if receive_count > 1 and message.queue_arn in self._books.never_twice:
            self._books.report(Rule.BURNT, f"{message_id} was received {receive_count} times")

    def visibility_changed(self, receipt_handle: str, hidden_until_ms: int) -> None:
        """Take note of a message that is hidden until another moment."""
        copy = self._books.copies[receipt_handle]
        copy.hidden_until_ms = copy.invocable_until_ms = hidden_until_ms
        self._visibility.changed(copy)

    def extension_answered(self, handles: Sequence[str], asked_ms: int, timeout_ms: int) -> None:
        """Take note that the consumer learned of an extension that it asked for."""
        for handle in handles:
            believed_ms = asked_ms + timeout_ms * BELIEVED_PERCENT // 100
            self._books.copies[handle].believed_until_ms = believed_ms

    def extension_failed(self, handles: Sequence[str]) -> None:
        """Take note that the consumer learned of an extension that failed."""
        now_ms = self._books.now_ms()
        for handle in handles:
            copy = self._books.copies[handle]
            copy.was_pressed = copy.was_pressed or copy.is_pressed(now_ms)

    def copy_doubled(self, receipt_handle: str) -> None:
        """Take note that a copy's holder cannot know its visibility any more."""
        self._books.copies[receipt_handle].is_doubled = True

    def message_deleted(self, message_id: str) -> None:
        """Take note of a message that is gone from its queue."""
        message = self._books.messages[message_id]
        if not message.may_be_deleted:
            self._books.report(
                Rule.DELETED_UNFINISHED, f"{message_id} was deleted; it never succeeded"
            )
        self._settle(message, Fate.DELETED)

    def message_dead_lettered(self, message_id: str) -> None:
        """Take note of a message that was moved to the dead-letter queue."""
        message = self._books.messages[message_id]
        self._failures.dead_lettered(message)
        self._deletions.came_again(message)
        self._settle(message, Fate.DEAD_LETTERED)

    def _settle(self, message: SentMessage, fate: Fate) -> None:
        if message.fate is Fate.QUEUED:
            message.fate = fate
            self._books.unsettled_count -= 1
            self._books.settled_ms = self._books.now_ms()
            self._books.has_changed.set()

    def messages_delivered(self, queue_arn: str, handles: Sequence[str]) -> None:
        """Take note of a receive's answer that has reached the client."""
        now_ms = self._books.now_ms()
        mapping = self._books.mappings[queue_arn]
        for handle in handles:
            copy = self._books.copies[handle]
            copy.delivered_ms = now_ms
            if copy.message.is_excluded:
                copy.holding = Holding.FINISHED
                mapping.excluded_count += 1
                self._deletions.done(copy)
                continue
            copy.holding = Holding.HELD
            # Counted from when the answer came: of the server's clock nobody could know better.
            copy.believed_until_ms = now_ms + copy.timeout_ms * BELIEVED_PERCENT // 100
            copy.invocable_until_ms = max(copy.hidden_until_ms, copy.believed_until_ms)
            mapping.held[handle] = copy
        self._check_overpull(mapping)

    def _check_overpull(self, mapping: AuditedMapping) -> None:
        now_ms = self._books.now_ms()
        is_calm = now_ms - mapping.calm_since_ms > OVERPULL_CALM_MS
        if not is_calm or mapping.has_big_messages or mapping.is_stopping:
            return
        free = self._free_slots(mapping)
        size = mapping.row.batch_size
        # With a window one batch is gathered while all slots are busy, a receive at a time.
        gathered = size if mapping.row.maximum_batching_window_s else 0
        allowed = RECEIVE_MAX + gathered + free * size
        held = self._books.held(mapping)
        if len(held) > allowed:
            text = f"{mapping.queue_arn} holds {len(held)} messages; {free} slots are free"
            self._books.report(Rule.OVERPULL, text)

    def _free_slots(self, mapping: AuditedMapping) -> int:
        """Count the invocations that the function, and the mapping's own bound, have room for."""
        function_arn = unqualified(mapping.row.function_arn)
        running = self._books.running_count(function_arn)
        free = self._books.concurrency[function_arn][-1][1] - running
        bound = options_of(mapping.row.tags).concurrency or mapping.row.maximum_concurrency
        if bound is not None:
            free = min(free, bound - mapping.running_count)
        return max(0, free)

    def delete_asked(self, handles: Sequence[str]) -> None:
        """Check that the consumer was told of a success before it deletes."""
        for handle in handles:
            copy = self._books.copies[handle]
            self._groups.delete_asked(copy)
            self._deletions.asked(copy)
            is_recorded = copy.holding is Holding.FAILED and copy.message.is_recorded
            if copy.holding is not Holding.FINISHED and not is_recorded:
                text = f"{copy.message.message_id} is {copy.holding.name}; its delete was asked for"
                self._books.report(Rule.DELETED_UNFINISHED, text)

    def call_asked(self, queue_arn: str, entry_count: int) -> None:
        """Check how much a call asks for: 1 to 10 messages."""
        if not 1 <= entry_count <= ENTRIES_MAX:
            self._books.report(Rule.CALL, f"a call to {queue_arn} for {entry_count} messages")

    def queue_lost(self, queue_arn: str) -> None:
        """Take note of a queue that is gone to its consumer: what it asks for is not heard of."""
        mapping = self._books.mappings[queue_arn]
        mapping.is_lost = True
        mapping.troubled_ms = self._books.now_ms()

    def queue_opened(self, queue_arn: str) -> None:
        """Take note of a queue that its consumer has found, perhaps again."""
        mapping = self._books.mappings[queue_arn]
        if mapping.is_lost:
            mapping.is_lost = False
            mapping.troubled_ms = mapping.found_ms = self._books.now_ms()

    def call_began(self, queue_arn: str, call_id: int) -> None:
        """Take note of a call that deletes or hides."""
        self._books.mappings[queue_arn].calls_ms[call_id] = self._books.now_ms()

    def call_ended(self, queue_arn: str, call_id: int, *, has_failed: bool) -> None:
        """Take note of its end; one that failed or was slow may have had any effect at any time."""
        mapping = self._books.mappings[queue_arn]
        self._books.held(mapping)  # what was visible by now is judged while the call is known
        took_ms = self._books.now_ms() - mapping.calls_ms.pop(call_id)
        if has_failed or took_ms > SLOW_MS:
            mapping.troubled_ms = self._books.now_ms()

    def hiding_asked(self, receipt_handle: str, timeout_s: int) -> None:
        """Take note that a message is to be hidden for so long from now on."""
        self._visibility.hiding_asked(self._books.copies[receipt_handle], timeout_s)

    def return_asked(self, handles: Sequence[str]) -> None:
        """Take note of messages that are given back."""
        for handle in handles:
            copy = self._books.copies[handle]
            self._books.mappings[copy.message.queue_arn].held.pop(handle, None)
            copy.holding = Holding.RETURNED

    def return_failed(self, handles: Sequence[str]) -> None:
        """Take note that giving back failed: the visibility timeout must do it."""
        for handle in handles:
            self._books.copies[handle].holding = Holding.RETURN_FAILED

    def mapping_stopped(self, queue_arn: str, hidden_handles: Iterable[str]) -> None:
        """Check a graceful stop that has ended: what did not run is visible."""
        now_ms = self._books.now_ms()
        kept = {Holding.HELD, Holding.REJECTED, Holding.RETURNED}
        for handle in hidden_handles:
            copy = self._books.copies[handle]
            # A consumer must take a message for visible a little before its server does.
            is_nearly_visible = copy.hidden_until_ms - copy.timeout_ms // 20 <= now_ms
            # One whose extension took effect, and its answer was lost, was forgotten by then.
            is_forgotten = copy.holding is not Holding.RETURNED and copy.believed_until_ms <= now_ms
            # What a function rejects is tried for its queue's timeout, however long it is hidden.
            tried_ms = self._books.mappings[queue_arn].visibility_ms * BELIEVED_PERCENT // 100
            is_dropped = copy.holding is Holding.REJECTED and now_ms >= copy.delivered_ms + tried_ms
            is_excused = copy.is_doubled or is_nearly_visible or is_forgotten or is_dropped
            if copy.holding in kept and not is_excused:
                text = f"{copy.message.message_id} ({copy.holding.name}) is hidden after the stop"
                self._books.report(Rule.NOT_RETURNED, text)
        self._books.mappings[queue_arn].held.clear()
