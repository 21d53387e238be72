"""Checks the order of message groups, and that a group has one batch at a time."""

from penstock.simulation.ledger import (
    ROW_GRACE_MS,
    AuditedInvocation,
    Books,
    HandedMessage,
    Rule,
    SentMessage,
)

GroupName = tuple[str, str]  # queue ARN and MessageGroupId


class GroupAudit:
    """The auditor's eyes at FIFO queues."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._sent: dict[GroupName, list[SentMessage]] = {}
        self._settled_count: dict[GroupName, int] = {}
        self._in_flight: dict[GroupName, AuditedInvocation] = {}

    def message_sent(self, message: SentMessage, group: str) -> None:
        """Take note of a message's place in its group."""
        if message.queue_arn.endswith(".fifo"):
            sent = self._sent.setdefault((message.queue_arn, group), [])
            message.group, message.number = group, len(sent)
            sent.append(message)

    def dispatched(self, invocation: AuditedInvocation) -> None:
        """Check a batch: what comes before its messages is settled, or before them in it."""
        if not invocation.queue_arn.endswith(".fifo"):
            return
        seen: dict[GroupName, list[SentMessage]] = {}
        for copy in invocation.copies:
            message = copy.message
            before = seen.setdefault((message.queue_arn, message.group), [])
            self._check_order(message, before)
            before.append(message)
        for name in seen:
            if name in self._in_flight:
                ids = [copy.message.message_id for copy in self._in_flight[name].copies]
                self._books.report(Rule.GROUP_IN_FLIGHT, f"{name[1]} is in flight with {ids}")
            self._in_flight[name] = invocation
        mapping = self._books.mappings[invocation.queue_arn]
        received_ms = min(copy.delivered_ms for copy in invocation.copies)
        options = mapping.options_since(received_ms - ROW_GRACE_MS)
        if len(seen) > 1 and all(each.fifo_one_group for each in options):
            self._books.report(Rule.ONE_GROUP, f"{[group for _, group in seen]}")

    def _check_order(self, message: SentMessage, before: list[SentMessage]) -> None:
        if before and before[-1].number >= message.number:
            text = f"{message.message_id} stands behind {before[-1].message_id}"
            self._books.report(Rule.GROUP_ORDER, text)
        for earlier in self._unsettled_before(message):
            if earlier not in before:
                text = f"{message.message_id} was invoked; {earlier.message_id} is not settled"
                self._books.report(Rule.GROUP_ORDER, text)

    def delete_asked(self, copy: HandedMessage) -> None:
        """Check a delete: with fifo-strict nothing before it in its group is left.

        Messages that failed for the last time have each a record of their own, in no order. What a
        filter leaves out is in nobody's way.
        """
        message = copy.message
        is_free = message.is_recorded or message.is_excluded
        if is_free or not message.queue_arn.endswith(".fifo"):
            return
        mapping = self._books.mappings[message.queue_arn]
        since_ms = copy.delivered_ms - ROW_GRACE_MS  # a delete is tried for a while
        if not all(options.fifo_strict for options in mapping.options_since(since_ms)):
            return
        for earlier in self._unsettled_before(message):
            text = f"{message.message_id} is deleted; {earlier.message_id} is not settled"
            self._books.report(Rule.STRICT, text)

    def left(self, invocation: AuditedInvocation) -> None:
        """Take note that an invocation is not under way any more: its groups are free."""
        for copy in invocation.copies:
            name = (copy.message.queue_arn, copy.message.group)
            if self._in_flight.get(name) is invocation:
                del self._in_flight[name]

    def _unsettled_before(self, message: SentMessage) -> list[SentMessage]:
        name = (message.queue_arn, message.group)
        sent = self._sent[name]
        first = self._settled_count.get(name, 0)
        while first < message.number and sent[first].is_settled:
            first += 1
        self._settled_count[name] = max(first, self._settled_count.get(name, 0))
        return [each for each in sent[first : message.number] if not each.is_settled]
