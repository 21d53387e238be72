"""Where a shard is read next, how much, and when."""

from typing import Any

import pytest
from shard_play import WALL_MS, records

from penstock.core.shard_contract import Fetch, FetchFailure, ReadPace
from penstock.core.shard_reading import FETCH_BYTES_AIM, ShardReading
from penstock.model.instant import Instant
from penstock.model.stream import (
    AfterSequenceNumber,
    AtTimestamp,
    FetchedRecords,
    LatestPin,
    Position,
    ShardIterator,
    StreamKind,
    TrimHorizon,
)

START = Instant(0, WALL_MS)
KINESIS, DYNAMODB = StreamKind.KINESIS, StreamKind.DYNAMODB
HORIZON = TrimHorizon()
NEXT = ShardIterator("next")


def reading(position: Position = HORIZON, kind: StreamKind = KINESIS, **pace: Any) -> ShardReading:
    return ShardReading(kind, ReadPace(**pace), position)


def answer(
    *numbers: int, behind_ms: int | None = 0, size: int = 40, **given: Any
) -> FetchedRecords:
    return FetchedRecords(
        tuple(records(*numbers, size=size)), given.get("iterator", NEXT), behind_ms
    )


def place(
    shard: ShardReading, now: Instant = START, *, wants_head: bool = True
) -> ShardIterator | Position:
    """Read at once: from where?"""
    fetch = shard.fetch(now.plus_ms(20_000), wants_head=wants_head)
    assert fetch is not None
    return fetch.start


def read(shard: ShardReading, fetched: FetchedRecords, now: Instant = START) -> ShardReading:
    assert shard.fetch(now) is not None
    shard.note_fetched(fetched, now)
    return shard


def failed(shard: ShardReading, failure: FetchFailure, now: Instant = START) -> ShardReading:
    assert shard.fetch(now) is not None
    shard.note_failed(failure, now, spread=0)
    return shard


def test_reading_begins_at_its_position() -> None:
    assert reading(AfterSequenceNumber("7")).fetch(START) == Fetch(AfterSequenceNumber("7"), 1024)


def test_reading_has_one_fetch_in_flight() -> None:
    shard = reading()
    shard.fetch(START)

    assert shard.fetch(START.plus_ms(100_000)) is None


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        pytest.param(KINESIS, 1, 2_046, id="small-records"),
        pytest.param(KINESIS, 4 * FETCH_BYTES_AIM, 1, id="large-records"),
        pytest.param(DYNAMODB, 1, 1_000, id="at-most-what-the-server-takes"),
    ],
)
def test_reading_follows_the_size_of_records(kind: StreamKind, size: int, expected: int) -> None:
    shard = read(reading(kind=kind), answer(1, size=size, behind_ms=1))

    fetch = shard.fetch(START)

    assert fetch is not None
    assert fetch.limit == expected


def test_reading_that_is_behind_goes_on_at_once() -> None:
    assert read(reading(), answer(1, behind_ms=500)).due_ms() == 0


def test_reading_that_caught_up_is_hot_for_a_while_and_then_idle() -> None:
    shard = read(reading(), answer(1))
    hot_ms = shard.due_ms()

    read(shard, answer(), START.plus_ms(60_000))

    assert (hot_ms, shard.due_ms()) == (250, 61_000)
    assert shard.caught_up_wall_ms == WALL_MS + 60_000


def test_reading_an_empty_answer_without_a_lag_has_caught_up() -> None:
    shard = read(reading(kind=DYNAMODB), answer(1, behind_ms=None))
    assert shard.due_ms() == 0

    read(shard, answer(behind_ms=None))

    assert shard.due_ms() == 250


def test_reading_keeps_to_the_reads_that_a_shard_allows() -> None:
    shard = reading()

    for _ in range(5):
        read(shard, answer(1, behind_ms=500))

    assert shard.due_ms() == 1_000


