"""Discards as tests need them: of a shard of Kinesis unless told otherwise, and of a queue."""

import msgspec
from builders import FUNCTION_ARN as SHIP_ARN
from builders import QUEUE_ARN, message

from penstock.core.shard_contract import ShardPolicy
from penstock.model.failure import Condition, Discard, InvocationTrace, MessageDiscard
from penstock.model.stream import StreamKind, StreamRecord

MAPPING_UUID = "14e0db71-xmpl-4eb5-b481-8945cf9d10c2"
FUNCTION_ARN = "arn:aws:lambda:us-east-2:123456789012:function:myfunction"
KINESIS_ARN = "arn:aws:kinesis:us-east-2:123456789012:stream/mystream"
DYNAMODB_ARN = "arn:aws:dynamodb:us-east-2:123456789012:table/t/stream/2024-06-10T19:26:16.525"
REQUEST_ID = "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5"
FIRST = "49601189658422359378836298521827638475320189012309704722"
LAST = "49601189658422359378836298522902373528957594348623495186"
DISCARDED_MS = 1_573_691_886_021  # 2019-11-14T00:38:06.021Z
FUNCTION_RAISED = InvocationTrace(REQUEST_ID, "$LATEST", "Unhandled")
KINESIS_POLICY = ShardPolicy(
    kind=StreamKind.KINESIS, stream_arn=KINESIS_ARN, function_arn=FUNCTION_ARN
)
DYNAMODB_POLICY = ShardPolicy(
    kind=StreamKind.DYNAMODB, stream_arn=DYNAMODB_ARN, function_arn=FUNCTION_ARN
)

DISCARD = Discard(
    id=7,
    lane=0,
    shard_id="shardId-000000000001",
    records=(
        StreamRecord(FIRST, b"a", 1_573_691_884_835, b"{}"),
        StreamRecord("49601189658422359378836298522", b"b", 1_573_691_885_000, b"{}"),
        StreamRecord(LAST, b"a", 1_573_691_885_580, b"{}"),
    ),
    batch_size=500,
    condition=Condition.RETRY_ATTEMPTS_EXHAUSTED,
    invoke_count=1,
    trace=FUNCTION_RAISED,
    discarded_ms=DISCARDED_MS,
)


def make_discard(**changes: object) -> Discard:
    """A discard that differs from ``DISCARD`` in these attributes."""
    return msgspec.structs.replace(DISCARD, **changes)


MESSAGE_DISCARD = MessageDiscard(
    id=7,
    message=message("m1", "hello"),
    queue_arn=QUEUE_ARN,
    function_arn=SHIP_ARN,
    receive_count=3,
    trace=FUNCTION_RAISED,
    response=b'{"errorMessage":"no","errorType":"ValueError"}',
    discarded_ms=DISCARDED_MS,
)


def make_message_discard(**changes: object) -> MessageDiscard:
    """A discard that differs from ``MESSAGE_DISCARD`` in these attributes."""
    return msgspec.structs.replace(MESSAGE_DISCARD, **changes)
