"""The rules of queue mappings that the model cannot say.

Texts that were recorded are AWS's own; where a rule is documented without one, the text is ours
(docs/semantics.md#queue-mappings).

Source: recorded answers of AWS, unless a rule names another.
"""

from penstock.api.errors import ApiError, invalid_parameter
from penstock.api.wire import MappingRequest
from penstock.core.queue_options import CONCURRENCY, FIFO_STRICT, ON_FAILURE, read_queue_options
from penstock.model.errors import ConfigurationError
from penstock.model.mapping import EventSourceMapping
from penstock.model.queue_options import QueueOptions

BATCH_SIZE_WITHOUT_WINDOW_MAX = 10
FIFO_BATCH_SIZE_MAX = 10  # what one receive gives
_MINIMUM_POLLERS_RANGE = (2, 200)
_MAXIMUM_POLLERS_MAX = 10_000


def check_queue_request(request: MappingRequest, *, is_new: bool) -> None:
    """Hold what a Create or an Update gives against the rules of single members.

    Args:
        request: What is given.
        is_new: It is a Create: there is nothing that an empty value could take back.

    Raises:
        ApiError: A poller group, or provisioned pollers without a number.

    Source: docs.aws.amazon.com/lambda/latest/api/API_ProvisionedPollerConfig.html
    """
    config = request.provisioned_poller_config
    if config is None:
        return
    if config.poller_group_name is not None:
        raise invalid_parameter("PollerGroupName is of Kafka sources; a queue's pollers have none")
    if is_new and config.minimum_pollers is None and config.maximum_pollers is None:
        raise invalid_parameter(
            "Either MinimumPollers or MaximumPollers are required if ProvisionedPollerConfig is "
            "provided."
        )


def check_queue_mapping(mapping: EventSourceMapping) -> None:
    """Hold a merged mapping against the rules of members that go together.

    Raises:
        ApiError: A batch that cannot be filled, pollers out of their range, or two limits.
    """
    if mapping.is_fifo:
        _check_fifo_batch(mapping)
    if mapping.batch_size > BATCH_SIZE_WITHOUT_WINDOW_MAX and not mapping.maximum_batching_window_s:
        # The page asks the same of streams, whose own default of 100 breaks it: they are excepted.
        raise invalid_parameter(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )
    _check_pollers(mapping)


def check_options(mapping: EventSourceMapping) -> QueueOptions:
    """Read a merged mapping's options, and hold them against its parameters.

    Raises:
        ApiError: A tag that cannot be read, or that has no effect beside the parameters.

    Source: docs/semantics.md#options
    """
    try:
        options = read_queue_options(mapping.tags, is_fifo=mapping.is_fifo)
    except ConfigurationError as exc:
        raise invalid_parameter(str(exc)) from exc
    if options.concurrency is not None:
        _refuse_other_limits(mapping)
    if options.fifo_strict and not mapping.report_batch_item_failures:
        raise invalid_parameter(
            f"The tag {FIFO_STRICT} needs FunctionResponseTypes ReportBatchItemFailures: without "
            "it a batch fails as a whole, and the tag would do nothing"
        )
    if options.on_failure_arn == mapping.event_source_arn:
        raise invalid_parameter(f"The tag {ON_FAILURE} cannot name the mapping's own queue")
    return options


def _check_fifo_batch(mapping: EventSourceMapping) -> None:
    """Refuse what a FIFO queue cannot have.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    if mapping.maximum_batching_window_s:
        raise invalid_parameter("Batching window is not supported for FIFO queues")
    if mapping.batch_size > FIFO_BATCH_SIZE_MAX:
        raise invalid_parameter(
            f"BatchSize must be 1 to {FIFO_BATCH_SIZE_MAX} for FIFO queues, not "
            f"{mapping.batch_size}"
        )


def _check_pollers(mapping: EventSourceMapping) -> None:
    """Refuse pollers out of their range, and a second limit beside them.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    pollers = mapping.provisioned_pollers
    if pollers is None:
        return
    first, last = _MINIMUM_POLLERS_RANGE
    is_minimum_possible = first <= pollers.minimum <= last
    if not is_minimum_possible or not pollers.minimum <= pollers.maximum <= _MAXIMUM_POLLERS_MAX:
        raise invalid_parameter(
            f"MinimumPollers should be between [{first}, {last}] and MaximumPollers should be "
            f"between [MinimumPollers, {_MAXIMUM_POLLERS_MAX}]; they are {pollers.minimum} and "
            f"{pollers.maximum}"
        )
    if mapping.maximum_concurrency is not None:
        raise invalid_parameter(
            "Provisioned mode for SQS ESM does not support maximum concurrency feature. Use "
            "MaximumPollers as the control mechanism and remove maximum concurrency."
        )


def _refuse_other_limits(mapping: EventSourceMapping) -> None:
    if mapping.maximum_concurrency is not None:
        raise _second_limit("ScalingConfig.MaximumConcurrency")
    if mapping.provisioned_pollers is not None:
        raise _second_limit("ProvisionedPollerConfig")


def _second_limit(parameter: str) -> ApiError:
    return invalid_parameter(f"The tag {CONCURRENCY} and {parameter} exclude each other; give one")
