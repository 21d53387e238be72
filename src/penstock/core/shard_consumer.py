"""One shard's life: fetch, gather, invoke, retry, discard, checkpoint, in sequence order.

::

    Fetch ──> lanes ──(slot granted)──> in flight ──ok──> settled ──> SaveCheckpoint
      ▲         │                          │  │              ▲
      │ gap     │ too old, too large       │  └─ failed ──> retry, halves, remainder
      └─────────┤                          └──── attempts used up
                └──────────> discard ──> destination, else journal

Rules:
    1. A checkpoint never passes a record that is not settled: done, covered by an earlier
       checkpoint, accepted by the destination, journaled in the same transaction, or of those that
       no filter lets through: nothing waits for these.
    2. Order per lane; at most one invocation per lane in flight. What one lane waits for keeps no
       other waiting.
    3. A failed batch is retried with back-off, split, cut at its lowest failed record, or
       discarded (``retry.after_failure``). That the function did not run uses up no attempt.
    4. Records older than the maximum age leave their batch before an invocation and while they
       wait for one; the others stay.
    5. Discards wait for a destination that takes nothing, and their lanes with them, until it has
       taken nothing for ``DESTINATION_MS_MAX``; then each is tried once and goes to the journal.
    6. An invocation whose outcome is unknown counts as an attempt; its lane waits, and keeps its
       slot, until the function's timeout must have ended it.
    7. While nothing is held, asked for or unsaved, an empty read and the wake-up for the next one
       concern the reading alone: all that idle shards cost.
    8. Everything ends: ``StopRequested`` and ``TenureLost`` lead to ``is_finished``, the first of
       them after what is settled is saved, or could not be saved often enough.

In flight at once: one ``Fetch``, one ``SaveCheckpoint``, and per lane one ``Invoke`` or one
``SendToDestination``.

Source: docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html,
    docs.aws.amazon.com/lambda/latest/dg/with-ddb.html, and docs/semantics.md#stream-batches
"""

import itertools
from typing import assert_never

from penstock.core import shard_contract as s
from penstock.core.batch_forming import BatchForming
from penstock.core.lane import Lane, PendingBatch
from penstock.core.lane_failures import LaneFailures
from penstock.core.lane_filling import LaneFilling
from penstock.core.policy_filter import shard_filter
from penstock.core.shard_progress import ShardProgress
from penstock.core.shard_reading import ShardReading, brings_nothing, mark_of
from penstock.core.stream_contract import ShardStart
from penstock.core.tumbling_window import TumblingWindow
from penstock.model.failure import Condition
from penstock.model.instant import Instant
from penstock.model.stream import FetchedRecords, StreamRecord

MS_PER_S = 1000


