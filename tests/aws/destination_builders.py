"""Destinations as the tests of this folder open and use them."""

from collections.abc import Collection

from failure_builders import DISCARD, KINESIS_POLICY, MAPPING_UUID
from wire_builders import make_wire

from penstock.core.failure_record import failure_report
from penstock.core.shard_contract import ShardPolicy
from penstock.destinations.aws_destinations import AwsDestinations
from penstock.model.failure import Discard, FailureReport

REGION = "us-east-2"
ACCOUNT = "123456789012"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:failed"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:failed"
BUCKET_ARN = "arn:aws:s3:::failed"
EVENT = '{"Records":[{"data":"é \\"q\\""}]}'.encode()


def report_of(discard: Discard = DISCARD, policy: ShardPolicy = KINESIS_POLICY) -> FailureReport:
    """Say of a discard what destinations are told."""
    return failure_report(discard, EVENT, policy=policy, mapping_uuid=MAPPING_UUID)


REPORT = report_of()


async def send_to(
    arn: str, *reports: FailureReport, own_addresses: Collection[tuple[str, int]] = ()
) -> None:
    """Open a destination and send reports to it, one after the other."""
    wire = make_wire(own_addresses)
    try:
        destination = await AwsDestinations(lambda _: wire).open(arn, function_arn="f")
        for report in reports:
            await destination.send(report)
    finally:
        await wire.close()
