"""The records of a stream as a function sees them, built from wire bytes as ``function_event`` is.

A record is written once, when it is read: batches, bisected halves and retries only join what is
there. Data, keys and images are never decoded. Whoever calls has checked that the answer is UTF-8.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from penstock.core.shard_contract import WindowInvocation
from penstock.model.stream import StreamRecord

# Whatever of an event is not a record or a tumbling window's state: the names, an ARN (AWS: 2,048
# characters at most) and a shard id (128).
EVENT_ENVELOPE_BYTES_MAX = 4096
SEQUENCE_NUMBER_CHARS_MAX = 128  # as AWS's models say; all of them are digits

_SECONDS_END = 253_402_300_800  # the year 10000: no timestamp, and nothing could show it
_QUOTE, _SMALL_E, _CAPITAL_E = b'"eE'
_ABSENT = msgspec.Raw(b"")
_NULL = msgspec.Raw(b"null")

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_decode_members = msgspec.json.Decoder(dict[str, object]).decode
_decode_identity = msgspec.json.Decoder(dict[str, str] | None).decode


class KinesisRecord(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    """A record as Kinesis's GetRecords gives it."""

    sequence_number: str
    partition_key: str
    approximate_arrival_timestamp: msgspec.Raw
    blob: msgspec.Raw = msgspec.field(name="Data")


