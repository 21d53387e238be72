"""A look at a mapping's source before it is created, its function changes, or polling begins.

Source: recorded answers of AWS; the texts on permissions: docs/semantics.md#the-api
"""

from penstock.api.errors import SERVICE, ApiError, invalid_parameter
from penstock.model.arn import invoke_identity_arn
from penstock.model.errors import (
    ConfigurationError,
    SourceAccessDeniedError,
    SourceCredentialsError,
    SourceError,
    SourceNotFoundError,
)
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import QueueAttributes
from penstock.ports import Sources


async def probe_source(sources: Sources, mapping: EventSourceMapping, function: Function) -> None:
    """Look at the source, as AWS does before it answers; nothing is taken from it.

    A DynamoDB stream that takes no more records is good enough: what it holds can be read.

    Args:
        sources: Open it.
        mapping: Names it.
        function: Will run for it.

    Raises:
        ApiError: It is not there, cannot be read, or does not suit the function.
    """
    arn = mapping.event_source_arn
    try:
        if mapping.stream_kind is None:
            queue = await sources.open_queue(arn)
            _check_visibility(await queue.describe(), function)
        else:
            identity_arn = invoke_identity_arn(mapping.scope, arn)
            stream = await sources.open_stream(arn, invoke_identity_arn=identity_arn)
            await stream.describe()
    except (SourceError, ConfigurationError) as exc:
        raise _refusal(exc, mapping) from exc


def _check_visibility(queue: QueueAttributes, function: Function) -> None:
    """Refuse a queue that would show a message again while the function may still run on it.

    Raises:
        ApiError: The function's timeout is longer than the queue's visibility timeout.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    if function.timeout_s > queue.visibility_timeout_s:
        raise invalid_parameter(
            f"Queue visibility timeout: {queue.visibility_timeout_s} seconds is less than "
            f"Function timeout: {function.timeout_s} seconds"
        )


def _refusal(error: SourceError | ConfigurationError, mapping: EventSourceMapping) -> ApiError:
    """Say what a failed look at the source means to the caller."""
    arn, is_queue = mapping.event_source_arn, mapping.stream_kind is None
    match error:
        case SourceNotFoundError():
            return invalid_parameter(_QUEUE_MISSING if is_queue else f"Stream not found: {arn}")
        case SourceCredentialsError() | ConfigurationError():
            return invalid_parameter(str(error))
        case SourceAccessDeniedError():
            return invalid_parameter(_QUEUE_DENIED if is_queue else _stream_denied(arn))
        case _:
            noun = "queue" if is_queue else "stream"
            return ApiError(SERVICE, f"The {noun} {arn} could not be read: {error}")


_QUEUE_MISSING = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue."
    " SQS Error Message: The specified queue does not exist."
)
_QUEUE_DENIED = (
    "The provided execution role does not have permissions to call ReceiveMessage on SQS"
)


def _stream_denied(arn: str) -> str:
    return (
        f"Cannot access stream {arn}. Please ensure the role can perform the GetRecords, "
        "GetShardIterator, DescribeStream, ListShards, and ListStreams Actions on your stream in "
        "IAM."
    )
