"""The receives of one mapping: how many may run, what they hold, and when the next may start."""

import msgspec

from penstock.core.queue_contract import QueuePolicy, Receive
from penstock.core.retry import backoff_ms
from penstock.model.instant import Instant
from penstock.model.message import BATCH_ENTRIES_MAX

RECEIVES_MAX = 50  # receives in flight of one mapping; 10 messages each
RECEIVED_BYTES_MAX = 64 * 1024 * 1024  # what receives in parallel bring, if all are as the last
SOURCE_RETRY_FIRST_MS = 200
SOURCE_RETRY_MS_MAX = 5_000  # an outage's end is noticed that soon
# SQS takes the attempt for the same one for five minutes; its clock began before ours.
ATTEMPT_MS_MAX = 270_000
TRICKLE_PAUSES_PER_WINDOW = 10
TRICKLE_PAUSE_MS_MAX = 1_000


class Receiving(msgspec.Struct):
    """A running receive.

    Attributes:
        slots: Slots it holds; 0 for the long poll of an idle mapping, and with a batching window.
        asked: The most messages it may bring.
        attempt_number: Of a FIFO queue: which attempt it is, or repeats.
        began_ms: When that attempt was first made.
    """

    slots: int
    asked: int
    attempt_number: int | None
    began_ms: int


class Receives:
    """Which receives run, and how many should: more only while they come back full.

    Attributes:
        wanted: How many may run at once.
        retry_ms: After a failure: when the source may be asked again.
    """

    def __init__(self) -> None:
        self.wanted = 1
        self.retry_ms = 0
        self._running: dict[int, Receiving] = {}
        self._lost: list[Receiving] = []
        self._receive_id = 0
        self._failures = 0
        self._pause_until_ms = 0

    def __len__(self) -> int:
        return len(self._running)

    @property
    def slots(self) -> int:
        """Count the slots that running receives hold."""
        return sum(receiving.slots for receiving in self._running.values())

    @property
    def asked(self) -> int:
        """Count the messages that running receives may bring."""
        return sum(receiving.asked for receiving in self._running.values())

    def may_start(self, now: Instant) -> bool:
        """Tell whether another may run beside those that do."""
        opens_ms = max(self.retry_ms, self._pause_until_ms)
        return len(self._running) < self.wanted and opens_ms <= now.monotonic_ms

    def start(
        self, policy: QueuePolicy, slots: int, asked: int, wait_s: int, now: Instant
    ) -> Receive:
        """Begin one.

        A FIFO receive whose answer was lost is asked for again by its own number: the server gives
        the same messages, which would otherwise keep their groups locked for a visibility timeout.

        Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
            API_ReceiveMessage.html (ReceiveRequestAttemptId)
        """
        self._receive_id += 1
        receiving = Receiving(slots, asked, None, now.monotonic_ms)
        if policy.is_fifo:
            oldest_ms = now.monotonic_ms - ATTEMPT_MS_MAX
            self._lost = [lost for lost in self._lost if lost.began_ms > oldest_ms]
            if self._lost:
                lost = self._lost.pop(0)
                receiving.attempt_number, receiving.began_ms = lost.attempt_number, lost.began_ms
                # The same call, or it is another one to the server.
                receiving.asked = lost.asked
            else:
                receiving.attempt_number = self._receive_id
        self._running[self._receive_id] = receiving
        return Receive(
            self._receive_id,
            receiving.asked,
            wait_s,
            visibility_timeout_s=policy.options.heartbeat_s,
            attempt_number=receiving.attempt_number,
        )

    def end(self, receive_id: int, count: int, size_bytes: int) -> Receiving:
        """One ended: want more of them if it came back full, fewer if not."""
        receiving = self._running.pop(receive_id)
        self._failures = 0
        if count >= receiving.asked:
            room = max(1, RECEIVED_BYTES_MAX // max(1, size_bytes))
            self.wanted = min(RECEIVES_MAX, room, self.wanted + 1)
        elif count:
            self.wanted = max(1, self.wanted - 1)
        else:
            self.wanted = 1
        return receiving

    def fail(self, receive_id: int, now: Instant) -> tuple[Receiving, bool]:
        """One failed: pause.

        Returns:
            The receive, and whether this is news: a call that began before the pause is none.
        """
        receiving = self._running.pop(receive_id)
        if receiving.attempt_number is not None:
            self._lost.append(receiving)
        self.wanted = 1
        if now.monotonic_ms < self.retry_ms:
            return receiving, False
        self._failures += 1
        self.retry_ms = now.monotonic_ms + backoff_ms(
            self._failures, first_ms=SOURCE_RETRY_FIRST_MS, maximum_ms=SOURCE_RETRY_MS_MAX
        )
        return receiving, True

    def let_gather(self, window_s: int, now: Instant) -> None:
        """Pause for a part of the window: what trickles in meanwhile comes with one receive."""
        pause_ms = min(TRICKLE_PAUSE_MS_MAX, window_s * 1000 // TRICKLE_PAUSES_PER_WINDOW)
        self._pause_until_ms = now.monotonic_ms + pause_ms

    def drop_slots(self) -> int:
        """Let no receive hold slots any more; give how many they held."""
        held = self.slots
        for receiving in self._running.values():
            receiving.slots = 0
        return held

    def deadline_ms(self, now: Instant) -> int | None:
        """When a pause ends."""
        opens_ms = max(self.retry_ms, self._pause_until_ms)
        return opens_ms if opens_ms > now.monotonic_ms else None


def messages_for(policy: QueuePolicy, slots: int) -> int:
    """Count the messages that a receive may bring which holds so many slots, without a window."""
    if policy.is_fifo:  # one receive is one batch
        return policy.batch_size
    return min(BATCH_ENTRIES_MAX, max(1, slots) * policy.batch_size)


def slots_for(policy: QueuePolicy, receives: int, usable: int) -> int:
    """Count the invocations that so many full receives keep busy, of those that may run at all."""
    if policy.batching_window_s:
        return min(usable, -(-receives * BATCH_ENTRIES_MAX // policy.batch_size))
    if policy.options.fifo_one_group:
        # As many batches as messages, perhaps: it holds slots for all of them, or it waits alone.
        return min(receives, usable // policy.batch_size) * policy.batch_size
    if policy.is_fifo:  # one receive is one batch
        return min(usable, receives)
    return min(usable, receives * -(-BATCH_ENTRIES_MAX // policy.batch_size))
