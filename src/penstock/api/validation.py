"""The rules of Create and Update that the model cannot say, each with AWS's own text.

Parameters of SQS that this version lacks are refused, never accepted and ignored; so are sources
it lacks. The order of the checks is the one observed on AWS (``operations.py`` keeps it).

Source: recorded answers of AWS, unless a rule names another.
"""

import re
from collections.abc import Mapping

from penstock.api.errors import ApiError, invalid_parameter
from penstock.model.arn import Scope, parse_arn
from penstock.model.errors import (
    ConfigurationError,
    PenstockError,
    SourceAccessDeniedError,
    SourceCredentialsError,
    SourceNotFoundError,
)
from penstock.model.function import Function
from penstock.model.message import QueueAttributes

BATCH_SIZE_WITHOUT_WINDOW_MAX = 10
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}(\.fifo)?")

_IMPLEMENTED = {
    "BatchSize",
    "Enabled",
    "EventSourceArn",
    "FunctionName",
    "FunctionResponseTypes",
    "ScalingConfig",
    "Tags",
}
# AWS has these for SQS and this version does not; the values say "none" or "the default".
_NOT_YET: dict[str, tuple[object, ...]] = {
    "FilterCriteria": ({}, {"Filters": []}, {"Filters": None}),
    "KMSKeyArn": ("",),
    "MaximumBatchingWindowInSeconds": (0,),
    "MetricsConfig": ({}, {"Metrics": []}),
    "ProvisionedPollerConfig": (),
}
_OTHER_SOURCES = {
    "dynamodb": "DynamoDB Streams",
    "kafka": "Amazon MSK",
    "kinesis": "Kinesis",
    "mq": "Amazon MQ",
    "rds": "DocumentDB",
}


def check_source(request: Mapping[str, object], scope: Scope) -> str:
    """Give the ARN of the standard queue that a Create names.

    Raises:
        ApiError: None is named, or it is no standard queue of the request's region.
    """
    if request.get("SelfManagedEventSource") is not None:
        raise _source_not_implemented("Self-managed Kafka sources")
    text = request.get("EventSourceArn")
    if not isinstance(text, str):
        raise invalid_parameter("Unrecognized event source.")
    try:
        arn = parse_arn(text)
    except ConfigurationError as exc:
        raise invalid_parameter("Unrecognized event source.") from exc
    if arn.service in _OTHER_SOURCES:
        raise _source_not_implemented(f"{_OTHER_SOURCES[arn.service]} sources")
    if arn.service != "sqs":
        raise invalid_parameter("Unrecognized event source.")
    if not arn.region or not arn.account or not _QUEUE_NAME.fullmatch(arn.resource):
        raise invalid_parameter(
            f"{text} is not a queue's ARN; the form is arn:aws:sqs:REGION:ACCOUNT:NAME"
        )
    if arn.resource.endswith(".fifo"):
        raise _source_not_implemented("FIFO queues")
    if arn.region != scope.region:
        # Source: docs.aws.amazon.com/lambda/latest/dg/with-sqs.html (same region)
        raise invalid_parameter(
            f"The event source {text} is in region {arn.region}, the function in {scope.region}; "
            "both must be in the same region."
        )
    return text


def check_is_implemented(request: Mapping[str, object]) -> None:
    """Refuse parameters that AWS refuses for SQS, and those this version lacks.

    Raises:
        ApiError: A parameter has no effect here.
    """
    for name, value in request.items():
        if value is None or name in _IMPLEMENTED:
            continue
        if name == "DestinationConfig":
            raise invalid_parameter(
                "Unsupported DestinationConfig parameter for given event source mapping type."
            )
        if name not in _NOT_YET:
            camel = name[0].lower() + name[1:]
            raise invalid_parameter(
                f"Unsupported '{camel}' parameter for given event source mapping type."
            )
        if value not in _NOT_YET[name]:
            raise invalid_parameter(
                f"This version of Penstock does not implement {name} yet; for SQS it has "
                f"{', '.join(sorted(_IMPLEMENTED))}, with a BatchSize of 1 to 10."
            )


def check_batch_size(batch_size: int | None) -> None:
    """Refuse a batch that only a batching window could fill.

    Raises:
        ApiError: More than 10 messages.
    """
    if batch_size is not None and batch_size > BATCH_SIZE_WITHOUT_WINDOW_MAX:
        raise invalid_parameter(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )


def check_visibility(queue: QueueAttributes, function: Function) -> None:
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


def probe_error(error: PenstockError) -> ApiError | None:
    """Say what a failed look at the queue means to the caller; None: a fault of the service.

    Source: recorded answers of AWS; the permission's text: aws-cdk issue 6770.
    """
    match error:
        case SourceNotFoundError():
            return invalid_parameter(
                "Error occurred while ReceiveMessage. SQS Error Code: "
                "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue "
                "does not exist."
            )
        case SourceCredentialsError():
            return invalid_parameter(str(error))
        case SourceAccessDeniedError():
            return invalid_parameter(
                "The provided execution role does not have permissions to call ReceiveMessage on "
                "SQS"
            )
        case ConfigurationError():
            return invalid_parameter(str(error))
        case _:
            return None


def _source_not_implemented(what: str) -> ApiError:
    return invalid_parameter(
        f"{what} are not implemented in this version of Penstock; standard SQS queues are."
    )
