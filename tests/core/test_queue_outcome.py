"""What an ended invocation means for its batch."""

import pytest
from builders import batch, grouped
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.queue_contract import (
    InvocationEnded,
    InvocationFailed,
    InvocationPartiallyFailed,
    InvocationSucceeded,
)
from penstock.core.queue_outcome import queue_outcome
from penstock.model.failure import InvocationTrace
from penstock.model.function import FunctionResult
from penstock.model.message import MessageBatch

RUN = InvocationTrace(executed_version="$LATEST")
RAISED = InvocationTrace(executed_version="$LATEST", function_error="Unhandled")
PARTIAL = b'{"batchItemFailures":[{"itemIdentifier":"m2"}]}'


def outcome_of(result: FunctionResult, *, report: bool) -> InvocationEnded:
    """Judge batch 1 of three messages."""
    return queue_outcome(result, batch(1, 3), report_batch_item_failures=report)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"null", id="null"),
        pytest.param(PARTIAL, id="named-failures"),
        pytest.param(b'{"batchItemFailures":[{"foo":"x"}]}', id="bad-failures"),
        pytest.param(b"not json", id="not-json"),
    ],
)
def test_outcome_without_the_flag_ignores_the_response(payload: bytes) -> None:
    assert outcome_of(FunctionResult(payload), report=False) == InvocationSucceeded(batch(1, 3))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"{}", InvocationSucceeded(batch(1, 3)), id="all-done"),
        pytest.param(
            PARTIAL,
            InvocationPartiallyFailed(batch(1, 3), frozenset({"m2"}), RUN, PARTIAL),
            id="partial",
        ),
        pytest.param(
            b"oops",
            InvocationFailed(batch(1, 3), "the response is not valid JSON", RUN, b"oops"),
            id="unreadable",
        ),
    ],
)
def test_outcome_with_the_flag_reads_the_response(
    payload: bytes, expected: InvocationEnded
) -> None:
    assert outcome_of(FunctionResult(payload), report=True) == expected


@pytest.mark.parametrize("report", [pytest.param(True, id="flag"), pytest.param(False, id="no")])
def test_outcome_of_a_function_error_fails_the_batch(*, report: bool) -> None:
    result = FunctionResult(PARTIAL, function_error="Unhandled")

    outcome = outcome_of(result, report=report)

    reason = "the function failed without a message"
    assert outcome == InvocationFailed(batch(1, 3), reason, RAISED, PARTIAL)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(
            b'{"errorMessage":"no stock","errorType":"ValueError","stackTrace":[]}',
            "ValueError: no stock",
            id="type-and-message",
        ),
        pytest.param(b'{"errorMessage":"Task timed out"}', "Task timed out", id="message-only"),
        pytest.param(b'{"errorType":"Runtime.ExitError"}', "Runtime.ExitError", id="type-only"),
        pytest.param(
            b'{"errorMessage":null,"errorType":"KeyError"}', "KeyError", id="null-message"
        ),
        pytest.param(
            b"Segmentation fault",
            "the function failed, and its error is not an error object",
            id="not-json",
        ),
        pytest.param(
            b"\xff", "the function failed, and its error is not an error object", id="not-utf8"
        ),
        pytest.param(
            b"[" * 100_000,
            "the function failed, and its error is not an error object",
            id="too-deep",
        ),
        pytest.param(
            b'{"errorMessage":"%b"}' % (b"x" * 9_000), "x" * 500, id="cut-to-what-a-log-takes"
        ),
    ],
)
def test_outcome_of_a_function_error_says_why(payload: bytes, reason: str) -> None:
    result = FunctionResult(payload, function_error="Unhandled")

    expected = InvocationFailed(batch(1, 3), reason, RAISED, payload)
    assert outcome_of(result, report=True) == expected


@given(payload=st.binary(), report=st.booleans(), function_error=st.none() | st.just("Unhandled"))
def test_outcome_of_any_response_is_an_ended_invocation(
    payload: bytes, *, report: bool, function_error: str | None
) -> None:
    outcome = outcome_of(FunctionResult(payload, function_error), report=report)

    assert outcome.batch == batch(1, 3)


@pytest.mark.parametrize(
    ("fifo_strict", "expected"),
    [
        pytest.param(False, frozenset({"a1"}), id="as-reported"),
        pytest.param(True, frozenset({"a1", "a2"}), id="strict-with-later-ones-of-the-group"),
    ],
)
def test_outcome_of_a_strict_mapping_fails_what_follows_in_the_group(
    *, fifo_strict: bool, expected: frozenset[str]
) -> None:
    payload = b'{"batchItemFailures":[{"itemIdentifier":"a1"}]}'
    given = MessageBatch(1, grouped("a1 b1 a2"))

    outcome = queue_outcome(
        FunctionResult(payload), given, report_batch_item_failures=True, fifo_strict=fifo_strict
    )

    assert outcome == InvocationPartiallyFailed(given, expected, RUN, payload)
