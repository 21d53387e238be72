"""Checks what leaves its shard without having succeeded, and where it is kept."""

from penstock.model.failure import Condition, Failure
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.mapping import EventSourceMapping
from penstock.simulation.streams.books import AuditedMapping, StreamBooks
from penstock.simulation.streams.event import StreamEvent, decode_event
from penstock.simulation.streams.report import ReportedDiscard
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.shard_books import AuditedRecord, AuditedShard, Fate
from penstock.simulation.streams.turn_audit import TurnAudit
from penstock.simulation.streams.window_audit import STATE_BYTES_MAX, WindowAudit

ENVELOPE_BYTES_MAX = 8_192  # whatever of an event is neither a record nor a window's state
DESTINATION_MS_MIN = 299_000  # docs/semantics.md: a discard waits five minutes for its destination


class DiscardAudit:
    """The auditor's eyes at destinations and at the failure journal."""

    def __init__(self, books: StreamBooks) -> None:
        self._books = books
        self._windows = WindowAudit(books)
        self._turns = TurnAudit(books)
        self._journaled: set[str] = set()

    def report_sent(self, discard: ReportedDiscard) -> None:
        """Check a discard on its way to its destination."""
        mapping = self._books.mappings[discard.mapping_uuid]
        found = self._find(mapping, discard.shard_id, discard.event)
        if found is None:
            return
        records, shard = found
        self._turns.discarding(mapping, shard, records)
        is_final = discard.event.is_final
        if not is_final and discard.range() != _range_of(records):
            self._books.report(StreamRule.DISCARD, f"{discard.range()} of {_range_of(records)}")
        if not is_final and discard.arrived_ms != _arrivals_of(records):
            text = f"{discard.arrived_ms}, not {_arrivals_of(records)}"
            self._books.report(StreamRule.DISCARD, f"{discard.range()} arrived at {text}")
        self._check(
            mapping,
            records,
            condition=discard.condition,
            invoke_count=discard.invoke_count,
            discarded_ms=discard.discarded_ms,
            is_final=is_final,
        )

    def report_kept(self, discard: ReportedDiscard) -> None:
        """Take note that a destination has a discard: it is durable, whoever knows."""
        self._settle(discard, is_told=False)

    def report_told(self, discard: ReportedDiscard) -> None:
        """Take note that the engine knows that a destination has a discard."""
        self._settle(discard, is_told=True)

    def destination_troubled(self) -> None:
        """Pass over: what is not taken is tried again, and journaled in the end."""

    def journaled(self, mapping: AuditedMapping, failure: Failure) -> None:
        """Check a failure that is durable now."""
        if failure.id in self._journaled:
            return  # the answer to the first try was lost
        self._journaled.add(failure.id)
        decoded = decode_event(failure.event)
        found = self._find(mapping, failure.shard_id, decoded)
        if found is None:
            return
        records, shard = found
        rows = mapping.policies()
        is_skip = failure.condition is Condition.SKIPPED
        if all(row.destination_arn for row in rows) and not is_skip:
            self._check_destination_failed(failure)
        if not decoded.is_final:
            ends = (failure.start_sequence_number, failure.end_sequence_number)
            if (*ends, failure.record_count) != _range_of(records):
                self._books.report(StreamRule.JOURNAL, f"{failure} holds {_range_of(records)}")
        self._check(
            mapping,
            records,
            condition=failure.condition,
            invoke_count=failure.invoke_count,
            discarded_ms=failure.discarded_ms,
            is_final=decoded.is_final,
        )
        self._note_gone(mapping, shard, records, event=decoded, is_told=True)

    def _check_destination_failed(self, failure: Failure) -> None:
        waited_ms = self._books.wall_ms() - failure.discarded_ms
        if not failure.cause or (self._books.is_wall_steady and waited_ms < DESTINATION_MS_MIN):
            text = f"{failure.shard_id}:{failure.start_sequence_number} after {waited_ms} ms"
            self._books.report(StreamRule.JOURNAL, f"{text}, because of {failure.cause!r}")

    def _find(
        self, mapping: AuditedMapping, shard_id: str, event: StreamEvent
    ) -> tuple[list[AuditedRecord], AuditedShard] | None:
        """Find the records of a discard's event; None where its position is over."""
        if mapping.is_moving or mapping.incarnation != mapping.stream.incarnation:
            return None
        if any(each.incarnation != mapping.incarnation for each in event.records):
            return None
        shard = mapping.shard(shard_id)
        records = []
        for each in event.records:
            audited = shard.by_number.get(each.number)
            if audited is None or audited.record.event != each.raw:
                self._books.report(StreamRule.JOURNAL, f"{shard_id}:{each.number} is another")
                return None
            records.append(audited)
        if not event.is_final and not records:
            self._books.report(StreamRule.JOURNAL, f"{shard_id}: no records")
            return None
        return records, shard

    def _settle(self, discard: ReportedDiscard, *, is_told: bool) -> None:
        mapping = self._books.mappings[discard.mapping_uuid]
        found = self._find(mapping, discard.shard_id, discard.event)
        if found is not None:
            records, shard = found
            if is_told:
                self._turns.discarded(mapping, shard, records)
            self._note_gone(mapping, shard, records, event=discard.event, is_told=is_told)

    def _note_gone(
        self,
        mapping: AuditedMapping,
        shard: AuditedShard,
        records: list[AuditedRecord],
        *,
        event: StreamEvent,
        is_told: bool,
    ) -> None:
        run = mapping.run if is_told and not mapping.row.tumbling_window_s else None
        if event.is_final and event.window is not None:
            # The discard alone does not close the window: the engine must know.
            if is_told:
                self._windows.close_discarded(shard, event.window.start_ms)
            return
        for audited in records:
            audited.is_discarded = True
            if audited.is_required and (audited.fate is not Fate.SETTLED or is_told):
                self._books.settle(audited, run)

    def _check(  # noqa: PLR0913 - what discards and failures have in one form or the other
        self,
        mapping: AuditedMapping,
        records: list[AuditedRecord],
        *,
        condition: Condition,
        invoke_count: int,
        discarded_ms: int,
        is_final: bool,
    ) -> None:
        rows = mapping.policies()
        match condition:
            case Condition.RETRY_ATTEMPTS_EXHAUSTED:
                is_due = not self._books.is_calm and any(
                    _is_used_up(row, records, invoke_count, is_final=is_final) for row in rows
                )
            case Condition.RECORD_AGE_EXCEEDED:
                is_due = any(_is_too_old(row, records, discarded_ms) for row in rows)
            case Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED:
                is_due = len(records) == 1 and any(_is_too_large(row, records[0]) for row in rows)
            case Condition.SKIPPED:
                skipped = {number for _, number in mapping.skipped}
                is_due = all(audited.number in skipped for audited in records)
        tried = max(1, *[audited.failures for audited in records]) if records else invoke_count
        if condition is not Condition.RETRY_ATTEMPTS_EXHAUSTED and invoke_count > tried:
            is_due = False
        if not is_due:
            numbers = [(audited.number, audited.failures) for audited in records]
            text = f"{mapping.name}: {condition.value} of {numbers} after {invoke_count}"
            self._books.report(StreamRule.DISCARD, text)


