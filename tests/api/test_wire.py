"""What a mapping shows, given back as a request, is the same mapping."""

import msgspec
import pytest
from api_fakes import FUNCTION_ARN, QUEUE_ARN, SCOPE, STREAM_ARN, TABLE_STREAM_ARN
from hypothesis import given
from hypothesis import strategies as st

from penstock.api.shapes import check_parameters
from penstock.api.wire import MappingRequest, apply_request, read_timestamp_ms, to_wire
from penstock.model.mapping import EventSourceMapping, ProvisionedPollers
from penstock.model.stream import StartingPosition, StreamKind

ARN_BY_KIND = {
    None: QUEUE_ARN,
    StreamKind.KINESIS: STREAM_ARN,
    StreamKind.DYNAMODB: TABLE_STREAM_ARN,
}
OF_ANSWERS_ONLY = (
    "UUID",
    "EventSourceMappingArn",
    "FunctionArn",
    "LastModified",
    "LastProcessingResult",
    "State",
    "StateTransitionReason",
)
positions = st.sampled_from(
    [(StartingPosition.LATEST, None), (StartingPosition.TRIM_HORIZON, None)]
) | st.tuples(st.just(StartingPosition.AT_TIMESTAMP), st.integers(0, 4_102_444_800_000))


concurrencies = st.none() | st.integers(2, 1_000)
pollers = st.none() | st.builds(ProvisionedPollers, st.integers(2, 200), st.integers(200, 2_000))


@st.composite
def mappings(draw: st.DrawFn) -> EventSourceMapping:
    kind = draw(st.sampled_from(list(ARN_BY_KIND)))
    plain = EventSourceMapping(
        uuid="1" * 36,
        scope=SCOPE,
        event_source_arn=ARN_BY_KIND[kind],
        function_arn=FUNCTION_ARN,
        stream_kind=kind,
        batch_size=draw(st.integers(1, 10_000)),
        maximum_batching_window_s=draw(st.integers(0, 300)),
        metrics=draw(st.sampled_from([(), ("EventCount",)])),
        report_batch_item_failures=draw(st.booleans()),
    )
    if kind is None:
        numbers = {"maximum_concurrency": concurrencies, "provisioned_pollers": pollers}
        return msgspec.structs.replace(plain, **{name: draw(numbers[name]) for name in numbers})
    position, timestamp_ms = draw(positions)
    return msgspec.structs.replace(
        plain,
        starting_position=position,
        starting_timestamp_ms=timestamp_ms,
        parallelization_factor=draw(st.integers(1, 10)),
        maximum_record_age_s=draw(st.none() | st.integers(60, 604_800)),
        maximum_retry_attempts=draw(st.none() | st.integers(0, 10_000)),
        bisect_batch_on_function_error=draw(st.booleans()),
        tumbling_window_s=draw(st.integers(0, 900)),
        destination_arn=draw(st.none() | st.just("arn:aws:s3:::failures")),
    )


@given(mappings())
def test_mapping_is_made_again_from_what_it_shows(mapping: EventSourceMapping) -> None:
    shape = to_wire(mapping)
    request = {name: value for name, value in shape.items() if name not in OF_ANSWERS_ONLY}
    check_parameters("CreateEventSourceMapping", request | {"FunctionName": "ship"})
    empty = EventSourceMapping(
        uuid=mapping.uuid,
        scope=SCOPE,
        event_source_arn=mapping.event_source_arn,
        function_arn=FUNCTION_ARN,
        stream_kind=mapping.stream_kind,
    )

    asked = msgspec.convert(msgspec.json.decode(msgspec.json.encode(request)), MappingRequest)

    assert apply_request(empty, asked) == mapping


@given(st.integers(0, 253_402_300_799_000))
def test_timestamp_survives_its_fraction(wall_ms: int) -> None:
    assert read_timestamp_ms(wall_ms / 1000) == wall_ms


@pytest.mark.parametrize("kind", list(ARN_BY_KIND))
def test_processing_result_is_of_streams_only(kind: StreamKind | None) -> None:
    mapping = EventSourceMapping(
        uuid="1" * 36,
        scope=SCOPE,
        event_source_arn=ARN_BY_KIND[kind],
        function_arn=FUNCTION_ARN,
        stream_kind=kind,
    )

    shown = to_wire(mapping, processing_result="OK").get("LastProcessingResult")

    assert shown == (None if kind is None else "OK")
