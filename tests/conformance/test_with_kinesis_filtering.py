"""Rules of docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html."""

import base64
import json

import pytest

from penstock.core.record_filter import RecordFilter, check_patterns
from penstock.model.errors import FilterPatternError
from penstock.model.filtering import FilterSource
from penstock.model.stream import StreamRecord


def record(payload: bytes) -> StreamRecord:
    blob = base64.b64encode(payload).decode()
    own = {"partitionKey": "k1", "sequenceNumber": "7", "data": blob}
    event = {"kinesis": own, "eventSource": "aws:kinesis"}
    return StreamRecord("7", b"k1", 0, json.dumps(event).encode())


def passes(pattern: str, payload: bytes = b'{"event_type":"function_1"}') -> bool:
    return bool(RecordFilter([pattern], FilterSource.KINESIS).keep_records((record(payload),)))


def test_data_is_the_root_of_a_pattern() -> None:
    """The key is data; kinesis.data is the text that the event has, and is not decoded."""
    assert passes('{"data":{"event_type":["function_1"]}}')
    assert not passes('{"data":{"event_type":["function_2"]}}')
    assert not passes('{"kinesis":{"data":{"event_type":["function_1"]}}}')


def test_plain_pattern_on_data_is_refused() -> None:
    """A stream's mapping takes no pattern of plain strings for its data."""
    with pytest.raises(FilterPatternError):
        check_patterns(['{"data":["text"]}'], FilterSource.KINESIS)


@pytest.mark.parametrize("payload", [b"text", b"\xff\xfe", b"", b'"function_1"'])
def test_data_that_is_no_json_is_dropped(payload: bytes) -> None:
    """Data that is no JSON matches no pattern that names it."""
    assert not passes('{"data":{"event_type":[{"exists":false}]}}', payload)


def test_without_data_other_fields_are_matched() -> None:
    """A pattern without data is matched by the other fields, whatever the data is."""
    assert passes('{"partitionKey":["k1"]}', b"\xff")
    assert not passes('{"partitionKey":["k2"]}', b"\xff")


def test_metadata_can_be_matched() -> None:
    """Kinesis's own fields stand at the root of a pattern, and where the event has them."""
    assert passes('{"sequenceNumber":["7"],"data":{"event_type":["function_1"]}}')
    assert passes('{"kinesis":{"partitionKey":["k1"]},"eventSource":["aws:kinesis"]}')
