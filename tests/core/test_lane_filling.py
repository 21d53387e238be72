"""How fetched records reach their lanes, and how a lane gets back what was passed over."""

import itertools
from typing import Any

import pytest
from shard_play import WALL_MS, policy, record

from penstock.core import batch_forming
from penstock.core.batch_forming import BatchForming
from penstock.core.lane import Lane, lane_of
from penstock.core.lane_filling import LaneFilling
from penstock.core.shard_contract import FetchFailure
from penstock.core.shard_progress import ShardProgress
from penstock.core.shard_reading import ShardReading
from penstock.model.instant import Instant
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    FetchedRecords,
    Position,
    ShardIterator,
    StreamRecord,
    TrimHorizon,
)

KEYS = {lane_of(key.encode(), 2): key for key in "abcdefgh"}
NEXT = ShardIterator("next")


@pytest.fixture(autouse=True)
def _small_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane is full with two records."""
    monkeypatch.setattr(batch_forming, "SHARD_BYTES_MAX", 2 * 80)


class Without:
    """A filter that leaves out records with these numbers."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = {str(number) for number in numbers}

    def keep_records(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        return tuple(each for each in records if each.sequence_number not in self.numbers)


class Filling:
    """Two lanes, of which each takes two records of 40 bytes."""

    def __init__(
        self, *, factor: int = 2, skip_before_ms: int = 0, record_filter: Any = None
    ) -> None:
        asked = policy(parallelization_factor=factor)
        self.lanes = [Lane(index) for index in range(factor)]
        self.reading = ShardReading(asked.kind, asked.pace, TrimHorizon())
        self.forming = BatchForming(asked, None, ids=itertools.count(), skips=frozenset())
        self.filling = LaneFilling(
            self.lanes,
            self.reading,
            ShardProgress(Checkpoint(TrimHorizon()), factor),
            self.forming,
            record_filter=record_filter,
        )
        self.reading.start_ms = skip_before_ms
        self.now_ms = 0

    def now(self) -> Instant:
        self.now_ms += 10_000
        return Instant(self.now_ms, WALL_MS)

    def fetch(self) -> ShardIterator | Position:
        command = self.filling.fetch(self.now())
        assert command is not None
        return command.start

    def take(self, *lanes_and_numbers: tuple[int, int], **given: object) -> None:
        """Let an answer bring records: of which lane, and with which number."""
        found = tuple(of_lane(lane, number) for lane, number in lanes_and_numbers)
        fields = {"next_iterator": NEXT, "behind_ms": 1} | given
        self.filling.take(FetchedRecords(found, **fields), self.now())  # type: ignore[arg-type]

    def read(self, *lanes_and_numbers: tuple[int, int], **given: object) -> None:
        self.fetch()
        self.take(*lanes_and_numbers, **given)

    def drain(self, lane: int) -> list[int]:
        """Let a lane finish all that it holds."""
        count = self.lanes[lane].buffered_count
        if not count:
            return []
        self.lanes[lane].form(0, count)
        done = self.lanes[lane].finish_first()
        return [int(each.sequence_number) for each in done.batch.records]


def of_lane(lane: int, number: int) -> StreamRecord:
    return record(number, key=KEYS[lane])


def with_gap() -> Filling:
    """Lane 0 holds 1 and 2, and has missed 3 and 5; lane 1 has had 4 and 6."""
    play = Filling()
    play.read((0, 1), (0, 2), (0, 3), (1, 4), (0, 5), (1, 6))
    assert play.drain(1) == [4, 6]
    return play


def test_filling_one_lane_passes_over_nothing() -> None:
    play = Filling(factor=1)

    play.read((0, 1), (1, 2), (0, 3), (1, 4), (0, 5))

    assert play.drain(0) == [1, 2, 3, 4, 5]


def test_filling_passes_over_what_a_full_lane_cannot_take() -> None:
    play = with_gap()

    assert play.lanes[0].gap_after == "2"
    assert play.lanes[1].gap_after is None
    assert play.fetch() == NEXT


def test_filling_waits_while_every_lane_is_full() -> None:
    play = Filling()
    play.read((0, 1), (0, 2), (1, 3), (1, 4))

    assert not play.filling.wants_fetch()
    assert play.filling.fetch(play.now()) is None


def test_filling_goes_back_when_the_lane_has_room() -> None:
    play = with_gap()
    assert play.drain(0) == [1, 2]

    assert play.fetch() == AfterSequenceNumber("2")
    play.take((0, 3), (1, 4), (0, 5), (1, 6))

    assert play.lanes[0].gap_after is None
    assert (play.drain(0), play.drain(1)) == ([3, 5], [])
    assert play.fetch() == NEXT


def test_filling_that_goes_back_beyond_the_head_goes_on_there() -> None:
    play = with_gap()
    play.drain(0)
    play.fetch()

    play.take((0, 3), (1, 4), (0, 5), (1, 6), (1, 7), next_iterator=ShardIterator("beyond"))

    assert (play.drain(0), play.drain(1)) == ([3, 5], [7])
    assert play.fetch() == ShardIterator("beyond")


def test_filling_ends_a_backfill_when_the_lane_is_full_again() -> None:
    play = Filling()
    play.read((0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 6))
    play.drain(0)
    play.fetch()

    play.take((0, 3), (0, 4), (0, 5))

    assert play.lanes[0].gap_after == "4"
    assert play.fetch() == NEXT
    play.take()
    assert play.drain(0) == [3, 4]
    assert play.fetch() == AfterSequenceNumber("4")


def test_filling_reads_again_for_every_lane_whose_gap_lies_on_the_way() -> None:
    play = Filling()
    play.read((0, 1), (0, 2), (0, 3), (1, 4), (1, 5), (1, 6), (0, 7), (1, 8))
    play.drain(0)
    play.drain(1)

    assert play.fetch() == AfterSequenceNumber("2")
    play.take((0, 3), (1, 4), (1, 5), (1, 6), (0, 7), (1, 8))

    assert (play.drain(0), play.drain(1)) == ([3, 7], [6, 8])
    assert all(lane.gap_after is None for lane in play.lanes)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"next_iterator": None}, id="the-shard-ends"),
    ],
)
def test_filling_closes_gaps_of_which_nothing_is_left(given: dict[str, object]) -> None:
    play = with_gap()
    play.drain(0)
    play.fetch()

    play.take(**given)

    assert play.lanes[0].gap_after is None


