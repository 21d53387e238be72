"""Where a shard is read next, how much, and when.

One fetch is in flight at a time. Reading goes on from the *head*, the furthest record read; a lane
with a gap is *backfilled*: reading goes back to the gap and forward again, until no lane takes from
it any more or the head is reached.

Rules:
    1. While the shard is behind it is read at once, else by ``ReadPace``; never oftener than
       ``reads_per_s_max``; a failed read waits with back-off.
    2. Limit follows the records' average size towards ``FETCH_BYTES_AIM`` per answer.
    3. LATEST's pin serves by its own iterator while that is young; later by the server's time of
       then: on DynamoDB, which cannot start at a time, from the horizon, without what is older.
    4. An iterator that grows old is replaced before the server refuses it; what was read last tells
       from where.
    5. While lanes are backfilled the head is read in turn with them, if a lane wants it and it is
       due: a lane that catches up does not hold up the others.
    6. A shard has ended when its server says so, or when it is closed and nothing is left: some
       servers never say so.
"""

from collections import deque
from typing import TypeGuard

import msgspec

from penstock.core.retry import backoff_ms
from penstock.core.shard_contract import (
    DeadlineReached,
    Fetch,
    FetchFailure,
    Input,
    ReadPace,
    RecordsFetched,
)
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
LIMIT_CUT = 4  # an answer that was too large: a quarter of its records next time
MS_PER_S = 1000


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


def brings_nothing(inp: Input) -> TypeGuard[RecordsFetched | DeadlineReached]:
    """Tell whether an input brings nothing but the time: so it goes with a shard that is idle."""
    if isinstance(inp, RecordsFetched):
        return not inp.fetched.records
    return isinstance(inp, DeadlineReached)