class DynamoDbChange(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    """What happened to an item, as GetRecords gives it."""

    approximate_creation_date_time: float
    keys: msgspec.Raw
    sequence_number: str
    image_after: msgspec.Raw = msgspec.field(name="NewImage", default=_ABSENT)
    image_before: msgspec.Raw = msgspec.field(name="OldImage", default=_ABSENT)
    size_bytes: msgspec.Raw = _ABSENT
    stream_view_type: msgspec.Raw = _ABSENT


class DynamoDbRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as GetRecords of DynamoDB Streams gives it."""

    dynamodb: DynamoDbChange
    event_id: msgspec.Raw = msgspec.field(name="eventID")
    event_name: msgspec.Raw = msgspec.field(name="eventName")
    user_identity: msgspec.Raw = msgspec.field(name="userIdentity", default=_ABSENT)


def kinesis_records(
    wire: Sequence[KinesisRecord],
    *,
    shard_id: str,
    stream_arn: str,
    invoke_identity_arn: str,
) -> tuple[StreamRecord, ...]:
    """Write records of a Kinesis shard, members in the order AWS writes them.

    Each becomes {"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": ..,
    "sequenceNumber": .., "data": .., "approximateArrivalTimestamp": ..}, "eventSource":
    "aws:kinesis", "eventVersion": "1.0", "eventID": "<shard>:<sequence number>", "eventName":
    "aws:kinesis:record", "invokeIdentityArn": .., "awsRegion": .., "eventSourceARN": ..}.

    Raises:
        ValueError: A member is not of Kinesis's shape.

    Source: docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html; member order as in the
        recorded answers of AWS
    """
    if not wire:
        return ()
    _refuse_odd_numbers([record.sequence_number for record in wire])
    before_number, tail = _kinesis_frame(shard_id, stream_arn, invoke_identity_arn)
    written, last_arrival, shown_arrival, arrived_ms = [], msgspec.Raw(b""), b"", 0
    for record in wire:
        number, key, blob = record.sequence_number, record.partition_key, record.blob
        digits = number.encode()
        if record.approximate_arrival_timestamp != last_arrival:  # what came together says the same
            last_arrival = record.approximate_arrival_timestamp
            arrived_ms, shown_arrival = _read_arrival(bytes(last_arrival))
        if memoryview(blob)[0] != _QUOTE:
            raise ValueError(f"the Data of record {number} is not a string")
        # Joined, not formatted: this is done for every record, and takes half the time.
        event = b"".join(
            (
                b'{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":',
                _encode(key),
                b',"sequenceNumber":"',
                digits,
                b'","data":',
                blob,
                b',"approximateArrivalTimestamp":',
                shown_arrival,
                before_number,
                digits,
                tail,
            )
        )
        written.append(StreamRecord(number, key.encode(), arrived_ms, event))
    return tuple(written)


def _read_arrival(written: bytes) -> tuple[int, bytes]:
    """Give a time in Unix ms, and as it is shown: without an exponent."""
    seconds = float(written)
    is_plain = _SMALL_E not in written and _CAPITAL_E not in written
    return _to_ms(seconds), written if is_plain else b"%r" % seconds


def _kinesis_frame(shard_id: str, stream_arn: str, invoke_identity_arn: str) -> tuple[bytes, bytes]:
    """Write what stands around the second sequence number of all records of a shard."""
    before_number = (
        b'},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":%b:'
        % (_encode(shard_id)[:-1])
    )
    tail = (
        b'","eventName":"aws:kinesis:record","invokeIdentityArn":%b,"awsRegion":%b,'
        b'"eventSourceARN":%b}'
    ) % (_encode(invoke_identity_arn), _encode(_region_of(stream_arn)), _encode(stream_arn))
    return before_number, tail


def dynamodb_records(
    wire: Sequence[DynamoDbRecord], *, stream_arn: str
) -> tuple[StreamRecord, ...]:
    """Write records of a DynamoDB shard, members in the order AWS writes them.

    Each becomes {"eventID": .., "eventName": .., "eventVersion": "1.1", "eventSource":
    "aws:dynamodb", "awsRegion": .., "dynamodb": {"ApproximateCreationDateTime": 1700000000.0,
    "Keys": .., "NewImage": .., "OldImage": .., "SequenceNumber": .., "SizeBytes": ..,
    "StreamViewType": ..}, "userIdentity": {"principalId": .., "type": ..} (only where DynamoDB
    itself deleted the item), "eventSourceARN": ..}.

    Raises:
        ValueError: A member is not of DynamoDB's shape.

    Source: docs.aws.amazon.com/lambda/latest/dg/with-ddb.html; member order, eventVersion and the
        timestamp's form as in the recorded answers of AWS
    """
    if not wire:
        return ()
    _refuse_odd_numbers([record.dynamodb.sequence_number for record in wire])
    region = _encode(_region_of(stream_arn))
    head = (
        b',"eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":%b,'
        b'"dynamodb":{"ApproximateCreationDateTime":'
    ) % region
    tail = b',"eventSourceARN":%b}' % _encode(stream_arn)
    written: list[StreamRecord] = []
    last_seconds, shown_time, arrived_ms = None, b"", 0
    for record in wire:
        change = record.dynamodb
        if change.approximate_creation_date_time != last_seconds:  # many share their second
            last_seconds = change.approximate_creation_date_time
            arrived_ms, shown_time = _to_ms(last_seconds), repr(last_seconds).encode()
        event = _change_event(record, head, shown_time, tail)
        key = canonical_key(change.keys)
        written.append(StreamRecord(change.sequence_number, key, arrived_ms, event))
    return tuple(written)


def _change_event(record: DynamoDbRecord, head: bytes, shown_time: bytes, tail: bytes) -> bytes:
    """Write one record, joined as one tuple; what is absent has neither name nor bytes."""
    change, identity = record.dynamodb, record.user_identity
    after, before = _member(change.image_after), _member(change.image_before)
    size, view = _member(change.size_bytes), _member(change.stream_view_type)
    return b"".join(
        (
            b'{"eventID":',
            record.event_id,
            b',"eventName":',
            record.event_name,
            head,
            shown_time,
            b',"Keys":',
            change.keys,
            b"" if after is _ABSENT else b',"NewImage":',
            after,
            b"" if before is _ABSENT else b',"OldImage":',
            before,
            b',"SequenceNumber":"',
            change.sequence_number.encode(),
            b'"' if size is _ABSENT else b'","SizeBytes":',
            size,
            b"" if view is _ABSENT else b',"StreamViewType":',
            view,
            b"}" if identity is _ABSENT else b"}" + _written_identity(identity),
            tail,
        )
    )


def _member(given: msgspec.Raw) -> msgspec.Raw:
    return _ABSENT if given == _NULL else given


def _written_identity(identity: msgspec.Raw) -> bytes:
    """Write who made a change; the wire says ``PrincipalId``, the event ``principalId``.

    Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
    """
    members = _decode_identity(identity)
    if members is None:
        return b""
    named = {name[:1].lower() + name[1:]: text for name, text in members.items()}
    return b',"userIdentity":%b' % _encode(named)


def canonical_key(keys: msgspec.Raw) -> bytes:
    """Give an item's key attributes as bytes that are the same however a server writes them.

    Their order, spaces and escapes are the server's own, and may be others after it was updated:
    checkpoints speak of lanes, and a lane follows from these bytes.

    Raises:
        ValueError: Not an object.
    """
    return _encode_sorted(_decode_members(keys))


def stream_event(
    records: Sequence[StreamRecord],
    *,
    window: WindowInvocation | None,
    shard_id: str,
    stream_arn: str,
) -> bytes:
    """Build the event of a batch, and of a tumbling window's invocation.

    Returns:
        {"Records": [..]}, and with a window: "window": {"start": "2020-12-09T07:04:00Z",
        "end": ..}, "state": {..}, "shardId": .., "eventSourceARN": ..,
        "isFinalInvokeForWindow": false, "isWindowTerminatedEarly": false.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
    """
    if window is None:
        return _records_event([record.event for record in records])
    joined = b",".join([record.event for record in records])
    return (
        b'{"Records":[%b],"window":{"start":"%b","end":"%b"},"state":%b,"shardId":%b,'
        b'"eventSourceARN":%b,"isFinalInvokeForWindow":%b,"isWindowTerminatedEarly":%b}'
    ) % (
        joined,
        _written_time(window.start_ms),
        _written_time(window.end_ms),
        window.state,
        _encode(shard_id),
        _encode(stream_arn),
        _encode(window.is_final),
        _encode(window.is_terminated_early),
    )


def _records_event(written: list[bytes]) -> bytes:
    """Write an event of records alone; each byte is copied once."""
    if not written:
        return b'{"Records":[]}'
    written[0] = b'{"Records":[%b' % written[0]
    written[-1] = b"%b]}" % written[-1]
    return b",".join(written)


def _written_time(wall_ms: int) -> bytes:
    return datetime.fromtimestamp(wall_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _refuse_odd_numbers(numbers: list[str]) -> None:
    """Refuse sequence numbers that are not decimal digits, all at one look."""
    joined = "".join(numbers)
    # Of bytes this look is five times as fast as of text.
    if numbers and not (joined.isascii() and joined.encode().isdigit() and all(numbers)):
        raise ValueError("a sequence number is not a decimal number")
    if max(map(len, numbers), default=0) > SEQUENCE_NUMBER_CHARS_MAX:
        raise ValueError(f"a sequence number has over {SEQUENCE_NUMBER_CHARS_MAX} digits")


def _to_ms(seconds: float) -> int:
    if not 0 <= seconds < _SECONDS_END:
        raise ValueError(f"{seconds} is not a time in seconds since 1970")
    return int(seconds * 1000 + 0.5)


def _region_of(arn: str) -> str:
    return arn.split(":", 4)[3]
