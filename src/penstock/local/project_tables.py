"""The tables that ``penstock.toml`` may hold; Lambda's and SQS's own names where they have one."""

from typing import Annotated, Literal

import msgspec

from penstock.model.arn import QUEUE_NAME, STREAM_NAME, TABLE_NAME, is_fifo_arn

Positive = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
AccountId = Annotated[str, msgspec.Meta(pattern=r"^\d{12}$")]


class QueueRampTable(msgspec.Struct, frozen=True, kw_only=True):
    """``queue_ramp``: how fast the concurrency of a queue mapping rises; AWS's by default.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """

    initial: Positive = 5
    per_minute: Annotated[int, msgspec.Meta(ge=0)] = 300
    maximum: Positive = 1_250


class ServiceTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[service]``: settings of the service itself; None takes the command's default.

    Attributes:
        callers: A file of the keys that requests must be signed with; relative to this one.
        open_metrics: ``/metrics`` needs no signature where there are callers.
        upstream: Has all that is not Penstock's; requests for it go on there.
        functions: ``upstream``: functions are the upstream's, and mappings here invoke them there.
        queue_ramp: Of queue mappings without provisioned pollers.
        stream_pace: ``aws``: at most 5 reads per second and shard; ``local``: as fast as it comes.
        read_ahead_mb: Of stream records held over all mappings, in MiB.
        filters_max: How many filters a mapping may have; AWS's default is 5, its quota 10.
        function_logs: Whether functions' log lines go to CloudWatch Logs too; ``auto``: where its
            endpoint is configured.
        assume_role: Act as each function's Role, as AWS does; else with the service's credentials.
        iterator_age_warning_s: A shard that is further behind is warned of.
        nodejs_client: The folder in which npm installed the runtime client of Node.js functions.
    """

    host: str | None = None
    port: Port | None = None
    account_id: AccountId = "000000000000"
    region: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    store: str | None = None
    drain_s: Annotated[int, msgspec.Meta(ge=0, le=900)] = 30
    long_poll_s: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    allowed_hosts: list[str] = []
    callers: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    open_metrics: bool = False
    upstream: str | None = None
    functions: Literal["here", "upstream"] = "here"
    filters_max: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5
    function_logs: Literal["auto", "on", "off"] = "auto"
    assume_role: bool = False
    queue_ramp: QueueRampTable = QueueRampTable()
    stream_pace: Literal["aws", "local"] | None = None
    read_ahead_mb: Positive = 256
    iterator_age_warning_s: Positive = 60
    nodejs_client: str | None = None


class FunctionTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[functions.NAME]``: exactly one of ``code`` (with Handler), ``url`` and ``arn``.

    Attributes:
        python: The interpreter of a ``python3.x`` Runtime.
        node: That of a ``nodejsN.x`` Runtime.

    Source: docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    """

    handler: str | None = msgspec.field(default=None, name="Handler")
    runtime: str | None = msgspec.field(default=None, name="Runtime")
    timeout_s: Annotated[int, msgspec.Meta(ge=1, le=900)] = msgspec.field(default=3, name="Timeout")
    memory_mb: Annotated[int, msgspec.Meta(ge=128, le=10240)] | None = msgspec.field(
        default=None, name="MemorySize"
    )
    environment: dict[str, object] = msgspec.field(default_factory=dict, name="Environment")
    code: str | None = None
    python: str | None = None
    node: str | None = None
    concurrency: Positive | None = None
    role: str | None = msgspec.field(default=None, name="Role")
    url: str | None = None
    arn: str | None = None


class MappingTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[[mappings]]``: Penstock's own keys; beside them stand Lambda's parameters.

    Attributes:
        queue: The name of a queue in the same file, in place of EventSourceArn.
        stream: The name of a Kinesis stream in the same file, likewise.
        table: The name of a table in the same file; its stream is read. A table that is made anew
            has another stream, so such a mapping is made anew with it.
        on_failure: The name of a queue, topic or bucket in the same file, in place of a stream's
            DestinationConfig, or of a queue's tag ``penstock:on-failure``.
        filters: Patterns as TOML tables, in place of FilterCriteria.
        replace: Allows a change of source, which deletes the mapping and creates it anew.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    queue: str | None = None
    stream: str | None = None
    table: str | None = None
    on_failure: str | None = None
    filters: list[dict[str, object]] | None = None
    replace: bool = False


# The parameters of CreateEventSourceMapping. Which of them this version implements is the API's
# decision, so that the file and the API refuse the same ones in the same words.
MAPPING_PARAMETERS = (
    "EventSourceArn",
    "FunctionName",
    "Enabled",
    "BatchSize",
    "FilterCriteria",
    "KMSKeyArn",
    "MetricsConfig",
    "LoggingConfig",
    "ScalingConfig",
    "MaximumBatchingWindowInSeconds",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "Tags",
    "TumblingWindowInSeconds",
    "Topics",
    "Queues",
    "SourceAccessConfigurations",
    "SelfManagedEventSource",
    "FunctionResponseTypes",
    "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "ProvisionedPollerConfig",
)


class QueueTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[[queues]]``: SQS's own attribute names, and two keys that spell a redrive policy.

    A name that ends in ``.fifo`` makes a FIFO queue; ``FifoQueue`` need not be said.

    Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    """

    name: Annotated[str, msgspec.Meta(pattern=f"^({QUEUE_NAME})$")]
    dead_letter_queue: str | None = None
    max_receive_count: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    delay_s: int | None = msgspec.field(default=None, name="DelaySeconds")
    maximum_message_bytes: int | None = msgspec.field(default=None, name="MaximumMessageSize")
    retention_s: int | None = msgspec.field(default=None, name="MessageRetentionPeriod")
    receive_wait_s: int | None = msgspec.field(default=None, name="ReceiveMessageWaitTimeSeconds")
    visibility_timeout_s: Annotated[int, msgspec.Meta(ge=0, le=43200)] | None = msgspec.field(
        default=None, name="VisibilityTimeout"
    )
    redrive_policy: dict[str, object] | str | None = msgspec.field(
        default=None, name="RedrivePolicy"
    )
    redrive_allow_policy: dict[str, object] | str | None = msgspec.field(
        default=None, name="RedriveAllowPolicy"
    )
    policy: dict[str, object] | str | None = msgspec.field(default=None, name="Policy")
    fifo_queue: bool | None = msgspec.field(default=None, name="FifoQueue")
    content_based_deduplication: bool | None = msgspec.field(
        default=None, name="ContentBasedDeduplication"
    )
    deduplication_scope: str | None = msgspec.field(default=None, name="DeduplicationScope")
    fifo_throughput_limit: str | None = msgspec.field(default=None, name="FifoThroughputLimit")

    @property
    def is_fifo(self) -> bool:
        """Tell whether it is a FIFO queue; SQS has it in the name."""
        return is_fifo_arn(self.name)


class StreamMode(msgspec.Struct, frozen=True, kw_only=True):
    """``StreamModeDetails`` of a stream: with ON_DEMAND the server chooses the shards."""

    mode: Literal["ON_DEMAND", "PROVISIONED"] = msgspec.field(name="StreamMode")


class StreamTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[[streams]]``: a Kinesis data stream, with CreateStream's parameters.

    Source: docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html
    """

    name: Annotated[str, msgspec.Meta(pattern=f"^{STREAM_NAME}$")]
    shard_count: Positive | None = msgspec.field(default=None, name="ShardCount")
    mode: StreamMode | None = msgspec.field(default=None, name="StreamModeDetails")

    def __post_init__(self) -> None:
        """Refuse a number of shards of a stream whose shards the server chooses."""
        if self.mode == StreamMode(mode="ON_DEMAND") and self.shard_count is not None:
            raise ValueError("ShardCount is for StreamMode PROVISIONED, not for ON_DEMAND")


class TableTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[[tables]]``: a DynamoDB table, with CreateTable's parameters.

    Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
    """

    name: Annotated[str, msgspec.Meta(pattern=f"^{TABLE_NAME}$")]
    attribute_definitions: list[dict[str, object]] = msgspec.field(name="AttributeDefinitions")
    key_schema: list[dict[str, object]] = msgspec.field(name="KeySchema")
    billing_mode: str = msgspec.field(default="PAY_PER_REQUEST", name="BillingMode")
    provisioned_throughput: dict[str, object] | None = msgspec.field(
        default=None, name="ProvisionedThroughput"
    )
    stream_specification: dict[str, object] | None = msgspec.field(
        default=None, name="StreamSpecification"
    )
    global_secondary_indexes: list[dict[str, object]] | None = msgspec.field(
        default=None, name="GlobalSecondaryIndexes"
    )
    local_secondary_indexes: list[dict[str, object]] | None = msgspec.field(
        default=None, name="LocalSecondaryIndexes"
    )

    def __post_init__(self) -> None:
        """Refuse a capacity of a table that is paid by its requests."""
        if self.billing_mode == "PAY_PER_REQUEST" and self.provisioned_throughput is not None:
            raise ValueError("ProvisionedThroughput is for BillingMode PROVISIONED; say so")


class SubscriptionTable(msgspec.Struct, frozen=True, kw_only=True):
    """``subscriptions`` of ``[[topics]]``: a queue of the same file, and Subscribe's attributes.

    Source: docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
    """

    queue: str
    raw_message_delivery: bool | None = msgspec.field(default=None, name="RawMessageDelivery")
    filter_policy: dict[str, object] | str | None = msgspec.field(default=None, name="FilterPolicy")
    filter_policy_scope: Literal["MessageAttributes", "MessageBody"] | None = msgspec.field(
        default=None, name="FilterPolicyScope"
    )


class TopicTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[[topics]]``: an SNS topic, FIFO by its name as a queue is."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{1,256}(\.fifo)?$")]
    subscriptions: list[SubscriptionTable] = []
    content_based_deduplication: bool | None = msgspec.field(
        default=None, name="ContentBasedDeduplication"
    )

    @property
    def is_fifo(self) -> bool:
        """Tell whether it is a FIFO topic; SNS has it in the name."""
        return is_fifo_arn(self.name)


class BucketTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[[buckets]]``: an S3 bucket."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
