"""The parameters that a mapping may have, by the kind of its source.

Parameters that this version lacks are refused, never accepted and ignored. The order of the checks
is the one observed on AWS (``operations.py`` keeps it).

Source: recorded answers of AWS, unless a rule names another.
"""

from collections.abc import Mapping

from penstock.api.errors import invalid_parameter
from penstock.api.wire import MappingRequest
from penstock.model.stream import StreamKind

METRICS = ("EventCount",)

_OF_EVERY_SOURCE = {
    "BatchSize",
    "Enabled",
    "EventSourceArn",
    "FilterCriteria",
    "FunctionName",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "MetricsConfig",
    "Tags",
}
_OF_QUEUES = _OF_EVERY_SOURCE | {"ProvisionedPollerConfig", "ScalingConfig"}
_OF_STREAMS = _OF_EVERY_SOURCE | {
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
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
    for name, value in request.items():
        if value is None or name in implemented:
            continue
        if name == "DestinationConfig":
            raise invalid_parameter(
                "Unsupported DestinationConfig parameter for given event source mapping type."
            )
        if name == "StartingPosition":
            raise invalid_parameter("StartingPosition is not valid for SQS event sources.")
        if name != "KMSKeyArn":
            camel = name[0].lower() + name[1:]
            raise invalid_parameter(
                f"Unsupported '{camel}' parameter for given event source mapping type."
            )
        if value != "":
            raise invalid_parameter(
                "KMSKeyArn is not supported: there is no key provider here that could encrypt the "
                "filters; leave it out, and they are stored as they are given"
            )


def check_metrics(request: MappingRequest, kind: StreamKind | None) -> None:
    """Refuse metrics of other sources.

    Raises:
        ApiError: One that neither queues nor streams have.

    Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """
    metrics = request.metrics_config.metrics if request.metrics_config is not None else None
    for metric in metrics or ():
        if metric not in METRICS:
            noun = "queue" if kind is None else "stream"
            raise invalid_parameter(
                f"The metric {metric} is of Kafka sources; a {noun} has {', '.join(METRICS)}"
            )
