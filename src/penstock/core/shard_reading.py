"""Where a shard is read next, how much, and when.

One fetch is in flight at a time. Reading goes on from the *head*, the furthest record read; a lane
with a gap is *backfilled*: reading goes back to the gap and forward again, until no lane takes from
it any more or the head is reached.

Rules:
    1. While the shard is behind it is read at once, else by ``ReadPace``; never oftener than
       ``reads_per_s_max``; a failed read waits with back-off.
    2. Limit follows the records' average size towards ``FETCH_BYTES_AIM`` per answer.
    3. An iterator that grows old is replaced before the server refuses it; what was read last tells
       from where.
    4. A shard has ended when its server says so, or when it is closed and nothing is left: some
       servers never say so.
"""

from collections import deque

import msgspec

from penstock.core.retry import backoff_ms
from penstock.core.shard_contract import Fetch, FetchFailure, ReadPace
from penstock.model.instant import Instant
from penstock.model.stream import (
    AfterSequenceNumber,
    AtTimestamp,
    FetchedRecords,
    LatestPin,
    Position,
    ShardIterator,
    StreamKind,
    StreamRecord,
    TrimHorizon,
)

FETCH_BYTES_AIM = 1024 * 1024  # Kinesis: 2 MiB/s per shard, shared with other readers
RECORD_BYTES_FIRST = 1024  # a guess, until records have come
LIMIT_MAX = {StreamKind.KINESIS: 10_000, StreamKind.DYNAMODB: 1_000}  # GetRecords' own
# Iterators live 5 minutes (Kinesis) and 15 (DynamoDB): one minute is kept in hand.
ITERATOR_MS_MAX = {StreamKind.KINESIS: 240_000, StreamKind.DYNAMODB: 840_000}
# The server does not know the iterator, or not any more.
ITERATOR_REFUSED = {FetchFailure.ITERATOR_EXPIRED, FetchFailure.POSITION_REFUSED}
THROTTLE_FIRST_MS = 500
FAILURE_FIRST_MS = 200
FAILURE_MS_MAX = 10_000


class Mark(msgspec.Struct, frozen=True):
    """A record that reading or settling has come to, without the record.

    Attributes:
        number: The sequence number as the integer that it is ordered by.
    """

    sequence_number: str
    number: int
    arrived_ms: int | None = None


def mark_of(record: StreamRecord) -> Mark:
    """Give a record's mark."""
    return Mark(record.sequence_number, int(record.sequence_number), record.arrived_ms)


def resolve_pin(pin: LatestPin, kind: StreamKind, now: Instant) -> ShardIterator | Position:
    """Say how to read on from where the shard ended when the mapping began.

    The pin's own iterator serves while it is young. Later, Kinesis starts at the server's time of
    then; DynamoDB cannot, so the shard is read from its horizon and what arrived before is passed
    over by the caller.
    """
    if 0 <= now.wall_ms - pin.taken_ms < ITERATOR_MS_MAX[kind]:
        return ShardIterator(pin.iterator)
    return AtTimestamp(pin.taken_ms) if kind is StreamKind.KINESIS else TrimHorizon()


