"""The receives of one mapping: how many may run, what they hold, and when the next may start."""

import msgspec

from penstock.core.held_batch import Visibility
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
GATHER_PAUSE_MS_MIN = 20
GATHER_PAUSE_MS_MAX = 1_000


class Receiving(msgspec.Struct):
    """A running receive.

    Attributes:
        asked: The most messages it may bring.
        visibility: By which it was asked for; an update may have changed it since.
        attempt_number: Of a FIFO queue: which attempt it is, or repeats.
        began_ms: When that attempt was first made.
    """

    asked: int
    visibility: Visibility
    attempt_number: int | None = None
    began_ms: int = 0


class Receives:
    """Which receives run, and how many should: more only while they come back full.

    Attributes:
        wanted: How many may run at once.
        retry_ms: After a failure: when the source may be asked again.
        asked: The messages that running receives may bring.
    """

    def __init__(self) -> None:
        self.wanted = 1
        self.retry_ms = 0
        self.asked = 0
        self._running: dict[int, Receiving] = {}
        self._lost: list[Receiving] = []
        self._receive_id = 0
        self._failures = 0
        self._pause_until_ms = 0

    def __len__(self) -> int:
        return len(self._running)

    def may_start(self, now: Instant) -> bool:
        """Tell whether another may run beside those that do."""
        now_ms = now.monotonic_ms
        is_open = self.retry_ms <= now_ms and self._pause_until_ms <= now_ms
        return is_open and len(self._running) < self.wanted

    def start(self, receiving: Receiving, wait_s: int, now: Instant, *, is_fifo: bool) -> Receive:
        """Begin one.

        A FIFO receive whose answer was lost is asked for again by its own number: the server gives
        the same messages, which would otherwise keep their groups locked for a visibility timeout.

        Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
            API_ReceiveMessage.html (ReceiveRequestAttemptId)
        """
        self._receive_id += 1
        if is_fifo:
            oldest_ms = now.monotonic_ms - ATTEMPT_MS_MAX
            self._lost = [lost for lost in self._lost if lost.began_ms > oldest_ms]
            if self._lost:
                lost = self._lost.pop(0)
                # The same call, or it is another one to the server.
                receiving = lost
            else:
                receiving.attempt_number = self._receive_id
                receiving.began_ms = now.monotonic_ms
        self._running[self._receive_id] = receiving
        self.asked += receiving.asked
        return Receive(
            self._receive_id,
            receiving.asked,
            wait_s,
            receiving.visibility.timeout_s,
            attempt_number=receiving.attempt_number,
        )

    def end(self, receive_id: int, count: int, size_bytes: int, *, has_window: bool) -> Receiving:
        """One ended: want more of them if it came back full, fewer if not.

        One that was asked only for what an open batch had room for tells nothing by being full.
        """
        receiving = self._take_out(receive_id)
        self._failures = 0
        if has_window and count == receiving.asked < BATCH_ENTRIES_MAX:
            return receiving
        if count >= receiving.asked:
            room = max(1, RECEIVED_BYTES_MAX // max(1, size_bytes))
            self.wanted = min(RECEIVES_MAX, room, self.wanted + 1)
        elif count:
            self.wanted = max(1, self.wanted - 1)
        else:
            self.wanted = 1
        return receiving

    def fail(self, receive_id: int, now: Instant) -> bool:
        """One failed: pause; False: that is no news, the call began before the last pause."""
        receiving = self._take_out(receive_id)
        if receiving.attempt_number is not None:
            self._lost.append(receiving)
        self.wanted = 1
        if now.monotonic_ms < self.retry_ms:
            return False
        self._failures += 1
        self.retry_ms = now.monotonic_ms + backoff_ms(
            self._failures, first_ms=SOURCE_RETRY_FIRST_MS, maximum_ms=SOURCE_RETRY_MS_MAX
        )
        return True

    def _take_out(self, receive_id: int) -> Receiving:
        receiving = self._running.pop(receive_id)
        self.asked -= receiving.asked
        return receiving

    def let_gather(self, window_ends_ms: int | None, now: Instant) -> None:
        """Pause for half of what is left of a window: what trickles in comes with one receive."""
        if window_ends_ms is None:
            return
        pause_ms = min(GATHER_PAUSE_MS_MAX, (window_ends_ms - now.monotonic_ms) // 2)
        self._pause_until_ms = now.monotonic_ms + max(GATHER_PAUSE_MS_MIN, pause_ms)

    def deadline_ms(self, now: Instant) -> int | None:
        """When a pause ends."""
        opens_ms = max(self.retry_ms, self._pause_until_ms)
        return opens_ms if opens_ms > now.monotonic_ms else None


def batches_per_receive(policy: QueuePolicy) -> int:
    """Count the batches that one receive of a FIFO queue may become: one, or one per group."""
    return policy.batch_size if policy.options.fifo_one_group else 1


def slots_for(policy: QueuePolicy, receives: int) -> int:
    """Count the invocations that so many full receives keep busy."""
    if policy.has_window:
        return -(-receives * BATCH_ENTRIES_MAX // policy.batch_size)
    if policy.is_fifo:
        return receives * batches_per_receive(policy)
    return receives * -(-BATCH_ENTRIES_MAX // policy.batch_size)
