"""The rules of stream mappings that the model cannot say.

Texts that were recorded are AWS's own; where a rule is documented without one, the text is ours
(docs/semantics.md#the-api).

Source: recorded answers of AWS, unless a rule names another.
"""

from penstock.api.errors import invalid_parameter
from penstock.api.wire import MappingRequest
from penstock.model.destination import check_destination
from penstock.model.errors import ConfigurationError
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StartingPosition, StreamKind

RECORD_AGE_S_MIN = 60


def check_stream_request(request: MappingRequest) -> None:
    """Hold what a Create or an Update gives against the rules of single members.

    Raises:
        ApiError: A destination or a record age that cannot be.
    """
    _check_destinations(request)
    age_s = request.maximum_record_age_in_seconds
    if age_s is not None and 0 <= age_s < RECORD_AGE_S_MIN:
        # Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
        raise invalid_parameter(
            f"MaximumRecordAgeInSeconds must be -1 or from {RECORD_AGE_S_MIN} to 604800, not "
            f"{age_s}"
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
        raise invalid_parameter("Need to specify a timestamp")
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
    if not destination:
        return
    try:
        check_destination(destination)
    except ConfigurationError as exc:
        raise invalid_parameter(str(exc)) from exc
