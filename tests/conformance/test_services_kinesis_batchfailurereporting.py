"""Rules of docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html.

The DynamoDB page, services-ddb-batchfailurereporting.html, has the same rules. The values are the
recorded ones of AWS, for both.
"""

import pytest

from penstock.core import shard_contract as s
from penstock.core.stream_outcome import stream_outcome
from penstock.model.failure import InvocationTrace
from penstock.model.function import FunctionResult
from penstock.model.stream import StreamBatch, StreamRecord

FIRST = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
BATCH = StreamBatch(1, 0, tuple(StreamRecord(str(FIRST + n), b"k", 0, b"{}") for n in range(3)))


def outcome_of(payload: bytes, *, function_error: str | None = None) -> s.InvocationEnded:
    result = FunctionResult(payload, function_error)
    return stream_outcome(result, BATCH, report_batch_item_failures=True, has_window=False)


def naming(*indexes: int) -> bytes:
    entries = ",".join(f'{{"itemIdentifier":"{FIRST + index}"}}' for index in indexes)
    return f'{{"batchItemFailures":[{entries}]}}'.encode()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'""', id="empty-string"),
        pytest.param(b"[]", id="empty-list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="empty-object"),
        pytest.param(b'{"batchItemFailures":[]}', id="empty-failures"),
        pytest.param(b'{"batchItemFailures":null}', id="null-failures"),
        pytest.param(b"", id="no-body"),
    ],
)
def test_batch_is_a_complete_success(payload: bytes) -> None:
    """A batch is a complete success for: an empty list, a null list, an empty or null response."""
    assert outcome_of(payload) == s.InvocationSucceeded(BATCH)


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(b'{"itemIdentifier":123}', id="number"),
        pytest.param(b'{"itemIdentifier":"123"}', id="unknown"),
        pytest.param(b'{"itemIdentifier":""}', id="empty-string"),
        pytest.param(b'{"itemIdentifier":null}', id="null"),
        pytest.param(b'{"foo":123}', id="wrong-key"),
        pytest.param(b'{"foo":null}', id="wrong-key-null"),
    ],
)
def test_batch_is_a_complete_failure(entry: bytes) -> None:
    """A batch is a complete failure for an empty, a null, or a wrongly named itemIdentifier."""
    outcome = outcome_of(b'{"batchItemFailures":[%b]}' % entry)

    assert isinstance(outcome, s.InvocationFailed)
    assert outcome.trace == InvocationTrace("", "$LATEST", None)


def test_batch_whose_function_raised_is_a_complete_failure() -> None:
    """A batch is a complete failure for an exception, whatever was reported."""
    outcome = outcome_of(naming(2), function_error="Unhandled")

    assert isinstance(outcome, s.InvocationFailed)


@pytest.mark.parametrize(
    ("indexes", "lowest"),
    [
        pytest.param((1,), 1, id="one"),
        pytest.param((2, 1), 1, id="several"),
        pytest.param((0, 2), 0, id="the-first"),
    ],
)
def test_lowest_sequence_number_is_the_checkpoint(indexes: tuple[int, ...], lowest: int) -> None:
    """With several failures, Lambda uses the lowest sequence number as the checkpoint."""
    outcome = outcome_of(naming(*indexes))

    trace = InvocationTrace("", "$LATEST", None)
    assert outcome == s.InvocationPartiallyFailed(BATCH, lowest, trace)


def test_response_is_ignored_without_the_flag() -> None:
    """To turn partial responses on, FunctionResponseTypes must hold ReportBatchItemFailures."""
    result = FunctionResult(naming(1))

    ended = stream_outcome(result, BATCH, report_batch_item_failures=False, has_window=False)

    assert ended == s.InvocationSucceeded(BATCH)