class ShardReading:
    """The reader of one shard.

    Attributes:
        head: The furthest record read; None before the first.
        has_ended: No more records will come.
        caught_up_wall_ms: When the last read from the head began, in Unix ms, if it left nothing
            behind; else 0. Its answer may have been long on its way.
        is_fetching: A fetch is in flight.
        is_behind_head: The fetch in flight, or the last one, is of a backfill.
        start_ms: Records that arrived before are passed over, up to the first that did not; 0: no
            more. DynamoDB cannot start at a time itself.
    """

    def __init__(self, kind: StreamKind, pace: ReadPace, start: Position) -> None:
        self.head: Mark | None = None
        self.has_ended = False
        self.caught_up_wall_ms = 0
        self.is_fetching = False
        self.is_behind_head = False
        self.start_ms = 0
        self._kind = kind
        self._pace = pace
        self._resume = start  # where to go on without an iterator
        self._iterator: ShardIterator | None = None
        self._iterator_ms = 0
        self._backfill_from: ShardIterator | Position | None = None
        self._ending: str | None = None
        self._asked_wall_ms = 0
        self._is_read_closed = False  # the read in flight began when the shard was known as closed
        self._next_ms = 0  # no read is due before
        self._head_ms = 0  # none from the head
        self._backfill_ms = 0  # none of a backfill
        self._hot_until_ms = 0
        self._failures = 0
        self._record_bytes = float(RECORD_BYTES_FIRST)
        self._recent_ms: deque[int] = deque(maxlen=pace.reads_per_s_max or 1)

    @property
    def is_backfilling(self) -> bool:
        """Tell whether reading has gone back for lanes with gaps."""
        return self._backfill_from is not None

    @property
    def is_going_on_at_head(self) -> bool:
        """Tell whether all reading is from the head, now and next."""
        return not (self.has_ended or self.is_behind_head or self.is_backfilling)

    def close(self, ending_sequence_number: str) -> None:
        """The shard takes no more records; reading at an idle pace may find its end at once."""
        self._ending = ending_sequence_number

    def begin_backfill(self, after: str, now: Instant) -> None:
        """Go back to what follows a record."""
        self._backfill_from = AfterSequenceNumber(after)
        self._backfill_ms = now.monotonic_ms

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

    def fetch(self, now: Instant, *, wants_head: bool = True) -> Fetch | None:
        """Give the next read, if it is due: of a backfill, of the head, or of both in turn."""
        if self.is_fetching or self.due_ms(wants_head=wants_head) > now.monotonic_ms:
            return None
        is_head_due = wants_head and self._head_ms <= now.monotonic_ms
        is_backfill_due = self.is_backfilling and self._backfill_ms <= now.monotonic_ms
        self.is_behind_head = is_backfill_due and not (is_head_due and self.is_behind_head)
        self.is_fetching = True
        self._is_read_closed = self._ending is not None
        self._asked_wall_ms = now.wall_ms
        self._recent_ms.append(now.monotonic_ms)
        limit = int(FETCH_BYTES_AIM / max(1.0, self._record_bytes))
        return Fetch(self._place(now), max(1, min(LIMIT_MAX[self._kind], limit)))

    def due_ms(self, *, wants_head: bool = True) -> int:
        """Give the monotonic time of the next read."""
        due_ms = self._head_ms if wants_head else 0
        if self._backfill_from is not None:
            due_ms = min(due_ms, self._backfill_ms) if wants_head else self._backfill_ms
        due_ms = max(due_ms, self._next_ms)
        if self._pace.reads_per_s_max and len(self._recent_ms) == self._recent_ms.maxlen:
            return max(due_ms, self._recent_ms[0] + 1000)
        return due_ms

    def note_fetched(self, fetched: FetchedRecords, now: Instant) -> None:
        """Take an answer in: from where, and when, to go on."""
        self.is_fetching = False
        self._failures = 0
        records = fetched.records
        behind_ms = fetched.behind_ms
        if records:
            self._hot_until_ms = now.monotonic_ms + self._pace.hot_for_ms
            average = sum([len(record.event) for record in records]) / len(records)
            self._record_bytes += (average - self._record_bytes) / 2
        if self.is_behind_head:
            # The head was read: an answer that is empty is none of the end, whatever it says.
            self._backfill_from = fetched.next_iterator
            self._backfill_ms = now.monotonic_ms + (
                0 if records or behind_ms else self._pace.idle_ms
            )
            return
        if records and (self.head is None or int(records[-1].sequence_number) > self.head.number):
            self.head = mark_of(records[-1])
            self._resume = AfterSequenceNumber(self.head.sequence_number)
        self._iterator = fetched.next_iterator
        self._iterator_ms = now.monotonic_ms
        is_caught_up = behind_ms == 0 or (behind_ms is None and not records)
        self.caught_up_wall_ms = self._asked_wall_ms if is_caught_up else 0
        self.has_ended = fetched.next_iterator is None or (
            not records and self._is_drained(behind_ms)
        )
        self._head_ms = now.monotonic_ms + (self._pause_ms(now) if is_caught_up else 0)

    def is_last_of_all(self, fetched: FetchedRecords) -> bool:
        """Tell whether what was just fetched leaves nothing that was there when the shard closed.

        Some servers never say that a closed shard has ended; a backfill may find that all it went
        back for has left the stream.
        """
        is_drained = not fetched.records and fetched.behind_ms == 0 and self._is_read_closed
        return fetched.next_iterator is None or is_drained

    def note_failed(self, failure: FetchFailure, now: Instant, *, spread: int) -> None:
        """Take a failure in: from where, and when, to try again."""
        self.is_fetching = False
        is_throttle = failure is FetchFailure.THROTTLED
        is_trimmed = failure is FetchFailure.TRIMMED
        if failure is FetchFailure.TOO_LARGE:
            self._record_bytes = min(FETCH_BYTES_AIM, self._record_bytes * LIMIT_CUT)
        if self.is_behind_head:
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
        if self.is_behind_head and self._backfill_from is not None:
            return self._backfill_from
        is_young = now.monotonic_ms - self._iterator_ms < ITERATOR_MS_MAX[self._kind]
        if self._iterator is not None and is_young:
            return self._iterator
        place: ShardIterator | Position = self._resume
        if isinstance(place, LatestPin):
            is_fresh = 0 <= now.wall_ms - place.taken_ms < ITERATOR_MS_MAX[self._kind]
            place = ShardIterator(place.iterator) if is_fresh else AtTimestamp(place.taken_ms)
        if isinstance(place, AtTimestamp) and self._kind is StreamKind.DYNAMODB:
            self.start_ms = place.wall_ms - place.wall_ms % MS_PER_S  # records tell the second only
            return TrimHorizon()
        return place

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
