"""Checks that a lane's batches come in their turn: not too early, not too late, not too small.

Source: docs/semantics.md (stream batches, stream failures) and AWS's pages that it names; nothing
here follows the engine's code.
"""

from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.mapping import EventSourceMapping
from penstock.simulation.streams.books import AuditedMapping, Invocation, StreamBooks
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.shard_books import (
    NEVER_MS,
    AuditedRecord,
    AuditedShard,
    Fate,
    LaneTurn,
    lane_of,
)

TURN_MS = 20  # what a node needs between two steps
SPLIT_FIRST_MS = 50
SPLIT_MS_MAX = 1_000
RETRY_FIRST_MS = 400
RETRY_MS_MAX = 60_000
REJECTION_FIRST_MS = 200
REJECTION_MS_MAX = 10_000
STATE_BYTES_MAX = 1024 * 1024
ENVELOPE_BYTES_MAX = 8_192
FAR_BELOW_QUOTA_BYTES = 100_000  # records below leave no lane without room


class TurnAudit:
    """The auditor's clock for each lane."""

    def __init__(self, books: StreamBooks) -> None:
        self._books = books

    # What is invoked.

    def check(self, invocation: Invocation, shard: AuditedShard) -> None:
        """Check whether it is this batch's turn; where two rows may be in force, nothing is."""
        records, run = invocation.records, invocation.run
        is_fresh = bool(records) and all(each.tried_run != run for each in records)
        for audited in records:
            audited.tried_run = run
        if len(invocation.rows) != 1 or len(invocation.lanes) != 1:
            return
        (lane,) = invocation.lanes
        turn = shard.turns.setdefault(lane, LaneTurn())
        late_ms = turn.late_ms
        if is_fresh:
            late_ms = self._check_fresh(invocation, shard, turn, lane)
        elif self._books.now_ms() < turn.early_ms and _first_of(invocation) == turn.first:
            text = f"{invocation.key} of {shard.shard_id} backs off until {turn.early_ms} ms"
            self._books.report(StreamRule.EARLY, text)
        if not records and (turn.first >= 0 or turn.early_ms == NEVER_MS):
            late_ms = _end_due_ms(invocation, shard, turn)
        self._check_lateness(invocation, shard, late_ms)
        turn.early_ms = NEVER_MS

    def _check_fresh(
        self, invocation: Invocation, shard: AuditedShard, turn: LaneTurn, lane: tuple[int, int]
    ) -> int | None:
        """Check a batch that was formed of records alone; give when it was due at the latest."""
        records, (row,) = invocation.records, invocation.rows
        first, wait_ms = records[0], row.maximum_batching_window_s * 1000
        if first.given_ms == NEVER_MS:
            return None
        begins_ms = max(turn.freed_ms, first.given_ms)
        if self._is_cut_otherwise(invocation, shard, row):
            pass
        elif self._books.now_ms() < begins_ms + wait_ms:
            text = f"{invocation.key} of {shard.shard_id} gathers since {begins_ms} ms"
            self._books.report(StreamRule.EARLY, text)
        else:
            following = _following(shard, records[-1], lane)
            if following is not None and following.given_ms < begins_ms + wait_ms:
                text = f"{invocation.key} of {shard.shard_id} leaves {following.number} behind"
                self._books.report(StreamRule.SMALL, text)
        if turn.late_ms is None:
            return None
        return max(turn.late_ms, turn.freed_ms + wait_ms, first.given_last_ms + wait_ms)

    def _is_cut_otherwise(
        self, invocation: Invocation, shard: AuditedShard, row: EventSourceMapping
    ) -> bool:
        """Tell whether a batch may end where it ends, whatever else has come."""
        mapping, records = invocation.mapping, invocation.records
        window = invocation.event.window
        if len(records) == row.batch_size or mapping.skipped or row.maximum_record_age_s:
            return True
        served = mapping.stream.shards.get(shard.shard_id)
        if served is None or not served.is_open:
            return True
        state_bytes = ENVELOPE_BYTES_MAX if window is None else ENVELOPE_BYTES_MAX + STATE_BYTES_MAX
        held_bytes = sum(len(each.record.event) + 1 for each in records) + shard.largest_bytes
        if held_bytes > PAYLOAD_BYTES_MAX - state_bytes:
            return True
        if row.parallelization_factor > 1 and shard.largest_bytes > FAR_BELOW_QUOTA_BYTES:
            return True
        lane = (row.parallelization_factor, lane_of(records[0], row.parallelization_factor))
        following = _following(shard, records[-1], lane)
        is_of_later = window is not None and (
            following is not None and following.record.arrived_ms >= window.end_ms
        )
        return is_of_later or (shard.window is not None and bool(shard.window.is_outgrown))

    def _check_lateness(
        self, invocation: Invocation, shard: AuditedShard, late_ms: int | None
    ) -> None:
        if late_ms is None or late_ms <= NEVER_MS or self._books.trouble_ms() >= late_ms:
            return
        waited_ms = self._books.now_ms() - late_ms
        if waited_ms > TURN_MS and self._books.had_slots(invocation.function_arn, late_ms):
            text = f"{invocation.key} of {shard.shard_id} was due {waited_ms} ms ago"
            self._books.report(StreamRule.LATE, text)

    # What follows.

    def begun(self, invocation: Invocation) -> None:
        """Take note that an invocation runs."""
        for turn in _turns_of(invocation):
            turn.late_ms = None

    def succeeded(self, invocation: Invocation, done: int) -> None:
        """Take note that a batch is done, or so many of its records: then the rest is next."""
        is_cut = done < len(invocation.records)
        now_ms = self._books.now_ms()
        for turn in _turns_of(invocation):
            turn.splits = 0
            turn.freed_ms = now_ms
            turn.late_ms = now_ms + (SPLIT_FIRST_MS if is_cut else 0)
            turn.early_ms = turn.late_ms if is_cut else NEVER_MS
            turn.first = _first_of(invocation, done)

    def failed(self, invocation: Invocation, tried: int) -> None:
        """Take note of a failure; ``tried``: how often exactly these records have failed."""
        now_ms = self._books.now_ms()
        for turn in _turns_of(invocation):
            turn.freed_ms = now_ms
            turn.first = _first_of(invocation)
            if _is_split(invocation):
                turn.splits += 1
                turn.early_ms = now_ms + SPLIT_FIRST_MS
                turn.late_ms = now_ms + _delay_ms(turn.splits, SPLIT_FIRST_MS, SPLIT_MS_MAX)
            else:
                most = max([tried, *[each.failures for each in invocation.records]])
                least_ms = _delay_ms(tried, RETRY_FIRST_MS, RETRY_MS_MAX) * 3 // 4
                turn.early_ms = now_ms + least_ms
                turn.late_ms = now_ms + _delay_ms(most, RETRY_FIRST_MS, RETRY_MS_MAX)

    def rejected(self, invocation: Invocation, tried: int) -> None:
        """Take note that a batch was not run; ``tried``: how often in a row."""
        now_ms = self._books.now_ms()
        for turn in _turns_of(invocation):
            turn.first = _first_of(invocation)
            turn.freed_ms = now_ms
            delay_ms = _delay_ms(tried, REJECTION_FIRST_MS, REJECTION_MS_MAX)
            turn.early_ms = now_ms + delay_ms * 3 // 4
            turn.late_ms = now_ms + delay_ms

    def lost(self, invocation: Invocation) -> None:
        """Take note that nobody will tell how an invocation ends: its lane waits until then."""
        until_ms = invocation.began_ms + self._books.timeout_ms[invocation.function_arn]
        for turn in _turns_of(invocation):
            turn.splits += _is_split(invocation)
            turn.freed_ms = self._books.now_ms()
            turn.early_ms = NEVER_MS
            turn.late_ms = until_ms

    def discarding(
        self, mapping: AuditedMapping, shard: AuditedShard, records: list[AuditedRecord]
    ) -> None:
        """Take note that a lane waits for its destination."""
        for turn in self._lanes_of(mapping, shard, records):
            if turn.late_ms is not None:
                turn.rest_ms = turn.late_ms
            turn.early_ms, turn.late_ms = NEVER_MS, None

    def discarded(
        self, mapping: AuditedMapping, shard: AuditedShard, records: list[AuditedRecord]
    ) -> None:
        """Take note that a lane need not wait for its destination any more."""
        for turn in self._lanes_of(mapping, shard, records):
            turn.early_ms, turn.late_ms = NEVER_MS, max(turn.rest_ms, self._books.now_ms())

    def _lanes_of(
        self, mapping: AuditedMapping, shard: AuditedShard, records: list[AuditedRecord]
    ) -> list[LaneTurn]:
        factors = {row.parallelization_factor for row in mapping.policies()}
        lanes = {(factor, lane_of(records[0], factor) if records else 0) for factor in factors}
        return [shard.turns.setdefault(lane, LaneTurn()) for lane in lanes]


