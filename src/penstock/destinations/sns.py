"""A standard SNS topic as a destination: each discard's record is a notification's message.

Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from penstock.aws.client import WireClient
from penstock.destinations.calls import DestinationService, open_destination
from penstock.destinations.record_destination import RecordDestination
from penstock.model.arn import Arn

_SERVICE = DestinationService(
    name="sns",
    noun="topic",
    permission="sns:Publish",
    missing_codes=frozenset({"NotFound", "NotFoundException"}),
)


async def open_sns_destination(wire: WireClient, arn: Arn) -> RecordDestination:
    """Make a topic writable in the ARN's region; nothing is asked of it yet.

    Raises:
        DestinationError: A FIFO topic, or the name of its server cannot be looked up.
        ConfigurationError: The endpoint is this service itself.
    """
    calls = await open_destination(wire, _SERVICE, arn, arn.region)
    return RecordDestination(calls, "Publish", text="Message", target={"TopicArn": str(arn)})
