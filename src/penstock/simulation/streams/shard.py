"""One shard of a simulated stream, as its server keeps it."""

from bisect import bisect_left
from collections import deque

from penstock.model.stream import Shard, StreamRecord

KEY_SPACE = 1 << 16  # a record's key falls somewhere into it; each open shard has a part


class ServedShard:
    """Records in order, from the horizon on; older ones are known by their numbers only.

    Attributes:
        first_key: The part of the key space that the shard takes begins here.
        end_key: ... and ends before here.
        numbers: Sequence numbers of all records that ever were in it.
        horizon: Index of the oldest record that has not been trimmed.
        listed_ms: When its server begins to list it.
        closed_ms: When it was closed; None while it is open.
        close_listed_ms: When its server begins to list it as closed.
        reads_ms: When it was read lately.
    """

    def __init__(
        self, shard_id: str, parent_ids: tuple[str, ...], keys: tuple[int, int], listed_ms: int
    ) -> None:
        self.shard_id = shard_id
        self.parent_ids = parent_ids
        self.first_key, self.end_key = keys
        self.listed_ms = listed_ms
        self.numbers: list[int] = []
        self.records: list[StreamRecord] = []
        self.horizon = 0
        self.closed_ms: int | None = None
        self.close_listed_ms = 0
        self.ending = 0
        self.reads_ms: deque[int] = deque()

    @property
    def is_open(self) -> bool:
        """Tell whether it takes records."""
        return self.closed_ms is None

    @property
    def is_trimmed_away(self) -> bool:
        """Tell whether it is closed and all its records are gone: it is not listed any more."""
        return not self.is_open and bool(self.numbers) and self.horizon == len(self.numbers)

    def append(self, record: StreamRecord) -> None:
        """Take a record in."""
        self.numbers.append(int(record.sequence_number))
        self.records.append(record)

    def close(self, now_ms: int, ending: int, listed_ms: int) -> None:
        """Take no more records."""
        self.closed_ms = now_ms
        self.ending = ending
        self.close_listed_ms = listed_ms

    def trim(self, before_wall_ms: int) -> list[StreamRecord]:
        """Forget the records that arrived earlier; gives them."""
        first = self.horizon
        while (
            self.horizon < len(self.records)
            and self.records[self.horizon].arrived_ms < before_wall_ms
        ):
            self.horizon += 1
        return self.records[first : self.horizon]

    def knows(self, number: int) -> bool:
        """Tell whether a record ever had this sequence number."""
        index = bisect_left(self.numbers, number)
        return index < len(self.numbers) and self.numbers[index] == number

    def is_trimmed(self, number: int) -> bool:
        """Tell whether a sequence number lies before the horizon."""
        return bisect_left(self.numbers, number) < self.horizon

    def first_at(self, wall_ms: int) -> int:
        """Give the sequence number of the first record that arrived then or later."""
        for index in range(self.horizon, len(self.records)):
            if self.records[index].arrived_ms >= wall_ms:
                return self.numbers[index]
        return self.end_number()

    def end_number(self) -> int:
        """Give a number above all there is."""
        return self.numbers[-1] + 1 if self.numbers else 0

    def read(
        self, number: int, count_max: int, bytes_max: int
    ) -> tuple[tuple[StreamRecord, ...], int]:
        """Give records from a number on, at least one if there is one, and where to go on."""
        index = max(self.horizon, bisect_left(self.numbers, number))
        found: list[StreamRecord] = []
        total_bytes = 0
        while index < len(self.records) and len(found) < count_max:
            record = self.records[index]
            total_bytes += len(record.event)
            if found and total_bytes > bytes_max:
                break
            found.append(record)
            index += 1
        following = self.numbers[index - 1] + 1 if found else number
        return tuple(found), following

    def has_after(self, number: int) -> bool:
        """Tell whether a record stands at a number or after it."""
        index = max(self.horizon, bisect_left(self.numbers, number))
        return index < len(self.numbers)

    def behind_ms(self, number: int, wall_ms: int) -> int:
        """Give how much older than now the next record is; 0 when there is none."""
        index = max(self.horizon, bisect_left(self.numbers, number))
        if index >= len(self.numbers):
            return 0
        return max(1, wall_ms - self.records[index].arrived_ms)

    def listing(self, now_ms: int) -> Shard:
        """Give the shard as it is listed at a time."""
        is_closed = not self.is_open and now_ms >= self.close_listed_ms
        ending = str(self.ending) if is_closed else None
        return Shard(self.shard_id, self.parent_ids, ending)
