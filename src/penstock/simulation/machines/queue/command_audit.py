"""Judges what a queue's machine commands, one command at a time."""

from typing import assert_never

from penstock.core import queue_contract as q
from penstock.model.message import MessageBatch
from penstock.simulation.machines.queue.audit import QueueAudit
from penstock.simulation.machines.queue.books import CALL_MAX, Batch, Copy, Stage
from penstock.simulation.machines.queue.receive_audit import BLOCKED_MAX, NOT_WAITING
from penstock.simulation.machines.queue.renewal_audit import keep_running
from penstock.simulation.machines.rule import RuleBrokenError

TIMEOUT_S_MAX = 900  # of a function whose timeout is not known
FUNCTION_ARN = "arn:aws:lambda:us-east-2:123456789012:function:"
CUT = "a batch ends by BatchSize, by 6 MB, at its window's end or with its receive"
NOT_EARLY = "no batch is invoked before its window ends, unless it is full"
AT_MAXIMUM = "at its maximum concurrency a mapping receives nothing"
ONE_OF_GROUP = "a group has one batch in flight"
IN_ORDER = "a group's messages are invoked in order"


class CommandAudit:
    """Judges commands by what the machine was told before."""

    def __init__(self, audit: QueueAudit) -> None:
        self._audit = audit

    def judge(self, command: q.Command) -> None:
        """Judge a command, and take note of what it begins."""
        audit = self._audit
        now_ms = audit.turns.now_ms
        match command:
            case q.Receive():
                self._judge_receive(command)
            case q.Invoke():
                self._judge_invoke(command)
            case q.DeleteMessages(messages):
                copies = audit.copies_of(messages)
                audit.deletes.start(command, copies, now_ms, at_once=audit.deletes_at_once)
            case q.ExtendVisibility(_, messages):
                assert audit.hiding is not None, "something was received"
                audit.renewals.start(command, audit.copies_of(messages), audit.hiding, now_ms)
            case q.ChangeVisibility():
                self._judge_change(command)
            case q.SendToDestination(_, discard):
                audit.failures.send(command, audit.copies_of([discard.message])[0], now_ms)
            case q.DescribeQueue():
                self._judge_describe()
            case q.RequestSlots(function_arn, count):
                audit.slots.request(name_of(function_arn), count)
            case q.ReturnSlots(function_arn, count):
                audit.slots.give_back(name_of(function_arn), count)
            case q.ReportFilteredOut() | q.Forget() | q.AbandonReceives():
                self._judge_told(command)
            case _:
                assert_never(command)

    def _judge_told(self, command: q.ReportFilteredOut | q.Forget | q.AbandonReceives) -> None:
        match command:
            case q.ReportFilteredOut(count):
                if count != self._audit.unreported:
                    raise RuleBrokenError("what a filter leaves out is told", count)
                self._audit.unreported = 0
            case q.Forget(batch):
                self._judge_forget(batch)
            case q.AbandonReceives():
                if not self._audit.is_stopping:
                    raise RuleBrokenError("receives are abandoned at a stop alone")

    def _judge_receive(self, command: q.Receive) -> None:
        audit = self._audit
        if audit.is_stopping or audit.hiding is None:
            raise RuleBrokenError("nothing is received before the queue is known, nor after a stop")
        if audit.capacity <= 0:
            raise RuleBrokenError(AT_MAXIMUM, audit.used)
        if holding_count(audit):
            raise RuleBrokenError(NOT_WAITING, *audit.batches.waiting[0].copies)
        now_ms = audit.turns.now_ms
        pollers_limit = audit.ramp.limit(now_ms)
        if audit.settings.pollers is not None and not audit.receives.throughput.is_open(
            pollers_limit, now_ms
        ):
            raise RuleBrokenError("1 MB per second and poller")
        audit.receives.start(command, audit.room, now_ms)

    def _judge_invoke(self, command: q.Invoke) -> None:
        audit, settings, now_ms = self._audit, self._audit.settings, self._audit.turns.now_ms
        if audit.is_stopping:
            raise RuleBrokenError("nothing is invoked after a stop")
        asked = (name_of(command.function_arn), command.report_batch_item_failures)
        if asked != (settings.function, settings.reports):
            raise RuleBrokenError("an invocation is as the mapping asks", *asked)
        if command.fifo_strict != (settings.tags.get("penstock:fifo-strict") == "true"):
            raise RuleBrokenError("an invocation is as the mapping asks", "fifo-strict")
        batch = self._find(command.batch)
        self._check_time(batch, now_ms)
        if audit.capacity <= 0:
            raise RuleBrokenError(
                "no more invocations than the ramp and MaximumConcurrency let run",
                audit.used + 1,
                "of",
                audit.ramp.limit(now_ms),
            )
        audit.slots.begin(settings.function)
        self._check_groups(batch)
        audit.batches.remove(batch)
        timeout_s = settings.timeout_s or TIMEOUT_S_MAX
        batch.id, batch.function = command.batch.id, settings.function
        batch.started_ms, batch.over_ms = now_ms, now_ms + timeout_s * 1000
        assert audit.hiding is not None, "it was received"
        keep_running(batch, audit.hiding, timeout_s, now_ms)
        for copy in batch.copies:
            copy.stage = Stage.FLYING
        audit.flying[batch.id] = batch

    def _find(self, invoked: MessageBatch) -> Batch:
        copies = list(self._audit.copies_of(invoked.messages))
        batch = copies[0].batch if copies else None
        if batch is None or batch.copies != copies or copies[0].stage is not Stage.WAITING:
            waiting = [each.copies for each in self._audit.batches.waiting]
            raise RuleBrokenError(CUT, *copies, "is invoked, what waits is", *waiting)
        return batch

    def _check_time(self, batch: Batch, now_ms: int) -> None:
        if batch.is_open and now_ms < batch.ends_ms:
            raise RuleBrokenError(NOT_EARLY, *batch.copies, "ends at", batch.ends_ms)
        if now_ms < batch.due_from_ms:
            raise RuleBrokenError("what did not run is tried again with back-off", *batch.copies)
        if batch.is_returning or now_ms >= batch.until_ms:
            raise RuleBrokenError("nothing is invoked that may be visible", *batch.copies)
        for copy in batch.copies:
            if not copy.is_doubtful and copy.entry.visible_ms <= now_ms:
                raise RuleBrokenError("nothing is invoked that is visible", copy)

    def _check_groups(self, batch: Batch) -> None:
        if not batch.groups:
            return
        audit = self._audit
        for other in (*audit.flying.values(), *audit.unknown):
            if other.groups & batch.groups:
                raise RuleBrokenError(ONE_OF_GROUP, *batch.copies, "beside", *other.copies)
        if self._has_one_group() and len(batch.groups) > 1 and not batch.is_loose:
            raise RuleBrokenError("with fifo-one-group a batch is of one group", *batch.copies)
        before: set[int] = set()
        for copy in batch.copies:
            self._check_before(copy, before)
            before.add(copy.entry.index)

    def _has_one_group(self) -> bool:
        return self._audit.settings.tags.get("penstock:fifo-one-group") == "true"

    def _check_before(self, copy: Copy, in_batch: set[int]) -> None:
        for entry in self._audit.shelf.entries[: copy.entry.index]:
            is_open = entry.group == copy.entry.group and not (entry.is_gone or entry.has_succeeded)
            if is_open and entry.index not in in_batch:
                raise RuleBrokenError(IN_ORDER, copy, "before", f"m{entry.index}")

    def _judge_change(self, command: q.ChangeVisibility) -> None:
        audit = self._audit
        copies = audit.copies_of([change.message for change in command.changes])
        if not 1 <= len(copies) <= CALL_MAX:
            raise RuleBrokenError("a call has 1 to 10 entries", len(copies))
        for copy, change in zip(copies, command.changes, strict=True):
            if copy.stage is Stage.DELAYED:
                audit.failures.start_backoff(copy, change.timeout_s)
                continue
            batch = copy.batch
            is_given_back = (
                copy.stage is Stage.WAITING
                and batch is not None
                and (audit.is_stopping or batch.is_returning)
            )
            if not is_given_back or change.timeout_s:
                raise RuleBrokenError("only what waits is given back, at a stop", copy)
            if copy.is_extending:
                raise RuleBrokenError("what is given back is not being extended", copy)
            copy.stage = Stage.LEFT
            if batch is not None and all(each.stage is Stage.LEFT for each in batch.copies):
                audit.batches.remove(batch)
        audit.changing_count += len(copies)

    def _judge_describe(self) -> None:
        audit = self._audit
        due_ms = max(audit.describe_due_ms, audit.receives.book.retry_ms)
        if audit.is_describing or audit.turns.now_ms < due_ms:
            raise RuleBrokenError("a queue is described each five minutes", "due at", due_ms)
        audit.is_describing = True

    def _judge_forget(self, forgotten: MessageBatch) -> None:
        audit, now_ms = self._audit, self._audit.turns.now_ms
        for copy in audit.copies_of(forgotten.messages):
            batch = copy.batch
            assert batch is not None, "it was received"
            is_over = batch.tried_until_ms is not None and batch.tried_until_ms <= now_ms
            if copy.stage is not Stage.WAITING or not (is_over or copy.until_ms <= now_ms):
                raise RuleBrokenError("only what is visible is forgotten", copy, copy.until_ms)
            copy.stage = Stage.LEFT
            batch.copies.remove(copy)
            batch.units -= copy.entry.plan.units
            batch.is_loose = True
            if not batch.copies:
                audit.batches.remove(batch)
            audit.batches.return_groups(batch.groups)


