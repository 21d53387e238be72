"""The queues of a test, standard and FIFO: SQS as the simulator models it."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.model.arn import QUEUE_NAME
from penstock.model.errors import ConfigurationError, SourceThrottledError
from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.simulation.queue import ReceiveAsk, SimulatedQueue
from penstock.simulation.queue_shelf import StoredMessage
from penstock.simulation.trace import Trace
from penstock.simulation.wire import Reply, Wire
from penstock.testing.faults import Fault
from penstock.testing.source import Source, Surface
from penstock.testing.values import Entry, is_whole, write_value

BODY_BYTES_MAX = 1024 * 1024  # SQS: a message, 1 MiB since 2025
VISIBILITY_S_DEFAULT = 30  # SQS's own
_VISIBILITY_S_MAX = 43_200
_RECEIVE_COUNT_MAX = 1_000
_GROUP_CHARS_MAX = 128
_MESSAGE_MEMBERS = {
    "MessageBody",
    "MessageGroupId",
    "MessageDeduplicationId",
    "MessageAttributes",
}

_encode = msgspec.json.Encoder().encode


class _Sent(msgspec.Struct):
    """What the queue's server does not keep of a message."""

    entry: Entry
    body: bytes
    md5_of_body: str
    attributes: bytes
    md5_of_attributes: str | None
    group: str = ""
    came_from: str = ""
    first_received_ms: int | None = None
    received_by: str = ""
    receive_count: int = 0


