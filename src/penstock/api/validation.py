"""The parameters that a mapping may have, by the kind of its source, and the rules of a queue's.

Parameters that this version lacks are refused, never accepted and ignored. The order of the checks
is the one observed on AWS (``operations.py`` keeps it).

Source: recorded answers of AWS, unless a rule names another.
"""

from collections.abc import Mapping

from penstock.api.errors import invalid_parameter
from penstock.model.stream import StreamKind

BATCH_SIZE_WITHOUT_WINDOW_MAX = 10

_OF_EVERY_SOURCE = {
    "BatchSize",
    "Enabled",
    "EventSourceArn",
    "FunctionName",
    "FunctionResponseTypes",
    "Tags",
}
_OF_QUEUES = _OF_EVERY_SOURCE | {"ScalingConfig"}
_OF_STREAMS = _OF_EVERY_SOURCE | {
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "MetricsConfig",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
}
# AWS has these and this version does not; the values say "none" or "the default".
_NOT_YET_OF_EVERY_SOURCE: dict[str, tuple[object, ...]] = {
    "FilterCriteria": ({}, {"Filters": []}, {"Filters": None}),
    "KMSKeyArn": ("",),
}
_NOT_YET_OF_QUEUES = _NOT_YET_OF_EVERY_SOURCE | {
    "MaximumBatchingWindowInSeconds": (0,),
    "MetricsConfig": ({}, {"Metrics": []}),
    "ProvisionedPollerConfig": (),
}


def check_is_implemented(request: Mapping[str, object], kind: StreamKind | None) -> None:
    """Refuse parameters that AWS refuses for such a source, and those this version lacks.

    Args:
        request: Members of Create or Update.
        kind: None for a queue.

    Raises:
        ApiError: A parameter has no effect here.
    """
    implemented = _OF_QUEUES if kind is None else _OF_STREAMS
    not_yet = _NOT_YET_OF_QUEUES if kind is None else _NOT_YET_OF_EVERY_SOURCE
    for name, value in request.items():
        if value is None or name in implemented:
            continue
        if name == "DestinationConfig":
            raise invalid_parameter(
                "Unsupported DestinationConfig parameter for given event source mapping type."
            )
        if name not in not_yet:
            camel = name[0].lower() + name[1:]
            raise invalid_parameter(
                f"Unsupported '{camel}' parameter for given event source mapping type."
            )
        if value not in not_yet[name]:
            source = "SQS, with a BatchSize of 1 to 10," if kind is None else "streams"
            raise invalid_parameter(
                f"This version of Penstock does not implement {name} yet; for {source} it has "
                f"{', '.join(sorted(implemented))}."
            )


def check_queue_batch_size(batch_size: int | None) -> None:
    """Refuse a batch that only a batching window could fill.

    The page asks the same of streams; their batches of more than 10 are accepted without a window,
    as AWS's own defaults are.

    Raises:
        ApiError: More than 10 messages.
    """
    if batch_size is not None and batch_size > BATCH_SIZE_WITHOUT_WINDOW_MAX:
        raise invalid_parameter(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )
