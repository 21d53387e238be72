"""Records as a server's answer writes them, and as a function is to see them.

Both are written here, by hand and from AWS's documents: the events that functions get are compared
with these byte for byte, and what comes between is the code under test.

Source: docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html and
    docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

import re
from base64 import b64encode
from random import Random

import msgspec

from penstock.model.stream import StreamKind, StreamRecord

REGION = "eu-west-1"
INVOKE_IDENTITY_ARN = "arn:aws:iam::000000000000:role/reader"
SHADES = ("light", "light", "dark")  # a record has one of them, by its number
# What a mapping with a filter asks for.
DARK_ONLY = {
    StreamKind.KINESIS: '{"data":{"shade":["dark"]}}',
    StreamKind.DYNAMODB: '{"dynamodb":{"NewImage":{"shade":{"S":["dark"]}}}}',
}
_HEAD_BYTES = 700  # the marks stand before it
# Each text is a multiple of three bytes long and stands at one: so it can be seen in base64, too.
_SHADE_TEXTS = {"dark": b'{"shade":"dark"  ,', "light": b'{"shade":"light" ,'}
_KIND_TEXTS = {True: b'"kind":"poison"', False: b'"kind":"good"  '}
_DARK_MARKS = (b64encode(_SHADE_TEXTS["dark"]), b'"shade":{"S":"dark"}')
_POISON_MARKS = (b64encode(_KIND_TEXTS[True]), b'"kind":{"S":"poison"}')
_ODD_NUMBERS = (b'""', b'"12a"', b'"-5"', '"\u0661\u0662"'.encode(), b'"%b"' % (b"9" * 129))
_ODD_TEXTS = {
    b"SequenceNumber": _ODD_NUMBERS,
    b"ApproximateArrivalTimestamp": (b"-1", b"253402300800", b'"then"'),
    b"ApproximateCreationDateTime": (b"-1", b"253402300800", b'"then"'),
}


class WrittenRecord(msgspec.Struct, frozen=True):
    """A record, twice.

    Attributes:
        wire: As GetRecords answers with it.
        record: As it is to be read.
    """

    wire: bytes
    record: StreamRecord


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is put.

    Attributes:
        shard_name: With the incarnation of the stream before it: auditors tell them apart by it.
        filler_bytes: How much of a body it has beside its marks.
    """

    stream_arn: str
    shard_name: str
    number: int
    key: str
    wall_ms: int
    is_poison: bool
    filler_bytes: int


def is_poison(event: bytes) -> bool:
    """Tell whether functions fail on a record, before it is mended."""
    return any(mark in event[:_HEAD_BYTES] for mark in _POISON_MARKS)


def is_dark(event: bytes) -> bool:
    """Tell whether a filter lets a record through."""
    return any(mark in event[:_HEAD_BYTES] for mark in _DARK_MARKS)