class Queue(Source):
    """An SQS queue of a test; made by ``penstock.queue`` or ``penstock.fifo_queue``.

    Attributes:
        name: QueueName.
        arn: QueueArn.
        dead_letter_queue: Where its redrive policy moves messages; None without one.
    """

    NAME = QUEUE_NAME

    def __init__(
        self,
        surface: Surface,
        name: str,
        *,
        visibility_s: int = VISIBILITY_S_DEFAULT,
        max_receive_count: int | None = None,
        dead_letter_queue: "Queue | None" = None,
    ) -> None:
        super().__init__(surface, name, surface.arn_of("sqs", name))
        self.dead_letter_queue = dead_letter_queue
        self._sent: dict[str, _Sent] = {}
        self._wire = Wire(surface.chance, latency_ms_max=0)
        self._is_serving = False
        self.server = SimulatedQueue(
            self.arn,
            QueueAttributes(
                visibility_s,
                max_receive_count,
                None if dead_letter_queue is None else dead_letter_queue.arn,
            ),
            chance=surface.chance,
            watch=self,
            trace=Trace(lambda: 0),
            show=self._show,
        )
        self.server.notices_gone = True

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        return f"queue {self.name}"

    @property
    def messages(self) -> list[Any]:
        """The values of all messages that are in it, visible or hidden, as they were put."""
        return [self._sent[each].entry.value for each in self.server.message_ids()]

    def send(
        self,
        *messages: object,
        MessageGroupId: str | None = None,  # noqa: N803 - AWS's names
        MessageDeduplicationId: str | None = None,  # noqa: N803
        MessageAttributes: Mapping[str, object] | None = None,  # noqa: N803
    ) -> None:
        """Send messages: each is a body, or a dict with SendMessage's own members.

        A body that is text is sent as it is, any other as JSON. The options are for all of
        them; what a dict says itself comes first.

        Args:
            *messages: ``{"id": 1}``, ``"text"``, ``{"MessageBody": .., "MessageGroupId": ..}``.
            MessageGroupId: Required of a FIFO queue.
            MessageDeduplicationId: Without one, each message of a FIFO queue is new.
            MessageAttributes: {"name": {"DataType": "String", "StringValue": ".."}}.

        Raises:
            ConfigurationError: SQS would not take it.
        """
        options = {
            "MessageGroupId": MessageGroupId,
            "MessageDeduplicationId": MessageDeduplicationId,
            "MessageAttributes": MessageAttributes,
        }
        put = [self._take_in(each, options) for each in messages]
        self._note_put([entry for entry in put if entry is not None])
        self._serve_soon()

    def _move_in(self, identity: str, moved: _Sent, came_from: str) -> None:
        """Take in what another queue's redrive policy has moved here, under its own id."""
        entry = self._add(moved.entry.value, identity, body=moved.entry.body)
        self._sent[identity] = _Sent(
            entry,
            moved.body,
            moved.md5_of_body,
            moved.attributes,
            moved.md5_of_attributes,
            moved.group,
            came_from,
        )
        self.server.take_in(identity, _to_literal(moved.body), group=moved.group)
        self._note_put([entry])
        self._serve_soon()

    @property
    def _is_fifo(self) -> bool:
        return self.name.endswith(".fifo")

    def _take_in(self, given: object, options: Mapping[str, object]) -> Entry | None:
        what = f"message {len(self.entries) + 1} for {self.name}"
        value, members = given, dict(options)
        if isinstance(given, dict) and "MessageBody" in given and given.keys() <= _MESSAGE_MEMBERS:
            members |= given
            value = given["MessageBody"]
        body = write_value(value, what=what, bytes_max=BODY_BYTES_MAX)
        group = _text_of(members, "MessageGroupId", what)
        if self._is_fifo and not group:
            raise ConfigurationError(f"{what}: a FIFO queue's message needs a MessageGroupId")
        deduplication_id = _text_of(members, "MessageDeduplicationId", what)
        if deduplication_id and not self._is_fifo:
            raise ConfigurationError(f"{what}: MessageDeduplicationId is for FIFO queues only")
        attributes, md5 = _write_attributes(members["MessageAttributes"], what)
        identity = self._surface.identities.draw_uuid()
        literal = _to_literal(body)
        taken = self.server.take_in(
            identity, literal, group=group, deduplication_id=deduplication_id
        )
        if not taken:
            return None
        entry = self._add(given, identity, body=value)
        self._sent[identity] = _Sent(entry, body, _md5(body), attributes, md5, group)
        return entry

    def _serve_soon(self) -> None:
        """Answer polls in a later turn: what a test sends in a row is there together."""
        if not self._is_serving:
            self._is_serving = True
            self._surface.loop.call_soon(self._serve)

    def _serve(self) -> None:
        self._is_serving = False
        self.server.serve_polls()

    def _show(self, stored: StoredMessage) -> Message:
        """Give a message as ReceiveMessage answers it, attributes in AWS's order."""
        sent = self._sent[stored.message_id]
        wall_ms = self._surface.wall_ms()
        sent.first_received_ms = sent.first_received_ms or wall_ms
        sent.receive_count = stored.receive_count
        attributes = {
            "ApproximateReceiveCount": str(stored.receive_count),
            "SentTimestamp": str(self._surface.to_wall_ms(stored.sent_ms)),
        }
        if self._is_fifo:
            attributes["SequenceNumber"] = str(stored.sequence_number)
        if stored.group:
            attributes["MessageGroupId"] = stored.group
        attributes["SenderId"] = "AROAPENSTOCKTESTING00:test"
        if self._is_fifo:
            attributes["MessageDeduplicationId"] = stored.deduplication_id
        attributes["ApproximateFirstReceiveTimestamp"] = str(sent.first_received_ms)
        if sent.came_from:
            attributes["DeadLetterQueueSourceArn"] = sent.came_from
        return Message(
            stored.message_id,
            stored.receipt_handle,
            stored.body,
            md5_of_body=sent.md5_of_body,
            attributes=msgspec.Raw(_encode(attributes)),
            message_attributes=msgspec.Raw(sent.attributes),
            md5_of_message_attributes=sent.md5_of_attributes,
        )

    # What the server tells: ``QueueWatch``.

    def message_sent(self, queue_arn: str, message_id: str, body: bytes, *, group: str) -> None:
        """Pass over: whoever sends notes it."""

    def message_handed(
        self, message_id: str, receipt_handle: str, *, receive_count: int, timeout_ms: int
    ) -> None:
        """Pass over: the mapping notes what it is given."""

    def visibility_changed(self, receipt_handle: str, hidden_until_ms: int) -> None:
        """Pass over: the mapping notes what it asks for."""

    def copy_doubled(self, receipt_handle: str) -> None:
        """Pass over: nothing is handed out twice here."""

    def message_deleted(self, message_id: str) -> None:  # noqa: ARG002 - any of them
        """Take note that something has changed."""
        self._surface.tell()

    def message_dead_lettered(self, message_id: str) -> None:
        """Move a message to the dead-letter queue, and let the mappings know."""
        to, sent = self.dead_letter_queue, self._sent[message_id]
        if to is None:
            return
        for chronicle in self.chronicles:
            chronicle.dead_lettered(message_id, to.name, sent.receive_count)
        to._move_in(message_id, sent, self.arn)  # noqa: SLF001 - another queue of this class

    # What a mapping calls: ``QueueSource``.

    async def describe(self) -> QueueAttributes:
        """Read the queue's attributes."""
        return await self._wire.call(lambda reply: reply.send(self.server.attributes))

    async def receive(
        self,
        max_messages: int,
        wait_s: int,
        *,
        visibility_timeout_s: int | None = None,
        attempt_id: str | None = None,
    ) -> tuple[Message, ...]:
        """Long-poll once."""
        ask = ReceiveAsk(max_messages, wait_s, visibility_timeout_s, attempt_id)

        def serve(reply: Reply[tuple[Message, ...]]) -> None:
            if self._surface.faults.strikes(Fault.READ, self.arn):
                reply.refuse(SourceThrottledError("Throttling (injected)"))
            else:
                self.server.receive(reply, ask)

        return await self._wire.call(serve)

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Delete messages in one call."""

        def serve(reply: Reply[DeleteReport]) -> None:
            if self._surface.faults.strikes(Fault.DELETE, self.arn):
                reply.send(DeleteReport(tuple(messages)))
            else:
                self.server.delete(reply, messages)

        return await self._wire.call(serve)

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> tuple[Message, ...]:
        """Hide messages, each for its time from now; 0 gives one back."""

        def serve(reply: Reply[tuple[Message, ...]]) -> None:
            self.server.change_visibility(reply, changes)

        return await self._wire.call(serve)


def check_visibility(given: int) -> int:
    """Give a VisibilityTimeout.

    Raises:
        ConfigurationError: Not of SQS's range.
    """
    if not is_whole(given, 0, _VISIBILITY_S_MAX):
        raise ConfigurationError(f"VisibilityTimeout={given!r}: seconds, 0..{_VISIBILITY_S_MAX}")
    return given


def check_receive_count(given: int | None) -> int | None:
    """Give a redrive policy's maxReceiveCount; None without one.

    Raises:
        ConfigurationError: Not of SQS's range.
    """
    if given is not None and not is_whole(given, 1, _RECEIVE_COUNT_MAX):
        raise ConfigurationError(f"maxReceiveCount={given!r}: give 1..{_RECEIVE_COUNT_MAX}")
    return given


def _to_literal(body: bytes) -> bytes:
    try:
        return _encode(body.decode())
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"a message's body is text, and {body[:20]!r} is not") from exc


def _text_of(members: Mapping[str, object], name: str, what: str) -> str:
    given = members[name]
    if given is None:
        return ""
    if not isinstance(given, str) or not 1 <= len(given) <= _GROUP_CHARS_MAX:
        raise ConfigurationError(f"{what}: {name} {given!r} is no text of 1..{_GROUP_CHARS_MAX}")
    return given


def _md5(text: bytes) -> str:
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _write_attributes(given: object, what: str) -> tuple[bytes, str | None]:
    """Give attributes as ReceiveMessage answers them, and their digest.

    Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
        sqs-message-metadata.html (how the digest is made)
    """
    if not given:
        return b"", None
    digest = hashlib.md5(usedforsecurity=False)
    written = {}
    try:
        attributes = msgspec.convert(given, dict[str, _Attribute])
    except msgspec.ValidationError as exc:
        raise ConfigurationError(
            f"{what}: MessageAttributes {given!r}: {exc}; the form is "
            "{'name': {'DataType': 'String', 'StringValue': 'text'}}"
        ) from exc
    for name in sorted(attributes):
        attribute = attributes[name]
        written[name] = attribute.to_wire()
        for part in (name.encode(), attribute.data_type.encode()):
            digest.update(len(part).to_bytes(4) + part)
        kind, part = attribute.digested()
        digest.update(kind + len(part).to_bytes(4) + part)
    return _encode(written), digest.hexdigest()


class _Attribute(msgspec.Struct, rename="pascal", forbid_unknown_fields=True):
    data_type: str
    string_value: str | None = None
    binary_value: bytes | None = None

    def __post_init__(self) -> None:
        if (self.string_value is None) == (self.binary_value is None):
            raise ValueError("give StringValue or BinaryValue")

    def to_wire(self) -> dict[str, str]:
        if self.binary_value is None:
            return {"StringValue": self.string_value or "", "DataType": self.data_type}
        packed = base64.b64encode(self.binary_value).decode()
        return {"BinaryValue": packed, "DataType": self.data_type}

    def digested(self) -> tuple[bytes, bytes]:
        if self.binary_value is None:
            return b"\x01", (self.string_value or "").encode()
        return b"\x02", self.binary_value