class ShardReading:
    """The reader of one shard.

    Attributes:
        head: The furthest record read; None before the first.
        has_ended: No more records will come.
        caught_up_wall_ms: When the last read from the head began, in Unix ms, if it left nothing
            behind; else 0. Its answer may have been long on its way.
        is_fetching: A fetch is in flight.
    """

    def __init__(self, kind: StreamKind, pace: ReadPace, start: Position) -> None:
        self.head: Mark | None = None
        self.has_ended = False
        self.caught_up_wall_ms = 0
        self.is_fetching = False
        self._kind = kind
        self._pace = pace
        self._resume = start  # where to go on without an iterator
        self._iterator: ShardIterator | None = None
        self._iterator_ms = 0
        self._backfill_from: ShardIterator | Position | None = None
        self._ending: str | None = None
        self._asked_wall_ms = 0
        self._is_read_closed = False  # the read in flight began when the shard was known as closed
        self._next_ms = 0
        self._hot_until_ms = 0
        self._failures = 0
        self._record_bytes = float(RECORD_BYTES_FIRST)
        self._recent_ms: deque[int] = deque(maxlen=pace.reads_per_s_max or 1)

    @property
    def is_backfilling(self) -> bool:
        """Tell whether reading has gone back for lanes with gaps."""
        return self._backfill_from is not None

    def close(self, ending_sequence_number: str) -> None:
        """The shard takes no more records; reading at an idle pace may find its end at once."""
        self._ending = ending_sequence_number

    def begin_backfill(self, after: str, now: Instant) -> None:
        """Go back to what follows a record."""
        self._backfill_from = AfterSequenceNumber(after)
        if not self._failures:
            self._next_ms = now.monotonic_ms

    def go_on_after(self, record: StreamRecord, now: Instant) -> None:
        """A backfill has run beyond the head: its place is the head's from now on."""
        assert isinstance(self._backfill_from, ShardIterator | None)
        self._iterator = self._backfill_from
        self._iterator_ms = now.monotonic_ms
        self.head = mark_of(record)
        self._resume = AfterSequenceNumber(record.sequence_number)

    def end_backfill(self) -> None:
        """Go on at the head."""
        self._backfill_from = None

    def fetch(self, now: Instant) -> Fetch | None:
        """Give the next read, if it is due."""
        if self.is_fetching or self.due_ms() > now.monotonic_ms:
            return None
        self.is_fetching = True
        self._is_read_closed = self._ending is not None
        self._asked_wall_ms = now.wall_ms
        self._recent_ms.append(now.monotonic_ms)
        limit = int(FETCH_BYTES_AIM / max(1.0, self._record_bytes))
        return Fetch(self._place(now), max(1, min(LIMIT_MAX[self._kind], limit)))

    def due_ms(self) -> int:
        """Give the monotonic time of the next read, wanted or not."""
        if self._pace.reads_per_s_max and len(self._recent_ms) == self._recent_ms.maxlen:
            return max(self._next_ms, self._recent_ms[0] + 1000)
        return self._next_ms

    def note_fetched(self, fetched: FetchedRecords, now: Instant) -> None:
        """Take an answer in: from where, and when, to go on."""
        self.is_fetching = False
        self._failures = 0
        records = fetched.records
        if records:
            self._hot_until_ms = now.monotonic_ms + self._pace.hot_for_ms
            average = sum([len(record.event) for record in records]) / len(records)
            self._record_bytes += (average - self._record_bytes) / 2
        if self._backfill_from is not None:
            self._backfill_from = fetched.next_iterator
            self._next_ms = now.monotonic_ms
            return
        if records and (self.head is None or int(records[-1].sequence_number) > self.head.number):
            self.head = mark_of(records[-1])
            self._resume = AfterSequenceNumber(self.head.sequence_number)
        self._iterator = fetched.next_iterator
        self._iterator_ms = now.monotonic_ms
        behind_ms = fetched.behind_ms
        is_caught_up = behind_ms == 0 or (behind_ms is None and not records)
        self.caught_up_wall_ms = self._asked_wall_ms if is_caught_up else 0
        self.has_ended = fetched.next_iterator is None or (
            not records and self._is_drained(behind_ms)
        )
        self._next_ms = now.monotonic_ms + (self._pause_ms(now) if is_caught_up else 0)

    def note_failed(self, failure: FetchFailure, now: Instant, *, spread: int) -> None:
        """Take a failure in: from where, and when, to try again."""
        self.is_fetching = False
        is_throttle = failure is FetchFailure.THROTTLED
        is_trimmed = failure is FetchFailure.TRIMMED
        if self._backfill_from is not None:
            if not is_throttle:  # the caller begins anew where a gap is left
                self._backfill_from = TrimHorizon() if is_trimmed else None
        elif not is_throttle:
            self._iterator = None
            if is_trimmed:
                self._resume = TrimHorizon()
            elif isinstance(self._resume, LatestPin) and failure in ITERATOR_REFUSED:
                self._resume = AtTimestamp(self._resume.taken_ms)
        if failure in {FetchFailure.ITERATOR_EXPIRED, FetchFailure.TRIMMED} and not self._failures:
            self._failures = 1
            self._next_ms = now.monotonic_ms
            return
        self._failures += 1
        self._next_ms = now.monotonic_ms + backoff_ms(
            self._failures,
            first_ms=THROTTLE_FIRST_MS if is_throttle else FAILURE_FIRST_MS,
            maximum_ms=FAILURE_MS_MAX,
            spread=spread + self._failures,
        )

    def _place(self, now: Instant) -> ShardIterator | Position:
        if self._backfill_from is not None:
            return self._backfill_from
        is_young = now.monotonic_ms - self._iterator_ms < ITERATOR_MS_MAX[self._kind]
        if self._iterator is not None and is_young:
            return self._iterator
        if isinstance(self._resume, LatestPin):
            return resolve_pin(self._resume, self._kind, now)
        if isinstance(self._resume, AtTimestamp) and self._kind is StreamKind.DYNAMODB:
            return TrimHorizon()  # it cannot start at a time; the caller passes over what is older
        return self._resume

    def _is_drained(self, behind_ms: int | None) -> bool:
        """Tell whether a closed shard that gave nothing has nothing left."""
        if self._ending is None or not self._is_read_closed:
            return False  # more may have come between the answer and the end
        if behind_ms is not None:
            return behind_ms == 0
        resume = self._resume
        return isinstance(resume, AfterSequenceNumber) and int(resume.sequence_number) >= int(
            self._ending
        )

    def _pause_ms(self, now: Instant) -> int:
        is_hot = now.monotonic_ms < self._hot_until_ms
        return self._pace.hot_ms if is_hot else self._pace.idle_ms
