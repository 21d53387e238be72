"""A standard SNS topic as a destination: each discard's record is a notification's message.

Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from penstock.aws.client import WireClient
from penstock.destinations.calls import DestinationCalls, DestinationService, open_destination
from penstock.destinations.failed_mapping import FailedMapping
from penstock.model.arn import Arn
from penstock.model.failure import Discard

_SERVICE = DestinationService(
    name="sns",
    noun="topic",
    permission="sns:Publish",
    missing_codes=frozenset({"NotFound", "NotFoundException"}),
)


class SnsDestination:
    """One topic; keeps ``ports.Destination``. Opened by ``open_sns_destination``."""

    def __init__(self, calls: DestinationCalls, topic: Arn, mapping: FailedMapping) -> None:
        self._calls = calls
        self._topic = topic
        self._mapping = mapping

    async def send(self, discard: Discard, event: bytes) -> None:  # noqa: ARG002 - the port's
        """Publish the record, without a subject; the event stays behind, as on AWS.

        Raises:
            DestinationError: It was not taken.
        """
        message = self._mapping.record_of(discard).decode()
        await self._calls.call(
            "Publish", proof="MessageId", TopicArn=str(self._topic), Message=message
        )


async def open_sns_destination(
    wire: WireClient, arn: Arn, mapping: FailedMapping
) -> SnsDestination:
    """Make a topic writable in the ARN's region; nothing is asked of it yet.

    Raises:
        DestinationError: A FIFO topic, or the name of its server cannot be looked up.
        ConfigurationError: The endpoint is this service itself.
    """
    calls = await open_destination(wire, _SERVICE, arn, arn.region)
    return SnsDestination(calls, arn, mapping)
