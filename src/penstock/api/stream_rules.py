"""The rules of stream mappings that the model cannot say.

Texts that were recorded are AWS's own; where a rule is documented without one, the text is ours
(docs/semantics.md#the-api).

Source: recorded answers of AWS, unless a rule names another.
"""

import re

from penstock.api.errors import ApiError, invalid_parameter
from penstock.api.wire import MappingRequest
from penstock.model.arn import Arn, parse_arn
from penstock.model.errors import ConfigurationError
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StartingPosition, StreamKind

RECORD_AGE_S_MIN = 60
METRICS_OF_STREAMS = ("EventCount",)


def check_stream_request(request: MappingRequest) -> None:
    """Hold what a Create or an Update gives against the rules of single members.

    Raises:
        ApiError: A destination, a record age or a metric that cannot be.
    """
    _check_destinations(request)
    age_s = request.maximum_record_age_in_seconds
    if age_s is not None and 0 <= age_s < RECORD_AGE_S_MIN:
        # Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
        raise invalid_parameter(
            f"MaximumRecordAgeInSeconds must be -1 or from {RECORD_AGE_S_MIN} to 604800, not "
            f"{age_s}"
        )
    metrics = request.metrics_config.metrics if request.metrics_config is not None else None
    for metric in metrics or ():
        if metric not in METRICS_OF_STREAMS:
            # Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
            raise invalid_parameter(
                f"The metric {metric} is of Kafka sources; a stream has "
                f"{', '.join(METRICS_OF_STREAMS)}"
            )


def check_starting_position(mapping: EventSourceMapping, *, now_ms: int) -> None:
    """Refuse a new mapping that does not say where to start, or where it cannot.

    Raises:
        ApiError: No StartingPosition, one that the source lacks, or a timestamp that does not fit.
    """
    position, timestamp_ms = mapping.starting_position, mapping.starting_timestamp_ms
    if position is None:
        raise invalid_parameter(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
            "constraint: Member must not be null."
        )
    is_at_timestamp = position is StartingPosition.AT_TIMESTAMP
    if is_at_timestamp and mapping.stream_kind is StreamKind.DYNAMODB:
        raise invalid_parameter(
            f"Unsupported starting position for arn type: {mapping.event_source_arn}"
        )
    # Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    if is_at_timestamp and timestamp_ms is None:
        raise invalid_parameter("StartingPosition AT_TIMESTAMP needs a StartingPositionTimestamp")
    if not is_at_timestamp and timestamp_ms is not None:
        raise invalid_parameter(
            "StartingPositionTimestamp belongs to StartingPosition AT_TIMESTAMP, not to "
            f"{position.value}"
        )
    if timestamp_ms is not None and timestamp_ms > now_ms:
        raise invalid_parameter("StartingPositionTimestamp cannot be in the future")


def check_combination(mapping: EventSourceMapping) -> None:
    """Refuse options that AWS defines one by one and not together.

    Raises:
        ApiError: A tumbling window with parallel lanes: whose state would be whose?

    Source: docs/semantics.md#the-api
    """
    if mapping.tumbling_window_s > 0 and mapping.parallelization_factor > 1:
        raise invalid_parameter(
            "TumblingWindowInSeconds and a ParallelizationFactor above 1 exclude each other in "
            "Penstock: AWS does not define the window's state for parallel batches of one shard"
        )


def _check_destinations(request: MappingRequest) -> None:
    config = request.destination_config
    if config is None:
        return
    if config.on_success is not None and config.on_success.destination:
        raise invalid_parameter(
            "Unsupported DestinationConfig parameter for given event source mapping type."
        )
    destination = config.on_failure.destination if config.on_failure is not None else None
    if destination:
        _check_destination(destination)


_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def _check_destination(text: str) -> None:
    """Refuse what is no standard queue, no standard topic and no bucket.

    Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    try:
        arn = parse_arn(text)
    except ConfigurationError as exc:  # kafka:// is the other form that the model lets through
        raise _unusable_destination(text) from exc
    if arn.service in ("sqs", "sns") and arn.resource.endswith(".fifo"):
        raise invalid_parameter(
            f"The destination {text} is FIFO; only standard queues and topics can be destinations"
        )
    if not _is_destination(arn):
        raise _unusable_destination(text)


def _is_destination(arn: Arn) -> bool:
    has_place = bool(arn.region and arn.account)
    match arn.service:
        case "sqs":
            return has_place and _QUEUE_NAME.fullmatch(arn.resource) is not None
        case "sns":
            return has_place and _TOPIC_NAME.fullmatch(arn.resource) is not None
        case "s3":
            is_global = not arn.region and not arn.account
            return is_global and _BUCKET_NAME.fullmatch(arn.resource) is not None
        case _:
            return False


def _unusable_destination(text: str) -> ApiError:
    return invalid_parameter(
        f"The destination {text} cannot take failed records: give the ARN of a standard SQS queue, "
        "a standard SNS topic, or an S3 bucket (arn:aws:s3:::NAME)"
    )