def test_reading_without_such_a_limit_is_never_held_back() -> None:
    shard = reading(reads_per_s_max=None)

    for _ in range(50):
        read(shard, answer(1, behind_ms=500))

    assert shard.due_ms() == 0


def test_reading_replaces_an_iterator_before_it_is_refused() -> None:
    shard = read(reading(), answer(5))

    assert place(shard, START.plus_ms(200_000)) == NEXT
    shard.is_fetching = False
    assert place(shard, START.plus_ms(240_000)) == AfterSequenceNumber("5")


def test_reading_after_an_expired_iterator_goes_on_at_once_after_the_last_record() -> None:
    shard = failed(read(reading(), answer(5, behind_ms=1)), FetchFailure.ITERATOR_EXPIRED)

    assert shard.due_ms() == 0
    assert place(shard) == AfterSequenceNumber("5")


def test_reading_that_goes_on_failing_waits() -> None:
    shard = failed(reading(), FetchFailure.ITERATOR_EXPIRED)

    failed(shard, FetchFailure.ITERATOR_EXPIRED)
    first_ms = shard.due_ms()
    for _ in range(20):
        failed(shard, FetchFailure.OTHER, Instant(shard.due_ms(), WALL_MS))

    assert 300 <= first_ms <= 400
    assert shard.due_ms() > 60_000


def test_reading_that_was_throttled_keeps_its_iterator() -> None:
    shard = failed(read(reading(), answer(5, behind_ms=1)), FetchFailure.THROTTLED)

    assert 375 <= shard.due_ms() <= 500
    assert place(shard) == NEXT


def test_reading_of_what_is_trimmed_goes_on_at_the_horizon() -> None:
    shard = failed(reading(AfterSequenceNumber("5")), FetchFailure.TRIMMED)

    assert shard.due_ms() == 0
    assert place(shard) == HORIZON


def test_reading_what_was_read_before_does_not_move_the_head_back() -> None:
    shard = read(reading(), answer(5, 9, behind_ms=1))

    read(shard, answer(5, behind_ms=1))

    assert shard.head is not None
    assert shard.head.number == 9


@pytest.mark.parametrize(
    ("age_ms", "kind", "expected"),
    [
        pytest.param(0, KINESIS, ShardIterator("pin"), id="young"),
        pytest.param(239_999, KINESIS, ShardIterator("pin"), id="still-young"),
        pytest.param(240_000, KINESIS, AtTimestamp(WALL_MS), id="old"),
        pytest.param(-1, KINESIS, AtTimestamp(WALL_MS), id="of-a-server-whose-clock-is-ahead"),
        pytest.param(239_999, DYNAMODB, ShardIterator("pin"), id="dynamodb-young"),
        pytest.param(840_000, DYNAMODB, HORIZON, id="dynamodb-old"),
    ],
)
def test_reading_from_a_pin(age_ms: int, kind: StreamKind, expected: Position) -> None:
    shard = reading(LatestPin("pin", WALL_MS), kind)

    fetch = shard.fetch(START.plus_ms(age_ms) if age_ms >= 0 else Instant(0, WALL_MS + age_ms))

    assert fetch is not None
    assert fetch.start == expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        pytest.param(FetchFailure.ITERATOR_EXPIRED, AtTimestamp(WALL_MS), id="expired"),
        pytest.param(FetchFailure.POSITION_REFUSED, AtTimestamp(WALL_MS), id="unknown"),
        pytest.param(FetchFailure.OTHER, ShardIterator("pin"), id="no-answer"),
    ],
)
def test_reading_from_a_pin_that_is_refused(failure: FetchFailure, expected: Position) -> None:
    shard = failed(reading(LatestPin("pin", WALL_MS)), failure)

    assert place(shard) == expected


def test_reading_dynamodb_cannot_begin_at_a_time() -> None:
    assert place(reading(AtTimestamp(5), DYNAMODB)) == HORIZON


def test_reading_ends_when_the_server_says_so() -> None:
    assert read(reading(), answer(1, iterator=None)).has_ended


