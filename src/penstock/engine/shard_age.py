"""How far behind a shard's function is: IteratorAge."""

from penstock.core import shard_contract as s
from penstock.model.instant import Instant
from penstock.model.stream import FetchedRecords

SILENCE_MS_MAX = 10_000  # between two reads of a shard that is well; above it the shard gets late


class ShardAge:
    """The iterator age of one shard, live.

    While a record is held it is the age of the oldest one that is not done, whatever that waits
    for: a slot, a retry, a destination. Else it is what the server said last of how far reading is
    behind, and what has passed since where reading has stopped.

    Args:
        started: When the shard's consumer began: what passes since without a read counts too.

    Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html; that it grows
        between invocations and without reads: docs/semantics.md#stream-metrics
    """

    def __init__(self, started: Instant) -> None:
        self._read_ms = started.monotonic_ms
        self._behind_ms: int | None = None  # not read yet
        self._has_ended = False

    def observe(self, inp: s.Input, now: Instant) -> None:
        """Take in what happened."""
        if isinstance(inp, s.RecordsFetched):
            self.note_read(inp.fetched, now)

    def note_read(self, fetched: FetchedRecords, now: Instant) -> None:
        """Take in what a read brought."""
        self._read_ms = now.monotonic_ms
        self._behind_ms = fetched.behind_ms or 0
        self._has_ended = fetched.next_iterator is None

    def age_ms(self, oldest_arrived_ms: int | None, now: Instant) -> int | None:
        """Give the age, never negative; None before a read, until that is late.

        Args:
            oldest_arrived_ms: Of the records held and not done, Unix ms; None: none is held.
            now: As of when.
        """
        if oldest_arrived_ms is not None:
            return max(0, now.wall_ms - oldest_arrived_ms)
        silent_ms = now.monotonic_ms - self._read_ms
        if silent_ms <= SILENCE_MS_MAX or self._has_ended:
            return self._behind_ms
        return (self._behind_ms or 0) + silent_ms
