"""Messages that were received and are not done, and until when they are hidden."""

import copy
from collections.abc import Sequence

import msgspec

from penstock.core.queue_contract import QueuePolicy
from penstock.model.instant import Instant
from penstock.model.message import Message, MessageBatch

VISIBILITY_MS_MAX = 43_200_000  # SQS: no message is hidden for longer than that after its receive
_NO_GROUPS: frozenset[str] = frozenset()
_RENEWALS_PER_TIMEOUT_MAX = 4
_COMPANY_PER_TIMEOUT = 8  # a renewal waits for company, or comes early, by that part of it


class Visibility(msgspec.Struct, frozen=True):
    """How long messages stay hidden, and when that must be extended.

    Attributes:
        timeout_s: Of every receive and extension; at least 1, since a batch that is visible at once
            could never be held at all.
        hidden_ms: What can be relied on: the server counts from before its answer arrived here.
        renew_after_ms: When to extend it: early enough that the function's whole timeout still
            fits, where it can, and not so early that it is a loop.
        is_heartbeat: Extended while a function runs, too.
        queue_timeout_s: The queue's own; with a heartbeat another than ``timeout_s``.
    """

    timeout_s: int
    hidden_ms: int
    renew_after_ms: int
    is_heartbeat: bool
    queue_timeout_s: int

    @property
    def renew_retry_ms(self) -> int:
        """How long to wait after an extension that failed."""
        return self.hidden_ms // _RENEWALS_PER_TIMEOUT_MAX

    @property
    def company_ms(self) -> int:
        """How much earlier than it must an extension may be asked for, to share a call."""
        return self.hidden_ms // _COMPANY_PER_TIMEOUT


