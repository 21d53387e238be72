"""How what is counted reads in Prometheus's text format, and for ``penstock status``."""

import pytest
from engine_fakes import FUNCTION, QUEUE_ARN, a_row
from prometheus_client.parser import text_string_to_metric_families
from stream_fakes import SHARD_ID
from wire_builders import StandingClock

from penstock.engine.metrics import LINES_PER_PIECE, TROUBLE_CHARS_MAX, NodeMetrics
from penstock.model.mapping_status import MappingStatus, QueueLoad, Trouble

EVERY_SOURCE = [
    "polled_events",
    "filtered_out_events",
    "invoked_events",
    "failed_invoke_events",
    "on_failure_destination_delivered_events",
]


def make_metrics() -> NodeMetrics:
    return NodeMetrics(StandingClock())


def rendered(metrics: NodeMetrics) -> bytes:
    return b"".join(metrics.render())


def test_metrics_render_every_series_of_a_stream() -> None:
    metrics = make_metrics()
    metrics.stream_counts_of("u1").polled += 2
    metrics.watch_ages("u1", lambda: {SHARD_ID: 12})
    metrics.note_evicted(3)

    text = rendered(metrics).decode()

    assert metrics.content_type.startswith("text/plain")
    assert 'penstock_polled_events_total{mapping="u1"} 2.0' in text
    assert f'penstock_iterator_age_ms{{mapping="u1",shard="{SHARD_ID}"}} 12.0' in text
    assert "penstock_evicted_failures_total 3.0" in text


def test_metrics_render_every_series_of_a_queue() -> None:
    metrics = make_metrics()
    metrics.queue_counts_of("u1").deleted += 2
    metrics.requests_of("u1").count("ReceiveMessage")
    metrics.watch_load("u1", lambda: QueueLoad(1, 7, 5))

    text = rendered(metrics).decode()

    assert 'penstock_deleted_events_total{mapping="u1"} 2.0' in text
    assert 'penstock_sqs_requests_total{mapping="u1",operation="ReceiveMessage"} 1.0' in text
    assert 'penstock_invocations_in_flight{mapping="u1"} 1.0' in text
    assert 'penstock_messages_waiting{mapping="u1"} 7.0' in text
    assert 'penstock_concurrency_limit{mapping="u1"} 5.0' in text


def test_metrics_name_what_a_mapping_is() -> None:
    metrics = make_metrics()
    metrics.note_mapping(a_row(name="orders", function_arn=f"{FUNCTION.arn}:live"))
    metrics.note_mapping(a_row(uuid="u2"))

    text = rendered(metrics).decode()

    named = f'{{function="charge:live",mapping="u1",name="orders",source="{QUEUE_ARN}"}} 1.0'
    assert f"penstock_mapping_info{named}" in text
    assert 'mapping="u2",name="",' in text


def test_metrics_are_read_by_prometheus_whatever_is_in_a_label() -> None:
    metrics = make_metrics()
    metrics.note_mapping(a_row(name='a "b"\\ c\n'))
    metrics.queue_counts_of("u1").polled += 3

    families = list(text_string_to_metric_families(rendered(metrics).decode()))

    samples = {each.name: each for family in families for each in family.samples}
    assert samples["penstock_mapping_info"].labels["name"] == 'a "b"\\ c\n'
    assert samples["penstock_polled_events_total"].value == 3
    assert {family.type for family in families} == {"gauge", "counter"}
    assert all(family.documentation for family in families)


def test_metrics_of_many_mappings_are_rendered_in_pieces() -> None:
    metrics = make_metrics()
    for number in range(LINES_PER_PIECE + 1):
        metrics.queue_counts_of(f"u{number}")

    pieces = list(metrics.render())

    assert max(piece.count(b"\n") for piece in pieces) == LINES_PER_PIECE


@pytest.mark.parametrize("name", [*EVERY_SOURCE, "dropped_events", "journaled_events"])
def test_metrics_of_a_stream_mapping_begin_at_zero(name: str) -> None:
    metrics = make_metrics()
    metrics.stream_counts_of("u1")

    assert f'penstock_{name}_total{{mapping="u1"}} 0.0'.encode() in rendered(metrics)
    assert b"penstock_deleted_events_total{" not in rendered(metrics)


@pytest.mark.parametrize("name", [*EVERY_SOURCE, "deleted_events"])
def test_metrics_of_a_queue_mapping_begin_at_zero(name: str) -> None:
    metrics = make_metrics()
    metrics.queue_counts_of("u1")

    assert f'penstock_{name}_total{{mapping="u1"}} 0.0'.encode() in rendered(metrics)
    assert b"penstock_dropped_events_total{" not in rendered(metrics)


def test_metrics_counts_go_on_when_the_mapping_runs_again() -> None:
    metrics = make_metrics()

    metrics.stream_counts_of("u1").polled += 2
    metrics.watch_ages("u1", lambda: {SHARD_ID: 12})
    metrics.end_ages("u1")
    metrics.stream_counts_of("u1").polled += 1

    assert b'penstock_polled_events_total{mapping="u1"} 3.0' in rendered(metrics)
    assert b"shard=" not in rendered(metrics)


def test_metrics_forget_a_mapping_that_is_deleted() -> None:
    metrics = make_metrics()
    metrics.note_mapping(a_row())
    metrics.stream_counts_of("u1")
    metrics.queue_counts_of("u1")
    metrics.requests_of("u1").count("ReceiveMessage")
    metrics.watch_load("u1", lambda: QueueLoad(1, 1, 1))
    metrics.note_trouble("u1", "away")

    metrics.forget("u1")

    assert b"u1" not in rendered(metrics)
    assert metrics.status_of("u1") == MappingStatus()


def test_metrics_of_two_nodes_are_apart() -> None:
    first, second = make_metrics(), make_metrics()

    first.stream_counts_of("u1").polled += 1

    assert b"u1" not in rendered(second)


def test_status_of_a_queue_mapping_that_runs() -> None:
    metrics = make_metrics()
    metrics.queue_counts_of("u1").deleted += 3
    metrics.queue_counts_of("u1").filtered_out += 2
    metrics.requests_of("u1").count("ReceiveMessage")
    metrics.watch_load("u1", lambda: QueueLoad(1, 7, 5))
    metrics.note_trouble("u1", "x" * 1_000)

    assert metrics.status_of("u1") == MappingStatus(
        load=QueueLoad(1, 7, 5),
        done_count=3,
        filtered_out_count=2,
        requests={"ReceiveMessage": 1},
        receives_last_hour=1,
        trouble=Trouble("x" * TROUBLE_CHARS_MAX, 1_700_000_000_000),
    )


def test_status_of_a_stream_mapping_has_what_was_filtered_out() -> None:
    metrics = make_metrics()
    metrics.stream_counts_of("u1").filtered_out += 2

    assert metrics.status_of("u1") == MappingStatus(filtered_out_count=2)


def test_status_of_a_mapping_that_stopped_has_no_load() -> None:
    metrics = make_metrics()
    metrics.watch_load("u1", lambda: QueueLoad(1, 7, 5))

    metrics.end_load("u1")

    assert metrics.status_of("u1").load is None


def test_metrics_know_when_the_engine_began() -> None:
    metrics = make_metrics()

    metrics.note_started()

    assert metrics.started_ms == 1_700_000_000_000
