"""One cell of docs/api.md, tried on the server: a request that asks for its member alone.

``BASES`` has the rest of each operation's request, by column; ``VALUES`` what is given for a member
where the model's shape does not say what fits, and ``TOGETHER`` the members that it goes with.
"""

import base64
from typing import Any

from api_fakes import QUEUE_ARN, STREAM_ARN
from api_server import Answer, Server
from api_table import Cell, make_members
from fuzz_model import Operation
from fuzz_requests import to_trial
from fuzz_values import NOW_S, PATTERNS, ZIP, ValueMaker

from penstock.api.functions.configuration import this_architecture

CREATED = {
    "queue": {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN},
    "stream": {
        "FunctionName": "ship",
        "EventSourceArn": STREAM_ARN,
        "StartingPosition": "TRIM_HORIZON",
    },
}
FUNCTION = {
    "FunctionName": "made",
    "Runtime": "python3.11",
    "Role": "arn:aws:iam::000000000000:role/worker",
    "Handler": "app.handler",
    "Code": {"ZipFile": ZIP},
    "Publish": True,
}
OTHER_FUNCTION = "bill"
LAMBDA = "arn:aws:lambda:us-east-1:000000000000"
# What names the thing itself: every request has it.
KEYS = (
    "UUID",
    "Resource",
    "EventSourceArn",
    "Code.ZipFile",
    "TagKeys",
    "FunctionName",
    "Name",
    "Principal",
    "StatementId",
    "ZipFile",
)
# Where @uuid and @arn are those of the column's mapping, and @name is nobody's yet.
BASES: dict[str, dict[str, Any]] = {
    "UpdateEventSourceMapping": {"UUID": "@uuid"},
    "GetEventSourceMapping": {"UUID": "@uuid"},
    "DeleteEventSourceMapping": {"UUID": "@uuid"},
    "ListTags": {"Resource": "@arn"},
    "TagResource": {"Resource": "@arn", "Tags": {"team": "a"}},
    "UntagResource": {"Resource": "@arn", "TagKeys": ["team"]},
    "Invoke": {"FunctionName": "ship"},
    "CreateFunction": FUNCTION | {"FunctionName": "@name"},
    "CreateAlias": {"FunctionName": "made", "Name": "next", "FunctionVersion": "1"},
    "GetAlias": {"FunctionName": "made", "Name": "prod"},
    "UpdateAlias": {"FunctionName": "made", "Name": "prod"},
    "DeleteAlias": {"FunctionName": "made", "Name": "prod"},
    "UpdateFunctionCode": {"FunctionName": "made", "ZipFile": ZIP},
    "PutFunctionConcurrency": {"FunctionName": "made", "ReservedConcurrentExecutions": 5},
    "RemovePermission": {"FunctionName": "made", "StatementId": "s3"},
    "AddPermission": {
        "FunctionName": "made",
        "StatementId": "sqs",
        "Action": "lambda:InvokeFunction",
        "Principal": "sqs.amazonaws.com",
    },
}
PERMISSION = BASES["AddPermission"] | {"StatementId": "s3"}
MADE = {"FunctionName": "made"}  # of any other operation that has this member
VALUES: dict[str, Any] = {
    "Architectures": [this_architecture()],
    "AcceleratorConfig": {"AcceleratorMemorySize": 1},
    "CapacityProviderConfig": {
        "LambdaManagedInstancesCapacityProviderConfig": {
            "CapacityProviderArn": f"{LAMBDA}:capacity-provider:c"
        }
    },
    "Code.S3ObjectStorageMode": "REFERENCE",
    "CodeSigningConfigArn": f"{LAMBDA}:code-signing-config:csc-{'0' * 17}",
    "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"},
    "DurableConfig": {"RetentionPeriodInDays": 1},
    "Environment.Variables": {"TABLE": "orders"},
    "EphemeralStorage": {"Size": 1024},
    "FileSystemConfigs": [
        {
            "Arn": f"arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-{'0' * 17}",
            "LocalMountPath": "/mnt/a",
        }
    ],
    "ImageConfig": {"Command": ["run"]},
    "InvocationType": "DryRun",
    "ImageUri": "image",
    "Layers": [f"{LAMBDA}:layer:libraries:1"],
    "LoggingConfig": {"SystemLogLevel": "DEBUG"},
    "MasterRegion": "ALL",
    "MemorySize": 256,
    "MetricsConfig.Metrics": ["EventCount"],
    "PackageType": "Zip",
    "Runtime": "python3.12",
    "RuntimeConfig": {
        "RuntimeArn": f"{LAMBDA}:runtime/python",
        "RuntimeAlias": "a",
    },
    "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["kafka.test:9092"]}},
    "SnapStart": {"ApplyOn": "PublishedVersions"},
    "StartingPosition": "LATEST",
    "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
    "Timeout": 30,
    "TracingConfig": {"Mode": "Active"},
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "BatchSize": 5,
    "DestinationConfig.OnFailure.Destination": "arn:aws:sqs:us-east-1:000000000000:failed",
    "DestinationConfig.OnSuccess.Destination": "arn:aws:sqs:us-east-1:000000000000:failed",
    "FilterCriteria.Filters.Pattern": PATTERNS[0],
    "FunctionVersion": "ALL",
    "Marker": "",
    "MaximumRecordAgeInSeconds": 60,
    "ParallelizationFactor": 2,
    "Payload": {"id": 1},
    "ProvisionedPollerConfig.MaximumPollers": 300,
    "ProvisionedPollerConfig.MinimumPollers": 3,
    "Publish": True,
    "PrincipalOrgID": "o-0123456789",
    "PublishTo": "LATEST_PUBLISHED",
    "Qualifier": "$LATEST",
    "ReservedConcurrentExecutions": 7,
    "RoutingConfig.AdditionalVersionWeights": {"2": 0.5},
    "SourceKMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k",
    "TumblingWindowInSeconds": 30,
}
VALUES_BY_OPERATION: dict[tuple[str, str], Any] = {
    ("DeleteFunction", "Qualifier"): "2",
    ("GetPolicy", "Qualifier"): "prod",
    ("RemovePermission", "Qualifier"): "prod",
    ("AddPermission", "Qualifier"): "prod",
    ("CreateAlias", "FunctionVersion"): "1",
    ("UpdateAlias", "FunctionVersion"): "2",
    ("ListAliases", "FunctionVersion"): "1",
    ("UpdateFunctionCode", "S3ObjectStorageMode"): "REFERENCE",
}
OBJECT = {"S3Bucket": "code", "S3Key": "made.zip"}
TOGETHER: dict[str, dict[str, Any]] = {
    "S3Bucket": OBJECT | {"ZipFile": None},
    "S3Key": OBJECT | {"ZipFile": None},
    "S3ObjectVersion": OBJECT | {"S3ObjectVersion": "v1", "ZipFile": None},
    "Code.S3Bucket": {"Code": OBJECT},
    "Code.S3Key": {"Code": OBJECT},
    "Code.S3ObjectVersion": {"Code": OBJECT | {"S3ObjectVersion": "v1"}},
    "StartingPositionTimestamp": {
        "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": NOW_S - 60,
    },
}


