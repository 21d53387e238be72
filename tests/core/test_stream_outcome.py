"""What a function's answer means for its batch of records."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.shard_contract import (
    InvocationEnded,
    InvocationFailed,
    InvocationPartiallyFailed,
    InvocationSucceeded,
)
from penstock.core.stream_outcome import stream_outcome
from penstock.model.failure import InvocationTrace
from penstock.model.function import FunctionResult
from penstock.model.stream import StreamBatch, StreamRecord

BATCH = StreamBatch(1, 0, tuple(StreamRecord(str(n), b"k", 0, b"{}") for n in (9, 10, 11)))
TRACE = InvocationTrace("r1", "$LATEST", None)
PARTIAL = b'{"batchItemFailures":[{"itemIdentifier":"10"}]}'
NO_STATE = InvocationFailed(BATCH, 'the response has no object "state"', TRACE)


def outcome_of(
    payload: bytes, *, error: str | None = None, report: bool = False, has_window: bool = False
) -> InvocationEnded:
    result = FunctionResult(payload, error, request_id="r1")
    return stream_outcome(result, BATCH, report_batch_item_failures=report, has_window=has_window)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"null", id="null"),
        pytest.param(PARTIAL, id="named-failures"),
        pytest.param(b"not json", id="not-json"),
    ],
)
def test_outcome_without_the_flag_ignores_the_response(payload: bytes) -> None:
    assert outcome_of(payload) == InvocationSucceeded(BATCH)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"{}", InvocationSucceeded(BATCH), id="all-done"),
        pytest.param(PARTIAL, InvocationPartiallyFailed(BATCH, 1, TRACE), id="partial"),
        pytest.param(
            b"oops",
            InvocationFailed(BATCH, "the response is not valid JSON", TRACE),
            id="unreadable",
        ),
    ],
)
def test_outcome_with_the_flag_reads_the_response(
    payload: bytes, expected: InvocationEnded
) -> None:
    assert outcome_of(payload, report=True) == expected


def test_outcome_of_a_function_error_says_why_and_which_invocation() -> None:
    outcome = outcome_of(b'{"errorType":"ValueError","errorMessage":"no"}', error="Unhandled")

    trace = InvocationTrace("r1", "$LATEST", "Unhandled")
    assert outcome == InvocationFailed(BATCH, "ValueError: no", trace)


@pytest.mark.parametrize(
    ("payload", "state"),
    [
        pytest.param(b'{"state":{}}', b"{}", id="empty"),
        pytest.param(b'{ "state" : {"n": 1e2,"n":2} }', b'{"n": 1e2,"n":2}', id="as-written"),
        pytest.param(b'{"x":1,"state":{"a":[{}]}}', b'{"a":[{}]}', id="beside-others"),
    ],
)
def test_outcome_in_a_window_keeps_the_state_as_it_was_written(
    payload: bytes, state: bytes
) -> None:
    assert outcome_of(payload, has_window=True) == InvocationSucceeded(BATCH, state)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="no-body"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no-state"),
        pytest.param(b'{"state":null}', id="null-state"),
        pytest.param(b'{"state":[1]}', id="list-state"),
        pytest.param(b'{"state":"x"}', id="text-state"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"oops", id="not-json"),
        pytest.param(b'{"state":{"a":"\xff"}}', id="not-utf8"),
        pytest.param(b'{"state":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, id="too-deep"),
    ],
)
def test_outcome_in_a_window_without_state_fails(payload: bytes) -> None:
    assert outcome_of(payload, has_window=True, report=True) == NO_STATE


def test_outcome_in_a_window_keeps_the_state_of_a_partial_response() -> None:
    payload = b'{"state":{"sum":3},"batchItemFailures":[{"itemIdentifier":"11"}]}'

    outcome = outcome_of(payload, has_window=True, report=True)

    assert outcome == InvocationPartiallyFailed(BATCH, 2, TRACE, b'{"sum":3}')


@given(
    payload=st.binary(),
    flags=st.fixed_dictionaries(
        {},
        optional={
            "error": st.just("Unhandled"),
            "report": st.booleans(),
            "has_window": st.booleans(),
        },
    ),
)
def test_outcome_of_any_response_is_an_ended_invocation(
    payload: bytes, flags: dict[str, Any]
) -> None:
    assert outcome_of(payload, **flags).batch == BATCH
