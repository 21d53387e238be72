"""What a message carries beside its body, as its server writes it and as a function is to see it.

It follows from the message's id, so that whoever audits can tell it again. Large messages have no
attributes of their own: events are measured by their bodies there.

Source: docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and
    docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Message.html
"""

import zlib

import msgspec

LARGE_BYTES = 10_000
_LISTS = b'"stringListValues":[],"binaryListValues":[]'


class Members(msgspec.Struct, frozen=True):
    """Attributes of one message.

    Attributes:
        sent: As ReceiveMessage answers with them; empty: it says nothing of them.
        md5: Of them; None where the server does not tell it.
        shown: As an event has them.
    """

    sent: bytes
    md5: str | None
    shown: bytes


_NONE = Members(b"", None, b"{}")
_FORMS = (
    _NONE,
    Members(
        b'{"kind":{"StringValue":"caf\\u00e9","DataType":"String"}}',
        "0a1b",
        b'{"kind":{"stringValue":"caf\\u00e9",%b,"dataType":"String"}}' % _LISTS,
    ),
    _NONE,
    Members(
        b'{"blob":{"BinaryValue":"AQI=","StringValue":null,"DataType":"Binary.gif"},'
        b'"\\"n\\"":{"DataType":"Number","StringValue":"7"}}',
        "2c3d",
        b'{"blob":{"binaryValue":"AQI=",%b,"dataType":"Binary.gif"},'
        b'"\\"n\\"":{"stringValue":"7",%b,"dataType":"Number"}}' % (_LISTS, _LISTS),
    ),
    # What only emulators say.
    Members(b"{}", "4e5f", b"{}"),
    Members(b"null", "4e5f", b"{}"),
    Members(
        b'{"bare":{"StringValue":"no type"}}',
        None,
        b'{"bare":{"stringValue":"no type",%b,"dataType":"String"}}' % _LISTS,
    ),
    Members(
        b'{"empty":{"DataType":"String"}}', "6a7b", b'{"empty":{%b,"dataType":"String"}}' % _LISTS
    ),
)


def members_of(message_id: str, body: bytes) -> Members:
    """Give what a message carries."""
    if len(body) > LARGE_BYTES:
        return _NONE
    return _FORMS[zlib.crc32(message_id.encode()) % len(_FORMS)]


def md5_of(message_id: str) -> str:
    """Give what the server says is the digest of a body: nobody computes it anew."""
    return f"of {message_id}"


def event_record(
    message_id: str, receipt_handle: str, body: bytes, attributes: bytes, queue_arn: str
) -> bytes:
    """Write a message's record of an event, members in the order AWS writes them.

    The system's attributes are passed on as they are.
    """
    members = members_of(message_id, body)
    has_md5 = members.shown != b"{}" and members.md5 is not None
    told = b'"md5OfMessageAttributes":"%b",' % (members.md5 or "").encode() if has_md5 else b""
    return (
        b'{"messageId":"%b","receiptHandle":"%b","body":%b,"attributes":%b,'
        b'"messageAttributes":%b,%b"md5OfBody":"%b","eventSource":"aws:sqs",'
        b'"eventSourceARN":"%b","awsRegion":"%b"}'
    ) % (
        message_id.encode(),
        receipt_handle.encode(),
        body,
        attributes,
        members.shown,
        told,
        md5_of(message_id).encode(),
        queue_arn.encode(),
        queue_arn.split(":")[3].encode(),
    )
