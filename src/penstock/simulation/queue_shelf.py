"""What a simulated queue may hand out next: of a standard queue anything, of a FIFO queue by group.

Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

import collections
from collections.abc import Iterator
from typing import Protocol

import msgspec

from penstock.model.message import Message
from penstock.simulation.message_members import md5_of, members_of


class StoredMessage(msgspec.Struct, kw_only=True, eq=False):
    """A message on the server.

    Attributes:
        sequence_number: Where it stands in its queue; FIFO queues show it.
        group: MessageGroupId; empty without one. Only of a FIFO queue does it keep an order.
        received_ms: When it was handed out last.
        visible_at_ms: None while it is visible.
        is_gone: It was deleted, or moved to the dead-letter queue.
    """

    message_id: str
    body: msgspec.Raw
    sequence_number: int
    sent_ms: int
    group: str = ""
    deduplication_id: str = ""
    receive_count: int = 0
    receipt_handle: str = ""
    received_ms: int = 0
    visible_at_ms: int | None = None
    is_gone: bool = False


class Shelf(Protocol):
    """Knows the messages of a queue by what may be handed out."""

    def put(self, stored: StoredMessage) -> None:
        """Take in a message that was sent, visible."""
        ...

    def shown(self, stored: StoredMessage) -> None:
        """Take note that a hidden message is visible again."""
        ...

    def hidden(self, stored: StoredMessage) -> None:
        """Take note that a visible message is hidden."""
        ...

    def removed(self, stored: StoredMessage, *, was_hidden: bool) -> None:
        """Take note that a message is gone."""
        ...

    def pick(self) -> Iterator[StoredMessage]:
        """Give the messages of one receive, as they come.

        Whoever asks hides or removes each before asking for the next.
        """
        ...


class StandardShelf:
    """Gives whatever is visible, in the order in which it became so."""

    def __init__(self) -> None:
        self._visible: collections.deque[StoredMessage] = collections.deque()

    def put(self, stored: StoredMessage) -> None:
        """Take in a message that was sent, visible."""
        self._visible.append(stored)

    def shown(self, stored: StoredMessage) -> None:
        """Take note that a hidden message is visible again."""
        self._visible.append(stored)

    def hidden(self, stored: StoredMessage) -> None:
        """Pass over: what is hidden was picked before."""

    def removed(self, stored: StoredMessage, *, was_hidden: bool) -> None:
        """Pass over: what is gone is not picked."""

    def pick(self) -> Iterator[StoredMessage]:
        """Give the visible messages, the longest visible first."""
        while self._visible:
            stored = self._visible.popleft()
            if not stored.is_gone and stored.visible_at_ms is None:
                yield stored


class _Group:
    """A group's messages as they were sent, and how many of them are hidden."""

    __slots__ = ("hidden_count", "messages")

    def __init__(self) -> None:
        self.messages: collections.deque[StoredMessage] = collections.deque()
        self.hidden_count = 0


class FifoShelf:
    """Gives the messages of a group in their order, and none while one of them is hidden.

    A receive is given as many messages of a group as there are, and goes on with the next group,
    the one that became free first.
    """

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._free: collections.OrderedDict[str, None] = collections.OrderedDict()

    def put(self, stored: StoredMessage) -> None:
        """Take in a message that was sent, visible."""
        group = self._groups.setdefault(stored.group, _Group())
        group.messages.append(stored)
        self._note_free(stored.group, group)

    def shown(self, stored: StoredMessage) -> None:
        """Take note that a hidden message is visible again; perhaps its group is free."""
        group = self._groups[stored.group]
        group.hidden_count -= 1
        self._note_free(stored.group, group)

    def hidden(self, stored: StoredMessage) -> None:
        """Take note that a visible message is hidden, and its group locked with it."""
        self._groups[stored.group].hidden_count += 1
        self._free.pop(stored.group, None)

    def removed(self, stored: StoredMessage, *, was_hidden: bool) -> None:
        """Take note that a message is gone; perhaps its group is free."""
        group = self._groups[stored.group]
        group.messages.remove(stored)
        group.hidden_count -= was_hidden
        self._note_free(stored.group, group)

    def pick(self) -> Iterator[StoredMessage]:
        """Give the messages of the free groups, group by group."""
        for name in tuple(self._free):
            messages = self._groups[name].messages
            given_count = 0
            while given_count < len(messages):
                stored = messages[given_count]
                yield stored
                given_count += not stored.is_gone

    def _note_free(self, name: str, group: _Group) -> None:
        if not group.messages:
            del self._groups[name]
            self._free.pop(name, None)
        elif group.hidden_count == 0:
            self._free.setdefault(name)


def as_received(stored: StoredMessage) -> Message:
    """Give a message as a receive answers it."""
    attributes = {
        "ApproximateReceiveCount": str(stored.receive_count),
        "SentTimestamp": str(stored.sent_ms),
    }
    if stored.group:
        attributes["MessageGroupId"] = stored.group
    if stored.deduplication_id:
        attributes["MessageDeduplicationId"] = stored.deduplication_id
        attributes["SequenceNumber"] = str(stored.sequence_number)
    members = members_of(stored.message_id, bytes(stored.body))
    return Message(
        stored.message_id,
        stored.receipt_handle,
        stored.body,
        md5_of(stored.message_id),
        attributes=msgspec.Raw(msgspec.json.encode(attributes)),
        message_attributes=msgspec.Raw(members.sent),
        md5_of_message_attributes=members.md5,
    )