def _first_of(invocation: Invocation, done: int = 0) -> int:
    """Give the first record's sequence number, or -1: a tumbling window's last invocation."""
    return next((each.number for each in invocation.records[done:]), -1)


def _is_split(invocation: Invocation) -> bool:
    """Tell whether a failure may split the batch."""
    return len(invocation.records) > 1 and any(
        row.bisect_batch_on_function_error for row in invocation.rows
    )


def _turns_of(invocation: Invocation) -> list[LaneTurn]:
    shard = invocation.shard
    if shard is None:
        return []
    return [shard.turns.setdefault(lane, LaneTurn()) for lane in invocation.lanes]


def _following(
    shard: AuditedShard, last: AuditedRecord, lane: tuple[int, int]
) -> AuditedRecord | None:
    """Give the next record of a lane that has come and is to be invoked."""
    factor, index = lane
    return next(
        (
            each
            for each in shard.owed()
            if each.number > last.number
            and each.given_ms > NEVER_MS
            and each.fate is Fate.OPEN
            and lane_of(each, factor) == index
        ),
        None,
    )


def _end_due_ms(invocation: Invocation, shard: AuditedShard, turn: LaneTurn) -> int | None:
    """Give when a tumbling window's last invocation was due: when a later record has come."""
    window, told = shard.window, invocation.event.window
    if window is None or told is None or turn.late_ms is None:
        return None
    if window.is_outgrown:
        return turn.late_ms
    following = next((each for each in shard.owed() if each.fate is Fate.OPEN), None)
    if following is None or following.given_ms == NEVER_MS:
        return None
    is_later = following.record.arrived_ms >= told.end_ms
    return max(turn.late_ms, following.given_last_ms) if is_later else None


def _delay_ms(count: int, first_ms: int, maximum_ms: int) -> int:
    return min(maximum_ms, first_ms << min(max(0, count - 1), 20))
