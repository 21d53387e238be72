"""Every source that AWS has, opened by its ARN."""

from collections.abc import Callable

from penstock.aws.client import WireClient
from penstock.model.arn import parse_arn
from penstock.model.errors import ConfigurationError
from penstock.ports import QueueSource, StreamSource
from penstock.sources.dynamodb_streams import open_dynamodb_stream
from penstock.sources.kinesis import open_kinesis_stream
from penstock.sources.sqs import SqsSources


class AwsSources:
    """Opens queues and streams; keeps ``ports.Sources``.

    Args:
        wire_for: Gives what carries the calls that are made for a function, by its ARN.
    """

    def __init__(self, wire_for: Callable[[str], WireClient]) -> None:
        self._wire_for = wire_for

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> QueueSource:
        """Find an SQS queue; ``count_request`` is told each request's operation.

        Raises:
            SourceError: No such queue, no permission, or no answer.
            ConfigurationError: Not an SQS ARN, or the endpoint is this service itself.
        """
        queues = SqsSources(self._wire_for(function_arn))
        return await queues.open_queue(arn, count_request=count_request)

    async def open_stream(
        self, arn: str, *, function_arn: str, invoke_identity_arn: str
    ) -> StreamSource:
        """Make a Kinesis stream or a DynamoDB stream readable; nothing is asked of it yet.

        Raises:
            SourceError: The name of its server cannot be looked up.
            ConfigurationError: Not a stream's ARN, or the endpoint is this service itself.
        """
        stream, wire = parse_arn(arn), self._wire_for(function_arn)
        match stream.service:
            case "kinesis":
                return await open_kinesis_stream(
                    wire, stream, invoke_identity_arn=invoke_identity_arn
                )
            case "dynamodb":
                return await open_dynamodb_stream(wire, stream)
            case _:
                raise ConfigurationError(
                    f"{arn!r} is not the ARN of a stream of Kinesis or DynamoDB"
                )
