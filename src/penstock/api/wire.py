"""Mappings as Lambda's API spells them, both ways."""

import math
from datetime import datetime

import msgspec

from penstock.api.errors import invalid_parameter
from penstock.model.mapping import EventSourceMapping, ProvisionedPollers
from penstock.model.position import NO_RECORDS_PROCESSED
from penstock.model.stream import StartingPosition

REPORT_BATCH_ITEM_FAILURES = "ReportBatchItemFailures"
_NO_LIMIT = -1  # how the API spells that there is none


class ScalingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A queue mapping's own limit."""

    maximum_concurrency: int | None = None


class ProvisionedPollerConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A queue mapping's own pollers; what is not given has AWS's default."""

    minimum_pollers: int | None = None
    maximum_pollers: int | None = None
    poller_group_name: str | None = None

    def to_pollers(self) -> ProvisionedPollers | None:
        """Give the pollers; None without a number: back to pollers on demand."""
        numbers = {"minimum": self.minimum_pollers, "maximum": self.maximum_pollers}
        given = {name: number for name, number in numbers.items() if number is not None}
        return ProvisionedPollers(**given) if given else None


class Destination(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Where something is sent; None and the empty text: nowhere."""

    destination: str | None = None


class DestinationConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A stream mapping's destinations."""

    on_success: Destination | None = None
    on_failure: Destination | None = None


class MetricsConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The metrics that are asked for."""

    metrics: tuple[str, ...] | None = None


class Filter(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One of a mapping's filters."""

    pattern: str | None = None


