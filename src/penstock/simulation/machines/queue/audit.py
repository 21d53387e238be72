"""Judges one queue's machine: every command, and what it should have done, to the millisecond.

It knows what was fed to the machine and what the machine commanded; of the machine's own state it
reads only what ``load`` tells those who watch.
"""

from collections.abc import Sequence

from penstock.model.message import Message, QueueAttributes
from penstock.simulation.machines.queue.books import Batch, BatchBook, Copy, Hiding, Stage
from penstock.simulation.machines.queue.capacity import RampBook
from penstock.simulation.machines.queue.ending_audit import DeleteBook, FailureBook
from penstock.simulation.machines.queue.plan import QueueMachinePlan, QueueSettings
from penstock.simulation.machines.queue.receive_audit import ReceiveAudit, Room
from penstock.simulation.machines.queue.renewal_audit import RenewalBook
from penstock.simulation.machines.queue.shelf import Shelf
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.machines.slot_audit import SlotBook
from penstock.simulation.machines.turns import Turns

REJECTED_MS = 200  # the first pause of a batch whose function did not run
REJECTED_MS_MAX = 10_000
DESCRIBE_MS = 300_000
SMALL_BYTES = 10_000  # of a receive: no batch of such is closed by its bytes
HELD = "what is held stays hidden"


