"""An SQS message as it came over the wire, and an ordered batch of them."""

import contextlib

import msgspec

BATCH_ENTRIES_MAX = 10  # SQS: entries per DeleteMessageBatch, messages per ReceiveMessage


class Message(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    """One received message; what the function only passes on stays encoded.

    Attributes:
        body: The JSON string literal of the body, quotes included, byte for byte as received.
        attributes: The JSON object of system attributes, as received (receive count ...).
        message_attributes: The JSON object of user attributes in SQS's spelling ("StringValue"),
            or empty when there are none.

    Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Message.html
    """

    message_id: str
    receipt_handle: str
    body: msgspec.Raw
    md5_of_body: str = msgspec.field(name="MD5OfBody", default="")
    attributes: msgspec.Raw = msgspec.Raw(b"{}")
    message_attributes: msgspec.Raw = msgspec.Raw(b"")
    md5_of_message_attributes: str | None = msgspec.field(
        name="MD5OfMessageAttributes", default=None
    )

    @property
    def receive_count(self) -> int:
        """ApproximateReceiveCount, 0 if unknown; decoded at each call: not for the hot path."""
        # SQS sends an object with text; another server's slip must not stop a mapping.
        with contextlib.suppress(msgspec.DecodeError, ValueError):
            return int(_decode_counts(self.attributes).receive_count)
        return 0

    @property
    def group(self) -> str:
        """MessageGroupId, empty if there is none; decoded at each call: for FIFO queues."""
        with contextlib.suppress(msgspec.DecodeError):
            return _decode_group(self.attributes).group
        return ""


class _Counts(msgspec.Struct):
    receive_count: str | int = msgspec.field(name="ApproximateReceiveCount", default="")


class _Group(msgspec.Struct):
    group: str = msgspec.field(name="MessageGroupId", default="")


_decode_counts = msgspec.json.Decoder(_Counts).decode
_decode_group = msgspec.json.Decoder(_Group).decode


class VisibilityChange(msgspec.Struct, frozen=True):
    """A message and how long it shall be hidden from now on, 0..43200; 0: it is visible at once."""

    message: Message
    timeout_s: int


class MessageBatch(msgspec.Struct, frozen=True):
    """Messages that are invoked together, in the order they were received.

    Attributes:
        id: Unique within its queue consumer's life.
    """

    id: int
    messages: tuple[Message, ...]


class QueueAttributes(msgspec.Struct, frozen=True):
    """What a mapping must know of its queue.

    Attributes:
        visibility_timeout_s: 0..43200; how long a received message stays hidden.
        max_receive_count: The redrive policy's maximum; None without a redrive policy.
        dead_letter_arn: Where the redrive policy moves messages; None where it is not said.
    """

    visibility_timeout_s: int
    max_receive_count: int | None = None
    dead_letter_arn: str | None = None


class DeleteReport(msgspec.Struct, frozen=True):
    """The outcome of deleting a batch: every message is in exactly one of the three.

    Attributes:
        deleted: Gone from the queue.
        retryable: The server failed on them; deleting again may work.
        refused: The server refuses them (an expired or foreign receipt handle).
    """

    deleted: tuple[Message, ...]
    retryable: tuple[Message, ...] = ()
    refused: tuple[Message, ...] = ()