class ShardConsumer:
    """The machine of one shard of one mapping."""

    def __init__(self, policy: s.ShardPolicy, start: ShardStart) -> None:
        assert policy.tumbling_window_s == 0 or policy.parallelization_factor == 1
        self._policy = policy
        factor = policy.parallelization_factor
        checkpoint = start.checkpoint
        self._lanes = [Lane(index) for index in range(factor)]
        self._turns = list(self._lanes)  # whose turn it is to invoke: the least recently started
        self._window = (
            TumblingWindow(policy.tumbling_window_s) if policy.tumbling_window_s else None
        )
        self._reading = ShardReading(policy.kind, policy.pace, checkpoint.position)
        self._progress = ShardProgress(checkpoint, factor)
        ids = itertools.count(1)
        self._forming = BatchForming(policy, self._window, ids=ids, skips=start.skips)
        self._failures = LaneFailures(policy, start.shard_id, ids=ids)
        self._filling = LaneFilling(
            self._lanes,
            self._reading,
            self._progress,
            self._forming,
            record_filter=shard_filter(policy),
        )
        self._slots_free = 0
        self._slots_requested = 0
        self._held_bytes = 0
        self._is_stopping = False
        self._is_tenure_lost = False
        self._is_reading_alone = False
        self._deadline_ms: int | None = None
        for lane in self._lanes:
            lane.settled = self._progress.marks_of_lane(lane.index)
        if start.ending_sequence_number is not None:
            self._reading.close(start.ending_sequence_number)

    @property
    def has_reached_end(self) -> bool:
        """Tell whether the shard is drained and its end is durable."""
        return self._progress.has_ended and not self._is_tenure_lost

    @property
    def oldest_arrived_ms(self) -> int | None:
        """Tell when the oldest record that is held and not done arrived, Unix ms."""
        if self._is_reading_alone:
            return None
        arrivals = [lane.oldest_arrived_ms() for lane in self._lanes]
        return min([each for each in arrivals if each is not None], default=None)

    def handle(self, inp: s.Input, now: Instant) -> list[s.Command]:
        """Take one input in; give back what must be done."""
        if self._is_reading_alone and brings_nothing(inp):
            return self._read_on(inp, now)
        commands: list[s.Command] = []
        match inp:
            case s.Started() | s.DeadlineReached():
                pass
            case s.RecordsFetched(fetched):
                commands = self._take_fetched(fetched, now)
            case s.FetchFailed(failure):
                self._reading.note_failed(failure, now, spread=self._failures.spread)
                self._filling.end_idle_backfill()
            case s.ShardClosed(ending_sequence_number):
                self._reading.close(ending_sequence_number)
            case s.SlotsGranted(function_arn, count):
                assert function_arn == self._policy.function_arn
                self._slots_free += count
                self._slots_requested = max(0, self._slots_requested - count)
            case s.DestinationAccepted(discard_id):
                self._failures.note_accepted()
                self._end_discard(discard_id)
            case s.DestinationFailed(discard_id, reason, is_final):
                self._fail_discard(discard_id, reason, now, is_final=is_final)
            case s.CheckpointSaved():
                self._progress.note_saved()
            case s.CheckpointFailed():
                self._progress.note_failed(now)
            case s.TenureLost():
                self._progress.note_failed(now)
                self._is_tenure_lost = self._is_stopping = True
            case s.StopRequested():
                self._is_stopping = True
                self._progress.note_stop()
            case _:
                commands = self._end_invocation(inp, now)
        commands += self._advance(now)
        self._deadline_ms = self._next_deadline_ms(now)
        self._is_reading_alone = self._has_only_to_read(now)
        return commands

    def deadline_ms(self) -> int | None:
        """Monotonic time at which ``DeadlineReached`` is due; None: no timer."""
        return self._deadline_ms

    def is_finished(self) -> bool:
        """Tell whether nothing is under way, and either all is done or a stop was asked for."""
        if self._is_reading_alone:
            return False
        is_idle = not (
            self._reading.is_fetching
            or self._progress.is_saving
            or any(lane.is_busy or lane.held_slot_until_ms is not None for lane in self._lanes)
        )
        is_leaving = self._is_stopping and not self._progress.holds_up_stop
        return is_idle and (is_leaving or self._is_tenure_lost or self._progress.has_ended)

    # An idle shard.

    def _has_only_to_read(self, now: Instant) -> bool:
        """Tell whether nothing but reading is under way, or will be until records come."""
        return (
            not (self._held_bytes or self._slots_free or self._slots_requested or self._is_stopping)
            and self._window is None
            and self._progress.is_all_saved(now)
            and self._reading.is_going_on_at_head
            and all(lane.is_untouched for lane in self._lanes)
        )

    def _read_on(self, inp: s.RecordsFetched | s.DeadlineReached, now: Instant) -> list[s.Command]:
        """Take in what changes only the reading: as all of ``handle`` would, and no more."""
        reading = self._reading
        if isinstance(inp, s.RecordsFetched):
            reading.note_fetched(inp.fetched, now)
            if reading.has_ended:
                self._is_reading_alone = False
                return self.handle(s.DeadlineReached(), now)
        fetch = reading.fetch(now)
        self._deadline_ms = None if reading.is_fetching else reading.due_ms()
        return [] if fetch is None else [fetch]

    # What each input changes.

    def _take_fetched(self, fetched: FetchedRecords, now: Instant) -> list[s.Command]:
        self._filling.take(fetched, now)
        if self._window is not None and self._is_drained():
            # Records that a filter left out tell the time too: the shard may never be without them.
            read_ms = fetched.records[-1].arrived_ms if fetched.records else 0
            self._window.note_caught_up(max(self._reading.caught_up_wall_ms, read_ms))
        count = self._filling.take_filtered_out()
        return [s.ReportFilteredOut(count)] if count else []

    def _end_invocation(self, inp: s.InvocationEnded, now: Instant) -> list[s.Command]:
        lane = self._lanes[inp.batch.lane]
        pending = lane.in_flight
        assert pending is not None, "an invocation ended that was not in flight"
        assert pending.batch.id == inp.batch.id, "another batch is in flight"
        lane.in_flight = None
        lane.gathered_since_ms = now.monotonic_ms
        match inp:
            case s.InvocationSucceeded(_, state):
                self._finish(lane, pending)
                self._keep_state(state)
            case s.InvocationPartiallyFailed(batch, failed_index, trace, state) if failed_index > 0:
                done = batch.records[:failed_index]
                self._failures.cut(lane, failed_index, trace, now)
                self._settle(lane, done)
                self._keep_state(state)
            case s.InvocationPartiallyFailed(_, _, trace):
                reason = "the function reported the batch's first record as failed"
                self._failures.fail(lane, reason, trace, now)
            case s.InvocationFailed(_, reason, trace):
                self._failures.fail(lane, reason, trace, now)
            case s.InvocationRejected(_, reason):
                self._failures.reject(lane, reason, now)
            case s.InvocationOutcomeUnknown(_, reason):
                self._failures.lose(lane, reason)
                return []  # its slot is kept
            case never:
                assert_never(never)
        return [s.ReturnSlots(self._policy.function_arn, 1)]

    def _finish(self, lane: Lane, pending: PendingBatch) -> None:
        """The first pending batch is done."""
        assert lane.finish_first() is pending, "batches of a lane are done in order"
        lane.splits = 0
        if pending.is_final:
            self._close_window(lane)
        else:
            self._settle(lane, pending.batch.records)

    def _settle(self, lane: Lane, records: tuple[StreamRecord, ...]) -> None:
        lane.release(records)
        if self._window is None or self._window.first is None:  # skipped between two windows
            lane.settled = mark_of(records[-1])
        else:
            self._window.take(records[-1], len(records))

    def _close_window(self, lane: Lane) -> None:
        assert self._window is not None
        assert self._window.last is not None, "a window ends after its records"
        lane.settled = mark_of(self._window.last)
        self._window.close()

    def _keep_state(self, state: bytes) -> None:
        if self._window is not None and self._window.first is not None:
            self._window.keep_state(state)

    def _end_discard(self, discard_id: int) -> None:
        for lane in self._lanes:
            discarding = lane.discarding
            if discarding is not None and discarding.discard.id == discard_id:
                lane.discarding = None
                if discarding.is_final:
                    self._close_window(lane)
                else:
                    self._settle(lane, discarding.discard.records)

    def _fail_discard(self, discard_id: int, reason: str, now: Instant, *, is_final: bool) -> None:
        for lane in self._lanes:
            discarding = lane.discarding
            if discarding is None or discarding.discard.id != discard_id:
                continue
            if not is_final and self._failures.will_send_again(discarding, now):
                continue
            self._progress.add_to_journal(
                s.JournalEntry(discarding.discard, reason, discarding.window)
            )
            self._end_discard(discard_id)

    # What is done next.

    def _advance(self, now: Instant) -> list[s.Command]:
        commands: list[s.Command] = []
        for lane in self._lanes:
            if lane.held_slot_until_ms is not None and lane.held_slot_until_ms <= now.monotonic_ms:
                lane.held_slot_until_ms = None
                commands.append(s.ReturnSlots(self._policy.function_arn, 1))
        if not self._is_stopping:
            for lane in self._lanes:
                commands += self._prepare(lane, now)
            commands += self._start_invocations(now)
            fetch = self._filling.fetch(now)
            commands += [] if fetch is None else [fetch]
        commands += self._save(now)
        commands += self._balance_slots(now)
        held_bytes = sum([lane.held_bytes for lane in self._lanes]) + self._progress.journal_bytes
        if held_bytes != self._held_bytes:
            self._held_bytes = held_bytes
            commands.append(s.ReportHeldBytes(held_bytes))
        return commands

    def _prepare(self, lane: Lane, now: Instant) -> list[s.Command]:
        """Bring a lane to where it waits for something, or has a batch to invoke."""
        while not lane.is_busy and not self._progress.is_journal_full:
            if lane.discarding is not None:
                return self._failures.send_due(lane.discarding, now)
            is_complete = self._reading.has_ended and lane.gap_after is None
            if not lane.pending and not self._forming.form(lane, now, is_complete=is_complete):
                return []
            condition = self._forming.condition_of(lane.pending[0], now)
            if condition is None:
                return []
            is_expiry = condition is Condition.RECORD_AGE_EXCEEDED
            if not is_expiry or self._forming.isolate_expired(lane, now):
                self._discard(lane, condition, now)
        return []

    def _discard(self, lane: Lane, condition: Condition, now: Instant) -> None:
        """The first pending batch leaves the shard."""
        pending = lane.finish_first()
        window = None
        if self._window is not None and self._window.first is not None:
            window = self._window.invocation(is_final=pending.is_final)
        discarding = self._failures.discard(pending, condition, self._window, now)
        discarding.window = window
        lane.discarding = discarding
        lane.splits = 0
        if self._policy.destination_arn is None or condition is Condition.SKIPPED:
            self._progress.add_to_journal(s.JournalEntry(discarding.discard, "", window))
            self._end_discard(discarding.discard.id)

    def _ready(self, lane: Lane, now: Instant) -> bool:
        return (
            bool(lane.pending)
            and not lane.is_busy
            and lane.discarding is None
            and lane.held_slot_until_ms is None
            and lane.pending[0].due_ms <= now.monotonic_ms
            and not self._progress.is_journal_full
        )

    def _start_invocations(self, now: Instant) -> list[s.Command]:
        commands: list[s.Command] = []
        if not self._slots_free:
            return commands
        for lane in list(self._turns):
            if self._slots_free and self._ready(lane, now):
                self._slots_free -= 1
                pending = lane.pending[0]
                pending.started_ms = now.monotonic_ms
                lane.in_flight = pending
                self._turns.remove(lane)
                self._turns.append(lane)
                window = None
                if self._window is not None:
                    window = self._window.invocation(is_final=pending.is_final)
                commands.append(s.Invoke(pending.batch, window))
        return commands

    def _is_drained(self) -> bool:
        return all(lane.is_empty and not lane.is_busy for lane in self._lanes)

    def _save(self, now: Instant) -> list[s.Command]:
        if self._is_tenure_lost:
            return []
        window = self._window
        first = None if window is None or window.first is None else window.first
        limit = None if first is None else int(first.sequence_number)
        # A checkpoint before the first record that counts would forget from when on they count.
        head = None if self._filling.is_before_start else self._reading.head
        self._progress.advance(self._lanes, head, limit)
        if self._reading.has_ended and limit is None and self._is_drained():
            self._progress.end()
        save = self._progress.save(self._lanes, now)
        return [] if save is None else [save]

    def _balance_slots(self, now: Instant) -> list[s.Command]:
        """Want a slot per lane that is ready to invoke, and give back what is held above that."""
        ready = 0 if self._is_stopping else sum(self._ready(lane, now) for lane in self._lanes)
        commands: list[s.Command] = []
        excess = self._slots_free - ready
        if excess > 0:
            self._slots_free -= excess
            commands.append(s.ReturnSlots(self._policy.function_arn, excess))
        requested = max(0, ready - self._slots_free)
        if requested != self._slots_requested:
            self._slots_requested = requested
            commands.append(s.RequestSlots(self._policy.function_arn, requested))
        return commands

    def _next_deadline_ms(self, now: Instant) -> int | None:
        moments = [lane.held_slot_until_ms for lane in self._lanes]
        if not self._is_tenure_lost and self._progress.retry_ms() > now.monotonic_ms:
            moments.append(self._progress.retry_ms())
        if not self._is_stopping:
            # A full journal ends with a save; until then no lane does anything.
            if not self._progress.is_journal_full:
                for lane in self._lanes:
                    moments += self._forming.moments(lane, now)
            moments.append(self._filling.due_ms())
        return min((moment for moment in moments if moment is not None), default=None)
