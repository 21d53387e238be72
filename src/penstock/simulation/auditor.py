"""An independent judge: it sees what queues handed out and what functions got, and nothing else.

Written from docs/semantics.md and AWS's pages, not from the engine's code.
"""

import enum
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from penstock.model.mapping import EventSourceMapping, State
from penstock.simulation.audits import Audits
from penstock.simulation.function_audit import SLOT_GRACE_MS, FunctionAudit
from penstock.simulation.ledger import (
    ROW_GRACE_MS,
    AuditedMapping,
    Books,
    Fate,
    Holding,
    Rule,
    SentMessage,
)
from penstock.simulation.queue_audit import QueueAudit

PAUSE = -1  # stands among the calls of a mapping that are under way
AgedT = TypeVar("AgedT")


class Auditor:
    """Keeps the books of one world and checks each entry.

    Attributes:
        queues: Told by the simulated queues.
        functions: Told by the simulated functions.
        pace: Told by the simulated queues' clients.
        failures: Told by the simulated on-failure destination.
        promptness: Told now and then what is visible.
    """

    def __init__(self, now_ms: Callable[[], int], last_lines: Callable[[], list[str]]) -> None:
        self.books = Books(now_ms, last_lines)
        self._paused_ms = 0
        self._audits = Audits(self.books)
        self.pace = self._audits.pace
        self.promptness = self._audits.promptness
        self.failures = self._audits.failures
        self.queues = QueueAudit(self.books, self._audits)
        self.functions = FunctionAudit(self.books, self._audits)

    def is_settled(self) -> bool:
        """Tell whether every message sent so far has ended."""
        return self.books.unsettled_count == 0

    def unsettled(self) -> list[SentMessage]:
        """Give the messages that have not ended."""
        return [each for each in self.books.messages.values() if each.fate is Fate.QUEUED]

    def check_final(self) -> None:
        """Check the end of the world: no message is left."""
        for message in self.unsettled():
            self.books.report(Rule.LOST, f"{message.message_id} of {message.queue_arn}")

    def first_limit(self, mapping: AuditedMapping) -> int:
        """Count the invocations that may run of a mapping that was idle."""
        return self._audits.ramps.first_limit(mapping)

    def mapping_changed(self, row: EventSourceMapping) -> None:
        """Take note of a mapping's row, from now on in force."""
        mapping = self.books.mappings.setdefault(
            row.event_source_arn, AuditedMapping(row.event_source_arn)
        )
        is_changed = bool(mapping.rows) and _asks_for(row) != _asks_for(mapping.row)
        mapping.has_filter = bool(row.filters)
        mapping.rows.append((self.books.now_ms(), row))
        mapping.is_stopping = not row.enabled or row.state is State.DELETING
        if mapping.is_stopping:
            mapping.stopping_ms = self.books.now_ms()
            self.functions.forget_lost(mapping)
        mapping.waited_through = 0
        self._audits.ramps.began(mapping)
        self.pace.consumer_changed(mapping.queue_arn)
        if is_changed:
            self.calm_broken([row.event_source_arn])

    def concurrency_changed(self, function_arn: str, concurrency: int) -> None:
        """Take note of a function's concurrency, from now on in force."""
        history = self.books.concurrency.setdefault(function_arn, [])
        history.append((self.books.now_ms(), concurrency))
        self.calm_broken()

    def function_removed(self, function_arn: str) -> None:
        """Take note of a function that is gone, and of its timeout with it."""
        self.books.untimed.add(function_arn)
        self.calm_broken()

    def calm_broken(self, queue_arns: Iterable[str] | None = None) -> None:
        """Take note of trouble or of a change; of every queue where none is named."""
        for queue_arn in self.books.mappings if queue_arns is None else queue_arns:
            self.books.mappings[queue_arn].calm_since_ms = self.books.now_ms()

    def node_stopping(self) -> None:
        """Take note that every mapping is asked to stop."""
        for mapping in self.books.mappings.values():
            mapping.is_stopping = True
            mapping.stopping_ms = self.books.now_ms()
            self.functions.forget_lost(mapping)

    def node_crashed(self) -> None:
        """Take note that the engine was killed: it owes nothing to what had failed by then."""
        self._audits.deletions.node_stands_still()
        for message in self.books.messages.values():
            message.not_before_ms = 0
            if message.failed_copy is not None:
                message.failed_copy.delays_s = []
        for mapping in self.books.mappings.values():
            mapping.stopping_ms = self.books.now_ms()

    def node_paused(self) -> None:
        """Take note of a pause: nothing is on time, and every call is a slow one."""
        self._paused_ms = self.books.now_ms()
        self.calm_broken()
        self._audits.deletions.node_stands_still()
        for queue_arn in self.books.mappings:
            self.queues.call_began(queue_arn, PAUSE)

    def node_resumed(self) -> None:
        """Take note of its end: what was new before it has not got about yet."""
        self.calm_broken()
        for queue_arn, mapping in self.books.mappings.items():
            self.queues.call_ended(queue_arn, PAUSE, has_failed=True)
            self.pace.message_moved(queue_arn)
            mapping.rows = self._aged(mapping.rows, ROW_GRACE_MS)
        for function_arn, history in self.books.concurrency.items():
            self.books.concurrency[function_arn] = self._aged(history, SLOT_GRACE_MS)

    def _aged(self, history: list[tuple[int, AgedT]], grace_ms: int) -> list[tuple[int, AgedT]]:
        """Give a history in which what had not got about before the pause has begun now."""
        known_ms = self._paused_ms - grace_ms
        now_ms = self.books.now_ms()
        return [(at_ms if at_ms < known_ms else now_ms, value) for at_ms, value in history]

    def report(self, rule: enum.StrEnum, text: str) -> None:
        """Write a violation down."""
        self.books.report(rule, text)

    def node_started(self) -> None:
        """Take note of a new engine; what an earlier one held is nobody's."""
        self._audits.ramps.node_started()
        lost = {Holding.ON_ITS_WAY, Holding.HELD, Holding.REJECTED, Holding.RETURNED}
        for copy in self.books.copies.values():
            if copy.holding in lost:
                copy.holding = Holding.UNKNOWN
        for mapping in self.books.mappings.values():
            mapping.held.clear()
            self.pace.consumer_changed(mapping.queue_arn)
            self.functions.forget_lost(mapping)
            mapping.is_stopping = bool(mapping.rows) and not mapping.row.enabled
            mapping.waited_through = 0


def _asks_for(row: EventSourceMapping) -> EventSourceMapping:
    """Give a row without what the engine writes into it."""
    return msgspec.structs.replace(
        row, state=State.ENABLED, state_transition_reason="", last_modified_ms=0, version=0
    )
