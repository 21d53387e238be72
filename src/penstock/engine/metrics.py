"""What a node counts of its stream mappings, and how Prometheus reads it.

Counting is adding to plain integers, once per batch; the series are made when they are asked for.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from penstock.core import shard_contract as s
from penstock.engine.shard_discards import DiscardEnd
from penstock.model.failure import Condition

# By attribute of EventCounts: the name after ``penstock_``, and what it means.
_COUNTERS = {
    "polled": ("polled_events", "Records read from the stream (PolledEventCount)."),
    "filtered_out": ("filtered_out_events", "Records that a filter left out."),
    "invoked": ("invoked_events", "Records handed to the function; retries count again."),
    "failed_invoke": ("failed_invoke_events", "Records in invocations that failed."),
    "dropped": ("dropped_events", "Records given up that no destination has."),
    "delivered": ("on_failure_destination_delivered_events", "Records given to a destination."),
    "journaled": ("journaled_events", "Records put into the failure journal."),
}


class EventCounts:
    """One mapping's EventCount metrics, since the node began.

    Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html; ``journaled`` is
        ours, and ``dropped`` records are in the journal: docs/semantics.md#stream-metrics
    """

    def __init__(self) -> None:
        self.polled = 0
        self.filtered_out = 0
        self.invoked = 0
        self.failed_invoke = 0
        self.dropped = 0
        self.delivered = 0
        self.journaled = 0

    def observe(self, inp: s.Input, commands: list[s.Command]) -> None:
        """Count a shard's input and what followed from it."""
        match inp:
            case s.RecordsFetched(fetched):
                self.polled += len(fetched.records)
            case (
                s.InvocationFailed(batch)
                | s.InvocationPartiallyFailed(batch)
                | s.InvocationRejected(batch)
                | s.InvocationOutcomeUnknown(batch)
            ):
                self.failed_invoke += len(batch.records)
        for command in commands:
            if isinstance(command, s.Invoke):
                self.invoked += len(command.batch.records)

    def count_discard(self, end: DiscardEnd) -> None:
        """Count records that left their shard without having succeeded."""
        count = end.discard.batch_size
        if not end.is_journaled:
            self.delivered += count
            return
        self.journaled += count
        if end.discard.condition is not Condition.SKIPPED:
            self.dropped += count


class StreamMetrics:
    """The metrics of one node.

    Attributes:
        content_type: Of what ``render`` gives.
    """

    content_type: ClassVar[str] = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._counts: dict[str, EventCounts] = {}
        self._ages: dict[str, Callable[[], dict[str, int]]] = {}
        self._evicted_count = 0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def counts_of(self, mapping_uuid: str) -> EventCounts:
        """Give a mapping's counts, to be added to; they go on over restarts of the mapping."""
        return self._counts.setdefault(mapping_uuid, EventCounts())

    def watch_ages(self, mapping_uuid: str, ages_ms: Callable[[], dict[str, int]]) -> None:
        """Say how to read a running mapping's iterator ages, by shard id."""
        self._ages[mapping_uuid] = ages_ms

    def end_ages(self, mapping_uuid: str) -> None:
        """The mapping does not run any more: it has no ages."""
        self._ages.pop(mapping_uuid, None)

    def forget(self, mapping_uuid: str) -> None:
        """The mapping is deleted."""
        self._counts.pop(mapping_uuid, None)
        self.end_ages(mapping_uuid)

    def note_evicted(self, count: int) -> None:
        """Take note of how many failures have left the full journal so far."""
        self._evicted_count = count

    def render(self) -> bytes:
        """Give every series in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Make the series; the registry asks for them."""
        for attribute, (name, meaning) in _COUNTERS.items():
            counter = CounterMetricFamily(f"penstock_{name}", meaning, labels=["mapping"])
            for mapping_uuid, counts in self._counts.items():
                counter.add_metric([mapping_uuid], getattr(counts, attribute))
            yield counter
        ages = GaugeMetricFamily(
            "penstock_iterator_age_ms",
            "Age of the oldest record that was read and is not done; else how far reading is behind"
            " the shard's newest record, and how long it has not been read.",
            labels=["mapping", "shard"],
        )
        for mapping_uuid, ages_ms in self._ages.items():
            for shard_id, age_ms in ages_ms().items():
                ages.add_metric([mapping_uuid, shard_id], age_ms)
        yield ages
        yield CounterMetricFamily(
            "penstock_evicted_failures",
            "Failures that left the journal because it was full or they were too old.",
            value=self._evicted_count,
        )
