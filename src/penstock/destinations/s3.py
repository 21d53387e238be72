"""An S3 bucket as a destination: each discard's record is an object, its event included.

Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from penstock.aws.client import WireClient
from penstock.core.failure_record import failure_object_key, with_payload
from penstock.destinations.calls import DestinationCalls, DestinationService, open_destination
from penstock.destinations.failed_mapping import FailedMapping
from penstock.model.arn import Arn
from penstock.model.failure import Discard

_SERVICE = DestinationService(
    name="s3",
    noun="bucket",
    permission="s3:PutObject",
    missing_codes=frozenset({"NoSuchBucket"}),
)


class S3Destination:
    """One bucket; keeps ``ports.Destination``. Opened by ``open_s3_destination``.

    A bucket's ARN names no account, so none is expected of its owner: AWS advises a condition on
    ``aws:ResourceAccount`` in the policy of the credentials.
    """

    def __init__(self, calls: DestinationCalls, bucket: str, mapping: FailedMapping) -> None:
        self._calls = calls
        self._bucket = bucket
        self._mapping = mapping

    async def send(self, discard: Discard, event: bytes) -> None:
        """Put the record with the event; the same discard always under the same key.

        Raises:
            DestinationError: It was not taken.
        """
        body = with_payload(self._mapping.record_of(discard), event)
        await self._calls.call(
            "PutObject",
            proof="ETag",
            Bucket=self._bucket,
            Key=failure_object_key(discard, mapping_uuid=self._mapping.uuid),
            Body=body,
        )


async def open_s3_destination(wire: WireClient, arn: Arn, mapping: FailedMapping) -> S3Destination:
    """Make a bucket writable; its ARN has no region, so the mapping's is asked.

    Raises:
        DestinationError: The name of its server cannot be looked up.
        ConfigurationError: The endpoint is this service itself.
    """
    calls = await open_destination(wire, _SERVICE, arn, mapping.region)
    return S3Destination(calls, arn.resource, mapping)
