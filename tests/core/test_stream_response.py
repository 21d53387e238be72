"""How a function's response to a stream batch is read."""

import json
from typing import Any

import pytest
from builders import json_values
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.response import Failed, StreamPartial, Succeeded, parse_stream_response
from penstock.model.stream import StreamBatch, StreamRecord

# As text "10" is below "9", and "9" is not the lowest.
BATCH = StreamBatch(1, 0, tuple(StreamRecord(str(n), b"k", 0, b"{}") for n in (9, 10, 11)))


def failures(*identifiers: Any) -> bytes:
    return json.dumps(
        {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}
    ).encode()


def foreign(identifier: str) -> Failed:
    return Failed(f"itemIdentifier {identifier} is not a record of the batch")


@pytest.mark.parametrize(
    ("payload", "failed_index"),
    [
        pytest.param(failures("10"), 1, id="one"),
        pytest.param(failures("11", "10"), 1, id="lowest-of-two"),
        pytest.param(failures("10", "9"), 0, id="as-integers"),
        pytest.param(failures("11", "11"), 2, id="twice-the-same"),
    ],
)
def test_stream_response_fails_from_the_earliest_record_on(
    payload: bytes, failed_index: int
) -> None:
    assert parse_stream_response(payload, BATCH) == StreamPartial(failed_index)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(failures("09"), foreign("'09'"), id="leading-zero"),
        pytest.param(failures("12"), foreign("'12'"), id="not-in-the-batch"),
        pytest.param(failures(10), foreign("10"), id="number"),
        pytest.param(failures(["10"]), foreign("['10']"), id="list"),
        pytest.param(b'{"batchItemFailures":["10"]}', foreign("None"), id="bare"),
        pytest.param(failures("10", ""), foreign("''"), id="one-bad-spoils-all"),
        pytest.param(b"[", Failed("the response is not valid JSON"), id="not-json"),
        pytest.param(b"1", Failed("the response is not a JSON object"), id="scalar"),
        pytest.param(
            b'{"batchItemFailures":{}}', Failed("batchItemFailures is not a list"), id="object"
        ),
    ],
)
def test_stream_response_that_names_no_record_fails_the_batch(
    payload: bytes, expected: Failed
) -> None:
    assert parse_stream_response(payload, BATCH) == expected


def test_stream_response_to_an_empty_batch_can_name_nothing() -> None:
    final = StreamBatch(1, 0, ())

    assert parse_stream_response(failures("9"), final) == foreign("'9'")


@given(st.binary())
def test_stream_response_of_any_bytes_is_one_of_three(payload: bytes) -> None:
    outcome = parse_stream_response(payload, BATCH)

    assert isinstance(outcome, Succeeded | StreamPartial | Failed)


@given(json_values)
def test_stream_response_of_any_json_under_the_key_is_one_of_three(value: Any) -> None:
    payload = json.dumps({"batchItemFailures": value}).encode()

    outcome = parse_stream_response(payload, BATCH)

    is_success = value is None or value == []
    assert outcome == Succeeded() if is_success else isinstance(outcome, Failed)


@given(st.lists(st.sampled_from(["9", "10", "11"]), min_size=1))
def test_stream_response_retries_from_the_lowest_number(failed: list[str]) -> None:
    outcome = parse_stream_response(failures(*failed), BATCH)

    assert outcome == StreamPartial(min(map(int, failed)) - 9)
