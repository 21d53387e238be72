"""Checks what functions are given, and writes down how they end."""

import itertools
from collections.abc import Sequence

from penstock.model.mapping import EventSourceMapping
from penstock.simulation.audits import Audits
from penstock.simulation.batch_audit import BatchAudit
from penstock.simulation.ledger import (
    ROW_GRACE_MS,
    AuditedInvocation,
    AuditedMapping,
    Books,
    HandedMessage,
    Holding,
    Rule,
    Verdict,
    unqualified,
)
from penstock.simulation.option_tags import options_of

SLOT_GRACE_MS = 30_000  # slots granted before a function's concurrency fell may be used that long
STARVING_SLACK = 10  # invocations that a function rejects end at once, and count here


class FunctionAudit:
    """The auditor's eyes at the functions.

    Attributes:
        invocation_count: Batches that were sent to functions.
    """

    def __init__(self, books: Books, audits: Audits) -> None:
        self._books = books
        self._audits = audits
        self._pace = audits.pace
        self._batches = BatchAudit(books)
        self.invocation_count = 0

    def direct_dispatched(self, function_arn: str) -> None:
        """Check a direct Invoke that has a slot."""
        self._check_concurrency(function_arn)
        self._books.running_by_function[function_arn] = self._books.running_count(function_arn) + 1

    def direct_ended(self, function_arn: str) -> None:
        """Take note of a direct Invoke that has ended."""
        self._audits.promptness.slot_left(function_arn)
        self._books.running_by_function[function_arn] -= 1

    def dispatched(
        self, function_arn: str, records: Sequence[tuple[str, str, bytes]], payload_bytes: int
    ) -> AuditedInvocation:
        """Check a batch that is sent to its function.

        Args:
            function_arn: Unqualified: slots belong to the function.
            records: Message id, receipt handle and body of each, in order.
            payload_bytes: The size of the event.
        """
        now_ms = self._books.now_ms()
        copies = tuple(self._books.copies[handle] for _, handle, _ in records)
        mapping = self._books.mappings[copies[0].message.queue_arn]
        for copy, record in zip(copies, records, strict=True):
            self._check_dispatched_copy(copy, record)
            mapping.held.pop(copy.receipt_handle, None)
        self._batches.dispatched(mapping, copies, payload_bytes)
        rows = mapping.rows_since(now_ms - ROW_GRACE_MS)
        self._check_mapping_concurrency(mapping, rows)
        self._check_concurrency(function_arn)
        self._check_starving(function_arn, mapping)
        self._audits.ramps.dispatched(mapping)
        self._audits.promptness.dispatched(mapping, copies)
        mapping.running_count += 1
        self._books.running_by_function[function_arn] = self._books.running_count(function_arn) + 1
        self.invocation_count += 1
        invocation = AuditedInvocation(function_arn, mapping.queue_arn, copies, rows, now_ms)
        self._audits.groups.dispatched(invocation)
        return invocation

    def _check_dispatched_copy(self, copy: HandedMessage, record: tuple[str, str, bytes]) -> None:
        message_id, _, body = record
        if copy.message.is_excluded:
            self._books.report(Rule.FILTERED, f"{message_id} was invoked")
        if (message_id, body) != (copy.message.message_id, copy.message.body):
            self._books.report(Rule.ALTERED, f"{message_id} was sent as {copy.message.message_id}")
        if copy.invocable_until_ms <= self._books.now_ms() and not copy.is_doubled:
            text = f"{message_id} is visible since {copy.hidden_until_ms} ms"
            self._books.report(Rule.VISIBLE_INVOKED, text)
        if copy.holding not in {Holding.HELD, Holding.REJECTED}:
            text = f"{message_id} is {copy.holding.name}; it was invoked"
            self._books.report(Rule.VISIBLE_INVOKED, text)
        self._pace.invoked(copy)
        copy.holding = Holding.RUNNING

    def _check_mapping_concurrency(
        self, mapping: AuditedMapping, rows: tuple[EventSourceMapping, ...]
    ) -> None:
        limits = [options_of(row.tags).concurrency or row.maximum_concurrency for row in rows]
        known = [limit for limit in limits if limit is not None]
        if len(known) == len(limits) and mapping.running_count >= max(known):
            text = f"{mapping.running_count} are running; MaximumConcurrency is {max(known)}"
            self._books.report(Rule.MAPPING_CONCURRENCY, text)

    def _check_concurrency(self, function_arn: str) -> None:
        since_ms = self._books.now_ms() - SLOT_GRACE_MS
        history = self._books.concurrency[function_arn]
        before = [limit for at_ms, limit in history if at_ms <= since_ms][-1:]
        limit = max([*before, *(limit for at_ms, limit in history if at_ms > since_ms)])
        running = self._books.running_count(function_arn)
        if running >= limit:
            text = f"{running} of {limit} are running"
            self._books.report(Rule.FUNCTION_CONCURRENCY, text)

    def _check_starving(self, function_arn: str, dispatching: AuditedMapping) -> None:
        dispatching.waited_through = 0
        concurrency = max(limit for _, limit in self._books.concurrency[function_arn])
        for other in self._books.mappings.values():
            if other is dispatching or not other.rows:
                continue
            if unqualified(other.row.function_arn) != function_arn:
                continue
            is_served = other.running_count or self._pace.is_receiving_shortly(other.queue_arn)
            if other.is_stopping or is_served or not self._is_waiting(other):
                other.waited_through = 0
                continue
            other.waited_through += 1
            if other.waited_through > 2 * concurrency + STARVING_SLACK:
                text = f"{other.queue_arn} waited through {other.waited_through} invocations"
                self._books.report(Rule.STARVED, text)
                other.waited_through = 0

    def _is_waiting(self, mapping: AuditedMapping) -> bool:
        """Tell whether a mapping holds messages, and not for its window's sake alone.

        By each of its rows that may be in force: a change takes its time to get about.
        """
        held, now_ms = self._books.held(mapping), self._books.now_ms()
        if not held:
            return False
        waited_ms = now_ms - min([copy.delivered_ms for copy in held])
        return all(
            len(held) >= row.batch_size or waited_ms >= 1000 * row.maximum_batching_window_s
            for row in mapping.rows_since(now_ms - ROW_GRACE_MS)
        )

    def ended(self, invocation: AuditedInvocation, verdict: Verdict) -> None:
        """Take note that the function ran to its end, whoever is told."""
        invocation.verdict = verdict
        for copy in invocation.copies:
            if any(_successes(invocation, copy)):
                copy.message.has_succeeded = True
        if invocation.is_lost:
            self._leave(invocation)

    def answered(self, invocation: AuditedInvocation) -> None:
        """Take note that the engine was told how the function ended."""
        self._leave(invocation)
        for copy in invocation.copies:
            successes = _successes(invocation, copy)
            copy.holding = Holding.FINISHED if any(successes) else Holding.FAILED
            if all(successes):
                self._audits.deletions.done(copy)
            else:
                _keep_failed(copy)
        self._audits.visibility.answered(invocation)
        verdict = invocation.verdict
        reports = any(row.report_batch_item_failures for row in invocation.rows)
        if verdict is not None and verdict.is_error and not reports:
            self._audits.ramps.failed(self._books.mappings[invocation.queue_arn])
        if any(copy.holding is Holding.FAILED for copy in invocation.copies):
            self._books.mappings[invocation.queue_arn].calm_since_ms = self._books.now_ms()

    def rejected(self, invocation: AuditedInvocation, *, is_throttle: bool = False) -> None:
        """Take note that the function did not run, and that the engine was told so."""
        self._leave(invocation)
        mapping = self._books.mappings[invocation.queue_arn]
        mapping.calm_since_ms = self._books.now_ms()
        mapping.was_rejected = True
        if is_throttle:
            self._audits.ramps.throttled(mapping)
        for copy in invocation.copies:
            copy.holding = Holding.REJECTED
            copy.rejected_ms = [*copy.rejected_ms, self._books.now_ms()]

    def lost(self, invocation: AuditedInvocation) -> None:
        """Take note that the connection broke: until the function ends its slot is in use."""
        invocation.is_lost = True
        self._audits.promptness.lost(invocation.function_arn)
        for copy in invocation.copies:
            copy.holding = Holding.UNKNOWN
        mapping = self._books.mappings[invocation.queue_arn]
        is_untimed = invocation.function_arn in self._books.untimed
        if mapping.is_stopping or is_untimed or invocation.verdict is not None:
            self._leave(invocation)
        else:
            mapping.lost.append(invocation)

    def forsaken(self, invocation: AuditedInvocation) -> None:
        """Take note that the engine will never know: it was cut off."""
        self._leave(invocation)
        for copy in invocation.copies:
            copy.holding = Holding.UNKNOWN

    def forget_lost(self, mapping: AuditedMapping) -> None:
        """Take note that a mapping ends: its slots are not kept for what nobody waits for."""
        for invocation in mapping.lost:
            self._leave(invocation)
        mapping.lost.clear()

    def _leave(self, invocation: AuditedInvocation) -> None:
        if invocation.is_running:
            invocation.is_running = False
            mapping = self._books.mappings[invocation.queue_arn]
            self._audits.promptness.left(mapping, invocation.function_arn)
            self._books.mappings[invocation.queue_arn].running_count -= 1
            self._books.running_by_function[invocation.function_arn] -= 1
            self._audits.groups.left(invocation)


