"""One lane: records in, batches out, nothing lost or reordered."""

from hypothesis import given
from hypothesis import strategies as st
from shard_play import policy, record, records

from penstock.core.lane import Discarding, Lane, PendingBatch, lane_of
from penstock.core.lane_failures import LaneFailures
from penstock.model.failure import Condition
from penstock.model.instant import Instant
from penstock.model.stream import StreamBatch, StreamRecord


def filled(*numbers: int, size: int = 40) -> Lane:
    lane = Lane(0)
    lane.take_all(tuple(records(*numbers, size=size)), 0)
    return lane


def numbers_in(pending: PendingBatch) -> list[int]:
    return [int(each.sequence_number) for each in pending.batch.records]


def discarding(lane: Lane, *given: StreamRecord) -> Discarding:
    pending = PendingBatch(StreamBatch(1, 0, given))
    failures = LaneFailures(policy(), "shard-0", ids=iter(range(1, 100)))
    lane.discarding = failures.discard(pending, Condition.SKIPPED, None, Instant(0, 0))
    return lane.discarding


def test_lane_of_a_key_is_the_same_in_every_process() -> None:
    assert [lane_of(b"key", factor) for factor in (1, 3, 10)] == [0, 1, 7]


def test_lane_runs_end_at_the_count() -> None:
    assert filled(1, 2, 3).count_run(2, 1000) == (2, True)


def test_lane_run_that_takes_all_is_complete_only_at_the_count() -> None:
    assert filled(1, 2).count_run(2, 1000) == (2, True)
    assert filled(1, 2).count_run(3, 1000) == (2, False)


def test_lane_runs_end_at_the_bytes_with_a_comma_for_each_record() -> None:
    assert filled(1, 2, size=50).count_run(10, 102) == (2, False)
    assert filled(1, 2, size=50).count_run(10, 101) == (1, True)


def test_lane_record_that_is_too_large_is_a_run_of_its_own() -> None:
    assert filled(1, 2, size=50).count_run(10, 10) == (1, True)


def test_lane_tells_the_arrival_of_what_it_waits_for() -> None:
    lane = Lane(0)
    arrivals = [lane.oldest_arrived_ms()]
    for number in range(1, 4):
        lane.take(record(number, arrived_ms=number), 0)
    arrivals.append(lane.oldest_arrived_ms())
    lane.form(1, 2)
    arrivals.append(lane.oldest_arrived_ms())
    discarding(lane, *lane.finish_first().batch.records)
    arrivals.append(lane.oldest_arrived_ms())
    lane.discarding = None

    assert [*arrivals, lane.oldest_arrived_ms()] == [None, 1, 1, 1, 3]


def test_lane_tells_no_arrival_of_a_windows_last_invocation() -> None:
    lane = Lane(0)
    lane.take(record(1, arrived_ms=7), 0)
    lane.pending.append(PendingBatch(StreamBatch(1, 0, ()), is_final=True))

    assert lane.oldest_arrived_ms() == 7


def test_lane_gathers_from_its_first_record_on() -> None:
    lane = Lane(0)

    lane.take(record(1), 10)
    lane.take(record(2), 20)

    assert lane.gathered_since_ms == 10


def test_lane_taking_nothing_begins_no_window() -> None:
    lane = Lane(0)

    lane.take_all((), 10)

    assert lane.gathered_since_ms == 0


def test_lane_part_keeps_its_past() -> None:
    whole = PendingBatch(StreamBatch(1, 0, ()), attempts=2, due_ms=5, reason="r", rejections=1)

    part = whole.part(StreamBatch(2, 0, ()))

    assert (part.attempts, part.due_ms, part.reason, part.rejections) == (2, 5, "r", 0)


def test_lane_first_unsettled_is_that_of_the_discard() -> None:
    lane = filled(5)
    discarding(lane, record(3))

    assert lane.first_unsettled() == 3


def test_lane_first_unsettled_passes_over_a_batch_without_records() -> None:
    lane = filled(5)
    lane.pending.append(PendingBatch(StreamBatch(1, 0, ()), is_final=True))

    assert lane.first_unsettled() == 5


def test_lane_first_unsettled_after_a_gap_is_what_was_passed_over() -> None:
    lane = Lane(0)
    assert lane.first_unsettled() is None

    lane.gap_after = "7"

    assert lane.first_unsettled() == 8
    assert not lane.is_empty


def test_lane_is_busy_while_a_discard_is_sent() -> None:
    lane = Lane(0)
    waiting = discarding(lane, record(1))
    assert not lane.is_busy

    waiting.due_ms = None

    assert lane.is_busy


@given(
    sizes=st.lists(st.integers(0, 60), max_size=30),
    count_max=st.integers(1, 10),
    bytes_max=st.integers(1, 100),
)
def test_lane_loses_and_reorders_nothing(sizes: list[int], count_max: int, bytes_max: int) -> None:
    given_records = [record(number, size=size) for number, size in enumerate(sizes)]
    lane = Lane(0)
    half = len(given_records) // 2
    lane.take_all(tuple(given_records[:half]), 0)
    for given_record in given_records[half:]:
        lane.take(given_record, 0)

    formed: list[PendingBatch] = []
    while lane.buffered_count:
        count, _ = lane.count_run(count_max, bytes_max)
        formed.append(lane.form(len(formed), count))

    assert [n for each in formed for n in numbers_in(each)] == list(range(len(sizes)))
    for each in formed:
        size = sum(len(r.event) + 1 for r in each.batch.records)
        assert len(each.batch.records) == 1 or size <= bytes_max
        assert 1 <= len(each.batch.records) <= count_max
        lane.release(each.batch.records)
    assert (lane.buffered_bytes, lane.held_bytes) == (0, 0)


@given(st.integers(2, 40), st.data())
def test_lane_parts_take_the_place_of_their_batch(count: int, data: st.DataObject) -> None:
    lane = filled(*range(count))
    first = lane.form(1, data.draw(st.integers(2, count)))
    lane.form(2, lane.buffered_count)
    cut = data.draw(st.integers(1, len(first.batch.records) - 1))
    halves = (first.batch.records[:cut], first.batch.records[cut:])

    lane.replace_first(*[first.part(StreamBatch(3, 0, half)) for half in halves])

    assert [n for each in lane.pending for n in numbers_in(each)] == list(range(count))
