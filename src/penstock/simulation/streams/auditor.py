"""An independent judge of worlds of streams: it sees the ports, and nothing behind them."""

import enum
from collections.abc import Callable

import msgspec

from penstock.model.mapping import EventSourceMapping, State
from penstock.model.position import StreamPlace
from penstock.model.stream import StartingPosition
from penstock.simulation.streams.books import POLICY_GRACE_MS, AuditedMapping, StreamBooks
from penstock.simulation.streams.discard_audit import DiscardAudit
from penstock.simulation.streams.function_audit import StreamFunctionAudit
from penstock.simulation.streams.isolation_audit import IsolationAudit
from penstock.simulation.streams.place_audit import PlaceAudit
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.stream import SimulatedStream

TROUBLE_MS = 5_000  # a save that fails is made again within this time


class StreamAuditor:
    """Keeps the books of one world and checks each entry.

    Attributes:
        functions: Told by the simulated functions.
        discards: Told by the simulated destinations.
        places: Told by the store and by the streams' servers.
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
        must_pin = row.starting_position is StartingPosition.LATEST and not mapping.epoch
        if must_pin and row.state is State.ENABLED and not mapping.incarnation:
            self.books.report(StreamRule.PIN, f"{row.uuid} is Enabled and has begun nothing")
        mapping.was_enabled |= row.state is State.ENABLED

    def iterator_asked(self, mapping: str, shard_id: str) -> None:
        """Check how often a shard is read: a read may begin with a search for its position."""
        self.places.read_started(mapping, shard_id)
        self.books.mappings[mapping].shard(shard_id).is_read_begun = True

    def fetch_started(self, mapping: str, shard_id: str) -> None:
        """Check how often a shard is read."""
        shard = self.books.mappings[mapping].shard(shard_id)
        if not shard.is_read_begun:
            self.places.read_started(mapping, shard_id)
        shard.is_read_begun = False

    def report(self, rule: enum.StrEnum, text: str) -> None:
        """Write a violation down."""
        self.books.report(rule, text)

    def node_started(self) -> None:
        """Take note of a new engine."""
        self.functions.node_started()

    def node_stopping(self) -> None:
        """Take note that every mapping is asked to stop."""

    def node_paused(self) -> None:
        """Take note of a pause; what was new before it has not got about yet."""
        self._paused_ms = self.books.now_ms()

    def node_resumed(self) -> None:
        """Take note of its end."""
        known_ms = self._paused_ms - POLICY_GRACE_MS
        now_ms = self.books.now_ms()
        for mapping in self.books.mappings.values():
            mapping.rows = [
                (at_ms if at_ms < known_ms else now_ms, row) for at_ms, row in mapping.rows
            ]

    def node_crashed(self) -> None:
        """Take note that the engine was killed."""
        self.books.crashes_ms.append(self.books.now_ms())

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


def _asks_for(row: EventSourceMapping) -> EventSourceMapping:
    """Give a row without what the engine writes into it."""
    return msgspec.structs.replace(row, state=State.ENABLED, version=0)
