"""Mappings as Lambda's API spells them, both ways."""

import msgspec

from penstock.model.mapping import EventSourceMapping

REPORT_BATCH_ITEM_FAILURES = "ReportBatchItemFailures"


class ScalingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A queue mapping's own limit."""

    maximum_concurrency: int | None = None


class MappingRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members of Create and Update that this version implements; None: not given."""

    function_name: str | None = None
    event_source_arn: str | None = None
    enabled: bool | None = None
    batch_size: int | None = None
    scaling_config: ScalingConfig | None = None
    function_response_types: tuple[str, ...] | None = None
    tags: dict[str, str] | None = None


def apply_request(mapping: EventSourceMapping, request: MappingRequest) -> EventSourceMapping:
    """Merge a request into a mapping: what is not given stays, an empty value clears.

    The function is not merged here: its name must be resolved first.
    """
    changes: dict[str, object] = {}
    if request.enabled is not None:
        changes["enabled"] = request.enabled
    if request.batch_size is not None:
        changes["batch_size"] = request.batch_size
    if request.scaling_config is not None:
        changes["maximum_concurrency"] = request.scaling_config.maximum_concurrency
    if request.function_response_types is not None:
        changes["report_batch_item_failures"] = (
            REPORT_BATCH_ITEM_FAILURES in request.function_response_types
        )
    return msgspec.structs.replace(mapping, **changes)


def to_wire(mapping: EventSourceMapping) -> dict[str, object]:
    """Give an EventSourceMappingConfiguration with exactly the members AWS gives for SQS.

    ``ScalingConfig`` is there only when set, ``FunctionResponseTypes`` always; ``LastModified`` is
    in epoch seconds with a fraction. Tags are not part of it.

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
    return shape