@pytest.mark.parametrize(
    ("fetched", "expected"),
    [
        pytest.param(answer(behind_ms=0), True, id="nothing-left"),
        pytest.param(answer(behind_ms=5), False, id="behind"),
        pytest.param(answer(9, behind_ms=0), False, id="records"),
        pytest.param(answer(behind_ms=None), True, id="at-its-last-record"),
    ],
)
def test_reading_of_a_closed_shard_ends(fetched: FetchedRecords, *, expected: bool) -> None:
    shard = reading(AfterSequenceNumber("9"))
    shard.close("9")

    assert read(shard, fetched).has_ended is expected


@pytest.mark.parametrize("position", [AfterSequenceNumber("8"), HORIZON])
def test_reading_of_a_closed_shard_goes_on_before_its_last_record(position: Position) -> None:
    shard = reading(position)
    shard.close("9")

    assert not read(shard, answer(behind_ms=None)).has_ended


def test_reading_of_an_open_shard_does_not_end() -> None:
    assert not read(reading(AfterSequenceNumber("9")), answer()).has_ended


def test_backfill_reads_from_its_own_place_at_once() -> None:
    shard = read(reading(), answer(5, 9))

    shard.begin_backfill("5", START)

    assert shard.is_backfilling
    assert shard.fetch(START) == Fetch(AfterSequenceNumber("5"), 1971)


def test_backfill_does_not_move_the_head() -> None:
    shard = read(reading(), answer(5, 9))
    shard.begin_backfill("5", START)

    read(shard, answer(7, iterator=ShardIterator("back")))

    assert place(shard, wants_head=False) == ShardIterator("back")
    shard.is_fetching = False
    shard.end_backfill()
    assert shard.head is not None
    assert shard.head.number == 9
    assert place(shard) == NEXT


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        pytest.param(FetchFailure.THROTTLED, AfterSequenceNumber("5"), id="throttled"),
        pytest.param(FetchFailure.TRIMMED, HORIZON, id="trimmed"),
        pytest.param(FetchFailure.OTHER, NEXT, id="given-up"),
    ],
)
def test_backfill_that_fails(failure: FetchFailure, expected: Position) -> None:
    shard = read(reading(), answer(5, 9))
    shard.begin_backfill("5", START)

    failed(shard, failure)

    assert place(shard, wants_head=not shard.is_backfilling) == expected


def test_backfill_and_head_are_read_in_turn() -> None:
    shard = read(reading(), answer(5, 9))
    shard.begin_backfill("5", START)
    back = ShardIterator("back")

    first = place(shard)
    shard.note_fetched(answer(7, iterator=back), START)
    second = place(shard)
    shard.note_fetched(answer(behind_ms=0), START.plus_ms(20_000))
    third = place(shard)

    assert (first, second, third) == (AfterSequenceNumber("5"), NEXT, back)


def test_backfill_that_brings_nothing_though_the_head_was_read_waits_at_the_idle_pace() -> None:
    shard = read(reading(), answer(5, 9))
    shard.begin_backfill("5", START)

    read(shard, answer(behind_ms=0))

    assert shard.is_backfilling
    assert shard.due_ms(wants_head=False) == 1_000


def test_reading_an_answer_that_is_too_large_asks_for_fewer_records() -> None:
    shard = reading()
    limits = []

    for second in range(8):
        fetch = shard.fetch(Instant(second * 20_000, WALL_MS))
        assert fetch is not None
        limits.append(fetch.limit)
        shard.note_failed(FetchFailure.TOO_LARGE, Instant(second * 20_000, WALL_MS), spread=0)

    assert limits == [1024, 256, 64, 16, 4, 1, 1, 1]


def test_backfill_waits_while_reading_fails() -> None:
    shard = failed(read(reading(), answer(9, behind_ms=1)), FetchFailure.OTHER)

    shard.begin_backfill("5", START)

    assert shard.due_ms() > 0