def visibility_of(queue_timeout_s: int, policy: QueuePolicy) -> Visibility:
    """Say how a mapping hides what it receives.

    Args:
        queue_timeout_s: 0..43200; the queue's visibility timeout.
        policy: Its heartbeat takes the place of that timeout; its function's timeout must fit.
    """
    heartbeat_s = policy.options.heartbeat_s
    timeout_s = max(1, queue_timeout_s) if heartbeat_s is None else heartbeat_s
    timeout_ms = timeout_s * 1000
    hidden_ms = timeout_ms - timeout_ms // 20
    # A heartbeat goes on while the function runs: nothing need fit.
    function_ms = 0 if heartbeat_s is not None else (policy.function_timeout_s or 0) * 1000
    spare_ms = min(hidden_ms // 2, hidden_ms - function_ms)
    return Visibility(
        timeout_s=timeout_s,
        hidden_ms=hidden_ms,
        renew_after_ms=max(spare_ms, hidden_ms // _RENEWALS_PER_TIMEOUT_MAX),
        is_heartbeat=heartbeat_s is not None,
        queue_timeout_s=queue_timeout_s,
    )


def shorter_of(first: Visibility, second: Visibility) -> Visibility:
    """Give the visibility that can be relied on for less long."""
    return second if second.hidden_ms < first.hidden_ms else first


class HeldBatch:
    """A batch from its receive to its end.

    Attributes:
        messages: In the order they were received; only an open batch grows.
        size_bytes: Of its event, from above.
        groups: Of a FIFO queue's messages; empty for a standard queue.
        received_ms: When its first message was.
        hidden_until_ms: When the first of its messages is visible again.
        renew_at_ms: When that must be extended.
        renew_until_ms: From when on it is not extended any more.
        is_open: It still takes messages in.
        due_ms: When it may be invoked.
        attempt: How often its function did not run.
        tried_until_ms: Until when it may be tried again after that.
        function_arn: Whose slot it holds: an update must not return slots to the wrong function.
        started_ms: When its invocation began.
        ends_by_ms: When that function's timeout has ended its invocation.
        renewals: Calls under way that extend it.
        unrenewed: Messages whose extension has failed: theirs alone is tried again.
        is_returning: It goes back to the queue, as soon as no extension could land after that.
    """

    __slots__ = (
        "_first_until_ms",
        "_hidden_until_ms",
        "_renewable_ms",
        "_unextended",
        "attempt",
        "due_ms",
        "ends_by_ms",
        "function_arn",
        "groups",
        "hidden_until_ms",
        "id",
        "is_open",
        "is_returning",
        "messages",
        "received_ms",
        "renew_at_ms",
        "renew_until_ms",
        "renewals",
        "size_bytes",
        "started_ms",
        "tried_until_ms",
        "unrenewed",
    )

    def __init__(self, batch_id: int, visibility: Visibility, now: Instant) -> None:
        self.id = batch_id
        self.messages: list[Message] = []
        self.size_bytes = 0
        self.groups = _NO_GROUPS
        self.received_ms = now.monotonic_ms
        self.hidden_until_ms = self._first_until_ms = now.monotonic_ms + visibility.hidden_ms
        # By receipt handle; of what was received first and never extended: not here.
        self._hidden_until_ms: dict[str, int] = {}
        self.renew_at_ms = now.monotonic_ms + visibility.renew_after_ms
        self._renewable_ms = now.monotonic_ms + VISIBILITY_MS_MAX - visibility.timeout_s * 1000
        self.renew_until_ms = self._renewable_ms
        self.is_open = True
        self.due_ms = 0
        self.attempt = 0
        self.tried_until_ms = now.monotonic_ms + VISIBILITY_MS_MAX
        self.function_arn = ""
        self.started_ms = 0
        self.ends_by_ms = 0
        self.renewals = 0
        self.unrenewed: list[Message] = []
        self._unextended: set[str] = set()
        self.is_returning = False

    @property
    def waits_until_ms(self) -> int:
        """Say when it is forgotten, if it still waits then."""
        return min(self.hidden_until_ms, self.tried_until_ms)

    def close(self) -> None:
        """Take no more messages in: it may go."""
        self.is_open = False
        self.due_ms = 0

    def to_batch(self) -> MessageBatch:
        """Give what is invoked."""
        return MessageBatch(self.id, tuple(self.messages))

    def part(self, batch_id: int, messages: Sequence[Message]) -> "HeldBatch":
        """Give some of its messages as a batch of their own, hidden as they are now.

        It may be extended for as long as SQS lets a message be hidden.
        """
        part = copy.copy(self)
        part.narrow(batch_id, messages)
        return part

    def narrow(self, batch_id: int, messages: Sequence[Message]) -> None:
        """Be a batch of these messages alone, with nothing under way."""
        self.id, self.messages = batch_id, list(messages)
        # What is known of the others stays behind: a batch may have a thousand parts.
        self._hidden_until_ms = {each.receipt_handle: self._until_ms(each) for each in messages}
        self._unextended = self._unextended & self._hidden_until_ms.keys()
        self.unrenewed, self.renewals = [], 0
        self.measure()
        self.renew_until_ms = self._renewable_ms

    def drop(self, message: Message) -> None:
        """Part with a message: it is extended no more."""
        self.messages.remove(message)
        self._extend_no_more(message)

    def show(self, message: Message) -> None:
        """Take note that a message is visible already, or gone; ``measure`` takes them together."""
        self._hidden_until_ms[message.receipt_handle] = 0
        self._extend_no_more(message)

    @property
    def extended_until_ms(self) -> int:
        """Say when the first message is visible again that can still be extended."""
        if not self._unextended:
            return self.hidden_until_ms
        until_ms = [self._until_ms(each) for each in self.messages if self._is_extended(each)]
        return min(until_ms, default=self.hidden_until_ms)

    def to_extend(self) -> list[Message]:
        """Give the messages whose visibility timeout is to be extended next."""
        return [
            message for message in self.unrenewed or self.messages if self._is_extended(message)
        ]

    def fail_to_extend(self, message: Message) -> None:
        """Take note that an extension has failed: it is tried again."""
        if self._is_extended(message):
            self.unrenewed.append(message)

    def take(
        self, messages: Sequence[Message], size_bytes: int, visibility: Visibility, now: Instant
    ) -> None:
        """Take in messages that were just received; ``size_bytes`` are theirs, from above."""
        self.messages += messages
        self.size_bytes += size_bytes
        hidden_until_ms = now.monotonic_ms + visibility.hidden_ms
        if hidden_until_ms != self._first_until_ms:
            for message in messages:
                self.hide(message, hidden_until_ms)
            self.hidden_until_ms = min(self.hidden_until_ms, hidden_until_ms)
            renew_at_ms = now.monotonic_ms + visibility.renew_after_ms
            self.renew_at_ms = min(self.renew_at_ms, renew_at_ms)

    def hide(self, message: Message, until_ms: int) -> None:
        """Take note until when a message is hidden; ``measure`` takes them together."""
        self._hidden_until_ms[message.receipt_handle] = until_ms

    def measure(self) -> None:
        """Find when the first message is visible again."""
        self.hidden_until_ms = min(map(self._until_ms, self.messages), default=0)

    def drop_visible(self, now: Instant) -> MessageBatch:
        """Part with the messages that are no longer hidden, or were tried for long enough."""
        if self.tried_until_ms <= now.monotonic_ms:
            self._first_until_ms, self._hidden_until_ms = now.monotonic_ms, {}
        visible = [each for each in self.messages if self._until_ms(each) <= now.monotonic_ms]
        self.messages = [each for each in self.messages if self._until_ms(each) > now.monotonic_ms]
        self.unrenewed = [e for e in self.unrenewed if self._until_ms(e) > now.monotonic_ms]
        # Less than they were counted for, metadata included: the rest is bounded from above still.
        self.size_bytes -= sum([len(message.body) for message in visible])
        self.measure()
        return MessageBatch(self.id, tuple(visible))

    def _until_ms(self, message: Message) -> int:
        return self._hidden_until_ms.get(message.receipt_handle, self._first_until_ms)

    def _is_extended(self, message: Message) -> bool:
        return message.receipt_handle not in self._unextended

    def _extend_no_more(self, message: Message) -> None:
        self._unextended.add(message.receipt_handle)
        self.unrenewed = [each for each in self.unrenewed if each is not message]

    def is_ready(self, now: Instant) -> bool:
        """Tell whether it may be invoked now, as far as its own clocks say."""
        return self.due_ms <= now.monotonic_ms < self.waits_until_ms and not self.is_returning

    def renew_until(self, moment_ms: int) -> None:
        """Extend it up to that moment, and never longer than SQS lets it be hidden."""
        self.renew_until_ms = min(self._renewable_ms, moment_ms)
