"""What an ended invocation means for its batch of records."""

from typing import assert_never

import msgspec

from penstock.core.function_error import error_text
from penstock.core.response import Failed, StreamPartial, Succeeded, parse_stream_response
from penstock.core.shard_contract import (
    InvocationFailed,
    InvocationPartiallyFailed,
    InvocationSucceeded,
)
from penstock.model.failure import InvocationTrace
from penstock.model.function import FunctionResult
from penstock.model.stream import StreamBatch

_NO_STATE = msgspec.Raw(b"")
_OPENING = b"{"[0]
_EMPTY_STATE = b"{}"


class _WindowResponse(msgspec.Struct):
    state: msgspec.Raw = _NO_STATE


def stream_outcome(
    result: FunctionResult,
    batch: StreamBatch,
    *,
    report_batch_item_failures: bool,
    has_window: bool,
) -> InvocationSucceeded | InvocationPartiallyFailed | InvocationFailed:
    """Judge a batch by what its function returned.

    Without ReportBatchItemFailures whatever a function returns without an error is a success. In a
    tumbling window it must return the window's state, with or without failures:
    ``{"state": {..}}``.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html and
        docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
    """
    trace = InvocationTrace(result.request_id, result.executed_version, result.function_error)
    if result.function_error is not None:
        return InvocationFailed(batch, error_text(result.payload), trace)
    state = _state_in(result.payload) if has_window else _EMPTY_STATE
    if state is None:
        return InvocationFailed(batch, 'the response has no object "state"', trace)
    if not report_batch_item_failures:
        return InvocationSucceeded(batch, state)
    response = parse_stream_response(result.payload, batch)
    match response:
        case Succeeded():
            return InvocationSucceeded(batch, state)
        case StreamPartial(failed_index):
            return InvocationPartiallyFailed(batch, failed_index, trace, state)
        case Failed(reason):
            return InvocationFailed(batch, reason, trace)
        case _:
            assert_never(response)


def _state_in(payload: bytes) -> bytes | None:
    """Find a window's state, as it was written; None when there is no object ``state``."""
    try:
        payload.decode()  # it goes into the next event unread
        state = msgspec.json.decode(payload, type=_WindowResponse).state
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return bytes(state) if state and memoryview(state)[0] == _OPENING else None
