"""Amazon Resource Names and the forms in which Lambda accepts a function's name."""

import functools
import re

import msgspec

from penstock.model.errors import ConfigurationError


class Arn(msgspec.Struct, frozen=True):
    """``arn:partition:service:region:account:resource``; colons and slashes in the resource."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        parts = (self.partition, self.service, self.region, self.account, self.resource)
        return "arn:" + ":".join(parts)


class Scope(msgspec.Struct, frozen=True):
    """The account and region that own a mapping or a function."""

    account: str
    region: str


# Patterns of whole names.
# Source: docs.aws.amazon.com: SQS CreateQueue, Kinesis CreateStream, DynamoDB CreateTable
QUEUE_NAME = r"[a-zA-Z0-9_-]{1,80}|[a-zA-Z0-9_-]{1,75}\.fifo"
STREAM_NAME = r"[a-zA-Z0-9_.-]{1,128}"
TABLE_NAME = r"[a-zA-Z0-9_.-]{3,255}"

UNQUALIFIED_MAX = 4096  # kept: the same few functions are named at each invocation

_ARN_PARTS = 6
_ARN_PARTS_UNQUALIFIED = 7  # a function's: the name is the last


def parse_arn(text: str) -> Arn:
    """Read an ARN.

    Raises:
        ConfigurationError: Not of the form ``arn:partition:service:region:account:resource``.
    """
    parts = text.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[0] != "arn" or not parts[2] or not parts[5]:
        raise ConfigurationError(
            f"{text!r} is not an ARN; the form is arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE"
        )
    return Arn(*parts[1:])


class FunctionReference(msgspec.Struct, frozen=True):
    """A function as a caller named it; the qualifier is kept exactly as asked.

    Attributes:
        qualifier: A version, an alias, ``$LATEST``, or None when none was written.
    """

    scope: Scope
    name: str
    qualifier: str | None = None
    partition: str = "aws"

    @property
    def arn(self) -> str:
        """The full ARN, with the qualifier when one was asked for."""
        return self.unqualified_arn + (f":{self.qualifier}" if self.qualifier else "")

    @property
    def unqualified_arn(self) -> str:
        """The full ARN of the function itself."""
        scope = self.scope
        return f"arn:{self.partition}:lambda:{scope.region}:{scope.account}:function:{self.name}"


_FUNCTION_NAME = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)


def parse_function_name(text: str, scope: Scope) -> FunctionReference:
    """Read any form in which Lambda accepts a function: name or ARN, qualified or not.

    Args:
        text: ``my-function``, ``my-function:1``, ``123456789012:function:my-function``,
            ``arn:aws:lambda:us-east-1:123456789012:function:my-function:alias``.
        scope: Fills the account and region that the text does not name.

    Raises:
        ConfigurationError: None of those forms.

    Source: docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    """
    match = _FUNCTION_NAME.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            f"{text!r} is not a function name; use NAME, NAME:QUALIFIER or a function's ARN"
        )
    return FunctionReference(
        scope=Scope(match["account"] or scope.account, match["region"] or scope.region),
        name=match["name"],
        qualifier=match["qualifier"],
        partition=match["partition"] or "aws",
    )


@functools.lru_cache(UNQUALIFIED_MAX)
def unqualified_function_arn(function_arn: str) -> str:
    """Take the qualifier off a function's full ARN."""
    return ":".join(function_arn.split(":")[:_ARN_PARTS_UNQUALIFIED])


def function_name(function_arn: str) -> str:
    """Give a function's name, with the qualifier that its full ARN has."""
    return function_arn.partition(":function:")[2]


def function_qualifier(function_arn: str) -> str:
    """Give the qualifier that a function's full ARN ends with; empty where it has none."""
    return function_name(function_arn).partition(":")[2]


# Source: docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html, Role
_ROLE_ARN = re.compile(r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-/]+")


def is_role_arn(text: str) -> bool:
    """Tell whether a text is the ARN of an IAM role."""
    return _ROLE_ARN.fullmatch(text) is not None


def invoke_identity_arn(scope: Scope, source_arn: str, *, role: str | None) -> str:
    """Name the role that Kinesis records show as ``invokeIdentityArn``.

    Args:
        scope: The mapping's.
        source_arn: The stream's.
        role: The function's; without one a role is made up, in the source's partition.
    """
    if role is not None:
        return role
    partition = source_arn.split(":", 2)[1]
    return f"arn:{partition}:iam::{scope.account}:role/penstock"


def is_fifo_arn(arn: str) -> bool:
    """Tell whether a queue or a topic is FIFO: SQS and SNS say it by the name."""
    return arn.endswith(".fifo")
