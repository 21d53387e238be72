"""Which properties of a resource are carried out, and of which type their values are.

CloudFormation takes the text of a number for the number, so that a parameter, which is text, may
stand anywhere; here too. What is not in these tables is told as not applied.

Source: docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
    aws-template-resource-type-ref.html
"""

import enum
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence

from penstock.local.template.document import Where
from penstock.local.template.identities import (
    BUCKET,
    FUNCTION,
    GLOBAL_TABLE,
    MAPPING,
    QUEUE,
    STREAM,
    SUBSCRIPTION,
    TABLE,
    TOPIC,
)
from penstock.local.toml_table import describe
from penstock.model.suggestion import suggest


class Kind(enum.Enum):
    """The type of a value that has no parts of its own."""

    TEXT = "a text"
    INTEGER = "a whole number"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    ANY = "anything"


Shape = Kind | Mapping[str, "Shape"] | Sequence["Shape"]
TEXT, INTEGER, NUMBER, BOOLEAN, ANY = Kind
_INTEGER = re.compile(r"-?\d{1,18}")  # what fits 64 bits
_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][-+]?\d+)?")
_BOOLEANS = {"true": True, "false": False}

_KEYS: Shape = [{"AttributeName": TEXT, "KeyType": TEXT}]
_PROJECTION: Shape = {"ProjectionType": TEXT, "NonKeyAttributes": [TEXT]}
_THROUGHPUT: Shape = {"ReadCapacityUnits": INTEGER, "WriteCapacityUnits": INTEGER}
_TABLE: dict[str, Shape] = {
    "TableName": TEXT,
    "AttributeDefinitions": [{"AttributeName": TEXT, "AttributeType": TEXT}],
    "KeySchema": _KEYS,
    "BillingMode": TEXT,
    "ProvisionedThroughput": _THROUGHPUT,
    "StreamSpecification": {"StreamViewType": TEXT, "ResourcePolicy": ANY},
    "GlobalSecondaryIndexes": [
        {
            "IndexName": TEXT,
            "KeySchema": _KEYS,
            "Projection": _PROJECTION,
            "ProvisionedThroughput": _THROUGHPUT,
            # What a local table has no use for.
            "ContributorInsightsSpecification": ANY,
            "OnDemandThroughput": ANY,
            "WarmThroughput": ANY,
            "WriteProvisionedThroughputSettings": ANY,
            "WriteOnDemandThroughputSettings": ANY,
        }
    ],
    "LocalSecondaryIndexes": [{"IndexName": TEXT, "KeySchema": _KEYS, "Projection": _PROJECTION}],
}
SHAPES: dict[str, dict[str, Shape]] = {
    QUEUE: {
        "QueueName": TEXT,
        "DelaySeconds": INTEGER,
        "MaximumMessageSize": INTEGER,
        "MessageRetentionPeriod": INTEGER,
        "ReceiveMessageWaitTimeSeconds": INTEGER,
        "VisibilityTimeout": INTEGER,
        "RedrivePolicy": {"deadLetterTargetArn": TEXT, "maxReceiveCount": INTEGER},
        "RedriveAllowPolicy": ANY,
        "FifoQueue": BOOLEAN,
        "ContentBasedDeduplication": BOOLEAN,
        "DeduplicationScope": TEXT,
        "FifoThroughputLimit": TEXT,
    },
    STREAM: {
        "Name": TEXT,
        "ShardCount": INTEGER,
        "StreamModeDetails": {"StreamMode": TEXT},
    },
    TABLE: _TABLE,
    GLOBAL_TABLE: _TABLE,
    TOPIC: {
        "TopicName": TEXT,
        "FifoTopic": BOOLEAN,
        "ContentBasedDeduplication": BOOLEAN,
        "Subscription": [{"Protocol": TEXT, "Endpoint": TEXT}],
    },
    SUBSCRIPTION: {
        "TopicArn": TEXT,
        "Protocol": TEXT,
        "Endpoint": TEXT,
        "RawMessageDelivery": BOOLEAN,
        "FilterPolicy": ANY,
        "FilterPolicyScope": TEXT,
    },
    BUCKET: {"BucketName": TEXT},
    FUNCTION: {
        "FunctionName": TEXT,
        "Runtime": TEXT,
        "Handler": TEXT,
        "Timeout": INTEGER,
        "MemorySize": INTEGER,
        "ReservedConcurrentExecutions": INTEGER,
    },
    MAPPING: {
        "Enabled": BOOLEAN,
        "BatchSize": INTEGER,
        "FilterCriteria": {"Filters": [{"Pattern": TEXT}]},
        "MetricsConfig": {"Metrics": [TEXT]},
        "LoggingConfig": {"SystemLogLevel": TEXT},
        "ScalingConfig": {"MaximumConcurrency": INTEGER},
        "ProvisionedPollerConfig": {
            "MinimumPollers": INTEGER,
            "MaximumPollers": INTEGER,
            "PollerGroupName": TEXT,
        },
        "MaximumBatchingWindowInSeconds": INTEGER,
        "ParallelizationFactor": INTEGER,
        "StartingPosition": TEXT,
        "StartingPositionTimestamp": NUMBER,
        "DestinationConfig": {"OnFailure": {"Destination": TEXT}},
        "MaximumRecordAgeInSeconds": INTEGER,
        "BisectBatchOnFunctionError": BOOLEAN,
        "MaximumRetryAttempts": INTEGER,
        "TumblingWindowInSeconds": INTEGER,
        "FunctionResponseTypes": [TEXT],
    },
}
# Read in their own way, each with a function of its own.
READ_APART = {
    FUNCTION: frozenset({"Code", "Environment", "PackageType", "Role"}),
    MAPPING: frozenset({"FunctionName", "EventSourceArn", "Tags"}),
}
# Nothing of what runs here would be another with them.
NEEDLESS = frozenset(
    {
        "Architectures",
        "ArchiveConfig",
        "BucketEncryption",
        "ContributorInsightsSpecification",
        "DeletionProtectionEnabled",
        "Description",
        "DesiredShardLevelMetrics",
        "DisplayName",
        "EphemeralStorage",
        "KmsDataKeyReusePeriodSeconds",
        "KmsKeyArn",
        "KmsMasterKeyId",
        "OwnershipControls",
        "PointInTimeRecoverySpecification",
        "PublicAccessBlockConfiguration",
        "RecursiveLoop",
        "Replicas",
        "ResourcePolicy",
        "RuntimeManagementConfig",
        "SSESpecification",
        "SnapStart",
        "SqsManagedSseEnabled",
        "StreamEncryption",
        "TableClass",
        "Tags",
        "TracingConfig",
        "WarmThroughput",
        "WriteOnDemandThroughputSettings",
        "WriteProvisionedThroughputSettings",
    }
)
NOT_APPLIED = {
    "DeadLetterConfig": "not applied; it is for asynchronous invocation",
    "FileSystemConfigs": "not applied; the function sees this machine's files",
    "KinesisStreamSpecification": "not applied; no change of its items goes to that stream",
    "Layers": "not applied; its libraries must be installed where the function runs",
    "LifecycleConfiguration": "not applied; objects stay",
    "LoggingConfig": "not applied; its lines are text, in the log group /aws/lambda/NAME",
    "NotificationConfiguration": "not applied; nobody is told of its objects",
    "RetentionPeriodHours": "not applied; records stay as long as dev runs",
    "TimeToLiveSpecification": "not applied; items stay",
    "VersioningConfiguration": "not applied; of each object the newest alone is kept",
    "VpcConfig": "not applied; the function has this machine's network",
}


