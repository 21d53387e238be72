"""Sees one shard's inputs and commands: its log, its counts, its age, its mapping's result."""

from collections.abc import Callable

from penstock.core import shard_contract as s
from penstock.core.shard_reading import brings_nothing
from penstock.engine.processing_result import ProcessingResult
from penstock.engine.shard_age import ShardAge
from penstock.engine.shard_discards import ShardDiscards
from penstock.engine.stream_counts import StreamCounts
from penstock.engine.stream_log import ShardLog
from penstock.model.instant import Instant

# What says nothing of the shard's age, nor of its mapping's result.
_ORDINARY = frozenset({s.SlotsGranted, s.DeadlineReached, s.CheckpointSaved})


class ShardObserver:
    """The observer of one shard's driver; it works once per batch, never per record.

    An idle shard costs it a look at the age per read.

    Args:
        oldest_arrived_ms: Tells when the oldest record that the shard holds arrived, Unix ms.
    """

    def __init__(  # noqa: PLR0913 - all that a shard tells, and two clocks for it
        self,
        shard_id: str,
        *,
        log: ShardLog,
        counts: StreamCounts,
        result: ProcessingResult,
        oldest_arrived_ms: Callable[[], int | None],
        now: Callable[[], Instant],
    ) -> None:
        self._shard_id = shard_id
        self._log = log
        self._counts = counts
        self._result = result
        self._oldest_arrived_ms = oldest_arrived_ms
        self._now = now
        self._age = ShardAge(now())
        self._discards = ShardDiscards()
        self._is_stopping = False

    def observe(self, inp: s.Input, commands: list[s.Command]) -> None:
        """Take in what the driver fed and what the machine answered."""
        if brings_nothing(inp) and not self._is_stopping and not _tells_more(commands):
            self._observe_idle(inp)
            return
        if isinstance(inp, s.StopRequested | s.TenureLost):
            self._is_stopping = True
        if self._is_stopping and isinstance(inp, s.FetchFailed):
            return  # it was cut off: no trouble, and nothing follows from it
        self._counts.observe(inp, commands)
        now = self._now()
        if type(inp) not in _ORDINARY:
            self._result.observe_shard(self._shard_id, inp)
            self._age.observe(inp, now)
        self._log.observe(inp, commands)
        for end in self._discards.follow(inp, commands):
            self._counts.count_discard(end)
            self._log.tell_discard(end)
        self._tell_age(now)

    def _observe_idle(self, inp: s.RecordsFetched | s.DeadlineReached) -> None:
        """Take in an empty read, or the wake-up for the next one, which says nothing."""
        if isinstance(inp, s.RecordsFetched):
            now = self._now()
            self._result.note_readable(self._shard_id)
            self._age.note_read(inp.fetched, now)
            self._log.note_read()
            self._tell_age(now)

    def watch_age(self) -> None:
        """Say that the shard is late, or is no more: also where nothing happens to it."""
        self._tell_age(self._now())

    def _tell_age(self, now: Instant) -> None:
        age_ms = self._age.age_ms(self._oldest_arrived_ms(), now)
        if age_ms is not None:
            self._log.watch_age(age_ms)

    def age_ms(self) -> int | None:
        """Give the shard's iterator age; None before it was read from, until that is late."""
        return self._age.age_ms(self._oldest_arrived_ms(), self._now())


def _tells_more(commands: list[s.Command]) -> bool:
    """Tell whether something is done beside reading on."""
    return bool(commands) and (len(commands) > 1 or type(commands[0]) is not s.Fetch)
