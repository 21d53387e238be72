"""Checks what is recorded at an on-failure destination: what failed for the last time, and that."""

from penstock.simulation.deletion_audit import DeletionAudit
from penstock.simulation.failure_reports import ReportedMessage
from penstock.simulation.ledger import (
    CALM_FOR_EVER_MS,
    ROW_GRACE_MS,
    Books,
    Holding,
    Rule,
    SentMessage,
)


class FailureAudit:
    """The auditor's eyes at the on-failure destination."""

    def __init__(self, books: Books, deletions: DeletionAudit) -> None:
        self._books = books
        self._deletions = deletions
        self._troubled_ms = CALM_FOR_EVER_MS

    def report_sent(self, report: ReportedMessage) -> None:
        """Check a message that is handed to its destination."""
        message_id = report.message_id
        message = self._books.messages[message_id]
        mapping = self._books.mappings[message.queue_arn]
        copy = message.failed_copy
        if report.body != message.body:
            self._books.report(Rule.ALTERED, f"{message_id} was recorded with another body")
        if copy is None or copy.receive_count < report.receive_count:
            text = f"{message_id} has not failed at its receive {report.receive_count}"
            self._books.report(Rule.RECORDED_EARLY, text)
            return
        is_newest = copy.receive_count == report.receive_count
        rows = mapping.options_since(copy.failed_ms - ROW_GRACE_MS if is_newest else 0)
        counts = [mapping.last_receive(options) for options in rows]
        known = [count for count in counts if count is not None]
        if not known or report.receive_count < min(known):
            text = f"{message_id} failed at its receive {report.receive_count}; it has {counts}"
            self._books.report(Rule.RECORDED_EARLY, text)

    def report_kept(self, report: ReportedMessage) -> None:
        """Pass over: what the engine does not know of counts for nothing."""

    def report_told(self, report: ReportedMessage) -> None:
        """Take note that the engine knows that the destination has a message."""
        message = self._books.messages[report.message_id]
        message.is_recorded = True
        copy = message.failed_copy
        if copy is not None and copy.receive_count == report.receive_count:
            self._deletions.done(copy)

    def destination_troubled(self) -> None:
        """Take note that the destination failed, or was slow."""
        self._troubled_ms = self._books.now_ms()

    def dead_lettered(self, message: SentMessage) -> None:
        """Check a message that left its queue by redrive: it should have been recorded first."""
        copy = message.failed_copy
        if copy is None or copy.holding is not Holding.FAILED:
            return
        if message.is_recorded or copy.is_doubled or copy.has_failed_late:
            return
        mapping = self._books.mappings[message.queue_arn]
        options = mapping.options_since(copy.failed_ms - ROW_GRACE_MS)
        counts = [each.max_receive_count or mapping.max_receive_count for each in options]
        is_asked = all(each.on_failure_arn is not None for each in options)
        is_last = all(count is not None and copy.receive_count >= count for count in counts)
        now_ms = self._books.now_ms()
        troubled_ms = max(self._troubled_ms, mapping.stopping_ms)
        is_troubled = troubled_ms >= copy.failed_ms or mapping.is_troubled(copy.failed_ms, now_ms)
        if is_asked and is_last and not is_troubled:
            self._books.report(Rule.NOT_RECORDED, f"{message.message_id} was dead-lettered")
