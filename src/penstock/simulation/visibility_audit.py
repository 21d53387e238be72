"""Checks how long messages are hidden: by a heartbeat, and by the back-off after a failure."""

from penstock.model.queue_options import RetryBackoff
from penstock.simulation.ledger import (
    ROW_GRACE_MS,
    AuditedInvocation,
    Books,
    HandedMessage,
    Holding,
    Rule,
)

CALL_MS_MAX = 30_000  # a long poll that was asked for before a change of the row, and slow
_KEPT = {Holding.ON_ITS_WAY, Holding.HELD, Holding.RUNNING, Holding.REJECTED}


class VisibilityAudit:
    """The auditor's eyes at what is hidden."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def handed(self, copy: HandedMessage) -> None:
        """Check a receive: it hides for one period at most, and gives nothing before its time."""
        self.changed(copy)
        message = copy.message
        failed = message.failed_copy
        now_ms = self._books.now_ms()
        if failed is None:
            return
        self._check_backed_off(failed, now_ms)
        if message.not_before_ms <= now_ms:
            return
        not_before_ms, message.not_before_ms = message.not_before_ms, 0
        mapping = self._books.mappings[message.queue_arn]
        is_troubled = mapping.is_troubled(failed.failed_ms, now_ms)
        if not (failed.is_doubled or failed.has_failed_late or is_troubled):
            text = f"{message.message_id} failed at {failed.failed_ms} ms"
            self._books.report(Rule.BACKOFF, f"{text}, not before {not_before_ms} ms")

    def _check_backed_off(self, failed: HandedMessage, now_ms: int) -> None:
        """Check of a message that comes again that somebody has seen to when."""
        mapping = self._books.mappings[failed.message.queue_arn]
        is_troubled = mapping.is_troubled(failed.failed_ms, now_ms)
        is_excused = failed.is_doubled or failed.has_failed_late or is_troubled
        if failed.delays_s and not failed.is_hiding_asked and not is_excused:
            text = f"{failed.message.message_id} failed at {failed.failed_ms} ms"
            self._books.report(Rule.BACKOFF, f"{text}; nothing was done about it")

    def hiding_asked(self, copy: HandedMessage, timeout_s: int) -> None:
        """Check for how long a message is hidden that failed: neither longer nor shorter."""
        if copy.holding is not Holding.FAILED or not copy.delays_s:
            return
        # The messages of a group come again together, after the longest of their times.
        longest_s = copy.longest_s if copy.message.group else max(copy.delays_s)
        is_right = min(copy.delays_s) <= timeout_s <= longest_s
        now_ms = self._books.now_ms()
        options = self._books.mappings[copy.message.queue_arn].options_since(now_ms - CALL_MS_MAX)
        is_period = timeout_s in [each.heartbeat_s for each in options]
        if not is_right and is_period and copy.failed_ms == now_ms:
            return  # asked for while it ran, in the very turn in which its failure was told
        copy.is_hiding_asked = True
        if not is_right:
            text = f"{copy.message.message_id} is to be hidden for {timeout_s} s"
            self._books.report(Rule.BACKOFF, f"{text}; its back-off is {copy.delays_s} s")

    def changed(self, copy: HandedMessage) -> None:
        """Check for how long a copy is hidden that its function is not done with."""
        if copy.holding not in _KEPT:
            return
        now_ms = self._books.now_ms()
        mapping = self._books.mappings[copy.message.queue_arn]
        periods_s = [each.heartbeat_s for each in mapping.options_since(now_ms - CALL_MS_MAX)]
        known_s = [period_s for period_s in periods_s if period_s is not None]
        hidden_ms = copy.hidden_until_ms - now_ms
        if len(known_s) == len(periods_s) and hidden_ms > max(known_s) * 1000:
            text = f"{copy.message.message_id} is hidden for {hidden_ms} ms"
            self._books.report(Rule.HEARTBEAT_LONG, f"{text}; a period is {max(known_s)} s")

    def answered(self, invocation: AuditedInvocation) -> None:
        """Check what was hidden meanwhile; what failed has its back-off from now on."""
        now_ms = self._books.now_ms()
        mapping = self._books.mappings[invocation.queue_arn]
        options = mapping.options_since(invocation.began_ms - ROW_GRACE_MS)
        beats = [
            each.heartbeat_s for each in mapping.options_since(invocation.began_ms - CALL_MS_MAX)
        ]
        if None not in beats:
            self._check_hidden(invocation)
        backoffs = [each.backoff for each in options if each.backoff is not None]
        longest_s = 0
        for copy in invocation.copies:
            if copy.holding is Holding.FAILED:
                copy.failed_ms = now_ms
                copy.message.not_before_ms = 0
                counts = [mapping.last_receive(each) for each in options]
                is_last = any(count and copy.receive_count >= count for count in counts)
                is_newest = copy.message.failed_copy is copy
                if len(backoffs) == len(options) and is_newest and not is_last:
                    copy.delays_s = [_delay_s(each, copy.receive_count) for each in backoffs]
                    copy.message.not_before_ms = now_ms + 1000 * min(copy.delays_s)
                    longest_s = max(longest_s, *copy.delays_s)
        for copy in invocation.copies:
            copy.longest_s = longest_s

    def _check_hidden(self, invocation: AuditedInvocation) -> None:
        now_ms = self._books.now_ms()
        mapping = self._books.mappings[invocation.queue_arn]
        for copy in invocation.copies:
            since_ms = invocation.began_ms - copy.timeout_ms
            is_excused = copy.is_doubled or mapping.is_troubled(since_ms, now_ms)
            if copy.hidden_until_ms <= now_ms and not is_excused:
                text = f"{copy.message.message_id} was visible from {copy.hidden_until_ms} ms on"
                self._books.report(Rule.HEARTBEAT_LOST, text)


def _delay_s(backoff: RetryBackoff, receive_count: int) -> int:
    return int(min(backoff.maximum_s, backoff.first_s * 2 ** (receive_count - 1)))
