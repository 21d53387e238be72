"""Checks that a lane that fails keeps no other waiting."""

from penstock.simulation.loop import WALL_MS_AT_START
from penstock.simulation.streams.books import AuditedMapping, StreamBooks
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.shard_books import AuditedRecord, AuditedShard, lane_of
from penstock.simulation.streams.written import is_poison

WAITING_MS_MAX = 100_000  # listings, idle reads and the turns of every other lane, and some


class IsolationAudit:
    """Looks at worlds in which nothing is wrong but poison, and enough slots for every lane."""

    def __init__(self, books: StreamBooks) -> None:
        self._books = books

    def check(self) -> None:
        """Check what lanes without poison have waited for."""
        for mapping in self._books.mappings.values():
            if mapping.rows and not mapping.row.tumbling_window_s and not mapping.is_moving:
                for shard in mapping.shards.values():
                    self._check_shard(mapping, shard)

    def _check_shard(self, mapping: AuditedMapping, shard: AuditedShard) -> None:
        ancestors = (mapping.shards.get(each) for each in mapping.ancestors(shard.shard_id))
        if any(ancestor is not None and ancestor.has_owed() for ancestor in ancestors):
            return
        factor = mapping.row.parallelization_factor
        lanes: dict[int, list[AuditedRecord]] = {}
        for audited in shard.records:
            lanes.setdefault(lane_of(audited, factor), []).append(audited)
        for lane, records in lanes.items():
            if any(is_poison(audited.record.event) for audited in records):
                continue
            waited_ms = self._waited_ms(mapping, records)
            if waited_ms > WAITING_MS_MAX + mapping.row.maximum_batching_window_s * 1000:
                text = f"{mapping.name}, {shard.shard_id}, lane {lane} waits for {waited_ms} ms"
                self._books.report(StreamRule.ISOLATION, text)

    def _waited_ms(self, mapping: AuditedMapping, records: list[AuditedRecord]) -> int:
        """Give for how long nothing has happened to the first record that is owed."""
        since_ms = mapping.run_ms
        for audited in records:
            since_ms = max(since_ms, audited.settled_ms)
            if audited.is_owed:
                put_ms = audited.record.arrived_ms - WALL_MS_AT_START
                return self._books.now_ms() - max(since_ms, put_ms)
        return 0