def fit(value: object, shape: Shape, where: Where) -> object:
    """Give a value its type.

    Raises:
        ConfigurationError: It is of another type, or has a part that is not known.
    """
    if isinstance(shape, Kind):
        return _fit_kind(value, shape, where)
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            raise where.error(f"expected names with their values, got {describe(value)}")
        for key in value:
            if key not in shape:
                raise where.at(key).error(f"unknown; {suggest(key, list(shape), 'properties')}")
        return {key: fit(member, shape[key], where.at(key)) for key, member in value.items()}
    if not isinstance(value, list):
        raise where.error(f"expected a list, got {describe(value)}")
    return [fit(item, shape[0], where) for item in value]


def _fit_kind(value: object, kind: Kind, where: Where) -> object:
    fitted = value if kind is Kind.ANY else _READERS[kind](value)
    if fitted is None and kind is not Kind.ANY:
        raise where.error(f"expected {kind.value}, got {describe(value)}")
    return fitted


def _read_text(value: object) -> str | None:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return value if isinstance(value, str) else None


def _read_integer(value: object) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_number(value: object) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _read_boolean(value: object) -> bool | None:
    if isinstance(value, str):
        return _BOOLEANS.get(value.lower())
    return value if isinstance(value, bool) else None


_READERS: dict[Kind, Callable[[object], object]] = {
    Kind.TEXT: _read_text,
    Kind.INTEGER: _read_integer,
    Kind.NUMBER: _read_number,
    Kind.BOOLEAN: _read_boolean,
}
