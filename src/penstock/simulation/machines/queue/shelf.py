"""The queue of a machine's world: what it holds, hides, hands out and lets be deleted."""

from collections.abc import Iterable

import msgspec

from penstock.model.message import Message
from penstock.simulation.machines.queue.plan import MessagePlan

UNIT_BYTES = 256 * 1024
ATTEMPT_MS = 300_000  # so long a receive is taken for the same by its number
_TEXT = {False: b'"{\\"kind\\":\\"order\\"}', True: b'"{\\"kind\\":\\"offer\\"}'}
_BODIES = {
    (units, is_dark): msgspec.Raw(text + b" " * max(0, units * UNIT_BYTES - len(text) - 1) + b'"')
    for units in (0, 1, 2, 4)
    for is_dark, text in _TEXT.items()
}


class Entry:
    """A message as its queue knows it.

    Attributes:
        visible_ms: From when on it is handed out.
        is_gone: Deleted, or moved to the dead-letter queue.
        has_succeeded: Its function has succeeded with it, or its destination has it.
    """

    __slots__ = (
        "group",
        "has_succeeded",
        "index",
        "is_dead",
        "is_gone",
        "plan",
        "receive_count",
        "visible_ms",
    )

    def __init__(self, index: int, plan: MessagePlan) -> None:
        self.index = index
        self.plan = plan
        self.group = plan.group
        self.visible_ms = plan.sent_ms
        self.receive_count = 0
        self.is_gone = False
        self.is_dead = False
        self.has_succeeded = False


class Shelf:
    """A queue.

    Args:
        max_receive_count: Of its redrive policy, if it has one.

    Attributes:
        entries: Every message that is ever sent, in order.
    """

    def __init__(
        self, plans: Iterable[MessagePlan], *, is_fifo: bool, max_receive_count: int | None
    ) -> None:
        self._is_fifo = is_fifo
        self._max_receive_count = max_receive_count
        self.entries = [Entry(index, plan) for index, plan in enumerate(plans)]
        self.open_count = len(self.entries)
        self._by_id = {f"m{entry.index}": entry for entry in self.entries}
        self._attempts: dict[tuple[int, int], tuple[int, tuple[Message, ...]]] = {}

    @property
    def last_visible_ms(self) -> int:
        """When the last that is hidden now is visible again; 0: nothing is there."""
        return max([entry.visible_ms for entry in self.entries if not entry.is_gone], default=0)

    def entry_of(self, message: Message) -> Entry:
        """Find the message that was handed out."""
        return self._by_id[message.message_id]

    def next_ms(self, now_ms: int) -> int | None:
        """Say when one more may be visible."""
        coming = [e.visible_ms for e in self.entries if not e.is_gone and e.visible_ms > now_ms]
        return min(coming, default=None)

    def count_available(self, now_ms: int) -> int:
        """Count what a receive could get now."""
        return len(self._available(now_ms))

    def take(
        self, count: int, hidden_s: int, now_ms: int, attempt: tuple[int, int] | None
    ) -> tuple[Message, ...]:
        """Hand messages out; an attempt that is made again within 5 minutes gets the same."""
        if attempt is not None and attempt in self._attempts:
            began_ms, messages = self._attempts[attempt]
            if now_ms - began_ms < ATTEMPT_MS and all(map(self.is_held, messages)):
                for message in messages:
                    self.entry_of(message).visible_ms = now_ms + hidden_s * 1000
                return messages
        taken = self._available(now_ms)[:count]
        messages = tuple([self._hand_out(entry, hidden_s, now_ms) for entry in taken])
        if attempt is not None:
            self._attempts[attempt] = (now_ms, messages)
        return messages

    def is_held(self, message: Message) -> bool:
        """Tell whether a receipt handle is the message's last, and nobody has deleted it."""
        entry = self.entry_of(message)
        return (
            not entry.is_gone and message.receipt_handle == f"h{entry.index}.{entry.receive_count}"
        )

    def delete(self, message: Message) -> bool:
        """Delete one, by the handle of its last receive."""
        if not self.is_held(message):
            return False
        self._end(self.entry_of(message))
        return True

    def hide(self, message: Message, timeout_s: int, now_ms: int) -> bool:
        """Hide one from now on; False: it is visible already, or somebody else's."""
        entry = self.entry_of(message)
        if not self.is_held(message) or entry.visible_ms <= now_ms:
            return False
        entry.visible_ms = now_ms + timeout_s * 1000
        return True

    def show(self, message: Message, now_ms: int) -> None:
        """Show one at once, as somebody else may who holds it too."""
        if self.is_held(message):
            self.entry_of(message).visible_ms = min(self.entry_of(message).visible_ms, now_ms)

    def _available(self, now_ms: int) -> list[Entry]:
        there = [e for e in self.entries if not e.is_gone and e.plan.sent_ms <= now_ms]
        if self._max_receive_count is not None:
            for entry in there:
                if entry.visible_ms <= now_ms and entry.receive_count >= self._max_receive_count:
                    entry.is_dead = True
                    self._end(entry)
            there = [entry for entry in there if not entry.is_gone]
        if not self._is_fifo:
            return [entry for entry in there if entry.visible_ms <= now_ms]
        locked = {entry.group for entry in there if entry.visible_ms > now_ms}
        return [entry for entry in there if entry.group not in locked]

    def _hand_out(self, entry: Entry, hidden_s: int, now_ms: int) -> Message:
        entry.receive_count += 1
        entry.visible_ms = now_ms + hidden_s * 1000
        counts = f'{{"ApproximateReceiveCount":"{entry.receive_count}"'
        group = f',"MessageGroupId":"{entry.group}"}}' if entry.group else "}"
        plan = entry.plan
        return Message(
            f"m{entry.index}",
            f"h{entry.index}.{entry.receive_count}",
            _BODIES[plan.units, plan.is_dark],
            attributes=msgspec.Raw((counts + group).encode()),
        )

    def _end(self, entry: Entry) -> None:
        entry.is_gone = True
        self.open_count -= 1
