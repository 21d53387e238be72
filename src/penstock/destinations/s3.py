"""An S3 bucket as a destination: each discard's record is an object, its event included.

Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from penstock.aws.client import WireClient
from penstock.core.failure_record import failure_object
from penstock.destinations.calls import DestinationService, open_destination
from penstock.model.arn import Arn
from penstock.model.failure import FailureReport

_SERVICE = DestinationService(
    name="s3",
    noun="bucket",
    permission="s3:PutObject",
    missing_codes=frozenset({"NoSuchBucket"}),
)


class S3Destination:
    """One bucket; keeps ``ports.Destination``.

    A bucket's ARN names no account, so none is expected of its owner: AWS advises a condition on
    ``aws:ResourceAccount`` in the policy of the credentials.
    """

    def __init__(self, wire: WireClient, bucket: Arn) -> None:
        self._wire = wire
        self._bucket = bucket

    async def send(self, report: FailureReport) -> None:
        """Put the record with the event, in the report's region.

        Raises:
            DestinationError: It was not taken.
            ConfigurationError: The endpoint is this service itself.
        """
        calls = await open_destination(self._wire, _SERVICE, self._bucket, report.region)
        await calls.call(
            "PutObject",
            proof="ETag",
            Bucket=self._bucket.resource,
            Key=report.object_key,
            Body=failure_object(report),
        )