def test_filling_closes_gaps_of_a_closed_shard_whose_records_have_left_it() -> None:
    play = with_gap()
    play.drain(0)
    play.reading.close("9")
    play.fetch()

    # Not every server says that a closed shard has ended.
    play.take(behind_ms=0, next_iterator=ShardIterator("back"))

    assert play.lanes[0].gap_after is None
    assert not play.reading.is_backfilling


@pytest.mark.parametrize(
    ("is_closed", "behind_ms"),
    [
        pytest.param(False, 0, id="the-shard-is-open"),
        pytest.param(True, None, id="the-server-does-not-tell"),
        pytest.param(True, 1, id="more-is-to-come"),
    ],
)
def test_filling_keeps_gaps_of_which_something_may_be_left(
    is_closed: bool,  # noqa: FBT001 - a case
    behind_ms: int | None,
) -> None:
    play = with_gap()
    play.drain(0)
    if is_closed:
        play.reading.close("9")
    play.fetch()

    play.take(behind_ms=behind_ms, next_iterator=ShardIterator("back"))

    assert play.lanes[0].gap_after == "2"


def test_filling_goes_on_while_a_backfill_brings_nothing_yet() -> None:
    play = with_gap()
    play.drain(0)
    play.fetch()

    play.take(behind_ms=None, next_iterator=ShardIterator("back"))

    assert play.lanes[0].gap_after == "2"
    assert play.fetch() == NEXT  # the head, in turn: lane 1 is hungry
    play.take()
    assert play.fetch() == ShardIterator("back")


def test_filling_begins_a_failed_backfill_anew() -> None:
    play = with_gap()
    play.drain(0)
    play.fetch()
    play.reading.note_failed(FetchFailure.OTHER, play.now(), spread=0)

    play.filling.end_idle_backfill()

    assert play.fetch() == NEXT
    play.take()
    assert play.fetch() == AfterSequenceNumber("2")


def test_filling_leaves_out_what_the_server_gives_again() -> None:
    play = Filling()
    play.read((0, 1), (1, 2))

    play.read((0, 1), (1, 2), (0, 3))

    assert (play.drain(0), play.drain(1)) == ([1, 3], [2])


def test_filling_passes_over_what_is_older_than_the_start_until_something_is_not() -> None:
    play = Filling(factor=1, skip_before_ms=WALL_MS)
    old = [record(number, arrived_ms=WALL_MS - 1) for number in (1, 2, 4)]

    for found in ([old[0]], [old[1], record(3)], [old[2]]):
        play.fetch()
        play.filling.take(FetchedRecords(tuple(found), NEXT, 1), play.now())

    assert play.drain(0) == [3, 4]


def test_filling_reads_no_more_of_a_shard_that_has_ended() -> None:
    play = Filling()

    play.read((0, 1), next_iterator=None)

    assert not play.filling.wants_fetch()


# Filters.


def test_record_that_is_left_out_fills_no_lane() -> None:
    play = Filling(record_filter=Without(2, 3))

    play.read((0, 1), (0, 2), (0, 3), (0, 4), (0, 5))

    assert play.drain(0) == [1, 4]
    assert play.lanes[0].gap_after == "4"
    assert play.filling.take_filtered_out() == 2
    assert play.filling.take_filtered_out() == 0


def test_record_that_is_left_out_is_not_taken_by_a_backfill_and_counts_once() -> None:
    play = Filling(record_filter=Without(3, 7))
    play.read((0, 1), (0, 2), (0, 3), (1, 4), (0, 5), (1, 6))
    play.drain(1)
    play.drain(0)

    play.read((0, 3), (1, 4), (0, 5), (1, 6), (0, 7), (0, 8), behind_ms=0)

    assert play.drain(0) == [5, 8]
    assert play.lanes[0].gap_after is None
    assert play.filling.take_filtered_out() == 2


def test_record_that_is_left_out_moves_a_gap_of_a_full_lane_on() -> None:
    play = Filling(record_filter=Without(6))
    play.read(*[(0, number) for number in range(1, 9)])
    play.drain(0)

    play.read((0, 3), (0, 4), (0, 6), (0, 7))

    assert play.drain(0) == [3, 4]
    assert play.lanes[0].gap_after == "6"
