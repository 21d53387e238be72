"""What a node counts of its mappings, and how Prometheus and an operator read it.

Counting is adding to plain integers, once per batch; the series are made when they are asked for.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import ClassVar

from penstock.core.queue_advice import Maxima
from penstock.engine.metric_series import (
    Series,
    count_series,
    evicted_series,
    iterator_age_series,
    load_series,
    lost_log_lines_series,
    mapping_series,
    request_series,
)
from penstock.engine.queue_counts import QueueCounts
from penstock.engine.request_counts import RequestCounts
from penstock.engine.stream_counts import StreamCounts
from penstock.model.mapping import EventSourceMapping
from penstock.model.mapping_status import MappingStatus, QueueLoad, Trouble
from penstock.ports import Clock

TROUBLE_CHARS_MAX = 300
LINES_PER_PIECE = 2_000  # some milliseconds


class NodeMetrics:
    """The metrics of one node, by mapping; all begin anew with the process.

    Attributes:
        content_type: Of what ``render`` gives.
        mappings: The rows of the mappings that are there, by uuid.
        maxima: Their maxima, by function.
        started_ms: When the engine began, Unix ms; 0 before that.
    """

    content_type: ClassVar[str] = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, clock: Clock) -> None:
        self.mappings: dict[str, EventSourceMapping] = {}
        self.maxima = Maxima()
        self.started_ms = 0
        self._clock = clock
        self._stream_counts: dict[str, StreamCounts] = {}
        self._queue_counts: dict[str, QueueCounts] = {}
        self._requests: dict[str, RequestCounts] = {}
        self._troubles: dict[str, Trouble] = {}
        self._ages: dict[str, Callable[[], dict[str, int]]] = {}
        self._loads: dict[str, Callable[[], QueueLoad]] = {}
        self._evicted_count = 0
        self._lost_log_lines: Callable[[], int] = int

    def note_started(self) -> None:
        """The engine begins."""
        self.started_ms = self._clock.now().wall_ms

    def note_mapping(self, mapping: EventSourceMapping) -> None:
        """A mapping is there, with this row."""
        self.mappings[mapping.uuid] = mapping
        self.maxima.note(mapping)

    def stream_counts_of(self, mapping_uuid: str) -> StreamCounts:
        """Give a stream mapping's counts, to be added to; they go on over its restarts."""
        return self._stream_counts.setdefault(mapping_uuid, StreamCounts())

    def queue_counts_of(self, mapping_uuid: str) -> QueueCounts:
        """Give a queue mapping's counts, to be added to; they go on over its restarts."""
        return self._queue_counts.setdefault(mapping_uuid, QueueCounts())

    def requests_of(self, mapping_uuid: str) -> RequestCounts:
        """Give a queue mapping's requests, to be counted; they go on over its restarts."""
        return self._requests.setdefault(mapping_uuid, RequestCounts(self._clock))

    def note_trouble(self, mapping_uuid: str, text: str) -> None:
        """Something went wrong with a mapping; it takes the place of what did before."""
        now_ms = self._clock.now().wall_ms
        self._troubles[mapping_uuid] = Trouble(text[:TROUBLE_CHARS_MAX], now_ms)

    def watch_ages(self, mapping_uuid: str, ages_ms: Callable[[], dict[str, int]]) -> None:
        """Say how to read a running mapping's iterator ages, by shard id."""
        self._ages[mapping_uuid] = ages_ms

    def end_ages(self, mapping_uuid: str) -> None:
        """The mapping does not run any more: it has no ages."""
        self._ages.pop(mapping_uuid, None)

    def watch_load(self, mapping_uuid: str, load: Callable[[], QueueLoad]) -> None:
        """Say how to read what a running queue mapping has in its hands."""
        self._loads[mapping_uuid] = load

    def end_load(self, mapping_uuid: str) -> None:
        """The mapping does not run any more: it has nothing in its hands."""
        self._loads.pop(mapping_uuid, None)

    def forget(self, mapping_uuid: str) -> None:
        """The mapping is deleted."""
        self.mappings.pop(mapping_uuid, None)
        self.maxima.forget(mapping_uuid)
        self._stream_counts.pop(mapping_uuid, None)
        self._queue_counts.pop(mapping_uuid, None)
        self._requests.pop(mapping_uuid, None)
        self._troubles.pop(mapping_uuid, None)
        self.end_ages(mapping_uuid)
        self.end_load(mapping_uuid)

    def watch_lost_log_lines(self, count: Callable[[], int]) -> None:
        """Say how to read how many of functions' log lines no server has."""
        self._lost_log_lines = count

    def note_evicted(self, count: int) -> None:
        """Take note of how many failures have left the full journal so far."""
        self._evicted_count = count

    def status_of(self, mapping_uuid: str) -> MappingStatus:
        """Give what a mapping did since the node began; zeros of one that never ran."""
        load, requests = self._loads.get(mapping_uuid), self._requests.get(mapping_uuid)
        counts = self._queue_counts.get(mapping_uuid)
        filtering = counts or self._stream_counts.get(mapping_uuid)
        return MappingStatus(
            load=None if load is None else load(),
            done_count=0 if counts is None else counts.deleted,
            filtered_out_count=0 if filtering is None else filtering.filtered_out,
            requests={} if requests is None else dict(requests.by_operation),
            receives_last_hour=0 if requests is None else requests.receives_last_hour(),
            trouble=self._troubles.get(mapping_uuid),
        )

    def render(self) -> Iterator[bytes]:
        """Give every series in Prometheus's text format, in pieces that take a moment each."""
        for series in self.collect():
            yield series.head.encode()
            lines = iter(series.lines)
            while piece := "".join(islice(lines, LINES_PER_PIECE)):
                yield piece.encode()

    def collect(self) -> Iterator[Series]:
        """Make the series; mappings that come while they are read are in the next ones."""
        yield mapping_series(tuple(self.mappings.values()))
        yield from count_series((*self._stream_counts.items(), *self._queue_counts.items()))
        yield request_series(
            [(uuid, requests.by_operation) for uuid, requests in self._requests.items()]
        )
        yield from load_series(tuple(self._loads.items()))
        yield iterator_age_series(tuple(self._ages.items()))
        yield evicted_series(self._evicted_count)
        yield lost_log_lines_series(self._lost_log_lines())
