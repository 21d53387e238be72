"""What an ended invocation means for its batch."""

from typing import assert_never

import msgspec

from penstock.core.queue_contract import (
    InvocationFailed,
    InvocationPartiallyFailed,
    InvocationSucceeded,
)
from penstock.core.response import Failed, Partial, Succeeded, parse_queue_response
from penstock.model.function import FunctionResult
from penstock.model.message import MessageBatch

_REASON_CHARS_MAX = 500


class _FunctionError(msgspec.Struct, rename="camel"):
    error_type: str | None = None
    error_message: str | None = None


def queue_outcome(
    result: FunctionResult, batch: MessageBatch, *, report_batch_item_failures: bool
) -> InvocationSucceeded | InvocationPartiallyFailed | InvocationFailed:
    """Judge a batch by what its function returned.

    Without ReportBatchItemFailures whatever a function returns without an error is a success, even
    a response that names failures; an error of the function fails the batch with or without it.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if result.function_error is not None:
        return InvocationFailed(batch, _error_text(result.payload))
    if not report_batch_item_failures:
        return InvocationSucceeded(batch)
    response = parse_queue_response(result.payload, batch)
    match response:
        case Succeeded():
            return InvocationSucceeded(batch)
        case Partial(failed):
            return InvocationPartiallyFailed(batch, failed)
        case Failed(reason):
            return InvocationFailed(batch, reason)
        case _:
            assert_never(response)


def _error_text(payload: bytes) -> str:
    try:
        error = msgspec.json.decode(payload, type=_FunctionError)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "the function failed, and its error is not an error object"
    text = ": ".join(part for part in (error.error_type, error.error_message) if part)
    return text[:_REASON_CHARS_MAX] or "the function failed without a message"