def write_kinesis(entry: Entry) -> WrittenRecord:
    """Write a record of a Kinesis stream; every other arrival has an exponent, as AWS's have."""
    number = str(entry.number)
    seconds = entry.wall_ms / 1000
    told = f"{seconds!r}" if entry.number % 2 else f"{seconds:.12E}"
    blob = b"".join(
        (
            b64encode(_SHADE_TEXTS[SHADES[entry.number % len(SHADES)]]),
            b64encode(_KIND_TEXTS[entry.is_poison]),
            b64encode(b',"filler":" '),
            b"eHh4" * (entry.filler_bytes // 4),
            b64encode(b'"}'),
        )
    )
    wire = (
        b'{"SequenceNumber":"%b","ApproximateArrivalTimestamp":%b,"Data":"%b",'
        b'"PartitionKey":"%b","EncryptionType":"NONE"}'
    ) % (number.encode(), told.encode(), blob, entry.key.encode())
    event = (
        b'{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"%b","sequenceNumber":"%b",'
        b'"data":"%b","approximateArrivalTimestamp":%b},"eventSource":"aws:kinesis",'
        b'"eventVersion":"1.0","eventID":"%b:%b","eventName":"aws:kinesis:record",'
        b'"invokeIdentityArn":"%b","awsRegion":"%b","eventSourceARN":"%b"}'
    ) % (
        entry.key.encode(),
        number.encode(),
        blob,
        repr(seconds).encode(),
        entry.shard_name.encode(),
        number.encode(),
        INVOKE_IDENTITY_ARN.encode(),
        REGION.encode(),
        entry.stream_arn.encode(),
    )
    return WrittenRecord(wire, StreamRecord(number, entry.key.encode(), entry.wall_ms, event))


def write_dynamodb(entry: Entry) -> WrittenRecord:
    """Write a change of an item; what may be absent is so now and then, or null."""
    number = str(entry.number)
    seconds = entry.wall_ms // 1000
    keys, canonical = _keys(entry)
    image = b'{"shade":{"S":"%b"},"kind":{"S":"%b"},"filler":{"S":"%b"}}' % (
        SHADES[entry.number % len(SHADES)].encode(),
        b"poison" if entry.is_poison else b"good",
        b"x" * entry.filler_bytes,
    )
    old = (None, b"null", b'{"shade":{"S":"none"}}')[entry.number % 3]
    size = (b"26", b"null", None, b"7")[entry.number % 4]
    identity = (None, None, b"null", b'{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}')[
        entry.number // 3 % 4
    ]
    rest = b'"SequenceNumber":"%b"' % number.encode()
    wire = b"".join(
        (
            b'{"eventID":"%b:%b","eventName":"MODIFY","eventVersion":"1.0",'
            % (entry.shard_name.encode(), number.encode()),
            b'"dynamodb":{"ApproximateCreationDateTime":%d,"Keys":%b,"NewImage":%b'
            % (seconds, keys, image),
            b"" if old is None else b',"OldImage":%b' % old,
            b",%b" % rest,
            b"" if size is None else b',"SizeBytes":%b' % size,
            b',"StreamViewType":"NEW_AND_OLD_IMAGES"}',
            b"" if identity is None else b',"userIdentity":%b' % identity,
            b"}",
        )
    )
    event = b"".join(
        (
            b'{"eventID":"%b:%b","eventName":"MODIFY","eventVersion":"1.1",'
            % (entry.shard_name.encode(), number.encode()),
            b'"eventSource":"aws:dynamodb","awsRegion":"%b",' % REGION.encode(),
            b'"dynamodb":{"ApproximateCreationDateTime":%d.0,"Keys":%b,"NewImage":%b'
            % (seconds, keys, image),
            b"" if old in {None, b"null"} else b',"OldImage":{"shade":{"S":"none"}}',
            b",%b" % rest,
            b"" if size in {None, b"null"} else b',"SizeBytes":%b' % (size or b""),
            b',"StreamViewType":"NEW_AND_OLD_IMAGES"}',
            b""
            if identity in {None, b"null"}
            else b',"userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}',
            b',"eventSourceARN":"%b"}' % entry.stream_arn.encode(),
        )
    )
    return WrittenRecord(wire, StreamRecord(number, canonical, seconds * 1000, event))


def garble(wire: bytes, rng: Random) -> bytes:
    """Write a member of a record as no server should."""
    name, texts = rng.choice(tuple(_ODD_TEXTS.items()))
    return re.sub(rb'"%b":("[^"]*"|[^,]+)' % name, b'"%b":%b' % (name, rng.choice(texts)), wire)


def _keys(entry: Entry) -> tuple[bytes, bytes]:
    """Give an item's key as its server writes it, in one of several ways, and sorted."""
    key = entry.key.encode()
    canonical = b'{"id":{"S":"%b"},"sort":{"N":"1"}}' % key
    written = (
        canonical,
        b'{"sort":{"N":"1"},"id":{"S":"%b"}}' % key,
        b'{ "id": {"S": "%b"}, "sort": {"N": "1"} }' % key.replace(b"-", b"\\u002d"),
    )
    return written[entry.number % len(written)], canonical
