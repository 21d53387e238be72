"""Destinations as the tests of this folder open and use them."""

from collections.abc import Collection

from failure_builders import FUNCTION_ARN, KINESIS_ARN, MAPPING_UUID
from wire_builders import make_wire

from penstock.destinations.aws_destinations import AwsDestinations
from penstock.model.failure import Discard

REGION = "us-east-2"
ACCOUNT = "123456789012"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:failed"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:failed"
BUCKET_ARN = "arn:aws:s3:::failed"
EVENT = '{"Records":[{"data":"é \\"q\\""}]}'.encode()


async def send_to(
    arn: str,
    *discards: Discard,
    stream_arn: str = KINESIS_ARN,
    own_addresses: Collection[tuple[str, int]] = (),
) -> None:
    """Open a destination and send discards to it, one after the other."""
    wire = make_wire(own_addresses)
    try:
        destination = await AwsDestinations(wire).open(arn, MAPPING_UUID, FUNCTION_ARN, stream_arn)
        for discard in discards:
            await destination.send(discard, EVENT)
    finally:
        await wire.close()
