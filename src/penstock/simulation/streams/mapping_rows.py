"""Mappings of streams, as rows of the store."""

from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StartingPosition, StreamKind
from penstock.simulation.loop import WALL_MS_AT_START
from penstock.simulation.names import SCOPE, function_arn
from penstock.simulation.streams.names import mapping_uuid
from penstock.simulation.streams.stream import SimulatedStream
from penstock.simulation.streams.workload import StreamMappingPlan
from penstock.simulation.streams.written import DARK_ONLY


def wanted_row(index: int, plan: StreamMappingPlan, stream: SimulatedStream) -> EventSourceMapping:
    """Give a mapping as it is to be created.

    A timestamp stands in its plan for both kinds of streams; those of DynamoDB begin at LATEST.
    """
    starting, timestamp_ms = plan.starting_position, None
    if starting is StartingPosition.AT_TIMESTAMP:
        timestamp_ms = WALL_MS_AT_START + plan.timestamp_ms
        if stream.kind is StreamKind.DYNAMODB:
            starting, timestamp_ms = StartingPosition.LATEST, None
    return EventSourceMapping(
        uuid=mapping_uuid(index),
        scope=SCOPE,
        event_source_arn=stream.arn,
        function_arn=qualified_arn(plan.function, index),
        stream_kind=stream.kind,
        starting_position=starting,
        starting_timestamp_ms=timestamp_ms,
        batch_size=plan.batch_size,
        maximum_batching_window_s=plan.batching_window_s,
        parallelization_factor=plan.factor,
        bisect_batch_on_function_error=plan.bisects,
        report_batch_item_failures=plan.reports,
        maximum_retry_attempts=plan.retry_attempts,
        maximum_record_age_s=plan.record_age_s,
        tumbling_window_s=plan.tumbling_window_s,
        destination_arn="arn:aws:sqs:eu-west-1:000000000000:failed"
        if plan.has_destination
        else None,
        filters=(DARK_ONLY[stream.kind],) if plan.has_filter else (),
    )


def qualified_arn(function: int, mapping: int) -> str:
    """Name a function by the alias by which this mapping, and no other, invokes it."""
    return f"{function_arn(function)}:{mapping_uuid(mapping)}"
