"""The event a function sees, built from wire bytes without decoding what is only passed on."""

from collections.abc import Iterable, Sequence

import msgspec

from penstock.model.message import Message

_RECORD_OVERHEAD_BYTES = 251  # the fixed member names and values of one record, rounded up
_ATTRIBUTE_OVERHEAD_BYTES = 64  # what the translation of one message attribute adds, rounded up
_ATTRIBUTES_MAX = 10  # SQS: message attributes per message

_NO_ATTRIBUTES = b"{}"
_NULL = msgspec.Raw(b"null")

_encode = msgspec.json.Encoder().encode


class _QueueAttribute(msgspec.Struct, rename="pascal"):
    # SQS always sends DataType; an emulator that forgets it must not stop the mapping.
    data_type: msgspec.Raw = msgspec.Raw(b'"String"')
    string_value: msgspec.Raw = _NULL
    binary_value: msgspec.Raw = _NULL


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
    tail = b',"eventSource":"aws:sqs","eventSourceARN":%b,"awsRegion":%b}' % (
        _encode(queue_arn),
        _encode(region),
    )
    return b'{"Records":[%b]}' % b",".join([_queue_record(message, tail) for message in messages])


def queue_records_bytes_max(messages: Sequence[Message], queue_arn: str) -> int:
    """Bound the bytes of messages' records in the event from above, without building them.

    Each with the comma before it.
    """
    # All at once: a call per text would cost more than building the event.
    texts = _encode(
        [
            (each.message_id, each.receipt_handle, each.md5_of_body, each.md5_of_message_attributes)
            for each in messages
        ]
    )
    attribute_bytes = [len(each.message_attributes) for each in messages]
    has_attributes = len([size for size in attribute_bytes if size > len(_NO_ATTRIBUTES)])
    return (
        len(texts)
        - 1  # of two brackets and a comma less than messages: so that bounds add up
        + sum([len(each.body) + len(each.attributes) for each in messages])
        + sum(attribute_bytes)
        + len(messages) * (len(queue_arn) + _RECORD_OVERHEAD_BYTES)
        + has_attributes * _ATTRIBUTES_MAX * _ATTRIBUTE_OVERHEAD_BYTES
    )


def _queue_record(message: Message, tail: bytes) -> bytes:
    attributes = event_attributes(message)
    md5_of_attributes = (
        b',"md5OfMessageAttributes":%b' % _encode(message.md5_of_message_attributes)
        if attributes != _NO_ATTRIBUTES and message.md5_of_message_attributes is not None
        else b""
    )
    return (
        b'{"messageId":%b,"receiptHandle":%b,"body":%b,"attributes":%b,'
        b'"messageAttributes":%b%b,"md5OfBody":%b%b'
    ) % (
        _encode(message.message_id),
        _encode(message.receipt_handle),
        message.body,
        message.attributes,
        attributes,
        md5_of_attributes,
        _encode(message.md5_of_body),
        tail,
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
