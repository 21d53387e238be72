"""What resources are called: their names, and what Ref and Fn::GetAtt give of them.

A resource without a name of its own is called by its logical id, as in no stack of AWS, where the
stack's name and random letters stand around it: here people read and type it. One that is shorter
than a name may be gets a prefix.

Source: docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
    aws-template-resource-type-ref.html
"""

import zlib
from collections.abc import Callable, Mapping

import msgspec

from penstock.local.resource_arns import bucket_arn, queue_arn, stream_arn, topic_arn
from penstock.local.template.document import Where
from penstock.local.template.resource import Resource
from penstock.local.template.unknown import NotKnownHereError
from penstock.model.arn import Arn, Scope

QUEUE = "AWS::SQS::Queue"
STREAM = "AWS::Kinesis::Stream"
TABLE = "AWS::DynamoDB::Table"
GLOBAL_TABLE = "AWS::DynamoDB::GlobalTable"
TOPIC = "AWS::SNS::Topic"
BUCKET = "AWS::S3::Bucket"
FUNCTION = "AWS::Lambda::Function"
ALIAS = "AWS::Lambda::Alias"
VERSION = "AWS::Lambda::Version"
MAPPING = "AWS::Lambda::EventSourceMapping"
SUBSCRIPTION = "AWS::SNS::Subscription"
ROLE = "AWS::IAM::Role"
LOG_GROUP = "AWS::Logs::LogGroup"

STREAM_ARN = "StreamArn"


class _Naming(msgspec.Struct, frozen=True):
    """The property that names a resource, and how long a name may be."""

    name_property: str
    length_max: int
    length_min: int = 1


_NAMINGS = {
    QUEUE: _Naming("QueueName", 80),
    STREAM: _Naming("Name", 128),
    TABLE: _Naming("TableName", 255, 3),
    GLOBAL_TABLE: _Naming("TableName", 255, 3),
    TOPIC: _Naming("TopicName", 256),
    BUCKET: _Naming("BucketName", 63, 3),
    FUNCTION: _Naming("FunctionName", 64),
    ROLE: _Naming("RoleName", 64),
    LOG_GROUP: _Naming("LogGroupName", 512),
}
_FIFO_PROPERTIES = {QUEUE: "FifoQueue", TOPIC: "FifoTopic"}
_FIFO = ".fifo"
_PREFIX = "local-"


class Identities:
    """Names resources.

    Args:
        resources: By logical id.
        resolve: Gives the value of a property.
        scope: Account and region of the stack.
        endpoint: What a queue's URL begins with.
    """

    def __init__(
        self,
        resources: Mapping[str, Resource],
        resolve: Callable[[object, Where], object],
        scope: Scope,
        endpoint: str,
    ) -> None:
        self._resources = resources
        self._resolve = resolve
        self._scope = scope
        self._endpoint = endpoint

    def name_of(self, logical_id: str) -> str:
        """Give a resource's own name, or make one of its logical id."""
        resource = self._resources[logical_id]
        naming = _NAMINGS[resource.type]
        where = resource.where.at("Properties", naming.name_property)
        given = self._resolve(resource.properties.get(naming.name_property, ""), where)
        if isinstance(given, str) and given:
            return given
        if isinstance(given, int | float):
            return str(given)
        suffix = _FIFO if self._is_fifo(resource) else ""
        is_short = len(logical_id) < naming.length_min
        wanted = _PREFIX + logical_id if is_short else logical_id
        name = _shorten(wanted, naming.length_max - len(suffix)) + suffix
        return name.lower() if resource.type == BUCKET else name

    def ref(self, logical_id: str, where: Where) -> str:
        """Give what Ref gives."""
        resource = self._resources[logical_id]
        match resource.type:
            case "AWS::SQS::Queue":
                return f"{self._endpoint}/{self._scope.account}/{self.name_of(logical_id)}"
            case "AWS::SNS::Topic":
                return topic_arn(self.name_of(logical_id), self._scope)
            case "AWS::Lambda::Version" | "AWS::Lambda::Alias":
                return self._function_arn_of(resource)
            case kind if kind in _NAMINGS:
                return self.name_of(logical_id)
            case _:
                raise _not_made(resource, where)

    def attribute(self, logical_id: str, attribute: str, where: Where) -> str:
        """Give what Fn::GetAtt gives."""
        resource = self._resources[logical_id]
        if resource.type not in _NAMINGS:
            raise _not_made(resource, where)
        if resource.type in {TABLE, GLOBAL_TABLE} and attribute == STREAM_ARN:
            reason = f"the ARN of the stream of {logical_id} is known only once it is made"
            raise NotKnownHereError(where, reason)
        known = self._attributes(resource)
        if attribute not in known:
            reason = f"{attribute} of {logical_id} ({resource.type}) is not known here"
            raise NotKnownHereError(where, reason)
        return known[attribute]

    def _attributes(self, resource: Resource) -> dict[str, str]:
        name, scope = self.name_of(resource.logical_id), self._scope
        arn = {
            QUEUE: queue_arn(name, scope),
            STREAM: stream_arn(name, scope),
            TABLE: str(Arn("aws", "dynamodb", scope.region, scope.account, f"table/{name}")),
            GLOBAL_TABLE: str(Arn("aws", "dynamodb", scope.region, scope.account, f"table/{name}")),
            TOPIC: topic_arn(name, scope),
            BUCKET: bucket_arn(name),
            FUNCTION: function_arn(name, scope),
            ROLE: str(Arn("aws", "iam", "", scope.account, f"role/{name}")),
            LOG_GROUP: str(Arn("aws", "logs", scope.region, scope.account, f"log-group:{name}:*")),
        }[resource.type]
        match resource.type:
            case "AWS::SQS::Queue":
                url = self.ref(resource.logical_id, resource.where)
                return {"Arn": arn, "QueueName": name, "QueueUrl": url}
            case "AWS::SNS::Topic":
                return {"TopicArn": arn, "TopicName": name}
            case _:
                return {"Arn": arn}

    def _function_arn_of(self, resource: Resource) -> str:
        """Give the function itself for its version or alias: here it is always the latest."""
        where = resource.where.at("Properties", "FunctionName")
        given = str(self._resolve(resource.properties.get("FunctionName", ""), where))
        return given if given.startswith("arn:") else function_arn(given, self._scope)

    def _is_fifo(self, resource: Resource) -> bool:
        key = _FIFO_PROPERTIES.get(resource.type)
        if key is None:
            return False
        value = self._resolve(
            resource.properties.get(key, False), resource.where.at("Properties", key)
        )
        return str(value).lower() == "true"


def function_arn(name: str, scope: Scope) -> str:
    """Name a function of this account and region."""
    return str(Arn("aws", "lambda", scope.region, scope.account, f"function:{name}"))


def _not_made(resource: Resource, where: Where) -> NotKnownHereError:
    return NotKnownHereError(where, f"{resource.logical_id} ({resource.type}) is not made here")


def _shorten(name: str, length_max: int) -> str:
    """Cut a logical id to what a name may be; its checksum keeps two of them apart."""
    if len(name) <= length_max:
        return name
    return f"{name[: length_max - 9]}-{zlib.crc32(name.encode()):08x}"
