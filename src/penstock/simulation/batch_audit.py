"""Checks what batches are made of: how many messages, how many bytes, and how long they waited."""

from collections.abc import Sequence

from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.mapping import EventSourceMapping
from penstock.simulation.ledger import (
    ROW_GRACE_MS,
    AuditedMapping,
    Books,
    HandedMessage,
    Rule,
)
from penstock.simulation.option_tags import options_of

RECORD_BYTES_MAX = 2_000  # of a record of the event, its body apart


class BatchAudit:
    """The auditor's measure."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def dispatched(
        self, mapping: AuditedMapping, copies: Sequence[HandedMessage], payload_bytes: int
    ) -> None:
        """Check a batch that is sent to its function."""
        since_ms = min(copy.delivered_ms for copy in copies) - ROW_GRACE_MS
        rows = mapping.rows_since(since_ms)
        size_max = max(row.batch_size for row in rows)
        if len(copies) > size_max:
            self._books.report(Rule.BATCH_COUNT, f"{len(copies)} messages; BatchSize is {size_max}")
        if payload_bytes > PAYLOAD_BYTES_MAX:
            self._books.report(Rule.BATCH_BYTES, f"{payload_bytes} bytes")
        next_bytes = mapping.body_bytes_max + RECORD_BYTES_MAX
        if payload_bytes + next_bytes <= PAYLOAD_BYTES_MAX:
            self._check_window(mapping, copies, rows)
        # What became visible may have left a batch that waits still.
        waiting_ms = [copy.delivered_ms for copy in mapping.held.values()]
        begun_ms = min(waiting_ms, default=self._books.now_ms())
        begun_ms -= 1000 * max(row.maximum_batching_window_s for row in rows)
        mapping.expired = [each for each in mapping.expired if each.delivered_ms >= begun_ms]

    def _check_window(
        self,
        mapping: AuditedMapping,
        copies: Sequence[HandedMessage],
        rows: tuple[EventSourceMapping, ...],
    ) -> None:
        """Check that a batch with room for more has waited for it, as long as it could."""
        asked = {
            (row.batch_size, row.maximum_batching_window_s, options_of(row.tags).heartbeat_s)
            for row in rows
        }
        if len(asked) > 1:
            return  # an update of either lets a batch go that was gathered under the other
        now_ms = self._books.now_ms()
        window_ms = 1000 * min(row.maximum_batching_window_s for row in rows)
        self._books.held(mapping)
        # What became visible meanwhile has left its batch.
        gathered = [*copies, *mapping.expired]
        waited_ms = now_ms - min(copy.delivered_ms for copy in gathered)
        is_full = len(gathered) >= min(row.batch_size for row in rows)
        is_pressed = any(copy.was_pressed or copy.is_pressed(now_ms) for copy in gathered)
        is_again = any(copy.rejected_ms for copy in copies)
        if waited_ms < window_ms and not (is_full or is_pressed or is_again):
            text = f"{len(copies)} messages after {waited_ms} ms; the window is {window_ms} ms"
            self._books.report(Rule.WINDOW, text)
