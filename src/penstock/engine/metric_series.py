"""The series at ``/metrics``: their names, their labels, what they mean."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

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


def mapping_series(mappings: Iterable[EventSourceMapping]) -> Metric:
    """Say what the UUIDs of the other series are, to be joined with them."""
    labels = ["mapping", "name", "function", "source"]
    gauge = GaugeMetricFamily("penstock_mapping_info", "Always 1, for its labels.", labels=labels)
    for mapping in mappings:
        function = function_name(mapping.function_arn)
        gauge.add_metric([mapping.uuid, mapping.name or "", function, mapping.event_source_arn], 1)
    return gauge


def count_series(counts: Mapping[str, StreamCounts | QueueCounts]) -> Iterator[Metric]:
    """Give the EventCount metrics, by mapping."""
    for attribute, (name, meaning) in _COUNTERS.items():
        counter = CounterMetricFamily(f"penstock_{name}", meaning, labels=["mapping"])
        for mapping_uuid, of_mapping in counts.items():
            count = getattr(of_mapping, attribute, None)
            if count is not None:
                counter.add_metric([mapping_uuid], count)
        yield counter


def request_series(requests: Mapping[str, Mapping[str, int]]) -> Metric:
    """Give what queue mappings cost: requests by mapping and operation."""
    counter = CounterMetricFamily(
        "penstock_sqs_requests",
        "Requests sent to SQS, retried attempts too.",
        labels=["mapping", "operation"],
    )
    for mapping_uuid, by_operation in requests.items():
        for operation, count in by_operation.items():
            counter.add_metric([mapping_uuid, operation], count)
    return counter


def load_series(loads: Mapping[str, QueueLoad]) -> Iterator[Metric]:
    """Give what running queue mappings have in their hands."""
    for attribute, (name, meaning) in _LOADS.items():
        gauge = GaugeMetricFamily(f"penstock_{name}", meaning, labels=["mapping"])
        for mapping_uuid, load in loads.items():
            gauge.add_metric([mapping_uuid], getattr(load, attribute))
        yield gauge


def iterator_age_series(ages_ms: Mapping[str, Mapping[str, int]]) -> Metric:
    """Give the iterator ages of running stream mappings, by mapping and shard."""
    gauge = GaugeMetricFamily(
        "penstock_iterator_age_ms",
        "Age of the oldest record that was read and is not done; else how far reading is behind"
        " the shard's newest record, and how long it has not been read.",
        labels=["mapping", "shard"],
    )
    for mapping_uuid, by_shard_id in ages_ms.items():
        for shard_id, age_ms in by_shard_id.items():
            gauge.add_metric([mapping_uuid, shard_id], age_ms)
    return gauge


def evicted_series(count: int) -> Metric:
    """Give how many failures have left the journal by its bounds."""
    return CounterMetricFamily(
        "penstock_evicted_failures",
        "Failures that left the journal because it was full or they were too old.",
        value=count,
    )


def lost_log_lines_series(count: int) -> Metric:
    """Give how many of functions' log lines were to be delivered and were not."""
    return CounterMetricFamily(
        "penstock_lost_function_log_lines",
        "Log lines of functions that CloudWatch Logs did not take.",
        value=count,
    )
