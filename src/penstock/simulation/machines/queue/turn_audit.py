"""Judges a queue's machine at the end of a turn: what it should have done, and when it wakes."""

from collections.abc import Iterator

from penstock.core.queue_consumer import QueueConsumer
from penstock.model.mapping_status import QueueLoad
from penstock.simulation.machines.queue.audit import QueueAudit
from penstock.simulation.machines.queue.books import Batch
from penstock.simulation.machines.queue.command_audit import holding_count, ready_bounds
from penstock.simulation.machines.queue.receive_audit import RECEIVING, slots_for
from penstock.simulation.machines.queue.renewal_audit import KEPT, renewal_due_ms
from penstock.simulation.machines.rule import RuleBrokenError

RAMP_MS = 1_000  # by then a limit that has risen is noticed
TOLD = "what is in hand is told as it is"
NO_WAIT = "a batch that may be invoked is invoked"
WANTED = "as many slots are held and wanted as there is work for"
WAKES = "a machine wakes when something is due"


def judge_turn(audit: QueueAudit, machine: QueueConsumer, deadline_ms: int | None) -> None:
    """Judge what the machine has not done, now that it has spoken."""
    now_ms = audit.turns.now_ms
    _check_load(audit, machine.load(audit.turns.now))
    if audit.unreported:
        raise RuleBrokenError("what a filter leaves out is told", audit.unreported, "are not")
    _check_waiting(audit, now_ms)
    audit.deletes.check(now_ms, at_once=audit.deletes_at_once)
    audit.failures.check(now_ms)
    audit.slots.check_owed()
    if audit.is_stopping:
        audit.slots.check_left(None)
        is_finished = machine.is_finished()
        if is_finished != is_over(audit):
            raise RuleBrokenError("a stop ends when nothing is left", is_finished)
        if is_finished:
            return
    else:
        least, most = ready_bounds(audit)
        _check_slots(audit, least, most)
        _check_receives(audit, now_ms)
        _check_describes(audit, now_ms)
    _check_deadline(audit, deadline_ms, now_ms)


def is_over(audit: QueueAudit) -> bool:
    """Tell whether nothing is under way any more."""
    return not (
        audit.receives.running
        or audit.flying
        or audit.batches.waiting
        or len(audit.failures)
        or len(audit.deletes)
        or audit.changing_count
        or audit.is_describing
    )


def _check_load(audit: QueueAudit, load: QueueLoad) -> None:
    waiting_count = sum([len(batch.copies) for batch in audit.batches.waiting])
    limit = audit.ramp.limit(audit.turns.now_ms)
    expected = QueueLoad(audit.used, waiting_count, limit)
    if load != expected:
        raise RuleBrokenError(TOLD, load, "not", expected)


def _check_waiting(audit: QueueAudit, now_ms: int) -> None:
    for batch in audit.batches.waiting:
        if batch.renewals:
            continue
        if batch.until_ms <= now_ms:
            raise RuleBrokenError("what is visible again is forgotten", *batch.copies)
        if batch.is_returning or audit.is_stopping:
            raise RuleBrokenError("what does not run goes back to its queue", *batch.copies)


def _check_slots(audit: QueueAudit, least: int, most: int) -> None:
    function = audit.settings.function
    free, capacity = audit.slots.free(function), audit.capacity
    if least and free and capacity:
        raise RuleBrokenError(NO_WAIT, free, "slots are free, the ramp has", capacity)
    audit.slots.check_left(function)
    held = free + audit.slots.asked.get(function, 0)
    possible = {_needed(audit, ready, free, capacity) for ready in range(least, most + 1)}
    if held not in possible:
        raise RuleBrokenError(WANTED, held, "for", *sorted(possible))


def _needed(audit: QueueAudit, ready: int, free: int, capacity: int) -> int:
    """Count the slots for what waits, and for what receives in parallel may bring."""
    settings, receives = audit.settings, audit.receives
    useful = ready
    if receives.book.wanted > 1 and ready >= holding_count(audit):
        useful += slots_for(settings, receives.book.wanted, is_fifo=audit.is_fifo)
    promised = slots_for(settings, max(0, len(receives.running) - 1), is_fifo=audit.is_fifo)
    return max(min(useful, capacity), min(free, promised))


def _check_receives(audit: QueueAudit, now_ms: int) -> None:
    if audit.hiding is None or holding_count(audit):
        return
    limit = audit.ramp.limit(now_ms)
    if audit.settings.pollers is not None and not audit.receives.throughput.is_open(limit, now_ms):
        return
    if audit.receives.is_missing(audit.room, now_ms):
        raise RuleBrokenError(RECEIVING, len(audit.receives.running), "run")


def _check_describes(audit: QueueAudit, now_ms: int) -> None:
    due_ms = max(audit.describe_due_ms, audit.receives.book.retry_ms)
    if not audit.is_describing and due_ms <= now_ms:
        raise RuleBrokenError("a queue is described each five minutes", "due at", due_ms)


def _check_deadline(audit: QueueAudit, deadline_ms: int | None, now_ms: int) -> None:
    if deadline_ms is not None and deadline_ms <= now_ms:
        raise RuleBrokenError("a machine does not spin", "its deadline is", deadline_ms)
    for due_ms, what in _dues(audit, now_ms):
        if due_ms > now_ms and (deadline_ms is None or due_ms < deadline_ms):
            raise RuleBrokenError(WAKES, what, "at", due_ms, "it wakes at", deadline_ms)


def _dues(audit: QueueAudit, now_ms: int) -> Iterator[tuple[int, str]]:
    """Give what is due next, of each kind."""
    due_ms = audit.deletes.due_ms()
    if due_ms is not None:
        yield due_ms, "a delete"
    due_ms = audit.failures.due_ms()
    if due_ms is not None:
        yield due_ms, "a destination's next attempt"
    for batch in _held(audit):
        due_ms = renewal_due_ms(batch)
        if due_ms is None:
            continue
        if due_ms <= now_ms:
            raise RuleBrokenError(KEPT, *batch.copies, "since", due_ms)
        yield due_ms, "an extension"
    if not audit.is_stopping:
        yield from _dues_of_running(audit, now_ms)


def _dues_of_running(audit: QueueAudit, now_ms: int) -> Iterator[tuple[int, str]]:
    """Give what is due next of a machine that has not been stopped."""
    for batch in audit.unknown:
        yield batch.over_ms, "an invocation's end"
    for batch in audit.batches.waiting:
        if not batch.renewals:
            yield batch.until_ms, "a batch's visibility"
        if batch.due_from_ms > now_ms:
            yield batch.due_by_ms, "a batch's next try"
        if batch.is_open:
            yield batch.ends_ms, "a window's end"
    if not audit.is_describing:
        yield max(audit.describe_due_ms, audit.receives.book.retry_ms), "a description"
    if not audit.capacity and audit.ramp.is_rising(now_ms):
        yield now_ms + RAMP_MS, "the ramp"
    limit = audit.ramp.limit(now_ms)
    if audit.settings.pollers is not None and not audit.receives.throughput.is_open(limit, now_ms):
        yield audit.receives.throughput.opens_ms(limit), "the pollers' throughput"
    if not audit.receives.running:
        yield max(audit.receives.book.retry_ms, audit.receives.pause_until_ms), "a receive"


def _held(audit: QueueAudit) -> Iterator[Batch]:
    """Give the batches that are to be kept hidden."""
    if not audit.is_stopping:
        yield from audit.batches.waiting
    for batch in audit.flying.values():
        if batch.kept_until_ms is not None:
            yield batch
