"""Which event sources a mapping may have, by their ARNs.

Source: recorded answers of AWS; docs.aws.amazon.com/lambda/latest/api/
API_CreateEventSourceMapping.html, EventSourceArn
"""

import re
from collections.abc import Mapping

import msgspec

from penstock.api.errors import ApiError, invalid_parameter
from penstock.model.arn import QUEUE_NAME, STREAM_NAME, Arn, Scope, parse_arn
from penstock.model.errors import ConfigurationError
from penstock.model.stream import StreamKind


class EventSource(msgspec.Struct, frozen=True):
    """What a Create names.

    Attributes:
        kind: None for a queue.
    """

    arn: str
    kind: StreamKind | None


_KINESIS_STREAM = re.compile(f"stream/{STREAM_NAME}")
_KINESIS_CONSUMER = re.compile(r"stream/[^/]+/consumer/.+")
_DYNAMODB_STREAM = re.compile(r"table/[a-zA-Z0-9_.-]{1,255}/stream/[^/\s]+")
_OTHER_SOURCES = {"kafka": "Amazon MSK", "mq": "Amazon MQ", "rds": "DocumentDB"}


def check_source(request: Mapping[str, object], scope: Scope) -> EventSource:
    """Give the queue or the stream that a Create names.

    Raises:
        ApiError: None is named, or none that can be read from the request's region.
    """
    if request.get("SelfManagedEventSource") is not None:
        raise _not_implemented("Self-managed Kafka sources")
    text = request.get("EventSourceArn")
    if not isinstance(text, str):
        raise _unrecognized()
    try:
        arn = parse_arn(text)
    except ConfigurationError as exc:
        raise _unrecognized() from exc
    if arn.service in _OTHER_SOURCES:
        raise _not_implemented(f"{_OTHER_SOURCES[arn.service]} sources")
    kind = _kind_of(arn)
    if not arn.region or not arn.account:
        raise invalid_parameter(f"{text} names no region or no account; an event source's ARN does")
    if arn.region != scope.region:
        # Source: docs.aws.amazon.com/lambda/latest/dg/with-sqs.html (same region)
        raise invalid_parameter(
            f"The event source {text} is in region {arn.region}, the function in {scope.region}; "
            "both must be in the same region."
        )
    return EventSource(text, kind)


def _kind_of(arn: Arn) -> StreamKind | None:
    """Tell what the ARN names; None for a queue."""
    match arn.service:
        case "sqs":
            _check_queue(arn)
            return None
        case "kinesis":
            _check_kinesis(arn)
            return StreamKind.KINESIS
        case "dynamodb" if _DYNAMODB_STREAM.fullmatch(arn.resource):
            return StreamKind.DYNAMODB
        case _:  # a table is none either: its stream is
            raise _unrecognized()


def _check_queue(arn: Arn) -> None:
    if not re.fullmatch(QUEUE_NAME, arn.resource):
        raise invalid_parameter(
            f"{arn} is not a queue's ARN; the form is arn:aws:sqs:REGION:ACCOUNT:NAME"
        )


def _check_kinesis(arn: Arn) -> None:
    if _KINESIS_CONSUMER.fullmatch(arn.resource):
        raise invalid_parameter(
            f"{arn} is a consumer with enhanced fan-out, which is not implemented in this version "
            "of Penstock; give the stream's own ARN."
        )
    if not _KINESIS_STREAM.fullmatch(arn.resource):
        raise invalid_parameter(
            f"{arn} is not a stream's ARN; the form is arn:aws:kinesis:REGION:ACCOUNT:stream/NAME"
        )


def _unrecognized() -> ApiError:
    return invalid_parameter("Unrecognized event source.")


def _not_implemented(what: str) -> ApiError:
    return invalid_parameter(
        f"{what} are not implemented in this version of Penstock; SQS queues, Kinesis streams "
        "and DynamoDB streams are."
    )
