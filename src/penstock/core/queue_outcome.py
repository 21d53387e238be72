"""What an ended invocation means for its batch."""

from typing import assert_never

from penstock.core.function_error import error_text
from penstock.core.message_groups import with_later_of_group
from penstock.core.queue_contract import (
    InvocationFailed,
    InvocationPartiallyFailed,
    InvocationSucceeded,
)
from penstock.core.response import Failed, Partial, Succeeded, parse_queue_response
from penstock.model.failure import InvocationTrace
from penstock.model.function import FunctionResult
from penstock.model.message import MessageBatch


def queue_outcome(
    result: FunctionResult,
    batch: MessageBatch,
    *,
    report_batch_item_failures: bool,
    fifo_strict: bool = False,
) -> InvocationSucceeded | InvocationPartiallyFailed | InvocationFailed:
    """Judge a batch by what its function returned.

    Without ReportBatchItemFailures whatever a function returns without an error is a success, even
    a response that names failures; an error of the function fails the batch with or without it.

    Args:
        result: What the function returned.
        batch: What it was given.
        report_batch_item_failures: The mapping's FunctionResponseTypes has it.
        fifo_strict: After a group's first failed message, its later ones have failed too.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    payload = result.payload
    if result.function_error is None and not report_batch_item_failures:
        return InvocationSucceeded(batch)
    trace = InvocationTrace(result.request_id, result.executed_version, result.function_error)
    if result.function_error is not None:
        return InvocationFailed(batch, error_text(payload), trace, payload)
    response = parse_queue_response(payload, batch)
    match response:
        case Succeeded():
            return InvocationSucceeded(batch)
        case Partial(failed):
            if fifo_strict:
                failed = with_later_of_group(failed, batch.messages)
            return InvocationPartiallyFailed(batch, failed, trace, payload)
        case Failed(reason):
            return InvocationFailed(batch, reason, trace, payload)
        case _:
            assert_never(response)
