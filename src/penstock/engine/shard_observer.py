"""Sees one shard's inputs and commands: its log, its counts, its age, its mapping's result."""

from collections.abc import Callable

from penstock.core import shard_contract as s
from penstock.engine.metrics import EventCounts
from penstock.engine.processing_result import ProcessingResult
from penstock.engine.shard_age import ShardAge
from penstock.engine.shard_discards import ShardDiscards
from penstock.engine.stream_log import ShardLog


class ShardObserver:
    """The observer of one shard's driver; it works once per batch, never per record."""

    def __init__(
        self,
        shard_id: str,
        *,
        log: ShardLog,
        counts: EventCounts,
        result: ProcessingResult,
        wall_ms: Callable[[], int],
    ) -> None:
        self._shard_id = shard_id
        self._log = log
        self._counts = counts
        self._result = result
        self._wall_ms = wall_ms
        self._age = ShardAge()
        self._discards = ShardDiscards()
        self._is_stopping = False

    def observe(self, inp: s.Input, commands: list[s.Command]) -> None:
        """Take in what the driver fed and what the machine answered."""
        if isinstance(inp, s.StopRequested | s.TenureLost):
            self._is_stopping = True
        if self._is_stopping and isinstance(inp, s.FetchFailed):
            return  # it was cut off: no trouble, and nothing follows from it
        self._counts.observe(inp, commands)
        self._result.observe_shard(self._shard_id, inp)
        self._log.observe(inp, commands)
        self._age.observe(inp, commands)
        for end in self._discards.follow(inp, commands):
            self._counts.count_discard(end)
            self._age.end_discard(end)
            self._log.tell_discard(end)
        age_ms = self.age_ms()
        if age_ms is not None:
            self._log.watch_age(age_ms)

    def age_ms(self) -> int | None:
        """Give the shard's iterator age; None before it was read from."""
        return self._age.age_ms(self._wall_ms())
