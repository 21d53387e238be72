"""Whose discards a destination takes in."""

import msgspec

from penstock.core.failure_record import discard_uuid, failure_record
from penstock.model.arn import parse_arn
from penstock.model.errors import ConfigurationError
from penstock.model.failure import Discard
from penstock.model.stream import StreamKind


class FailedMapping(msgspec.Struct, frozen=True, kw_only=True):
    """What the records of a mapping's discards say of the mapping."""

    uuid: str
    function_arn: str
    stream_arn: str
    kind: StreamKind
    region: str

    def record_of(self, discard: Discard) -> bytes:
        """Write a discard's record; the same one each time."""
        return failure_record(
            discard,
            kind=self.kind,
            function_arn=self.function_arn,
            stream_arn=self.stream_arn,
            request_id=discard.trace.request_id or discard_uuid(discard, mapping_uuid=self.uuid),
        )


def make_failed_mapping(uuid: str, function_arn: str, stream_arn: str) -> FailedMapping:
    """Read off the stream's ARN which service and region it is in.

    Raises:
        ConfigurationError: Not the ARN of a stream.
    """
    stream = parse_arn(stream_arn)
    try:
        kind = StreamKind(stream.service)
    except ValueError as exc:
        raise ConfigurationError(
            f"{stream_arn!r} is not the ARN of a stream of Kinesis or DynamoDB"
        ) from exc
    return FailedMapping(
        uuid=uuid,
        function_arn=function_arn,
        stream_arn=stream_arn,
        kind=kind,
        region=stream.region,
    )