def _arrivals_of(records: list[AuditedRecord]) -> tuple[int, int]:
    return records[0].record.arrived_ms, records[-1].record.arrived_ms


def _range_of(records: list[AuditedRecord]) -> tuple[str, str, int]:
    return str(records[0].number), str(records[-1].number), len(records)


def _is_used_up(
    row: EventSourceMapping, records: list[AuditedRecord], invoke_count: int, *, is_final: bool
) -> bool:
    maximum = row.maximum_retry_attempts
    if maximum is None or invoke_count != maximum + 1:
        return False
    if is_final:
        return True
    if row.bisect_batch_on_function_error and len(records) > 1:
        return False
    return all(audited.failures > maximum for audited in records)


def _is_too_old(row: EventSourceMapping, records: list[AuditedRecord], discarded_ms: int) -> bool:
    age_s = row.maximum_record_age_s
    return age_s is not None and all(
        discarded_ms - audited.record.arrived_ms >= age_s * 1000 for audited in records
    )


def _is_too_large(row: EventSourceMapping, audited: AuditedRecord) -> bool:
    state_bytes = STATE_BYTES_MAX if row.tumbling_window_s else 0
    return len(audited.record.event) + state_bytes + ENVELOPE_BYTES_MAX > PAYLOAD_BYTES_MAX