class Bench:
    """A server with a mapping of either kind, which are made anew for each cell."""

    def __init__(self, server: Server, operations: dict[str, Operation]) -> None:
        self._server = server
        self._operations = operations
        self._values = ValueMaker.of_seed(1)
        self._named = 0
        server.world.functions.add(OTHER_FUNCTION)
        for version in (None, "v1"):
            server.world.buckets.objects["code", "made.zip", version] = base64.b64decode(ZIP)

    def send_cell(self, cell: Cell) -> Answer:
        """Ask for what the cell's member is for, on the cell's kind of source."""
        self._server.forget_mappings()
        column = "queue" if cell.column == "here" else cell.column
        operation = self._operations[cell.operation]
        base = dict(self._base(operation, column))
        if cell.path in TOGETHER:
            return self._send(cell.operation, base | TOGETHER[cell.path])
        return self._send(cell.operation, _merged(base, self._members(operation, cell.path)))

    def _members(self, operation: Operation, path: str) -> dict[str, Any]:
        if operation.name == "UpdateEventSourceMapping" and path == "FunctionName":
            return {"FunctionName": OTHER_FUNCTION}
        if path in KEYS:
            return {}
        if path in ("RevisionId", "CodeSha256"):
            return {path: self._present(operation)[path]}
        value = VALUES_BY_OPERATION.get((operation.name, path), VALUES.get(path))
        return make_members(operation, path, self._values, value)

    def _base(self, operation: Operation, column: str) -> dict[str, Any]:
        if operation.name == "CreateEventSourceMapping":
            return CREATED[column]
        base = BASES.get(operation.name, MADE if "FunctionName" in operation.required else {})
        if "@name" in str(base):
            self._named += 1
            return base | {"FunctionName": f"function-{self._named}"}
        if base.get("FunctionName") == "made":
            self._make_function()
        if "@" not in str(base):
            return base
        mapping = self._send("CreateEventSourceMapping", CREATED[column]).json
        self._server.settle(mapping["UUID"], "Enabled")
        actual = {"@uuid": mapping["UUID"], "@arn": mapping["EventSourceMappingArn"]}
        return {name: actual.get(str(value), value) for name, value in base.items()}

    def _make_function(self) -> None:
        """Make the function anew: two versions, an alias of the first, and statements of both."""
        alias = BASES["CreateAlias"] | {"Name": "prod"}
        for name, members in (
            ("DeleteFunction", MADE),
            ("CreateFunction", FUNCTION),
            ("UpdateFunctionConfiguration", MADE | {"Timeout": 9}),
            ("PublishVersion", MADE),
            ("CreateAlias", alias),
            ("AddPermission", PERMISSION),
            ("AddPermission", PERMISSION | {"Qualifier": "prod"}),
        ):
            self._send(name, members)
            self._server.run_background()

    def _present(self, operation: Operation) -> dict[str, Any]:
        """Give what an operation's preconditions are about."""
        reading = "GetAlias" if operation.name == "UpdateAlias" else "GetFunctionConfiguration"
        return dict(self._send(reading, BASES.get(reading, MADE)).json)

    def _send(self, name: str, members: dict[str, Any]) -> Answer:
        trial = to_trial(self._operations[name], members)
        return self._server.send(trial.method, trial.target, trial.body, trial.headers)


def _merged(base: dict[str, Any], members: dict[str, Any]) -> dict[str, Any]:
    nested = {
        name: base[name] | value
        for name, value in members.items()
        if isinstance(value, dict) and isinstance(base.get(name), dict)
    }
    return base | members | nested
