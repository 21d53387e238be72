"""An independent judge of worlds of streams: it sees the ports, and nothing behind them."""

import enum
from collections.abc import Callable

import msgspec

from penstock.core.shard_positions import describe_positions
from penstock.engine.stream_counts import StreamCounts
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.position import StreamPlace
from penstock.model.stream import FetchedRecords, StartingPosition
from penstock.simulation.streams.books import POLICY_GRACE_MS, AuditedMapping, StreamBooks
from penstock.simulation.streams.discard_audit import DiscardAudit
from penstock.simulation.streams.function_audit import StreamFunctionAudit
from penstock.simulation.streams.isolation_audit import IsolationAudit
from penstock.simulation.streams.place_audit import PlaceAudit
from penstock.simulation.streams.reading_audit import ReadingAudit
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.shard_books import AuditedShard
from penstock.simulation.streams.stream import SimulatedStream

TROUBLE_MS = 5_000  # a save that fails is made again within this time


class StreamAuditor:
    """Keeps the books of one world and checks each entry.

    Attributes:
        functions: Told by the simulated functions.
        discards: Told by the simulated destinations.
        places: Told by the store and by the streams' servers.
        reading: Told of reads.
        isolation: Asked once, when nothing was wrong but poison.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        last_lines: Callable[[], list[str]],
        *,
        wall_ms: Callable[[], int],
        trouble_ms: Callable[[], int],
    ) -> None:
        self.books = StreamBooks(now_ms, last_lines, wall_ms=wall_ms, trouble_ms=trouble_ms)
        self._paused_ms = 0
        self.functions = StreamFunctionAudit(self.books)
        self.discards = DiscardAudit(self.books)
        self.places = PlaceAudit(self.books, self.discards)
        self.reading = ReadingAudit(self.books)
        self.isolation = IsolationAudit(self.books)

    def mapping_declared(self, uuid: str, stream: SimulatedStream) -> None:
        """Take note of a mapping that will be created."""
        self.books.mappings[uuid] = AuditedMapping(uuid, stream)

    def mapping_changed(self, row: EventSourceMapping) -> None:
        """Take note of a mapping's row, from now on in force."""
        mapping = self.books.mappings[row.uuid]
        now_ms = self.books.now_ms()
        if not mapping.rows:
            mapping.created_ms = now_ms
        is_same = mapping.rows and _asks_for(row) == _asks_for(mapping.row)
        if is_same:
            mapping.rows[-1] = (mapping.rows[-1][0], row)
        else:
            mapping.rows.append((now_ms, row))
            mapping.is_sure = False
        must_pin = row.starting_position is StartingPosition.LATEST and not mapping.epoch
        if must_pin and row.state is State.ENABLED and not mapping.incarnation:
            self.books.report(StreamRule.PIN, f"{row.uuid} is Enabled and has begun nothing")
        mapping.was_enabled |= row.state is State.ENABLED

    def iterator_asked(self, mapping: str, shard_id: str) -> None:
        """Check how often a shard is read: a read may begin with a search for its position."""
        shard = self._shard(mapping, shard_id)
        self.reading.started(self.books.mappings[mapping], shard)
        shard.is_read_begun = True

    def fetch_started(self, mapping: str, shard_id: str, limit: int) -> None:
        """Check how often a shard is read, and for how much."""
        shard = self._shard(mapping, shard_id)
        if not shard.is_read_begun:
            self.reading.started(self.books.mappings[mapping], shard)
        shard.is_read_begun = False
        self.reading.asked(self.books.mappings[mapping], shard, limit)

    def iterator_reused(self, mapping: str, shard_id: str) -> None:
        """Report a read that can bring nothing."""
        self.report(StreamRule.ITERATOR, f"{mapping}, {shard_id}")

    def read_failed(self, mapping: str, shard_id: str) -> None:
        """Take note that a read must be made again."""
        self.reading.failed(self._shard(mapping, shard_id))

    def answer_served(self, mapping: str, shard_id: str, fetched: FetchedRecords) -> None:
        """Take note of an answer that waits for room: is there some?"""
        self.reading.served(self._shard(mapping, shard_id), fetched)

    def records_given(self, mapping: str, shard_id: str, fetched: FetchedRecords) -> None:
        """Check that there was room for an answer, and take it in."""
        self.reading.given(self.books.mappings[mapping], self._shard(mapping, shard_id), fetched)

    def check_counts(self, row: EventSourceMapping, counts: StreamCounts) -> None:
        """Check what a mapping has counted that read all of its stream once."""
        if row.starting_position is not StartingPosition.TRIM_HORIZON:
            return
        shards = self.books.mappings[row.uuid].shards.values()
        excluded = sum(each.is_excluded for shard in shards for each in shard.records)
        sent = self.functions.sent_by_mapping.get(row.uuid, 0)
        if (counts.filtered_out, counts.invoked) != (excluded, sent):
            text = f"filtered {counts.filtered_out} of {excluded}, invoked {counts.invoked}"
            self.books.report(StreamRule.COUNTED, f"{row.uuid}: {text} of {sent}")

    def _shard(self, mapping: str, shard_id: str) -> AuditedShard:
        return self.books.mappings[mapping].shard(shard_id)

    def report(self, rule: enum.StrEnum, text: str) -> None:
        """Write a violation down."""
        self.books.report(rule, text)

    def node_started(self) -> None:
        """Take note of a new engine."""
        self.functions.node_started()

    def node_stopping(self) -> None:
        """Take note that every mapping is asked to stop."""
        self._note_stop()

    def node_paused(self) -> None:
        """Take note of a pause; what was new before it has not got about yet."""
        self._paused_ms = self.books.now_ms()

    def node_resumed(self) -> None:
        """Take note of its end."""
        known_ms = self._paused_ms - POLICY_GRACE_MS
        now_ms = self.books.now_ms()
        self.books.pause = (now_ms, now_ms - self._paused_ms)
        for mapping in self.books.mappings.values():
            mapping.rows = [
                (at_ms if at_ms < known_ms else now_ms, row) for at_ms, row in mapping.rows
            ]

    def node_crashed(self) -> None:
        """Take note that the engine was killed."""
        self.books.crashes_ms.append(self.books.now_ms())
        self._note_stop()

    def _note_stop(self) -> None:
        for mapping in self.books.mappings.values():
            mapping.is_sure = False

    def is_settled(self) -> bool:
        """Tell whether every mapping has done all that it owes."""
        return not self.owing()

    def owing(self) -> list[str]:
        """Say which mappings owe what."""
        found: list[str] = []
        for mapping in self.books.mappings.values():
            if not mapping.rows:
                continue
            if mapping.row.state is not State.ENABLED:
                found.append(f"{mapping.name} is {mapping.row.state}")
            elif mapping.incarnation != mapping.stream.incarnation or mapping.is_moving:
                found.append(f"{mapping.name} has not begun {mapping.stream.incarnation}")
            if mapping.invocations:
                found.append(f"{mapping.name} has invocations under way")
            for shard in mapping.shards.values():
                owed = next(shard.owed(), None)
                if owed is not None:
                    where = f"{mapping.name}, {shard.shard_id}"
                    found.append(f"{where}: {owed.number} is {owed.fate.name}")
        return found

    def check_left(self, uuid: str, place: StreamPlace | None) -> None:
        """Check what a stopped mapping leaves in the store."""
        mapping = self.books.mappings[uuid]
        is_troubled = self.books.trouble_ms() > self.books.now_ms() - TROUBLE_MS
        if place is not None and not mapping.is_moving and not is_troubled:
            self.places.check_left(mapping, place)
        if place is not None and place.incarnation == mapping.stream.incarnation != "":
            shards = mapping.stream.describe().shards
            self.places.check_shown(mapping, place, describe_positions(place, shards, {}))


def _asks_for(row: EventSourceMapping) -> EventSourceMapping:
    """Give a row without what the engine writes into it."""
    return msgspec.structs.replace(row, state=State.ENABLED, last_modified_ms=0, version=0)
