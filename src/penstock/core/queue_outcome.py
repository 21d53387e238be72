"""What an ended invocation means for its batch."""

from typing import assert_never

from penstock.core.function_error import error_text
from penstock.core.queue_contract import (
    InvocationFailed,
    InvocationPartiallyFailed,
    InvocationSucceeded,
)
from penstock.core.response import Failed, Partial, Succeeded, parse_queue_response
from penstock.model.function import FunctionResult
from penstock.model.message import MessageBatch


def queue_outcome(
    result: FunctionResult, batch: MessageBatch, *, report_batch_item_failures: bool
) -> InvocationSucceeded | InvocationPartiallyFailed | InvocationFailed:
    """Judge a batch by what its function returned.

    Without ReportBatchItemFailures whatever a function returns without an error is a success, even
    a response that names failures; an error of the function fails the batch with or without it.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if result.function_error is not None:
        return InvocationFailed(batch, error_text(result.payload))
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
