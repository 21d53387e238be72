"""One queue mapping's life: receive, invoke, delete; leave what failed to its visibility timeout.

::

    Receive ──> waiting ──(slot granted)──> in flight ──ok──> deletions ──> gone
                 │   ▲                        │  │
                 │   └──── did not run ───────┘  └─ failed, unknown ──> comes again by itself,
                 └─ stop ──> ChangeVisibility                           or failed_messages

Rules:
    1. A message is deleted only after its function succeeded with it, after its discard was
       recorded, or because no filter lets it through: then at once, and it needs no slot.
    2. While a closed batch waits for a slot nothing more is received: at most one receive's
       messages, or with a batching window one batch, are held above the slots that are free; and
       of a slow function no more than one batch. The long poll of an idle mapping holds no slot.
    3. Receives in parallel, with slots to run what they bring, only while receives come back full.
    4. A batch that waits is kept hidden, for more messages or for a slot. A batch whose function
       did not run is tried again while it is hidden, then forgotten (AWS's rule).
    5. An invocation whose outcome is unknown keeps its slot until its function's timeout.
    6. FIFO: one receive is one batch, or one batch per group; a group has one batch in flight, and
       what waits for it holds up no other group; what waits behind a message that comes again goes
       back to the queue.
    7. Everything ends: ``StopRequested`` leads to ``is_finished``.

In flight at once: many ``Invoke``, ``Receive``, ``DeleteMessages``, ``ExtendVisibility``,
``ChangeVisibility`` and ``SendToDestination``; one ``DescribeQueue``.

Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html and
    docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from typing import assert_never

from penstock.core import queue_contract as q
from penstock.core.deletions import Deletions
from penstock.core.failed_messages import FailedMessages, cut_into_calls, select_failed
from penstock.core.held_batch import HeldBatch, Visibility, shorter_of
from penstock.core.in_flight import InFlight
from penstock.core.mapping_capacity import MappingCapacity
from penstock.core.message_groups import by_group
from penstock.core.policy_filter import part_messages
from penstock.core.queue_description import QueueDescription
from penstock.core.renewals import Renewals
from penstock.core.scaling import RampPolicy
from penstock.core.slot_demand import SlotDemand
from penstock.core.waiting_batches import WaitingBatches
from penstock.core.window import BatchWindow
from penstock.model.function import TIMEOUT_S_MAX
from penstock.model.instant import Instant
from penstock.model.mapping_status import QueueLoad
from penstock.model.message import DeleteReport, Message, VisibilityChange


class QueueConsumer:
    """The machine of one SQS mapping.

    Args:
        policy: What the mapping asks for.
        ramp_policy: The node's, for mappings without pollers of their own.
    """

    def __init__(self, policy: q.QueuePolicy, ramp_policy: RampPolicy) -> None:
        self._policy = policy
        self._limits = MappingCapacity(policy, ramp_policy)
        self._ramp = self._limits.ramp
        self._queue = QueueDescription()
        self._window = BatchWindow()
        self._waiting = WaitingBatches()
        self._renewals = Renewals()
        self._in_flight = InFlight()
        self._deletions = Deletions()
        self._failed = FailedMessages(self._renewals)
        self._demand = SlotDemand(self._limits, self._window)
        self._receives, self._slots = self._demand.receives, self._demand.slots
        self._changing_count = 0
        self._is_stopping = False
        self._capacity = 0  # how many invocations may still start under the ramp
        self._deadline_ms: int | None = None

    def handle(self, inp: q.Input, now: Instant) -> list[q.Command]:
        """Take one input in; give back what must be done."""
        commands: list[q.Command] = []
        match inp:
            case q.MessagesReceived(receive_id, messages):
                commands = self._take_messages(receive_id, messages, now)
            case q.SlotsGranted(function_arn, count):
                is_current = function_arn == self._policy.function_arn
                commands += self._slots.take_granted(function_arn, count, is_current=is_current)
            case q.InvocationSucceeded():
                commands = self._end_invocation(inp, now)
            case q.DeleteEnded(report, attempt):
                if self._end_delete(report, attempt, now):
                    return commands
            case _:
                commands = self._take_seldom(inp, now)
        commands += self._advance(now)
        self._deadline_ms = self._next_deadline_ms(now)
        return commands

    def _take_seldom(self, inp: q.SeldomInput, now: Instant) -> list[q.Command]:
        match inp:
            case q.Started() | q.DeadlineReached():
                pass
            case q.QueueDescribed(attributes):
                # Failed receives are not forgotten: they may be refused where describing is not.
                self._queue.take(attributes, self._policy, now)
            case q.DescribeFailed():
                self._queue.fail(now)
            case q.ReceiveFailed(receive_id):
                if self._receives.fail(receive_id, now):
                    self._queue.look_again(now)  # its attributes may be others when it is back
            case q.SlotsContended(function_arn, is_contended):
                if function_arn == self._policy.function_arn:
                    self._slots.is_contended = is_contended
            case q.VisibilityExtended() | q.ExtendVisibilityFailed():
                self._end_renewal(inp, now)
            case q.VisibilityChanged(count):
                self._changing_count -= count
            case q.DestinationAccepted(discard_id):
                self._deletions.add(self._failed.discards.accept(discard_id), now)
            case q.DestinationFailed():
                self._failed.discards.refuse(inp, now)
            case q.PolicyChanged(policy):
                return self._change_policy(policy)
            case q.StopRequested(abandon_receives):
                self._is_stopping = True
                return [q.AbandonReceives()] if abandon_receives else []
            case _:
                return self._end_invocation(inp, now)
        return []

    def deadline_ms(self) -> int | None:
        """Monotonic time at which ``DeadlineReached`` is due; None: no timer."""
        return self._deadline_ms

    def _next_deadline_ms(self, now: Instant) -> int | None:
        moments = [
            self._deletions.deadline_ms(),
            self._failed.discards.deadline_ms(),
            self._renewals.deadline_ms(),
        ]
        if not self._is_stopping:
            moments += [
                self._queue.deadline_ms(not_before_ms=self._receives.retry_ms),
                self._receives.deadline_ms(now),
                self._in_flight.deadline_ms(),
            ]
            if len(self._waiting):
                moments.append(self._waiting.deadline_ms(now))
            if self._policy.pollers is not None:
                moments.append(self._limits.opens_ms(now))
            if not self._capacity:
                moments.append(self._limits.rises_ms(now))
        return min([moment for moment in moments if moment is not None], default=None)

    def is_finished(self) -> bool:
        """Tell whether a stop was asked for and nothing is left under way."""
        return self._is_stopping and not (
            len(self._receives)
            or len(self._in_flight)
            or len(self._waiting)
            or len(self._failed)
            or self._deletions.pending_count
            or self._changing_count
            or self._queue.is_under_way
        )

    def load(self, now: Instant) -> QueueLoad:
        """Give what is in hand now, for those who watch."""
        in_flight_count, waiting_count = self._in_flight.slot_count, self._waiting.message_count
        return QueueLoad(in_flight_count, waiting_count, self._ramp.limit(now))

    # What each input changes.

    def _take_messages(
        self, receive_id: int, messages: tuple[Message, ...], now: Instant
    ) -> list[q.Command]:
        size_bytes = sum([len(message.body) for message in messages])
        receiving = self._receives.end(
            receive_id, len(messages), size_bytes, has_window=self._policy.has_window
        )
        # An update may have come between its asking and its answer: rely on the shorter of both.
        visibility = shorter_of(receiving.visibility, self._hiding())
        kept, excluded = part_messages(messages, self._policy)
        self._deletions.add(excluded, now)
        begun: list[HeldBatch] = []
        grown = self._window.growing
        for part in by_group(kept) if self._policy.options.fifo_one_group else (kept,):
            begun += self._window.add(part, self._policy, visibility, now)
        self._limits.take(size_bytes, now)
        if len(messages) >= receiving.asked:
            if kept:  # what no filter lets through asks for no invocation
                self._ramp.note_backlog(now)
        elif messages:
            self._ramp.note_drained(now)
            self._receives.let_gather(self._window.ends_ms(), now)
        elif not self._in_flight.slot_count and not len(self._waiting):
            self._ramp.note_idle()
        commands: list[q.Command] = [q.ReportFilteredOut(len(excluded))] if excluded else []
        if grown is not None:
            self._renewals.watch(grown)
        return commands + self._hold(begun, now)

    def _hold(self, received: list[HeldBatch], now: Instant) -> list[q.Command]:
        """Let batches wait; what nothing holds up is invoked at once."""
        commands: list[q.Command] = []
        is_held_up = len(self._waiting) or self._is_stopping
        room = 0 if is_held_up else min(self._slots.free, self._room(now))
        for held in received:
            if len(commands) < room and not (held.is_open or held.groups):
                commands.append(self._invoke(held, now))
                continue
            self._waiting.add(held)
            self._renewals.watch(held)
        return commands

    def _end_delete(self, report: DeleteReport, attempt: int, now: Instant) -> bool:
        """A call ended; tell whether nothing follows from it."""
        was_choked = self._is_choked()
        self._deletions.take_report(report, attempt, now)
        is_due = self._deadline_ms is not None and self._deadline_ms <= now.monotonic_ms
        has_risen = self._capacity != self._room(now)
        is_heard = is_due or has_risen or self._is_stopping
        return not (is_heard or was_choked or report.retryable)

    def _end_renewal(
        self, inp: q.VisibilityExtended | q.ExtendVisibilityFailed, now: Instant
    ) -> None:
        late = self._renewals.end(inp, now)
        if isinstance(inp, q.VisibilityExtended) and inp.refused:
            self._waiting.look_again()
        for held in late:
            if held.is_open:
                # It cannot be trusted to stay hidden until its window ends: it goes early.
                held.close()

    def _end_invocation(self, inp: q.InvocationEnded, now: Instant) -> list[q.Command]:
        if isinstance(inp, q.InvocationOutcomeUnknown):
            held = self._in_flight.lose(inp.batch.id)
            self._waiting.send_back(held.groups)
            self._note_function_error(now)
            return []
        held = self._in_flight.end(inp.batch.id)
        if not isinstance(inp, q.InvocationRejected):
            self._demand.pace.note(now.monotonic_ms - held.started_ms)
            self._renewals.leave(held)
        match inp:
            case q.InvocationSucceeded(batch):
                self._deletions.add(batch.messages, now)
            case q.InvocationPartiallyFailed(batch, failed):
                succeeded = tuple([m for m in batch.messages if m.message_id not in failed])
                self._deletions.add(succeeded, now)
                self._take_failed(held, inp, now)
            case q.InvocationFailed():
                self._take_failed(held, inp, now)
                self._note_function_error(now)
            case q.InvocationRejected():
                self._waiting.send_back(held.groups)
                self._waiting.add_rejected(held, self._hiding(), now)
                if inp.is_throttle:
                    self._ramp.note_throttle(now)
            case _:
                assert_never(inp)
        is_current = held.function_arn == self._policy.function_arn
        return [*self._slots.end_one(held.function_arn, is_current=is_current)]

    def _take_failed(
        self, held: HeldBatch, inp: q.InvocationFailed | q.InvocationPartiallyFailed, now: Instant
    ) -> None:
        if held.groups:
            self._waiting.send_back(
                {message.group for message in select_failed(held.messages, inp)}
            )
        last_receive = self._queue.last_receive(self._policy.options)
        self._failed.take(held, inp, self._policy, last_receive, now)

    def _note_function_error(self, now: Instant) -> None:
        if not self._policy.report_batch_item_failures:
            self._ramp.note_function_error(now)

    def _change_policy(self, policy: q.QueuePolicy) -> list[q.Command]:
        commands: list[q.Command] = []
        if policy.function_arn != self._policy.function_arn:
            commands += self._slots.leave(self._policy.function_arn)
        old, self._policy = self._policy, policy
        if (old.batching_window_s, old.batch_size) != (policy.batching_window_s, policy.batch_size):
            self._window.close()
        self._limits.change_policy(policy)
        self._queue.change_policy(policy)
        return commands

    # One place starts new work.

    def _advance(self, now: Instant) -> list[q.Command]:
        commands: list[q.Command] = []
        for held in self._in_flight.take_ended(now, at_once=self._is_stopping):
            self._renewals.leave(held)
            commands.append(q.ReturnSlots(held.function_arn, 1))
        self._capacity = self._room(now)
        if len(self._waiting):
            commands += self._let_go(now)
        ready_count, is_receiving = 0, False
        if not self._is_stopping:
            started, ready_count, is_receiving = self._go_on(now)
            commands += started
        for command in self._failed.start_due(now, is_stopping=self._is_stopping):
            if isinstance(command, q.ChangeVisibility):
                self._changing_count += len(command.changes)
            commands.append(command)
        if self._queue.visibility is not None:
            commands += self._renewals.start_due(self._queue.visibility, now)
        if self._deletions.pending_count:
            is_alone = not len(self._in_flight)
            commands += self._deletions.flush(now, at_once=self._policy.is_fifo or is_alone)
        if self._is_stopping:
            return [*commands, *self._slots.balance(self._policy.function_arn, 0)]
        return commands + self._demand.balance(
            self._policy, ready_count, self._capacity, is_receiving=is_receiving
        )

    def _go_on(self, now: Instant) -> tuple[list[q.Command], int, bool]:
        """Invoke what waits, and receive more.

        Returns:
            The commands, the batches that wait for a slot alone, and whether nothing stops
            receiving.
        """
        commands: list[q.Command] = []
        holding_count = ready_count = 0
        if len(self._waiting):
            commands += self._start_invocations(now)
            holding_count = self._waiting.holding_count(now, self._in_flight.busy_groups)
            ready_count = self._waiting.ready_count(now, self._in_flight.busy_groups)
        is_choked = self._is_choked()
        if self._capacity and self._may_receive(holding_count, is_choked=is_choked):
            commands += self._demand.start_receives(
                self._policy, self._hiding(), self._capacity, self._in_flight.slot_count, now
            )
        commands += self._queue.start_due(now, not_before_ms=self._receives.retry_ms)
        return commands, ready_count, not (is_choked or ready_count < holding_count)

    def _let_go(self, now: Instant) -> list[q.Command]:
        """Part with what waits and is visible again, or goes back to the queue."""
        commands: list[q.Command] = []
        for held, forgotten in self._waiting.forget_visible(now):
            if not held.messages:
                self._renewals.leave(held)
            commands.append(q.Forget(forgotten))
        for held in self._waiting.take_returning(takes_all=self._is_stopping):
            self._renewals.leave(held)
            commands += cut_into_calls([VisibilityChange(message, 0) for message in held.messages])
            self._changing_count += len(held.messages)
        return commands

    def _start_invocations(self, now: Instant) -> list[q.Command]:
        commands: list[q.Command] = []
        while self._slots.free and self._capacity:
            held = self._waiting.take_ready(now, self._in_flight.busy_groups)
            if held is None:
                break
            self._capacity -= 1
            self._renewals.leave(held)
            commands.append(self._invoke(held, now))
        return commands

    def _invoke(self, held: HeldBatch, now: Instant) -> q.Invoke:
        """Begin an invocation in one of the free slots."""
        policy = self._policy
        self._slots.free -= 1
        timeout_ms = (policy.function_timeout_s or TIMEOUT_S_MAX) * 1000
        held.started_ms = now.monotonic_ms
        self._in_flight.start(held, policy.function_arn, now.monotonic_ms + timeout_ms)
        if self._hiding().is_heartbeat:
            self._renewals.watch_running(held, timeout_ms, now)
        return q.Invoke(
            held.to_batch(),
            policy.function_arn,
            policy.queue_arn,
            policy.report_batch_item_failures,
            policy.options.fifo_strict,
        )

    def _may_receive(self, holding_count: int, *, is_choked: bool) -> bool:
        return self._queue.visibility is not None and not (holding_count or is_choked)

    # What the state says.

    def _room(self, now: Instant) -> int:
        """Count the invocations that may start under the ramp."""
        return max(0, self._ramp.limit(now) - self._in_flight.slot_count)

    def _hiding(self) -> Visibility:
        assert self._queue.visibility is not None, "nothing is received before it is described"
        return self._queue.visibility

    def _is_choked(self) -> bool:
        """Tell whether so little of what is done can be got rid of that receiving must wait."""
        return self._deletions.is_blocked or self._failed.discards.is_full
