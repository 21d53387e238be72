"""A standard SQS queue as a destination: each discard's record is a message's body.

Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

import re

from penstock.aws.client import WireClient
from penstock.destinations.calls import DestinationService, open_destination
from penstock.destinations.record_destination import RecordDestination
from penstock.model.arn import Arn
from penstock.model.errors import DestinationRefusedError

_ACCOUNT_IN_URL = re.compile(r"/(\d{12})/[^/]+$")

_SERVICE = DestinationService(
    name="sqs",
    noun="queue",
    permission="sqs:GetQueueUrl and sqs:SendMessage",
    missing_codes=frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}),
)


async def open_sqs_destination(wire: WireClient, arn: Arn) -> RecordDestination:
    """Find the queue's URL in the ARN's region.

    Raises:
        DestinationError: No such queue, a FIFO one, no permission, or no answer.
        ConfigurationError: The endpoint is this service itself.
    """
    calls = await open_destination(wire, _SERVICE, arn, arn.region)
    owner = {"QueueOwnerAWSAccountId": arn.account} if arn.account else {}
    url = await calls.call("GetQueueUrl", proof="QueueUrl", QueueName=arn.resource, **owner)
    _refuse_other_account(url, arn)
    return RecordDestination(calls, "SendMessage", text="MessageBody", target={"QueueUrl": url})


def _refuse_other_account(url: str, arn: Arn) -> None:
    """Refuse the queue of another account, which some emulators give for any owner.

    The URL tells, so that no permission but GetQueueUrl's is needed for it.
    """
    found = _ACCOUNT_IN_URL.search(url)
    if found and arn.account and found[1] != arn.account:
        raise DestinationRefusedError(
            f"{arn} does not exist; the queue of that name is {url}, of account {found[1]}: give "
            "the mapping that queue's ARN as its OnFailure destination"
        )