class FilterCriteria(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A mapping's filters; none at all: every record matches."""

    filters: tuple[Filter, ...] | None = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """Give the patterns as text; a filter without one has the empty text, which is none."""
        return tuple([each.pattern or "" for each in self.filters or ()])


class MappingRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members of Create and Update that this version implements; None: not given."""

    function_name: str | None = None
    event_source_arn: str | None = None
    enabled: bool | None = None
    batch_size: int | None = None
    scaling_config: ScalingConfig | None = None
    provisioned_poller_config: ProvisionedPollerConfig | None = None
    function_response_types: tuple[str, ...] | None = None
    tags: dict[str, str] | None = None
    maximum_batching_window_in_seconds: int | None = None
    starting_position: StartingPosition | None = None
    starting_position_timestamp: int | float | str | None = None
    parallelization_factor: int | None = None
    destination_config: DestinationConfig | None = None
    maximum_record_age_in_seconds: int | None = None
    bisect_batch_on_function_error: bool | None = None
    maximum_retry_attempts: int | None = None
    tumbling_window_in_seconds: int | None = None
    metrics_config: MetricsConfig | None = None
    filter_criteria: FilterCriteria | None = None


def apply_request(mapping: EventSourceMapping, request: MappingRequest) -> EventSourceMapping:
    """Merge a request into a mapping: what is not given stays, an empty value clears.

    The function is not merged here: its name must be resolved first.
    """
    changes: dict[str, object] = {
        "enabled": request.enabled,
        "batch_size": request.batch_size,
        "maximum_batching_window_s": request.maximum_batching_window_in_seconds,
        "starting_position": request.starting_position,
        "parallelization_factor": request.parallelization_factor,
        "bisect_batch_on_function_error": request.bisect_batch_on_function_error,
        "tumbling_window_s": request.tumbling_window_in_seconds,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if request.scaling_config is not None:
        changes["maximum_concurrency"] = request.scaling_config.maximum_concurrency
    if request.provisioned_poller_config is not None:
        changes["provisioned_pollers"] = request.provisioned_poller_config.to_pollers()
    if request.function_response_types is not None:
        changes["report_batch_item_failures"] = (
            REPORT_BATCH_ITEM_FAILURES in request.function_response_types
        )
    if request.starting_position_timestamp is not None:
        changes["starting_timestamp_ms"] = read_timestamp_ms(request.starting_position_timestamp)
    if request.destination_config is not None:
        on_failure = request.destination_config.on_failure or Destination()
        changes["destination_arn"] = on_failure.destination or None
    if request.maximum_record_age_in_seconds is not None:
        changes["maximum_record_age_s"] = _read_limit(request.maximum_record_age_in_seconds)
    if request.maximum_retry_attempts is not None:
        changes["maximum_retry_attempts"] = _read_limit(request.maximum_retry_attempts)
    if request.metrics_config is not None:
        changes["metrics"] = tuple(dict.fromkeys(request.metrics_config.metrics or ()))
    if request.filter_criteria is not None:
        changes["filters"] = request.filter_criteria.patterns
    return msgspec.structs.replace(mapping, **changes)


def read_timestamp_ms(value: float | str, *, member: str = "StartingPositionTimestamp") -> int:
    """Read a timestamp, in epoch seconds or as ISO 8601 text with its offset, as Unix ms.

    Raises:
        ApiError: Neither, or out of any calendar.

    Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html,
        StartingPositionTimestamp; botocore's lambda model (the forms of a timestamp)
    """
    try:
        seconds = _read_date(value) if isinstance(value, str) else value
    except ValueError as exc:
        raise invalid_parameter(
            f"{member} {value!r} is no time; give epoch seconds, or ISO 8601 text with its offset"
        ) from exc
    if not 0 <= seconds <= _LAST_SECOND:
        raise invalid_parameter(f"{member} {value} is out of range; it is in seconds since 1970")
    return math.floor(seconds * 1000 + 0.5)


_LAST_SECOND = 253_402_300_799  # of the year 9999


def _read_date(text: str) -> float:
    date = datetime.fromisoformat(text)
    if date.tzinfo is None:
        raise ValueError(text)
    return date.timestamp()


def _read_limit(value: int) -> int | None:
    return None if value == _NO_LIMIT else value


def to_wire(
    mapping: EventSourceMapping, *, processing_result: str = NO_RECORDS_PROCESSED
) -> dict[str, object]:
    """Give an EventSourceMappingConfiguration with exactly the members AWS gives for its source.

    ``ScalingConfig``, ``ProvisionedPollerConfig``, ``FilterCriteria`` and ``MetricsConfig`` are
    there only when set, ``FunctionResponseTypes`` always; ``LastModified`` is in epoch seconds with
    a fraction. Tags are not part of it.

    Args:
        mapping: The row.
        processing_result: LastProcessingResult; of streams only.

    Source: recorded answers of AWS; docs.aws.amazon.com/lambda/latest/api/
    API_EventSourceMappingConfiguration.html
    """
    response_types = [REPORT_BATCH_ITEM_FAILURES] if mapping.report_batch_item_failures else []
    shape: dict[str, object] = {
        "UUID": mapping.uuid,
        "EventSourceMappingArn": mapping.arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.maximum_batching_window_s,
        "EventSourceArn": mapping.event_source_arn,
        "FunctionArn": mapping.function_arn,
        "LastModified": mapping.last_modified_ms / 1000,
        "State": mapping.state.value,
        "StateTransitionReason": mapping.state_transition_reason,
        "FunctionResponseTypes": response_types,
    }
    if mapping.maximum_concurrency is not None:
        shape["ScalingConfig"] = {"MaximumConcurrency": mapping.maximum_concurrency}
    if mapping.provisioned_pollers is not None:
        shape["ProvisionedPollerConfig"] = pollers_to_wire(mapping.provisioned_pollers)
    if mapping.filters:
        patterns = [{"Pattern": pattern} for pattern in mapping.filters]
        shape["FilterCriteria"] = {"Filters": patterns}
    if mapping.metrics:
        shape["MetricsConfig"] = {"Metrics": list(mapping.metrics)}
    if mapping.stream_kind is not None:
        shape |= _stream_members(mapping) | {"LastProcessingResult": processing_result}
    return shape


def pollers_to_wire(pollers: ProvisionedPollers) -> dict[str, int]:
    """Give a ProvisionedPollerConfig, with both its numbers."""
    return {"MinimumPollers": pollers.minimum, "MaximumPollers": pollers.maximum}


def _stream_members(mapping: EventSourceMapping) -> dict[str, object]:
    age_s, attempts = mapping.maximum_record_age_s, mapping.maximum_retry_attempts
    on_failure = {} if mapping.destination_arn is None else {"Destination": mapping.destination_arn}
    members: dict[str, object] = {
        "StartingPosition": mapping.starting_position,
        "ParallelizationFactor": mapping.parallelization_factor,
        "DestinationConfig": {"OnFailure": on_failure},
        "MaximumRecordAgeInSeconds": _NO_LIMIT if age_s is None else age_s,
        "BisectBatchOnFunctionError": mapping.bisect_batch_on_function_error,
        "MaximumRetryAttempts": _NO_LIMIT if attempts is None else attempts,
        "TumblingWindowInSeconds": mapping.tumbling_window_s,
    }
    if mapping.starting_timestamp_ms is not None:
        members["StartingPositionTimestamp"] = mapping.starting_timestamp_ms / 1000
    return members
