"""What a mapping says of itself."""

import pytest

from penstock.model.arn import Scope
from penstock.model.filtering import FilterSource
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StreamKind


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param(None, FilterSource.SQS, id="queue"),
        pytest.param(StreamKind.KINESIS, FilterSource.KINESIS, id="kinesis"),
        pytest.param(StreamKind.DYNAMODB, FilterSource.DYNAMODB, id="dynamodb"),
    ],
)
def test_mapping_says_what_its_filters_are_held_against(
    kind: StreamKind | None, expected: FilterSource
) -> None:
    mapping = EventSourceMapping(
        uuid="u1",
        scope=Scope("123456789012", "us-east-2"),
        event_source_arn="arn:aws:sqs:us-east-2:123456789012:orders",
        function_arn="arn:aws:lambda:us-east-2:123456789012:function:ship",
        stream_kind=kind,
    )

    assert mapping.filter_source is expected
