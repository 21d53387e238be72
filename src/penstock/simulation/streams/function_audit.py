"""Checks what functions of streams are given, and writes down how they end.

Source: docs/semantics.md and AWS's pages that it names; nothing here follows the engine's code.
"""

from collections.abc import Iterable

from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.mapping import EventSourceMapping
from penstock.simulation.ledger import unqualified
from penstock.simulation.streams.books import AuditedMapping, Ending, Invocation, StreamBooks
from penstock.simulation.streams.event import StreamEvent
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.shard_books import (
    AuditedRecord,
    AuditedShard,
    Fate,
    Tries,
    lane_of,
)
from penstock.simulation.streams.turn_audit import TurnAudit
from penstock.simulation.streams.window_audit import WindowAudit

SAVED_WITHIN_MS = 2 * 100  # a save may wait for one that waits
STORE_MS = 20  # a call of the store that is not slow, in and out
TRIES_WINDOW_MS = 5_000
TRIES_MAX = 15  # per window; failures and rejections in turn, each backing off, make 11


class StreamFunctionAudit:
    """The auditor's eyes at the functions.

    Attributes:
        invocation_count: Batches that were sent to functions.
        sent_by_mapping: Records that were sent, each as often as it was.
        turns: When it is a lane's turn.
    """

    def __init__(self, books: StreamBooks) -> None:
        self._books = books
        self._windows = WindowAudit(books)
        self.turns = TurnAudit(books)
        self.invocation_count = 0
        self.sent_by_mapping: dict[str, int] = {}

    def dispatched(self, function_arn: str, payload: bytes, event: StreamEvent) -> Invocation:
        """Check a batch that is sent to its function."""
        self.invocation_count += 1
        mapping = self._books.mappings[function_arn.rpartition(":")[2]]
        sent = self.sent_by_mapping.get(mapping.uuid, 0)
        self.sent_by_mapping[mapping.uuid] = sent + len(event.records)
        invocation = Invocation(
            mapping=mapping,
            function_arn=unqualified(function_arn),
            event=event,
            rows=mapping.policies(),
            epoch=mapping.engine_epoch,
            incarnation=mapping.incarnation,
            run=mapping.run,
            began_ms=self._books.now_ms(),
        )
        self._check_limits(invocation, len(payload))
        is_of_it = all(each.incarnation == mapping.incarnation for each in event.records)
        # Of a stream that is gone nothing is owed any more.
        is_begun = mapping.incarnation == mapping.stream.incarnation
        if not mapping.is_moving and is_begun and is_of_it:
            shard_id = event.records[0].shard_id if event.records else event.shard_id
            invocation.shard = mapping.shard(shard_id)
            self._check_records(invocation, invocation.shard)
        mapping.invocations.append(invocation)
        running = self._books.running_by_function
        running[invocation.function_arn] = running.get(invocation.function_arn, 0) + 1
        self._note_short(invocation)
        return invocation

    def _check_limits(self, invocation: Invocation, payload_bytes: int) -> None:
        report, rows = self._books.report, invocation.rows
        count = len(invocation.event.records)
        size_max = max(row.batch_size for row in rows)
        if count > size_max:
            report(StreamRule.BATCH_COUNT, f"{count} records; BatchSize is {size_max}")
        if payload_bytes > PAYLOAD_BYTES_MAX:
            report(StreamRule.BATCH_BYTES, f"{payload_bytes} bytes")
        running = self._books.running_by_function.get(invocation.function_arn, 0)
        limit = self._books.concurrency[invocation.function_arn]
        if running >= limit:
            report(StreamRule.FUNCTION_CONCURRENCY, f"{running} of {limit} are running")

    def _check_records(self, invocation: Invocation, shard: AuditedShard) -> None:
        mapping, event = invocation.mapping, invocation.event
        records: list[AuditedRecord] = []
        for each in event.records:
            audited = shard.by_number.get(each.number)
            if each.shard_id != shard.shard_id or audited is None:
                text = f"{each.shard_id}:{each.number} in a batch of {shard.shard_id}"
                self._books.report(StreamRule.MIXED, text)
                return
            records.append(audited)
            if audited.record.event != each.raw:
                self._books.report(StreamRule.ALTERED, f"{shard.shard_id}:{each.number}")
        invocation.records = tuple(records)
        for audited in records:
            self._check_record(invocation, shard, audited)
        self._check_lane(invocation, shard)
        self._check_parents(mapping, shard)
        self._windows.check(invocation, shard)
        self._check_tries(invocation, shard)
        self.turns.check(invocation, shard)
        self.turns.begun(invocation)

    def _check_record(
        self, invocation: Invocation, shard: AuditedShard, audited: AuditedRecord
    ) -> None:
        mapping, name = invocation.mapping, f"{shard.shard_id}:{audited.number}"
        report = self._books.report
        if audited.is_excluded:
            report(StreamRule.FILTERED, f"{name} of {mapping.name}")
        elif not audited.is_required and not _is_near_start(mapping, audited, shard.shard_id):
            report(StreamRule.UNWANTED, f"{name} of {mapping.name}")
        ages = [row.maximum_record_age_s for row in invocation.rows]
        known = [age for age in ages if age is not None]
        age_ms = self._books.judged_ms() - audited.record.arrived_ms
        if len(known) == len(ages) and age_ms > max(known) * 1000:
            report(StreamRule.TOO_OLD, f"{name} is {age_ms} ms old")
        if audited.fate is Fate.DONE and not audited.is_uncertain:
            report(StreamRule.DUPLICATE, f"{name} is done already")
        if audited.fate is Fate.SETTLED and audited.settled_run is not None:
            since_ms = audited.settled_ms
            until_ms = since_ms + SAVED_WITHIN_MS + STORE_MS
            was_cut_off = self._books.was_cut_off(mapping, since_ms, until_ms)
            if audited.settled_run == mapping.run or not was_cut_off:
                text = f"{name} of {mapping.name} is settled since {since_ms} ms"
                report(StreamRule.DUPLICATE, text)

    def _check_lane(self, invocation: Invocation, shard: AuditedShard) -> None:
        """Check that a batch is the next of its lane, by any factor that may be in force."""
        records = invocation.records
        factors = {row.parallelization_factor for row in invocation.rows}
        if not records:
            invocation.lanes = frozenset((factor, 0) for factor in factors)
            self._check_overlap(invocation, shard)
            return
        lanes = {factor: {lane_of(audited, factor) for audited in records} for factor in factors}
        single = {factor: found.pop() for factor, found in lanes.items() if len(found) == 1}
        invocation.lanes = frozenset(single.items())
        numbers = [audited.number for audited in records]
        if not single or sorted(set(numbers)) != numbers:
            text = f"{numbers} of {shard.shard_id}, factors {sorted(factors)}"
            self._books.report(StreamRule.MIXED, text)
            return
        self._check_overlap(invocation, shard)
        found = [self._passed_over(invocation, shard, *lane) for lane in single.items()]
        fitting = [each for each in found if each is not None]
        if not fitting:
            text = f"{numbers} of {shard.shard_id} is not what comes next in its lane"
            self._books.report(StreamRule.ORDER, text)
            return
        # With more than one factor that may be in force, only what is left behind by each of them.
        for audited in fitting[0]:
            if all(any(each is audited for each in other) for other in fitting[1:]):
                audited.passed_run = invocation.run
                audited.passed_ms = self._books.now_ms()

    def _check_overlap(self, invocation: Invocation, shard: AuditedShard) -> None:
        for other in invocation.mapping.invocations:
            # With more than one factor that may be in force, it must be so by each of them.
            if other.shard is shard and invocation.lanes and invocation.lanes <= other.lanes:
                theirs = [each.number for each in other.event.records]
                self._books.report(StreamRule.OVERLAP, f"{shard.shard_id}: {theirs} still run")

    def _passed_over(
        self, invocation: Invocation, shard: AuditedShard, factor: int, lane: int
    ) -> list[AuditedRecord] | None:
        """Give what the lane leaves behind with this batch; None: it is not what comes next.

        What is left behind must have been discarded, which its journal's save will show.
        """
        run, batch = invocation.run, set(map(id, invocation.records))
        passed: list[AuditedRecord] = []
        is_inside = False
        first, last = invocation.records[0].number, invocation.records[-1].number
        for audited in shard.owed():
            if audited.number > last:
                break
            is_in_batch = id(audited) in batch
            if is_in_batch and audited.passed_run == run:
                return None
            if audited.fate is Fate.DONE or audited.passed_run == run:
                continue
            if lane_of(audited, factor) != lane:
                continue
            if is_in_batch:
                is_inside = True
            elif audited.number < first:
                passed.append(audited)
            elif is_inside:
                return None
        return passed

    def _check_parents(self, mapping: AuditedMapping, shard: AuditedShard) -> None:
        for parent in mapping.ancestors(shard.shard_id):
            books = mapping.shards.get(parent)
            owed = None if books is None else next(books.owed(), None)
            if owed is not None:
                text = f"{shard.shard_id} runs; {parent}:{owed.number} is not settled"
                self._books.report(StreamRule.PARENTS, text)

    def _check_tries(self, invocation: Invocation, shard: AuditedShard) -> None:
        if not invocation.records and not invocation.event.is_final:
            self._books.report(StreamRule.MIXED, "an event without records")
            return
        now_ms = self._books.now_ms()
        tries = shard.tries.setdefault(invocation.key, Tries())
        maxima = [row.maximum_retry_attempts for row in invocation.rows]
        known = [maximum for maximum in maxima if maximum is not None]
        name = f"{invocation.key} of {shard.shard_id}"
        if len(known) == len(maxima) and tries.counted > max(known):
            text = f"{name} was tried {tries.counted} times; MaximumRetryAttempts is {max(known)}"
            self._books.report(StreamRule.ATTEMPTS, text)
        is_splitting = all(row.bisect_batch_on_function_error for row in invocation.rows)
        if is_splitting and tries.has_failed and len(invocation.records) > 1:
            self._books.report(StreamRule.BISECT, f"{name} failed and comes whole again")
        tries.began_ms = [
            *(at_ms for at_ms in tries.began_ms if now_ms - at_ms < TRIES_WINDOW_MS),
            now_ms,
        ]
        if len(tries.began_ms) > TRIES_MAX:
            self._books.report(StreamRule.HOT_LOOP, f"{name}: {len(tries.began_ms)} in 5 s")

    # How invocations end.

    def ended(self, invocation: Invocation, ending: Ending) -> None:
        """Take note that the function ran to its end, whoever is told."""
        invocation.ending = ending
        if invocation.is_lost:
            self._leave(invocation)

    def rejected(self, invocation: Invocation) -> None:
        """Take note that the function did not run, and that the engine was told so."""
        self._leave(invocation)
        if invocation.shard is not None and self._is_current(invocation):
            tries = invocation.shard.tries[invocation.key]
            tries.has_failed = False
            tries.rejected += 1
            self.turns.rejected(invocation, tries.rejected)

    def lost(self, invocation: Invocation) -> None:
        """Take note that the connection broke: until the function ends, its slot is in use."""
        invocation.is_lost = True
        if self._is_current(invocation):
            self._count_failure(invocation)
            self.turns.lost(invocation)
        if invocation.ending is not None:
            self._leave(invocation)

    def forsaken(self, invocation: Invocation) -> None:
        """Take note that the engine was cut off."""
        self._leave(invocation)

    def node_started(self) -> None:
        """Take note of a new engine: it knows nothing of what the last one lost."""
        for mapping in self._books.mappings.values():
            for invocation in list(mapping.invocations):
                self._leave(invocation)

    def answered(self, invocation: Invocation) -> None:
        """Take note that the engine was told how the function ended."""
        self._leave(invocation)
        ending, shard = invocation.ending, invocation.shard
        if ending is None or shard is None or not self._is_current(invocation):
            return
        counts = {_done_count(invocation, row, ending) for row in invocation.rows}
        done, is_certain = max(counts), len(counts) == 1
        if done == 0 and not (invocation.event.is_final and _is_success(ending)):
            tried = self._count_failure(invocation)
            self.turns.failed(invocation, tried)
            return
        self.turns.succeeded(invocation, done)
        if invocation.event.window is not None:
            self._windows.note_done(invocation, shard, done, is_certain=is_certain)
        else:
            for audited in invocation.records[:done]:
                if audited.is_required and audited.fate is not Fate.SETTLED:
                    self._books.settle(audited, invocation.run if is_certain else None)
        if not is_certain:
            for audited in invocation.records:
                audited.failures += 1
            return
        for audited in invocation.records[done:]:
            audited.failures = 0

    def _count_failure(self, invocation: Invocation) -> int:
        """Count a failure; give how often exactly these records have failed."""
        shard = invocation.shard
        if shard is None:
            return 0
        tries = shard.tries[invocation.key]
        tries.counted += 1
        tries.rejected = 0
        tries.has_failed = True
        for audited in invocation.records:
            audited.failures += 1
        return tries.counted

    def _note_short(self, invocation: Invocation) -> None:
        arn = invocation.function_arn
        if self._books.running_by_function[arn] >= self._books.concurrency[arn]:
            self._books.note_short(arn, self._books.now_ms())

    def _is_current(self, invocation: Invocation) -> bool:
        mapping = invocation.mapping
        return (invocation.epoch, invocation.incarnation, invocation.run) == (
            mapping.epoch,
            mapping.incarnation,
            mapping.run,
        )

    def _leave(self, invocation: Invocation) -> None:
        if invocation.is_running:
            invocation.is_running = False
            invocation.mapping.invocations.remove(invocation)
            self._note_short(invocation)
            self._books.running_by_function[invocation.function_arn] -= 1


def _is_success(ending: Ending) -> bool:
    return not (ending.is_error or ending.is_malformed)


def _done_count(invocation: Invocation, row: EventSourceMapping, ending: Ending) -> int:
    """Count the leading records that are done, by AWS's rules."""
    count = len(invocation.records)
    if ending.is_error or (ending.is_malformed and invocation.event.window is not None):
        return 0
    if not row.report_batch_item_failures:
        return count
    if ending.is_malformed:
        return 0
    return _count_before(invocation.records, min(ending.failed, default=None))


def _count_before(records: Iterable[AuditedRecord], number: int | None) -> int:
    return sum(1 for audited in records if number is None or audited.number < number)


def _is_near_start(mapping: AuditedMapping, audited: AuditedRecord, shard_id: str) -> bool:
    """Tell whether a record is excluded only by less than a second, or by a pin of its second.

    A start is kept by the second: DynamoDB's records tell no more, nor does a server's Date.
    """
    near_ms = mapping.near_start_ms(shard_id)
    return near_ms is not None and audited.record.arrived_ms >= near_ms - near_ms % 1000