class QueueAudit:
    """One machine's life, from its start to its end.

    Attributes:
        settings: What the mapping asks for now.
        flying: Invocations whose end will be told.
        unknown: Those that may still run.
        is_stopping: A stop was asked for.
    """

    def __init__(
        self, plan: QueueMachinePlan, settings: QueueSettings, shelf: Shelf, turns: Turns
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.shelf = shelf
        self.turns = turns
        self.is_fifo = plan.is_fifo
        self.ramp = RampBook(plan, settings)
        self.receives = ReceiveAudit()
        self.batches = BatchBook()
        self.renewals = RenewalBook()
        self.deletes = DeleteBook()
        self.failures = FailureBook()
        self.slots = SlotBook()
        self.flying: dict[int, Batch] = {}
        self.unknown: list[Batch] = []
        self.hiding: Hiding | None = None
        self.attributes: QueueAttributes | None = None
        self.changing_count = 0
        self.is_describing = False
        self.describe_due_ms = 0
        self._describe_failures = 0
        self.is_stopping = False
        self._by_handle: dict[str, Copy] = {}
        self._of_entry: dict[int, Copy] = {}
        self.unreported = 0

    @property
    def used(self) -> int:
        """Count the invocations that run, or may."""
        return len(self.flying) + len(self.unknown)

    @property
    def capacity(self) -> int:
        """Count the invocations that the ramp lets start now."""
        return max(0, self.ramp.limit(self.turns.now_ms) - self.used)

    @property
    def room(self) -> Room:
        """Say what could be taken now."""
        room = Room(self.settings, self.hiding, is_fifo=self.is_fifo)
        used = self.used
        room.capacity = self.capacity
        room.free = min(self.slots.free(self.settings.function), room.capacity)
        room.soon = self.receives.pace.soon(room.free + used)
        growing = self.batches.growing
        room.gathered = len(growing.copies) if growing is not None else 0
        return room

    def copies_of(self, messages: Sequence[Message]) -> tuple[Copy, ...]:
        """Find what the machine speaks of."""
        return tuple([self._by_handle[message.receipt_handle] for message in messages])

    def doubt(self, message: Message) -> None:
        """It may be visible by now: the machine cannot know before the answer of its extension."""
        if (copy := self._by_handle.get(message.receipt_handle)) is not None:
            copy.is_doubtful = True

    # What the machine is told.

    def take_description(self, attributes: QueueAttributes | None) -> None:
        """The queue was described, or could not be."""
        now_ms = self.turns.now_ms
        self.is_describing = False
        if attributes is None:
            self._describe_failures += 1
            pause_ms = min(5_000, 200 << (self._describe_failures - 1))
            self.describe_due_ms = now_ms + pause_ms
            return
        self._describe_failures = 0
        self.describe_due_ms = now_ms + DESCRIBE_MS
        self.attributes = attributes
        self.hiding = Hiding.of(attributes.visibility_timeout_s, self.settings)

    def take_received(
        self, receive_id: int, messages: Sequence[Message], *, is_doubtful: bool
    ) -> None:
        """A receive brought messages."""
        now_ms, settings = self.turns.now_ms, self.settings
        size_bytes = sum([len(message.body) for message in messages])
        self.receives.is_small = self.receives.is_small and size_bytes < SMALL_BYTES
        running = self.receives.end(
            receive_id, len(messages), size_bytes, has_window=settings.window_s > 0
        )
        assert self.hiding is not None, "nothing is received before it is described"
        hiding = min(running.hiding, self.hiding, key=lambda each: each.relied_ms)
        is_doubtful = is_doubtful or running.is_old
        kept: list[Copy] = []
        dark: list[Copy] = []
        for message in messages:
            copy = self._take_in(message, hiding, is_doubtful=is_doubtful)
            is_dark = settings.is_filtered and copy.entry.plan.is_dark
            (dark if is_dark else kept).append(copy)
            copy.entry.has_succeeded = copy.entry.has_succeeded or is_dark
        self.deletes.add(dark, now_ms)
        self.unreported = len(dark)
        growing = self.batches.growing
        if growing is not None and running.is_old:
            growing.is_loose = True
        is_one_group = settings.tags.get("penstock:fifo-one-group") == "true"
        cut = self.batches.take_groups if is_one_group else self.batches.take
        cut(kept, settings, now_ms)
        for copy in kept:
            assert copy.batch is not None, "it was taken in"
            copy.batch.is_loose = copy.batch.is_loose or running.is_old
        if settings.pollers is not None:
            self.receives.throughput.take(size_bytes, self.ramp.limit(now_ms), now_ms)
        self._note_backlog(running.asked, len(messages), kept)

    def _take_in(self, message: Message, hiding: Hiding, *, is_doubtful: bool) -> Copy:
        now_ms = self.turns.now_ms
        entry = self.shelf.entry_of(message)
        before = self._of_entry.get(entry.index)
        if before is not None:
            self._check_was_hidden(before, now_ms)
        copy = Copy(message, entry, hiding, now_ms, is_doubtful=is_doubtful)
        self._by_handle[message.receipt_handle] = self._of_entry[entry.index] = copy
        return copy

    @staticmethod
    def _check_was_hidden(copy: Copy, now_ms: int) -> None:
        """A message that comes again is none that the machine holds."""
        if copy.is_doubtful or copy.is_extending:
            return
        batch = copy.batch
        is_kept = batch is not None and batch.kept_until_ms is not None
        if copy.stage in (Stage.WAITING, Stage.DISCARDED) or (
            copy.stage is Stage.FLYING
            and batch is not None
            and is_kept
            and now_ms < (batch.kept_until_ms or 0)
        ):
            raise RuleBrokenError(HELD, copy, copy.stage.name, "came again")

    def _note_backlog(self, asked: int, count: int, kept: Sequence[Copy]) -> None:
        now_ms = self.turns.now_ms
        if count >= asked:
            if kept:
                self.ramp.note_backlog(now_ms)
        elif count:
            self.ramp.note_drained(now_ms)
            growing = self.batches.growing
            if growing is not None:
                half_ms = (growing.ends_ms - now_ms) // 2
                self.receives.pause_until_ms = now_ms + max(20, min(1_000, half_ms))
        elif not self.used and not self.batches.waiting:
            self.ramp.note_idle()

    def fail_receive(self, receive_id: int) -> None:
        """A receive failed."""
        if self.receives.fail(receive_id, self.turns.now_ms):
            self.describe_due_ms = self.turns.now_ms

    def end_invocation(
        self, batch_id: int, failed: set[str] | None, *, is_told_why: bool, is_error: bool
    ) -> None:
        """An invocation ended.

        Args:
            batch_id: Which.
            failed: Ids of the messages that did; None: the outcome is unknown.
            is_told_why: The function ran.
            is_error: It failed as a whole.
        """
        now_ms = self.turns.now_ms
        batch = self.flying.pop(batch_id)
        if failed is None:
            self.unknown.append(batch)
            for copy in batch.copies:
                copy.stage = Stage.UNKNOWN
            self.batches.return_groups(batch.groups)
        elif is_told_why:
            self.slots.end(batch.function)
            self.receives.pace.note(now_ms - batch.started_ms)
            failures = [copy for copy in batch.copies if copy.message.message_id in failed]
            succeeded = [copy for copy in batch.copies if copy.message.message_id not in failed]
            self.deletes.add(succeeded, now_ms)
            if failures:
                self.batches.return_groups({c.entry.group for c in failures if c.entry.group})
                maximum = self.attributes.max_receive_count if self.attributes else None
                self.failures.take(failures, batch, self.settings, maximum, now_ms)
        if is_error and not self.settings.reports:
            self.ramp.note_error(now_ms)

    def reject_invocation(self, batch_id: int, *, is_throttle: bool) -> None:
        """The function did not run: the batch waits for its next try, while it is hidden."""
        now_ms = self.turns.now_ms
        batch = self.flying.pop(batch_id)
        self.slots.end(batch.function)
        self.batches.return_groups(batch.groups)
        assert self.hiding is not None, "it was received"
        batch.rejections += 1
        pause_ms = min(REJECTED_MS_MAX, REJECTED_MS << (batch.rejections - 1))
        batch.due_from_ms, batch.due_by_ms = now_ms + pause_ms - pause_ms // 4, now_ms + pause_ms
        batch.is_kept = self.hiding.is_heartbeat
        batch.kept_until_ms = None
        if self.hiding.is_heartbeat:
            batch.tried_until_ms = batch.kept_until_ms = batch.began_ms + self.hiding.tries_ms
        for copy in batch.copies:
            copy.stage = Stage.WAITING
        self.batches.waiting.append(batch)
        if is_throttle:
            self.ramp.note_throttle(now_ms)

    def end_renewal(
        self, renewal_id: int, *, asked_ms: int, hiding: Hiding, refused: set[str] | None
    ) -> None:
        """An extension ended; a window that cannot be kept hidden goes early."""
        late = self.renewals.end(
            renewal_id, asked_ms=asked_ms, hiding=hiding, refused=refused, now_ms=self.turns.now_ms
        )
        for batch in late:
            if batch is self.batches.growing:
                self.batches.close()

    def update(self, settings: QueueSettings) -> None:
        """The mapping asks for something else."""
        old, self.settings = self.settings, settings
        if (old.window_s, old.batch_size) != (settings.window_s, settings.batch_size):
            self.batches.close()
        self.ramp.update(settings)
        if self.attributes is not None:
            self.hiding = Hiding.of(self.attributes.visibility_timeout_s, settings)
        for running in self.receives.running.values():
            running.is_old = True
        for batch in (*self.batches.waiting, *self.flying.values(), *self.unknown):
            batch.is_loose = True
        for copy in self._of_entry.values():
            copy.is_doubtful = True

    def stop(self) -> None:
        """A stop is asked for."""
        self.is_stopping = True

    def begin_turn(self) -> None:
        """Time has gone on: what nobody heard of must have ended."""
        now_ms = self.turns.now_ms
        if self.unknown:
            for batch in [b for b in self.unknown if self.is_stopping or b.over_ms <= now_ms]:
                self.unknown.remove(batch)
                self.slots.end(batch.function)
                for copy in batch.copies:
                    copy.stage = Stage.LEFT
        if self.is_stopping:
            self.failures.stop()

    def end_discard(self, discard_id: int, *, is_accepted: bool, is_final: bool) -> None:
        """A destination has answered."""
        now_ms = self.turns.now_ms
        copy = self.failures.end_send(
            discard_id,
            is_accepted=is_accepted,
            is_final=is_final,
            is_stopping=self.is_stopping,
            now_ms=now_ms,
        )
        if is_accepted:
            self.deletes.add([copy], now_ms)

    @property
    def deletes_at_once(self) -> bool:
        """Tell whether nothing is under way that could join a delete."""
        return self.is_fifo or not self.flying
