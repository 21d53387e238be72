"""Checks how shards are read: at their pace, for enough at once, and for no more than has room.

Source: docs/semantics.md (reading streams), README.md (bounded); nothing here follows the engine's
code.
"""

from penstock.core.shard_contract import ReadPace
from penstock.model.stream import FetchedRecords
from penstock.simulation.streams.books import AuditedMapping, StreamBooks
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.shard_books import NEVER_MS, AuditedShard, Fate

READS_PER_S_MAX = 5
MS_PER_S = 1000
TURN_MS = 20  # what a node needs between two steps
FAILURE_FIRST_MS = 500
FAILURE_MS_MAX = 10_000
ASKED_BYTES_MIN = 512 * 1024
RECORD_BYTES_FIRST = 1024  # nobody knows how large records are before some have come
FAR_BELOW_QUOTA_BYTES = 100_000  # records below leave no lane without room
ANSWER_BYTES_MORE = 200  # than its records have
ROOM_BYTES = 1024 * 1024


class ReadingAudit:
    """The auditor's eyes at the reads of shards.

    Attributes:
        pace: Of the node.
        capacity_bytes: What the node may read ahead.
        is_sound: No read fails but by the server's own limit.
    """

    def __init__(self, books: StreamBooks) -> None:
        self._books = books
        self.pace = ReadPace()
        self.capacity_bytes = 0
        self.is_sound = False

    def started(self, mapping: AuditedMapping, shard: AuditedShard) -> None:
        """Check how often a shard is read, and whether it was time."""
        now_ms = self._books.now_ms()
        shard.fetched_ms.append(now_ms)
        read_ms = shard.fetched_ms
        if len(read_ms) > READS_PER_S_MAX and read_ms[0] > now_ms - MS_PER_S:
            text = f"{mapping.name} reads {shard.shard_id} at {list(read_ms)}"
            self._books.report(StreamRule.READ_PACE, text)
        late_ms, shard.reading.late_ms = shard.reading.late_ms, None
        if late_ms is None or not self.is_sound or not self._had_room(mapping, shard):
            return
        late_ms = max(late_ms, shard.freed_ms)
        if now_ms > late_ms + TURN_MS:
            text = f"{mapping.name} was to read {shard.shard_id} {now_ms - late_ms} ms ago"
            self._books.report(StreamRule.READ_LATE, text)

    def _had_room(self, mapping: AuditedMapping, shard: AuditedShard) -> bool:
        shard.let_go()
        held_bytes = sum(len(each.record.event) for each in shard.held)
        rows = mapping.policies()
        is_simple = len(rows) == 1 and not shard.reading.is_foreign
        is_gapless = rows[0].parallelization_factor == 1 or (
            shard.largest_bytes < FAR_BELOW_QUOTA_BYTES
        )
        has_room = len(shard.held) < rows[0].batch_size and held_bytes < ROOM_BYTES
        return is_simple and is_gapless and has_room

    def asked(self, mapping: AuditedMapping, shard: AuditedShard, limit: int) -> None:
        """Check how many records a read asks for."""
        most_bytes = max(RECORD_BYTES_FIRST, shard.largest_bytes)
        size = min(row.batch_size for row in mapping.policies())
        least = max(1, min(size, ASKED_BYTES_MIN // most_bytes))
        if limit < least:
            text = f"{mapping.name} asks {shard.shard_id} for {limit}; BatchSize is {size}"
            self._books.report(StreamRule.READ_SMALL, text)

    def served(self, shard: AuditedShard, fetched: FetchedRecords) -> None:
        """Take note of an answer that waits for room, by the most that the node may hold."""
        reading = shard.reading
        reading.waiting_bytes = sum(len(record.event) for record in fetched.records)
        mappings = self._books.mappings.values()
        others = [other for mapping in mappings for other in mapping.shards.values()]
        is_known = not any(other.reading.is_foreign for other in others)
        most_bytes = sum(
            ANSWER_BYTES_MORE
            + other.reading.waiting_bytes
            + sum(len(each.record.event) for each in other.held)
            for other in others
        )
        has_room = is_known and most_bytes < self.capacity_bytes // 2
        reading.room_ms = self._books.now_ms() if has_room else None

    def given(self, mapping: AuditedMapping, shard: AuditedShard, fetched: FetchedRecords) -> None:
        """Take an answer in for which there was room: was there?"""
        now_ms = self._books.now_ms()
        reading = shard.reading
        room_ms = reading.room_ms
        is_troubled = room_ms is None or self._books.trouble_ms() >= room_ms
        if room_ms is not None and now_ms > room_ms + TURN_MS and not is_troubled:
            text = f"{mapping.name} let {shard.shard_id} wait for {now_ms - room_ms} ms"
            self._books.report(StreamRule.ROOM, text)
        reading.waiting_bytes, reading.room_ms = 0, None
        if mapping.is_moving or mapping.incarnation != mapping.stream.incarnation:
            reading.is_foreign = True
            return
        held_before = self._surely_held_bytes(mapping, shard, NEVER_MS)
        for record in fetched.records:
            audited = shard.by_number.get(int(record.sequence_number))
            if audited is None or not audited.is_required:
                reading.is_foreign |= audited is None or not audited.is_excluded
                continue
            # What a move of the position has cut off is delivered again: nobody can say how much.
            reading.is_foreign |= audited.fate is not Fate.OPEN
            if audited.given_ms < 0:
                audited.given_ms = now_ms
                shard.held.append(audited)
            audited.given_last_ms = now_ms
        if fetched.records:
            reading.recent_ms = now_ms
            if held_before:
                self._check_budget(mapping, shard)
        reading.failures = 0
        if fetched.next_iterator is None:
            return
        behind_ms = fetched.behind_ms
        is_behind = bool(fetched.records) if behind_ms is None else behind_ms > 0
        self._expect(shard, 0 if is_behind else self._pause_ms(shard))

    def failed(self, shard: AuditedShard) -> None:
        """Take note that a read has failed: it is made again with back-off."""
        reading = shard.reading
        reading.failures += 1
        delay_ms = FAILURE_FIRST_MS << min(reading.failures - 1, 10)
        self._expect(shard, min(FAILURE_MS_MAX, delay_ms))

    def _expect(self, shard: AuditedShard, delay_ms: int) -> None:
        """Expect the next read after a time, but never more than the server takes."""
        late_ms = self._books.now_ms() + delay_ms
        if len(shard.fetched_ms) >= READS_PER_S_MAX:
            late_ms = max(late_ms, shard.fetched_ms[-READS_PER_S_MAX] + MS_PER_S)
        shard.reading.late_ms = late_ms

    def _pause_ms(self, shard: AuditedShard) -> int:
        is_hot = self._books.now_ms() - shard.reading.recent_ms < self.pace.hot_for_ms
        return self.pace.hot_ms if is_hot else self.pace.idle_ms

    def _check_budget(self, mapping: AuditedMapping, shard: AuditedShard) -> None:
        """Check what the node surely holds after an answer to a shard that held something.

        One that held nothing may have been given room in this very moment, whatever there was.
        """
        now_ms = self._books.now_ms()
        total_bytes = self._surely_held_bytes(mapping, shard, NEVER_MS) + sum(
            self._surely_held_bytes(each, other, now_ms)
            for each in self._books.mappings.values()
            for other in each.shards.values()
            if other is not shard
        )
        if total_bytes > self.capacity_bytes:
            text = f"{total_bytes} bytes with {mapping.name}, {shard.shard_id}"
            self._books.report(StreamRule.BUDGET, text)

    def _surely_held_bytes(
        self, mapping: AuditedMapping, shard: AuditedShard, but_of_ms: int
    ) -> int:
        """Add up what was read, but at one moment, and is not done.

        A lane beside others may have passed it over.
        """
        rows = mapping.policies()
        if not mapping.is_sure or len(rows) != 1 or rows[0].parallelization_factor > 1:
            return 0
        shard.let_go()
        return sum(
            len(each.record.event)
            for each in shard.held
            if not each.is_gone and each.given_ms != but_of_ms
        )
