"""Log lines of functions on their way to CloudWatch Logs: what makes a batch, what is dropped.

::

    add ─> the stream's open batch ─> closed: full, or FLUSH_MS old ─> take ─> sent: forgotten
                     |                                     ^             |
                     |                                     +── failed ───+ again, with back-off
                     +─> the buffer is full: the oldest batches go, counted

Rules:
    1. A batch is one PutLogEvents call: within AWS's bounds of bytes, events and time span, its
       events in the order of their time. Where the clock goes back, another batch begins.
    2. A stream has one batch under way; at most ``SENDS_MAX`` are, over all streams.
    3. What is held is at most ``BUFFER_BYTES_MAX``; the oldest batches that are not under way are
       dropped whole. No line waits for room.
    4. What the server will never take is dropped; a batch that failed otherwise is tried again.
       Once the node stops nothing is tried again.

Source: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from collections.abc import Iterator

import msgspec

from penstock.core.retry import backoff_ms
from penstock.model.function_log import FunctionLogStream
from penstock.model.instant import Instant

BATCH_BYTES_MAX = 1_048_576  # AWS: of all messages in UTF-8, and EVENT_BYTES for each
EVENT_BYTES = 26
BATCH_EVENTS_MAX = 10_000
BATCH_SPAN_MS_MAX = 24 * 3_600_000 - 1
MESSAGE_BYTES_MAX = BATCH_BYTES_MAX - EVENT_BYTES  # AWS: an event has 1 MB, within its batch
BUFFER_BYTES_MAX = 16 * 1024 * 1024  # per node, as JSON
FLUSH_MS = 1_000
SENDS_MAX = 4  # at once: a server that hangs holds no more
RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 30_000

_encode = msgspec.json.Encoder().encode


class _Event(msgspec.Struct, frozen=True):
    timestamp: int
    message: str


class LogBatch:
    """Events of one stream that are sent together.

    Attributes:
        events: As JSON, with commas between them.
        event_count: At least 1.
        size_bytes: As AWS counts.
        opened_ms: Monotonic time of the first event.
        first_ms: Wall time of the first event.
        last_ms: Wall time of the last event.
    """

    __slots__ = (
        "event_count",
        "events",
        "first_ms",
        "last_ms",
        "opened_ms",
        "size_bytes",
        "stream",
    )

    def __init__(self, stream: FunctionLogStream, now: Instant) -> None:
        self.stream = stream
        self.events = bytearray()
        self.event_count = 0
        self.size_bytes = 0
        self.opened_ms = now.monotonic_ms
        self.first_ms = self.last_ms = now.wall_ms

    def has_room(self, size_bytes: int, wall_ms: int) -> bool:
        """Tell whether an event may come after the others."""
        return (
            self.size_bytes + size_bytes <= BATCH_BYTES_MAX
            and self.event_count < BATCH_EVENTS_MAX
            and self.last_ms <= wall_ms <= self.first_ms + BATCH_SPAN_MS_MAX
        )

    def add(self, event: bytes, size_bytes: int, wall_ms: int) -> int:
        """Add an event that has room; give by how many bytes ``events`` has grown."""
        if self.events:
            self.events += b","
        self.events += event
        self.size_bytes += size_bytes
        self.last_ms = wall_ms
        self.event_count += 1
        return len(event) + (self.event_count > 1)


class _Stream:
    """What waits for one stream, oldest first."""

    def __init__(self) -> None:
        self.batches: list[LogBatch] = []
        self.sending: LogBatch | None = None
        self.is_ended = False
        self.failures = 0
        self.not_before_ms = 0

    def due_ms(self) -> int | None:
        """Say when the first batch is to be sent; None: nothing waits, or one is under way."""
        if self.sending is not None or not self.batches:
            return None
        is_closed = self.is_ended or len(self.batches) > 1
        flush_ms = self.batches[0].opened_ms + (0 if is_closed else FLUSH_MS)
        return max(flush_ms, self.not_before_ms)


class LogBuffer:
    """The lines of all functions of a node.

    Attributes:
        lost_count: Lines that no server has, since the node began.
    """

    def __init__(self) -> None:
        self.lost_count = 0
        self._streams: dict[FunctionLogStream, _Stream] = {}
        self._oldest_first: dict[LogBatch, None] = {}
        self._held_bytes = 0
        self._sending_count = 0
        self._is_stopping = False

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits and nothing is under way."""
        return not self._oldest_first

    def add(self, stream: FunctionLogStream, message: str, now: Instant) -> bool:
        """Take a line in, with its end; True: look at ``deadline_ms`` again.

        A message above ``MESSAGE_BYTES_MAX`` becomes several events.
        """
        size_bytes = _size_bytes(message)
        if size_bytes > BATCH_BYTES_MAX:
            added = [self.add(stream, piece, now) for piece in _pieces(message)]
            return any(added)
        known = self._streams.get(stream)
        if known is None:
            known = self._streams[stream] = _Stream()
        batch = known.batches[-1] if known.batches else None
        is_first = batch is None or not batch.has_room(size_bytes, now.wall_ms)
        if batch is None or is_first:
            batch = LogBatch(stream, now)
            known.batches.append(batch)
            self._oldest_first[batch] = None
        event = _encode(_Event(now.wall_ms, message))
        self._held_bytes += batch.add(event, size_bytes, now.wall_ms)
        if self._held_bytes > BUFFER_BYTES_MAX:
            self._make_room()
        return is_first

    def end(self, stream: FunctionLogStream) -> None:
        """The environment is gone: send what it printed at once, and forget the stream then."""
        known = self._streams.get(stream)
        if known is not None:
            known.is_ended = True
            self._forget_if_done(stream)

    def stop(self) -> None:
        """The node stops: send everything now, and try nothing again."""
        self._is_stopping = True
        for known in self._streams.values():
            known.is_ended = True
            known.not_before_ms = 0

    def take(self, now: Instant) -> list[LogBatch]:
        """Give the batches that are to be sent now, oldest first.

        Each is answered by ``sent`` or ``failed``.
        """
        taken: list[LogBatch] = []
        for batch in self._oldest_first:
            if self._sending_count >= SENDS_MAX:
                break
            known = self._streams[batch.stream]
            due_ms = known.due_ms()
            if due_ms is not None and due_ms <= now.monotonic_ms and batch is known.batches[0]:
                known.sending = known.batches.pop(0)
                self._sending_count += 1
                taken.append(batch)
        return taken

    def deadline_ms(self) -> int | None:
        """Monotonic time at which ``take`` gives something; None: after an answer, or never."""
        if self._sending_count >= SENDS_MAX:
            return None
        due = (known.due_ms() for known in self._streams.values())
        return min((due_ms for due_ms in due if due_ms is not None), default=None)

    def sent(self, batch: LogBatch, *, rejected_count: int = 0) -> None:
        """The server has it, but for some events that it would never take."""
        self.lost_count += rejected_count
        known = self._end_sending(batch)
        known.failures = 0
        known.not_before_ms = 0
        self._let_go(batch)
        self._forget_if_done(batch.stream)

    def failed(self, batch: LogBatch, now: Instant, *, is_final: bool) -> None:
        """The server does not have it.

        Args:
            batch: That was taken.
            now: From when the stream waits.
            is_final: It would never take it.
        """
        known = self._end_sending(batch)
        if is_final or self._is_stopping:
            self._lose(batch)
            self._forget_if_done(batch.stream)
            return
        known.batches.insert(0, batch)
        known.failures += 1
        delay_ms = backoff_ms(known.failures, first_ms=RETRY_FIRST_MS, maximum_ms=RETRY_MS_MAX)
        known.not_before_ms = now.monotonic_ms + delay_ms

    def lose_all(self) -> None:
        """Nobody waits any longer: count as lost what has not been sent."""
        for batch in list(self._oldest_first):
            self._lose(batch)
        self._streams.clear()
        self._sending_count = 0

    def _make_room(self) -> None:
        while self._held_bytes > BUFFER_BYTES_MAX:
            # There is one: what is under way found room when it was added.
            batch = next(each for each in self._oldest_first if not self._is_under_way(each))
            self._streams[batch.stream].batches.remove(batch)
            self._lose(batch)
            self._forget_if_done(batch.stream)

    def _is_under_way(self, batch: LogBatch) -> bool:
        return self._streams[batch.stream].sending is batch

    def _end_sending(self, batch: LogBatch) -> _Stream:
        known = self._streams[batch.stream]
        assert known.sending is batch
        known.sending = None
        self._sending_count -= 1
        return known

    def _lose(self, batch: LogBatch) -> None:
        self.lost_count += batch.event_count
        self._let_go(batch)

    def _let_go(self, batch: LogBatch) -> None:
        del self._oldest_first[batch]
        self._held_bytes -= len(batch.events)

    def _forget_if_done(self, stream: FunctionLogStream) -> None:
        known = self._streams[stream]
        if known.is_ended and not known.batches and known.sending is None:
            del self._streams[stream]


def _size_bytes(message: str) -> int:
    """Give an event's size, as AWS counts."""
    return EVENT_BYTES + (len(message) if message.isascii() else len(message.encode()))


def _pieces(message: str) -> Iterator[str]:
    """Cut a message between characters into messages that fit."""
    encoded = message.encode()
    while encoded:
        piece = encoded[:MESSAGE_BYTES_MAX].decode(errors="ignore")
        yield piece
        encoded = encoded[len(piece.encode()) :]
