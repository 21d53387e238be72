"""Every on-failure destination that stream mappings have on AWS, opened by its ARN."""

from collections.abc import Callable

from penstock.aws.client import WireClient
from penstock.destinations.s3 import S3Destination
from penstock.destinations.sns import open_sns_destination
from penstock.destinations.sqs import open_sqs_destination
from penstock.model.arn import parse_arn
from penstock.model.errors import ConfigurationError
from penstock.ports import Destination


class AwsDestinations:
    """Opens queues, topics and buckets; keeps ``ports.Destinations``.

    Args:
        wire_for: Gives what carries the calls that are made for a function, by its ARN.
    """

    def __init__(self, wire_for: Callable[[str], WireClient]) -> None:
        self._wire_for = wire_for

    async def open(self, arn: str, *, function_arn: str) -> Destination:
        """Make a destination writable; only a queue is looked for now.

        Raises:
            DestinationError: No such queue, a FIFO queue or topic, no permission, or no answer.
            ConfigurationError: Not the ARN of a queue, a topic or a bucket, or the endpoint is
                this service itself.
        """
        destination, wire = parse_arn(arn), self._wire_for(function_arn)
        match destination.service:
            case "sqs":
                return await open_sqs_destination(wire, destination)
            case "sns":
                return await open_sns_destination(wire, destination)
            case "s3":
                return S3Destination(wire, destination)
            case _:
                raise ConfigurationError(
                    f"{arn!r} is not the ARN of an SQS queue, an SNS topic or an S3 bucket"
                )
