"""An event source mapping: what was asked for, and where its life stands."""

import enum

import msgspec

from penstock.model.arn import Scope, is_fifo_arn
from penstock.model.filtering import FilterSource
from penstock.model.stream import StartingPosition, StreamKind

# StateTransitionReason in every state recorded: of queue mappings, and of stream mappings.
USER_INITIATED = "USER_INITIATED"
USER_ACTION = "User action"


class State(enum.StrEnum):
    """The states Lambda's API shows; ``core/lifecycle.py`` has the transitions."""

    CREATING = "Creating"
    ENABLING = "Enabling"
    ENABLED = "Enabled"
    DISABLING = "Disabling"
    DISABLED = "Disabled"
    UPDATING = "Updating"
    DELETING = "Deleting"


class MappingQuery(msgspec.Struct, frozen=True):
    """Which part of a scope's mappings is asked for, in the order of their uuids.

    Attributes:
        limit: At most so many.
        after: Only those with a greater uuid.
        event_source_arn: None: of every source.
        function_arn: As the rows have it, with its qualifier; None: of every function.
    """

    scope: Scope
    limit: int
    after: str = ""
    event_source_arn: str | None = None
    function_arn: str | None = None


class ProvisionedPollers(msgspec.Struct, frozen=True):
    """How many event pollers a queue mapping has for itself.

    Attributes:
        minimum: 2..200.
        maximum: 2..10000, at least ``minimum``.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """

    minimum: int = 2
    maximum: int = 200


class EventSourceMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping as it is stored; the API's shape is made from it in ``api/wire.py``.

    Attributes:
        uuid: The mapping's identity in Lambda's API.
        name: Its identity in a project file; None when it was made through the API.
        function_arn: Full ARN, with the qualifier exactly as it was asked for.
        stream_kind: None for a queue.
        batch_size: 1..10000; of a FIFO queue 1..10.
        maximum_concurrency: 2..1000; None means the account-wide ramp alone.
        provisioned_pollers: ProvisionedPollerConfig; None: pollers on demand. Queues only.
        starting_position: None for a queue.
        starting_timestamp_ms: Unix ms; with AT_TIMESTAMP only.
        maximum_record_age_s: 60..604800; None: no limit (the API's -1).
        maximum_retry_attempts: 0..10000; None: no limit (the API's -1).
        tumbling_window_s: 1..900; 0: none.
        destination_arn: OnFailure's; None without one.
        filters: Patterns, as they were given; a record must match one of them. Empty: all match.
        metrics: The metrics asked for by MetricsConfig.
        enabled: Whether it should poll; ``state`` says how far that has come.
        version: Raised by every change of the row; updates are conditional on it.
    """

    uuid: str
    scope: Scope
    event_source_arn: str
    function_arn: str
    name: str | None = None
    batch_size: int = 10
    maximum_batching_window_s: int = 0
    maximum_concurrency: int | None = None
    provisioned_pollers: ProvisionedPollers | None = None
    report_batch_item_failures: bool = False
    stream_kind: StreamKind | None = None
    starting_position: StartingPosition | None = None
    starting_timestamp_ms: int | None = None
    parallelization_factor: int = 1
    maximum_record_age_s: int | None = None
    maximum_retry_attempts: int | None = None
    bisect_batch_on_function_error: bool = False
    tumbling_window_s: int = 0
    destination_arn: str | None = None
    filters: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    enabled: bool = True
    state: State = State.CREATING
    state_transition_reason: str = USER_INITIATED
    last_modified_ms: int = 0
    tags: dict[str, str] = {}
    version: int = 0

    @property
    def is_fifo(self) -> bool:
        """Tell whether it reads a FIFO queue; SQS has it in the name."""
        return self.stream_kind is None and is_fifo_arn(self.event_source_arn)

    @property
    def filter_source(self) -> FilterSource:
        """What its filters are held against."""
        if self.stream_kind is None:
            return FilterSource.SQS
        return FilterSource[self.stream_kind.name]

    @property
    def arn(self) -> str:
        """EventSourceMappingArn."""
        partition = self.event_source_arn.split(":", 2)[1]
        scope = f"{self.scope.region}:{self.scope.account}"
        return f"arn:{partition}:lambda:{scope}:event-source-mapping:{self.uuid}"
