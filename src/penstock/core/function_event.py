"""The event a function sees, built from wire bytes without decoding what is only passed on."""

from collections.abc import Iterable, Sequence

import msgspec

from penstock.model.message import Message

# What one record has beyond a message's own names and values and the queue's ARN, rounded up.
_RECORD_OVERHEAD_BYTES = 128
_ATTRIBUTE_OVERHEAD_BYTES = 64  # what the translation of one message attribute adds, rounded up
_ATTRIBUTES_MAX = 10  # SQS: message attributes per message

_NO_ATTRIBUTES = b"{}"
_NO_ATTRIBUTES_RAW = msgspec.Raw(_NO_ATTRIBUTES)
_NULL = msgspec.Raw(b"null")

_encode = msgspec.json.Encoder().encode


class _QueueAttribute(msgspec.Struct, rename="pascal"):
    # SQS always sends DataType; an emulator that forgets it must not stop the mapping.
    data_type: msgspec.Raw = msgspec.Raw(b'"String"')
    string_value: msgspec.Raw = _NULL
    binary_value: msgspec.Raw = _NULL


class _QueueRecord(msgspec.Struct, rename="camel", gc=False):
    """A record of the event, written by one call for all of a batch."""

    message_id: str
    receipt_handle: str
    body: msgspec.Raw
    attributes: msgspec.Raw
    message_attributes: msgspec.Raw
    md5_of_message_attributes: str | msgspec.UnsetType | None
    md5_of_body: str
    event_source: str
    event_source_arn: str = msgspec.field(name="eventSourceARN")
    aws_region: str


class _QueueEvent(msgspec.Struct, rename="pascal", gc=False):
    records: list[_QueueRecord]


_decode_attributes = msgspec.json.Decoder(dict[str, _QueueAttribute] | None).decode


def queue_event(messages: Iterable[Message], queue_arn: str) -> bytes:
    """Build the event of a queue batch, members in the order AWS writes them.

    Returns:
        {"Records": [{"messageId": .., "receiptHandle": .., "body": .., "attributes": {..},
        "messageAttributes": {..}, "md5OfMessageAttributes": .. (only with attributes),
        "md5OfBody": .., "eventSource": "aws:sqs", "eventSourceARN": .., "awsRegion": ..}]}

    Raises:
        msgspec.MsgspecError: A message's attributes are not of SQS's shape.

    Source: docs.aws.amazon.com/lambda/latest/dg/with-sqs.html; member order and
        md5OfMessageAttributes as recorded, docs/semantics.md#queue-event
    """
    region = queue_arn.split(":", 4)[3]
    records = [_queue_record(message, queue_arn, region) for message in messages]
    return _encode(_QueueEvent(records))


def queue_records_bytes_max(messages: Sequence[Message], queue_arn: str) -> int:
    """Bound the bytes of messages' records in the event from above, without building them.

    Each with the comma before it.
    """
    # All at once, as they came over the wire: a call per text would cost more than the event.
    written = len(_encode(messages))
    own = [each for each in messages if len(each.message_attributes) > len(_NO_ATTRIBUTES)]
    return (
        written
        - 1  # of two brackets and a comma less than messages: so that bounds add up
        + len(messages) * (len(queue_arn) + _RECORD_OVERHEAD_BYTES)
        + len(own) * _ATTRIBUTES_MAX * _ATTRIBUTE_OVERHEAD_BYTES
    )


def _queue_record(message: Message, queue_arn: str, region: str) -> _QueueRecord:
    attributes = _NO_ATTRIBUTES_RAW
    md5_of_attributes: str | msgspec.UnsetType | None = msgspec.UNSET
    if len(message.message_attributes) > len(_NO_ATTRIBUTES):
        written = event_attributes(message)
        attributes = msgspec.Raw(written)
        if written != _NO_ATTRIBUTES and message.md5_of_message_attributes is not None:
            md5_of_attributes = message.md5_of_message_attributes
    return _QueueRecord(
        message.message_id,
        message.receipt_handle,
        message.body,
        message.attributes,
        attributes,
        md5_of_attributes,
        message.md5_of_body,
        "aws:sqs",
        queue_arn,
        region,
    )


def event_attributes(message: Message) -> bytes:
    """Write a message's own attributes as an event has them: {"name": {"stringValue": ..}}.

    Raises:
        msgspec.MsgspecError: They are not of SQS's shape.
    """
    if len(message.message_attributes) <= len(_NO_ATTRIBUTES):
        return _NO_ATTRIBUTES
    attributes = _decode_attributes(message.message_attributes) or {}
    translated = [
        b"%b:{%b%b" % (_encode(name), _attribute_value(attribute), _attribute_tail(attribute))
        for name, attribute in attributes.items()
    ]
    return b"{%b}" % b",".join(translated)


def _attribute_value(attribute: _QueueAttribute) -> bytes:
    if attribute.string_value != _NULL:
        return b'"stringValue":%b,' % attribute.string_value
    if attribute.binary_value != _NULL:
        return b'"binaryValue":%b,' % attribute.binary_value
    return b""


def _attribute_tail(attribute: _QueueAttribute) -> bytes:
    return b'"stringListValues":[],"binaryListValues":[],"dataType":%b}' % attribute.data_type
