"""What an on-failure destination is told of a discard, byte for byte as AWS writes it.

Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html and
    docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html; member order as in the
    recorded answers of AWS
"""

import uuid
from datetime import UTC, datetime

import msgspec

from penstock.core.shard_contract import ShardPolicy
from penstock.model.arn import parse_arn
from penstock.model.failure import Discard, FailureReport, InvocationTrace
from penstock.model.stream import StreamKind

_STATUS_OF_EVERY_RUN = 200  # also of a run that ended in the function's own error


class RequestContext(msgspec.Struct, frozen=True, rename="camel"):
    """Which invocation a record is about, and why it was given up."""

    request_id: str
    function_arn: str
    condition: str
    approximate_invoke_count: int


class ResponseContext(msgspec.Struct, frozen=True, rename="camel"):
    """What became of the last invocation."""

    status_code: int
    executed_version: str
    function_error: str | None


class _Range(msgspec.Struct, frozen=True, rename="camel"):
    """KinesisBatchInfo and DDBStreamBatchInfo."""

    shard_id: str
    start_sequence_number: str
    end_sequence_number: str
    approximate_arrival_of_first_record: str
    approximate_arrival_of_last_record: str
    batch_size: int
    stream_arn: str


class _FailureRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    request_context: RequestContext
    response_context: ResponseContext | msgspec.UnsetType
    version: str = "1.0"
    timestamp: str
    kinesis: _Range | msgspec.UnsetType = msgspec.field(
        name="KinesisBatchInfo", default=msgspec.UNSET
    )
    dynamodb: _Range | msgspec.UnsetType = msgspec.field(
        name="DDBStreamBatchInfo", default=msgspec.UNSET
    )


_encode = msgspec.json.Encoder().encode


def failure_report(
    discard: Discard, event: bytes, *, policy: ShardPolicy, mapping_uuid: str
) -> FailureReport:
    """Say of a discard what any destination needs; the same report each time.

    Args:
        discard: What left its shard.
        event: The invocation event, complete.
        policy: Names the stream and the function.
        mapping_uuid: The mapping's.
    """
    request_id = discard.trace.request_id or discard_uuid(discard, mapping_uuid=mapping_uuid)
    return FailureReport(
        record=failure_record(
            discard,
            kind=policy.kind,
            function_arn=policy.function_arn,
            stream_arn=policy.stream_arn,
            request_id=request_id,
        ),
        event=event,
        object_key=failure_object_key(discard, mapping_uuid=mapping_uuid),
        region=parse_arn(policy.stream_arn).region,
        function_arn=policy.function_arn,
    )


def failure_record(
    discard: Discard, *, kind: StreamKind, function_arn: str, stream_arn: str, request_id: str
) -> bytes:
    """Write the record that a queue or a topic gets.

    Args:
        discard: What left its shard.
        kind: Kinesis's arrival times have milliseconds, DynamoDB's have not.
        function_arn: As the mapping names it: unqualified where the mapping is.
        stream_arn: Where the records can be read again, while the stream keeps them.
        request_id: Of the last invocation; of a discard without one, ``discard_uuid``.

    Returns:
        {"requestContext": {"requestId": .., "functionArn": .., "condition":
        "RetryAttemptsExhausted", "approximateInvokeCount": 2}, "responseContext": {"statusCode":
        200, "executedVersion": "$LATEST", "functionError": "Unhandled"}, "version": "1.0",
        "timestamp": "2025-11-25T16:35:32.123Z", "KinesisBatchInfo" or "DDBStreamBatchInfo":
        {"shardId": .., "startSequenceNumber": .., "endSequenceNumber": ..,
        "approximateArrivalOfFirstRecord": .., "approximateArrivalOfLastRecord": ..,
        "batchSize": 1, "streamArn": ..}}. There is no responseContext where the function did not
        run, and functionError is null where it ended without an error.
    """
    is_kinesis = kind is StreamKind.KINESIS
    arrival = written_ms if is_kinesis else _written_second
    first, last = discard.records[0], discard.records[-1]
    discarded = _Range(
        shard_id=discard.shard_id,
        start_sequence_number=first.sequence_number,
        end_sequence_number=last.sequence_number,
        approximate_arrival_of_first_record=arrival(first.arrived_ms),
        approximate_arrival_of_last_record=arrival(last.arrived_ms),
        batch_size=discard.batch_size,
        stream_arn=stream_arn,
    )
    return _encode(
        _FailureRecord(
            request_context=RequestContext(
                request_id, function_arn, discard.condition.value, discard.invoke_count
            ),
            response_context=response_context(discard.trace),
            timestamp=written_ms(discard.discarded_ms),
            kinesis=discarded if is_kinesis else msgspec.UNSET,
            dynamodb=msgspec.UNSET if is_kinesis else discarded,
        )
    )


def failure_object(report: FailureReport) -> bytes:
    """Give what a bucket gets: the record, and the event unless the record has it already."""
    if report.event is None:
        return report.record
    return with_payload(report.record, report.event)


def with_payload(record: bytes, event: bytes) -> bytes:
    """Add the event to a record as its last member, a JSON string.

    Args:
        record: Of ``failure_record``.
        event: The invocation event; JSON, and so UTF-8.
    """
    return b'%b,"payload":%b}' % (record[:-1], _encode(event.decode()))


def failure_object_key(discard: Discard, *, mapping_uuid: str) -> str:
    """Name the record's object in a bucket; the time is the record's own, in UTC.

    Returns:
        ``aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<uuid>``. The UUID is
        ``discard_uuid``, where AWS draws one: what is sent again replaces itself.
    """
    return object_key(
        f"{mapping_uuid}/{discard.shard_id}",
        discard.discarded_ms,
        discard_uuid(discard, mapping_uuid=mapping_uuid),
    )


def discard_uuid(discard: Discard, *, mapping_uuid: str) -> str:
    """Give a discard's identity: the same however often it is sent, and no other's.

    It also stands for the request id of a discard whose function was never reached.

    Source: docs/semantics.md#stream-failures
    """
    ends = f"{discard.records[0].sequence_number}/{discard.records[-1].sequence_number}"
    when = f"{discard.id}/{discard.discarded_ms}"
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{mapping_uuid}/{discard.shard_id}/{ends}/{when}"))


def object_key(folder: str, discarded_ms: int, identity: str) -> str:
    """Name an object by its folder, the record's time in UTC, and a UUID."""
    discarded = _to_time(discarded_ms)
    return f"aws/lambda/{folder}/{discarded:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{identity}"


def response_context(trace: InvocationTrace) -> ResponseContext | msgspec.UnsetType:
    """Give the responseContext; there is none where the function did not run."""
    if trace.executed_version is None:
        return msgspec.UNSET
    return ResponseContext(_STATUS_OF_EVERY_RUN, trace.executed_version, trace.function_error)


def written_ms(wall_ms: int) -> str:
    """Write a time in UTC with milliseconds."""
    return f"{_to_time(wall_ms):%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03d}Z"


def _written_second(wall_ms: int) -> str:
    return f"{_to_time(wall_ms):%Y-%m-%dT%H:%M:%S}Z"


def _to_time(wall_ms: int) -> datetime:
    return datetime.fromtimestamp(wall_ms // 1000, UTC)
