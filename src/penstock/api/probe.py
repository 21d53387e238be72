"""A look at a mapping's source before it is created or changed, or polling begins.

Source: recorded answers of AWS; the texts on permissions: docs/semantics.md#the-api
"""

from penstock.api.errors import ROLE_NOT_ASSUMED, SERVICE, ApiError, invalid_parameter
from penstock.api.queue_rules import check_options
from penstock.core.queue_options import MAX_RECEIVE_COUNT, ON_FAILURE
from penstock.model.arn import invoke_identity_arn
from penstock.model.errors import (
    ConfigurationError,
    SourceAccessDeniedError,
    SourceCredentialsError,
    SourceError,
    SourceNotFoundError,
    SourceRoleError,
)
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import QueueAttributes
from penstock.ports import Sources


async def probe_source(
    sources: Sources, mapping: EventSourceMapping, function: Function | None
) -> None:
    """Look at the source, as AWS does before it answers; nothing is taken from it.

    A DynamoDB stream that takes no more records is good enough: what it holds can be read.

    Args:
        sources: Open it.
        mapping: Names it; its options have been checked.
        function: Will run for it; None: it was deleted since.

    Raises:
        ApiError: It is not there, cannot be read, or does not suit the function or the options.
    """
    arn = mapping.event_source_arn
    try:
        if mapping.stream_kind is None:
            _check_queue(await _describe_queue(sources, mapping), mapping, function)
        else:
            role = function.role if function else None
            identity_arn = invoke_identity_arn(mapping.scope, arn, role=role)
            stream = await sources.open_stream(
                arn, function_arn=mapping.function_arn, invoke_identity_arn=identity_arn
            )
            await stream.describe()
    except (SourceError, ConfigurationError) as exc:
        raise _refusal(exc, mapping) from exc


async def _describe_queue(sources: Sources, mapping: EventSourceMapping) -> QueueAttributes:
    """Look at a queue.

    Raises:
        ApiError: One of the two calls is not allowed; it is named.
    """
    action = "GetQueueUrl"
    try:
        queue = await sources.open_queue(
            mapping.event_source_arn, function_arn=mapping.function_arn
        )
        action = "GetQueueAttributes"
        return await queue.describe()
    except SourceCredentialsError:
        raise
    except SourceAccessDeniedError as exc:
        raise invalid_parameter(
            f"The provided execution role does not have permissions to call {action} on SQS"
        ) from exc


def _check_queue(
    queue: QueueAttributes, mapping: EventSourceMapping, function: Function | None
) -> None:
    options = check_options(mapping)
    if function is not None and options.heartbeat_s is None:
        _check_visibility(queue, function)
    if options.on_failure_arn is not None:
        _check_last_receive(queue, options.max_receive_count)


def _check_visibility(queue: QueueAttributes, function: Function) -> None:
    """Refuse a queue that would show a message again while the function may still run on it.

    A heartbeat keeps a message hidden for as long as that takes.

    Raises:
        ApiError: The function's timeout is longer than the queue's visibility timeout.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    if function.timeout_s > queue.visibility_timeout_s:
        raise invalid_parameter(
            f"Queue visibility timeout: {queue.visibility_timeout_s} seconds is less than "
            f"Function timeout: {function.timeout_s} seconds"
        )


def _check_last_receive(queue: QueueAttributes, maximum: int | None) -> None:
    """Refuse an on-failure destination that nothing would ever reach.

    Args:
        queue: It moves a message to its dead-letter queue after its own maxReceiveCount.
        maximum: The mapping's tag; None without it.

    Source: docs/semantics.md#options
    """
    if maximum is None and queue.max_receive_count is None:
        raise invalid_parameter(
            f"The tag {ON_FAILURE} needs to know which failure is a message's last: the queue has "
            f"no redrive policy; set the tag {MAX_RECEIVE_COUNT}"
        )
    if maximum is not None and maximum > (queue.max_receive_count or maximum):
        raise invalid_parameter(
            f"The tag {MAX_RECEIVE_COUNT} is {maximum}, and the queue's redrive policy moves "
            f"messages away after {queue.max_receive_count} receives: nothing would reach the "
            f"destination of {ON_FAILURE}"
        )


def _refusal(error: SourceError | ConfigurationError, mapping: EventSourceMapping) -> ApiError:
    """Say what a failed look at the source means to the caller."""
    arn, is_queue = mapping.event_source_arn, mapping.stream_kind is None
    match error:
        case SourceNotFoundError():
            return invalid_parameter(_QUEUE_MISSING if is_queue else f"Stream not found: {arn}")
        case SourceRoleError():
            return invalid_parameter(ROLE_NOT_ASSUMED)
        case SourceCredentialsError() | ConfigurationError():
            return invalid_parameter(str(error))
        case SourceAccessDeniedError():
            return invalid_parameter(_stream_denied(arn))
        case _:
            noun = "queue" if is_queue else "stream"
            return ApiError(SERVICE, f"The {noun} {arn} could not be read: {error}")


_QUEUE_MISSING = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue."
    " SQS Error Message: The specified queue does not exist."
)


def _stream_denied(arn: str) -> str:
    return (
        f"Cannot access stream {arn}. Please ensure the role can perform the GetRecords, "
        "GetShardIterator, DescribeStream, ListShards, and ListStreams Actions on your stream in "
        "IAM."
    )
