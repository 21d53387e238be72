"""One queue mapping's life: receive, invoke, delete; leave what failed to its visibility timeout.

::

    Receive ──> waiting ──(slot granted)──> in flight ──ok──> deletions ──> gone
                 │   ▲                        │  │
                 │   └──── did not run ───────┘  └─ failed, unknown ──> comes again by itself
                 └─ stop ──> ReturnToQueue

Rules:
    1. A message is deleted only after its function succeeded with it.
    2. While a batch waits for a slot nothing more is received: at most one receive's messages are
       held above the slots that are free. The single long poll of an idle mapping holds no slot.
    3. Receives in parallel, each with slots of its own, only while receives come back full.
    4. A batch that waits for a slot is kept hidden. A batch whose function did not run is tried
       again while it is hidden, then forgotten (AWS's rule).
    5. An invocation whose outcome is unknown keeps its slot until its function's timeout.
    6. Everything ends: ``StopRequested`` leads to ``is_finished``.

In flight at once: many ``Invoke``, ``Receive`` and ``DeleteMessages``; one ``DescribeQueue``; one
``ExtendVisibility`` per batch.

Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html and
    docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from typing import assert_never

import msgspec

from penstock.core import queue_contract as q
from penstock.core.deletions import Deletions
from penstock.core.function_event import queue_record_bytes_max
from penstock.core.in_flight import InFlight
from penstock.core.retry import backoff_ms
from penstock.core.scaling import ConcurrencyRamp, RampPolicy
from penstock.core.waiting_batches import Visibility, WaitingBatches
from penstock.core.window import split_by_limits
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX, Message, MessageBatch, QueueAttributes

RECEIVES_MAX = 50  # receives in flight of one mapping; 10 messages each
DELETES_PENDING_MAX = 2_000  # above it nothing is received: the queue does not take our deletes
SLOT_RECEIVE_WAIT_S = 0  # a receive that holds slots does not sit on them
DESCRIBE_EVERY_MS = 300_000  # the visibility timeout may be changed under us
SOURCE_RETRY_FIRST_MS = 200
SOURCE_RETRY_MS_MAX = 5_000  # an outage's end is noticed that soon
RAMP_TICK_MS = 1_000


class _Receiving(msgspec.Struct):
    """A running receive.

    Attributes:
        slots: Slots it holds; 0 for the long poll of an idle mapping.
        asked: The most messages it may bring.
    """

    slots: int
    asked: int


class QueueConsumer:
    """The machine of one standard SQS mapping."""

    def __init__(self, policy: q.QueuePolicy, ramp_policy: RampPolicy) -> None:
        self._policy = policy
        self._ramp = ConcurrencyRamp(ramp_policy, policy.maximum_concurrency)
        self._timeout_s: int | None = None
        self._waiting = WaitingBatches()
        self._deletions = Deletions()
        self._in_flight = InFlight()
        self._receiving: dict[int, _Receiving] = {}
        self._receives_wanted = 1
        self._slots_free = 0
        self._slots_requested = 0
        self._receive_failures = 0
        self._source_retry_ms = 0
        self._describe_due_ms = 0
        self._describe_failures = 0
        self._is_describing = False
        self._returning_count = 0
        self._is_stopping = False
        self._receive_id = 0
        self._batch_id = 0
        self._deadline_ms: int | None = None

    def handle(self, inp: q.Input, now: Instant) -> list[q.Command]:
        """Take one input in; give back what must be done."""
        commands: list[q.Command] = []
        match inp:
            case q.Started() | q.DeadlineReached():
                pass
            case q.QueueDescribed(attributes):
                self._take_attributes(attributes, now)
            case q.DescribeFailed():
                self._note_describe_failure(now)
            case q.MessagesReceived(receive_id, messages):
                self._take_messages(receive_id, messages, now)
            case q.ReceiveFailed(receive_id):
                self._slots_free += self._receiving.pop(receive_id).slots
                self._note_receive_failure(now)
            case q.SlotsGranted(function_arn, count):
                commands = self._take_slots(function_arn, count)
            case q.DeleteEnded(report, attempt):
                self._deletions.take_report(report, attempt, now)
            case q.VisibilityExtended(batch_id):
                self._waiting.end_renewal(batch_id, self._visibility(), now, is_extended=True)
            case q.ExtendVisibilityFailed(batch_id):
                self._waiting.end_renewal(batch_id, self._visibility(), now, is_extended=False)
            case q.MessagesReturned(count):
                self._returning_count -= count
            case q.PolicyChanged(policy):
                commands = self._change_policy(policy)
            case q.StopRequested(abandon_receives):
                self._is_stopping = True
                commands = [q.AbandonReceives()] if abandon_receives else []
            case _:
                commands = self._end_invocation(inp, now)
        commands += self._advance(now)
        self._deadline_ms = self._next_deadline_ms(now)
        return commands

    def deadline_ms(self) -> int | None:
        """Monotonic time at which ``DeadlineReached`` is due; None: no timer."""
        return self._deadline_ms

    def is_finished(self) -> bool:
        """Tell whether a stop was asked for and nothing is left under way."""
        return self._is_stopping and not (
            self._receiving
            or len(self._in_flight)
            or len(self._waiting)
            or self._deletions.pending_count
            or self._returning_count
            or self._is_describing
        )

    # What each input changes.

    def _take_attributes(self, attributes: QueueAttributes, now: Instant) -> None:
        # The failures are not forgotten: a queue that can be described may yet refuse receives.
        self._is_describing = False
        self._describe_failures = 0
        self._timeout_s = attributes.visibility_timeout_s
        self._describe_due_ms = now.monotonic_ms + DESCRIBE_EVERY_MS

    def _note_describe_failure(self, now: Instant) -> None:
        """Describe again later; receives go on with the attributes known, where there are any."""
        self._is_describing = False
        self._describe_failures += 1
        self._describe_due_ms = now.monotonic_ms + backoff_ms(
            self._describe_failures,
            first_ms=SOURCE_RETRY_FIRST_MS,
            maximum_ms=SOURCE_RETRY_MS_MAX,
        )

    def _note_receive_failure(self, now: Instant) -> None:
        """The source failed: pause, and read its attributes anew when it is back."""
        self._receives_wanted = 1
        if now.monotonic_ms < self._source_retry_ms:
            return  # A call that began before the pause: one outage counts once.
        self._receive_failures += 1
        self._describe_due_ms = now.monotonic_ms
        self._source_retry_ms = now.monotonic_ms + backoff_ms(
            self._receive_failures,
            first_ms=SOURCE_RETRY_FIRST_MS,
            maximum_ms=SOURCE_RETRY_MS_MAX,
        )

    def _take_messages(self, receive_id: int, messages: tuple[Message, ...], now: Instant) -> None:
        receiving = self._receiving.pop(receive_id)
        self._slots_free += receiving.slots
        self._receive_failures = 0
        if len(messages) >= receiving.asked:
            self._receives_wanted = min(RECEIVES_MAX, self._receives_wanted + 1)
            self._ramp.note_backlog(now)
        elif messages:
            self._receives_wanted = max(1, self._receives_wanted - 1)
            self._ramp.note_drained(now)
        else:
            self._receives_wanted = 1
            if not self._in_flight.slot_count and not len(self._waiting):
                self._ramp.note_idle()
        for run in split_by_limits(
            messages,
            count_max=self._policy.batch_size,
            bytes_max=PAYLOAD_BYTES_MAX,
            size_of=lambda message: queue_record_bytes_max(message, self._policy.queue_arn),
        ):
            self._batch_id += 1
            self._waiting.add(MessageBatch(self._batch_id, run), self._visibility(), now)

    def _take_slots(self, function_arn: str, count: int) -> list[q.Command]:
        if function_arn != self._policy.function_arn:
            return [q.ReturnSlots(function_arn, count)]
        self._slots_free += count
        self._slots_requested = max(0, self._slots_requested - count)
        return []

    def _end_invocation(self, inp: q.InvocationEnded, now: Instant) -> list[q.Command]:
        if isinstance(inp, q.InvocationOutcomeUnknown):
            self._in_flight.lose(inp.batch.id)
            self._note_function_error(now)
            return []
        waiting, slot_back = self._in_flight.end(inp.batch.id)
        match inp:
            case q.InvocationSucceeded(batch):
                self._deletions.add(batch.messages, now)
            case q.InvocationPartiallyFailed(batch, failed):
                succeeded = tuple(m for m in batch.messages if m.message_id not in failed)
                self._deletions.add(succeeded, now)
            case q.InvocationFailed():
                self._note_function_error(now)
            case q.InvocationRejected():
                self._waiting.add_rejected(waiting, now)
                if inp.is_throttle:
                    self._ramp.note_throttle(now)
            case _:
                assert_never(inp)
        return [slot_back]

    def _note_function_error(self, now: Instant) -> None:
        if not self._policy.report_batch_item_failures:
            self._ramp.note_function_error(now)

    def _change_policy(self, policy: q.QueuePolicy) -> list[q.Command]:
        commands: list[q.Command] = []
        if policy.function_arn != self._policy.function_arn:
            commands = self._leave_function(self._policy.function_arn)
        self._policy = policy
        self._ramp.change_maximum(policy.maximum_concurrency)
        return commands

    def _leave_function(self, function_arn: str) -> list[q.Command]:
        held = self._slots_free + sum(receiving.slots for receiving in self._receiving.values())
        for receiving in self._receiving.values():
            receiving.slots = 0
        self._slots_free = self._slots_requested = 0
        returned: list[q.Command] = [q.ReturnSlots(function_arn, held)] if held else []
        return [q.RequestSlots(function_arn, 0), *returned]

    # One place starts new work.

    def _advance(self, now: Instant) -> list[q.Command]:
        commands: list[q.Command] = []
        commands += self._in_flight.release_due(now, at_once=self._is_stopping)
        commands += self._waiting.forget_visible(now)
        if self._is_stopping:
            commands += self._give_back()
        else:
            commands += self._start_invocations(now)
            commands += self._start_receives(now)
            if self._timeout_s is not None:
                commands += self._waiting.renew_due(self._visibility(), now)
            commands += self._describe(now)
        commands += self._deletions.flush(now, at_once=not len(self._in_flight))
        return commands + self._balance_slots(now)

    def _give_back(self) -> list[q.Command]:
        commands: list[q.Command] = []
        for batch in self._waiting.take_returnable():
            self._returning_count += len(batch.messages)
            commands.append(q.ReturnToQueue(batch.messages))
        return commands

    def _start_invocations(self, now: Instant) -> list[q.Command]:
        commands: list[q.Command] = []
        policy = self._policy
        while self._slots_free and self._capacity(now):
            waiting = self._waiting.take_ready(now)
            if waiting is None:
                break
            self._slots_free -= 1
            self._in_flight.start(
                waiting,
                policy.function_arn,
                now.monotonic_ms + (policy.function_timeout_s or 0) * 1000,
            )
            commands.append(
                q.Invoke(
                    waiting.batch,
                    policy.function_arn,
                    policy.queue_arn,
                    policy.report_batch_item_failures,
                )
            )
        return commands

    def _start_receives(self, now: Instant) -> list[q.Command]:
        commands: list[q.Command] = []
        while self._may_receive(now):
            # The only receive of a mapping is a long poll: it would sit on its slots.
            is_parallel = self._receives_wanted > 1
            slots = min(self._slots_free, self._slots_per_receive()) if is_parallel else 0
            if slots == 0 and self._receiving:
                break
            self._slots_free -= slots
            self._receive_id += 1
            asked = min(BATCH_ENTRIES_MAX, max(1, slots) * self._policy.batch_size)
            self._receiving[self._receive_id] = _Receiving(slots, asked)
            wait_s = SLOT_RECEIVE_WAIT_S if slots else self._policy.long_poll_s
            commands.append(q.Receive(self._receive_id, asked, wait_s))
        return commands

    def _may_receive(self, now: Instant) -> bool:
        return (
            self._timeout_s is not None
            and not len(self._waiting)
            and len(self._receiving) < self._receives_wanted
            and self._source_retry_ms <= now.monotonic_ms
            and not self._has_deletes_blocked()
            and self._capacity(now) > 0
        )

    def _describe(self, now: Instant) -> list[q.Command]:
        is_due = max(self._describe_due_ms, self._source_retry_ms) <= now.monotonic_ms
        if self._is_describing or not is_due:
            return []
        self._is_describing = True
        return [q.DescribeQueue()]

    def _balance_slots(self, now: Instant) -> list[q.Command]:
        """Want as many slots as there is work for, and give back what is held above that."""
        needed = 0 if self._is_stopping else min(self._slots_useful(now), self._capacity(now))
        held = self._slots_free + sum(receiving.slots for receiving in self._receiving.values())
        commands: list[q.Command] = []
        excess = min(self._slots_free, held - needed)
        if excess > 0:
            self._slots_free -= excess
            commands.append(q.ReturnSlots(self._policy.function_arn, excess))
        requested = max(0, needed - held)
        if requested != self._slots_requested:
            self._slots_requested = requested
            commands.append(q.RequestSlots(self._policy.function_arn, requested))
        return commands

    # What the state says.

    def _visibility(self) -> Visibility:
        assert self._timeout_s is not None, "nothing is received before the queue is described"
        return Visibility(self._timeout_s, self._policy)

    def _capacity(self, now: Instant) -> int:
        """Count the invocations that may still start under the ramp."""
        return max(0, self._ramp.limit(now) - self._in_flight.slot_count)

    def _slots_useful(self, now: Instant) -> int:
        """Count the slots that there is work for, whatever the ramp says."""
        ready_count = self._waiting.ready_count(now)
        # Both stop receiving: slots for receives would lie idle, and others want them.
        has_next_try_waiting = ready_count < len(self._waiting)
        if self._receives_wanted == 1 or has_next_try_waiting or self._has_deletes_blocked():
            return ready_count
        return ready_count + self._receives_wanted * self._slots_per_receive()

    def _has_deletes_blocked(self) -> bool:
        """Tell whether the queue takes so few of our deletes that receiving must wait."""
        return self._deletions.pending_count >= DELETES_PENDING_MAX

    def _slots_per_receive(self) -> int:
        """Count the invocations that one full receive keeps busy."""
        return -(-BATCH_ENTRIES_MAX // self._policy.batch_size)

    def _next_deadline_ms(self, now: Instant) -> int | None:
        if self._is_stopping:
            return self._deletions.deadline_ms()
        moments = [
            self._deletions.deadline_ms(),
            self._waiting.deadline_ms(now),
            self._in_flight.deadline_ms(),
        ]
        if not self._is_describing:
            moments.append(max(self._describe_due_ms, self._source_retry_ms))
        if self._source_retry_ms > now.monotonic_ms:
            moments.append(self._source_retry_ms)
        if self._capacity(now) == 0 and self._ramp.is_rising(now):
            moments.append(now.monotonic_ms + RAMP_TICK_MS)
        return min((moment for moment in moments if moment is not None), default=None)