def name_of(function_arn: str) -> str:
    """Give a function's name."""
    return function_arn.removeprefix(FUNCTION_ARN)


def holding_count(audit: QueueAudit) -> int:
    """Count the batches beside which nothing is received.

    A batch that waits for its message groups holds up no other, up to a few of them.
    """
    now_ms = audit.turns.now_ms
    closed = [batch for batch in audit.batches.waiting if batch.is_closed(now_ms)]
    busy = busy_groups(audit)
    blocked = 0
    for batch in audit.batches.waiting:
        blocked += bool(busy & batch.groups)
        busy |= batch.groups
    return len(closed) - (blocked if blocked <= BLOCKED_MAX else 0)


def busy_groups(audit: QueueAudit) -> set[str]:
    """Give the message groups that run, or may."""
    busy: set[str] = set()
    for batch in (*audit.flying.values(), *audit.unknown):
        busy |= batch.groups
    return busy


def ready_bounds(audit: QueueAudit) -> tuple[int, int]:
    """Count the batches that may be invoked now: for sure, and at most."""
    now_ms = audit.turns.now_ms
    least = most = 0
    busy = busy_groups(audit)
    for batch in audit.batches.waiting:
        is_free = not busy & batch.groups
        busy |= batch.groups
        if not is_free or batch.is_returning or not batch.is_closed(now_ms):
            continue
        if now_ms < batch.until_ms:
            least += batch.due_by_ms <= now_ms
            most += batch.due_from_ms <= now_ms
    return least, most
