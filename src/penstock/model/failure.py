"""A discarded batch: what it was, why it went, and what the function last said."""

import enum

import msgspec

from penstock.model.message import Message
from penstock.model.stream import StreamKind, StreamRecord


class Condition(enum.StrEnum):
    """Why records were discarded; the failure record's ``condition``."""

    RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
    RECORD_AGE_EXCEEDED = "RecordAgeExceeded"
    MAXIMUM_PAYLOAD_SIZE_EXCEEDED = "MaximumPayloadSizeExceeded"
    SKIPPED = "SkippedByOperator"  # ours: ``penstock position skip``


class InvocationTrace(msgspec.Struct, frozen=True):
    """What is known of an invocation that ended, for the failure record.

    Attributes:
        request_id: Empty when the function was never reached.
        executed_version: None when it did not run: the record then has no responseContext.
        function_error: X-Amz-Function-Error; None after a partial or malformed response.
    """

    request_id: str = ""
    executed_version: str | None = None
    function_error: str | None = None


class Discard(msgspec.Struct, frozen=True, kw_only=True):
    """Records that leave their shard without having succeeded.

    Attributes:
        id: Unique within its shard consumer's life.
        records: Never empty, in order; of a tumbling window's last invocation, which carries none,
            the window's first and last record.
        batch_size: How many records it stands for.
        invoke_count: Invocations of exactly these records; at least 1, as AWS reports it.
        trace: The last invocation's.
        discarded_ms: Unix time in milliseconds.
        reason: The last failure in words, for logs and the journal.
    """

    id: int
    lane: int
    shard_id: str
    records: tuple[StreamRecord, ...]
    batch_size: int
    condition: Condition
    invoke_count: int
    trace: InvocationTrace
    discarded_ms: int
    reason: str = ""


class MessageDiscard(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's message that will not be tried again.

    Attributes:
        id: Unique within its queue consumer's life.
        function_arn: Full ARN, with the qualifier as asked.
        receive_count: How often the message was received.
        trace: The last invocation's.
        response: What the function last said, as it said it; empty when it said nothing.
        discarded_ms: Unix time in milliseconds.
    """

    id: int
    message: Message
    queue_arn: str
    function_arn: str
    receive_count: int
    trace: InvocationTrace
    response: bytes = b""
    discarded_ms: int


class FailureReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an on-failure destination is told of a discard.

    Attributes:
        record: A JSON object: all that a queue or a topic gets.
        event: The invocation event, which a bucket gets too; None where the record holds it.
        object_key: Names a bucket's object; the same however often the report is sent.
        region: Where a bucket is asked: its ARN names no region.
        function_arn: Of the function that gave up: its role may be what the destination is sent as.
    """

    record: bytes
    event: bytes | None
    object_key: str
    region: str
    function_arn: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the failure journal: a discard with its payload, kept until it is redriven.

    Attributes:
        id: A UUID.
        event: The invocation event, complete, as the function would get it again.
        cause: Why it stands here and not in a destination; empty when none is configured.
    """

    id: str
    mapping_uuid: str
    kind: StreamKind
    stream_arn: str
    function_arn: str
    shard_id: str
    condition: Condition
    invoke_count: int
    start_sequence_number: str
    end_sequence_number: str
    record_count: int
    first_arrived_ms: int
    last_arrived_ms: int
    discarded_ms: int
    request_id: str = ""
    reason: str = ""
    cause: str = ""
    event: bytes = b""
