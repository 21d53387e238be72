"""The series at ``/metrics``: their names, their labels, what they mean, in Prometheus's format.

They are written here, line by line: a library's objects between cost eight times as much, and
stopped the loop for a second where there are ten thousand mappings.

Source: github.com/prometheus/docs (instrumenting/exposition_formats.md, the text format)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from penstock.engine.queue_counts import QueueCounts
from penstock.engine.stream_counts import StreamCounts
from penstock.model.arn import function_name
from penstock.model.mapping import EventSourceMapping
from penstock.model.mapping_status import QueueLoad

# By attribute of StreamCounts and QueueCounts: the name after ``penstock_``, and what it means. A
# mapping has the series whose attribute its kind of source has.
_COUNTERS = {
    "polled": ("polled_events", "Records and messages read from the source (PolledEventCount)."),
    "filtered_out": (
        "filtered_out_events",
        "Records and messages that match no filter (FilteredOutEventCount).",
    ),
    "invoked": ("invoked_events", "Records and messages handed to the function; retries count."),
    "failed_invoke": ("failed_invoke_events", "Records and messages of invocations that failed."),
    "deleted": ("deleted_events", "Messages deleted from their queue (DeletedEventCount)."),
    "dropped": ("dropped_events", "Records given up that no destination has."),
    "delivered": (
        "on_failure_destination_delivered_events",
        "Records and messages given to an on-failure destination.",
    ),
    "journaled": ("journaled_events", "Records put into the failure journal."),
}
_LOADS = {
    "in_flight_count": ("invocations_in_flight", "Invocations that run, or may still run."),
    "waiting_count": ("messages_waiting", "Messages received that wait for a slot or a retry."),
    "concurrency_limit": ("concurrency_limit", "How many invocations may be in flight now."),
}


_REQUESTS = ("penstock_sqs_requests_total", "Requests sent to SQS, retried attempts too.")
_AGES = (
    "penstock_iterator_age_ms",
    (
        "Age of the oldest record that was read and is not done; else how far reading is behind"
        " the shard's newest record, and how long it has not been read."
    ),
)
_EVICTED = (
    "penstock_evicted_failures_total",
    "Failures that left the journal because it was full or they were too old.",
)
_LOST = (
    "penstock_lost_function_log_lines_total",
    "Log lines of functions that CloudWatch Logs did not take.",
)
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Series(NamedTuple):
    """Series of one name.

    Attributes:
        name: As it is read; a counter's ends in ``_total``.
        kind: ``counter`` or ``gauge``.
        lines: One per series, made as they are asked for.
    """

    name: str
    kind: str
    meaning: str
    lines: Iterable[str]

    @property
    def head(self) -> str:
        """Give the lines that go before the series."""
        return f"# HELP {self.name} {self.meaning}\n# TYPE {self.name} {self.kind}\n"


def mapping_series(mappings: Sequence[EventSourceMapping]) -> Series:
    """Say what the UUIDs of the other series are, to be joined with them."""
    name = "penstock_mapping_info"
    return Series(
        name, "gauge", "Always 1, for its labels.", (_mapping_line(name, each) for each in mappings)
    )


def count_series(counts: Sequence[tuple[str, StreamCounts | QueueCounts]]) -> Iterator[Series]:
    """Give the EventCount metrics, by mapping."""
    for attribute, (name, meaning) in _COUNTERS.items():
        full_name = f"penstock_{name}_total"
        yield Series(full_name, "counter", meaning, _attributes(full_name, counts, attribute))


def request_series(requests: Sequence[tuple[str, Mapping[str, int]]]) -> Series:
    """Give what queue mappings cost: requests by mapping and operation."""
    name, meaning = _REQUESTS
    lines = (
        f'{name}{{mapping="{mapping_uuid}",operation="{operation}"}} {float(count)}\n'
        for mapping_uuid, by_operation in requests
        for operation, count in tuple(by_operation.items())
    )
    return Series(name, "counter", meaning, lines)


def load_series(loads: Sequence[tuple[str, Callable[[], QueueLoad]]]) -> Iterator[Series]:
    """Give what running queue mappings have in their hands."""
    for attribute, (name, meaning) in _LOADS.items():
        full_name = f"penstock_{name}"
        found = ((mapping_uuid, load()) for mapping_uuid, load in loads)
        yield Series(full_name, "gauge", meaning, _attributes(full_name, found, attribute))


def iterator_age_series(ages_ms: Sequence[tuple[str, Callable[[], dict[str, int]]]]) -> Series:
    """Give the iterator ages of running stream mappings, by mapping and shard."""
    name, meaning = _AGES
    lines = (
        f'{name}{{mapping="{mapping_uuid}",shard="{_escape(shard_id)}"}} {float(age_ms)}\n'
        for mapping_uuid, by_shard_id in ages_ms
        for shard_id, age_ms in by_shard_id().items()
    )
    return Series(name, "gauge", meaning, lines)


def evicted_series(count: int) -> Series:
    """Give how many failures have left the journal by its bounds."""
    name, meaning = _EVICTED
    return Series(name, "counter", meaning, (f"{name} {float(count)}\n",))


def lost_log_lines_series(count: int) -> Series:
    """Give how many of functions' log lines were to be delivered and were not."""
    name, meaning = _LOST
    return Series(name, "counter", meaning, (f"{name} {float(count)}\n",))


def _attributes(
    name: str, of_mappings: Iterable[tuple[str, object]], attribute: str
) -> Iterator[str]:
    """Give a line for each mapping that has the attribute; uuids are ours and need no escape."""
    for mapping_uuid, of_mapping in of_mappings:
        value = getattr(of_mapping, attribute, None)
        if value is not None:
            yield f'{name}{{mapping="{mapping_uuid}"}} {float(value)}\n'


def _mapping_line(name: str, mapping: EventSourceMapping) -> str:
    return (
        f'{name}{{function="{_escape(function_name(mapping.function_arn))}"'
        f',mapping="{mapping.uuid}",name="{_escape(mapping.name or "")}"'
        f',source="{_escape(mapping.event_source_arn)}"}} 1.0\n'
    )


def _escape(value: str) -> str:
    return value.translate(_ESCAPES)
