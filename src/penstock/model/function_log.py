"""Where the log lines of functions go: groups and streams, in CloudWatch Logs' words."""

import msgspec


class FunctionLogStream(msgspec.Struct, frozen=True, kw_only=True):
    """The log stream of one execution environment.

    Attributes:
        function_arn: Whose environment it is; its role writes, where roles are assumed.
        group: ``/aws/lambda/NAME``.
        name: ``YYYY/MM/DD/[VERSION]`` and 32 hexadecimal digits.
    """

    function_arn: str
    region: str
    group: str
    name: str


def log_group(function_name: str) -> str:
    """Name the log group of a function."""
    return f"/aws/lambda/{function_name}"