def _keep_failed(copy: HandedMessage) -> None:
    """Keep the newest copy that failed: a message that was handed out twice fails in any order."""
    failed = copy.message.failed_copy
    if failed is None or copy.receive_count >= failed.receive_count:
        copy.message.failed_copy = copy


def _successes(invocation: AuditedInvocation, copy: HandedMessage) -> list[bool]:
    """Tell of each row that may have been in force whether by it a message of a batch is done."""
    verdict = invocation.verdict
    if verdict is None:
        return [False]
    successes: list[bool] = []
    for row in invocation.rows:
        reports = row.report_batch_item_failures
        is_done = verdict.has_succeeded(copy.message.message_id, reports_failures=reports)
        if is_done and reports and options_of(row.tags).fifo_strict:
            is_done = not _stands_behind_a_failure(invocation, copy, verdict)
        successes.append(is_done)
    return successes


def _stands_behind_a_failure(
    invocation: AuditedInvocation, copy: HandedMessage, verdict: Verdict
) -> bool:
    """Tell whether an earlier message of its group in the same batch failed."""
    group = copy.message.group
    before = itertools.takewhile(lambda other: other is not copy, invocation.copies)
    return bool(group) and any(
        other.message.group == group and other.message.message_id in verdict.failed_ids
        for other in before
    )
