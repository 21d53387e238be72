"""When a lane's records become a batch, and which of them may not be invoked."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shard_play import WALL_MS, policy, record, records

from penstock.core.batch_forming import SHARD_BYTES_MAX, BatchForming
from penstock.core.lane import Lane
from penstock.core.stream_event import EVENT_ENVELOPE_BYTES_MAX
from penstock.core.tumbling_window import STATE_BYTES_MAX, TumblingWindow
from penstock.model.failure import Condition
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.instant import Instant
from penstock.model.stream import StreamRecord

START = Instant(0, WALL_MS)
BATCH_BYTES_MAX = PAYLOAD_BYTES_MAX - EVENT_ENVELOPE_BYTES_MAX


def forming(*skips: str, window: TumblingWindow | None = None, **asked: Any) -> BatchForming:
    return BatchForming(policy(**asked), window, ids=itertools.count(1), skips=frozenset(skips))


def lane_of_records(*given_records: StreamRecord) -> Lane:
    lane = Lane(0)
    lane.take_all(given_records, 0)
    return lane


def formed(
    batches: BatchForming, lane: Lane, now: Instant = START, *, is_complete: bool = False
) -> list[list[str]]:
    """Form all that is due; each batch is done at once."""
    found = []
    while batches.form(lane, now, is_complete=is_complete):
        found.append([each.sequence_number for each in lane.finish_first().batch.records])
    return found


def test_batch_without_a_window_is_formed_at_once() -> None:
    lane = lane_of_records(*records(1, 2, 3))

    assert formed(forming(batch_size=2), lane) == [["1", "2"], ["3"]]


def test_batch_waits_for_its_batching_window() -> None:
    batches, lane = forming(batching_window_s=5), lane_of_records(*records(1))

    assert formed(batches, lane, START.plus_ms(4_999)) == []
    assert list(batches.moments(lane, START)) == [5_000]
    assert formed(batches, lane, START.plus_ms(5_000)) == [["1"]]


def test_batch_that_is_full_waits_for_no_window() -> None:
    lane = lane_of_records(*records(1, 2, 3))

    assert formed(forming(batching_window_s=5, batch_size=2), lane) == [["1", "2"]]


def test_batch_of_a_shard_that_has_ended_waits_for_no_window() -> None:
    lane = lane_of_records(*records(1))

    assert formed(forming(batching_window_s=5), lane, is_complete=True) == [["1"]]


def test_batch_ends_at_the_payload_quota() -> None:
    half = BATCH_BYTES_MAX // 2
    lane = lane_of_records(*records(1, 2, 3, size=half - 1))

    assert formed(forming(), lane) == [["1", "2"], ["3"]]


def test_batch_of_a_tumbling_window_leaves_room_for_its_state() -> None:
    half = (BATCH_BYTES_MAX - STATE_BYTES_MAX) // 2
    lane = lane_of_records(*records(1, 2, 3, size=half - 1))

    batches = forming(window=TumblingWindow(60), tumbling_window_s=60)

    assert formed(batches, lane) == [["1", "2"], ["3"]]


def test_lane_of_many_gathers_a_whole_batch_for_its_batching_window() -> None:
    batches = forming(batching_window_s=300, batch_size=10_000, parallelization_factor=10)
    lane = lane_of_records(*records(1, 2, size=BATCH_BYTES_MAX // 3))

    assert lane.buffered_bytes > SHARD_BYTES_MAX // 10
    assert batches.is_hungry(lane)
    assert formed(batches, lane) == []

    lane.take_all(tuple(records(3, 4, size=BATCH_BYTES_MAX // 3)), 0)
    assert batches.is_full(lane)
    assert formed(batches, lane) == [["1", "2"]]


def test_lane_of_many_without_a_batching_window_holds_its_share_of_the_shard() -> None:
    lane = lane_of_records(record(1, size=SHARD_BYTES_MAX // 10))

    assert forming(batch_size=10_000, parallelization_factor=10).is_full(lane)
    assert not forming(batch_size=10_000, parallelization_factor=5).is_full(lane)


def test_record_that_is_given_up_is_alone_in_its_batch() -> None:
    lane = lane_of_records(*records(1, 2, 3))
    batches = forming("2")

    batches.form(lane, START, is_complete=False)
    first = lane.finish_first()
    batches.form(lane, START, is_complete=False)
    second = lane.finish_first()

    assert [len(each.batch.records) for each in (first, second)] == [1, 1]
    assert batches.condition_of(first, START) is None
    assert batches.condition_of(second, START) is Condition.SKIPPED


def test_record_that_is_too_large_may_not_be_invoked() -> None:
    lane = lane_of_records(record(1, size=BATCH_BYTES_MAX))
    batches = forming()
    batches.form(lane, START, is_complete=False)

    condition = batches.condition_of(lane.pending[0], START)

    assert condition is Condition.MAXIMUM_PAYLOAD_SIZE_EXCEEDED


def test_record_is_expired_only_when_it_is_older_than_the_maximum() -> None:
    lane = lane_of_records(record(1))
    batches = forming(maximum_record_age_s=60)
    batches.form(lane, START, is_complete=False)
    pending = lane.pending[0]

    assert batches.condition_of(pending, START.plus_ms(60_000)) is None
    assert list(batches.moments(lane, START)) == [60_001]
    expected = Condition.RECORD_AGE_EXCEEDED
    assert batches.condition_of(pending, START.plus_ms(60_001)) is expected


def test_given_up_batch_is_discarded_when_it_is_due() -> None:
    lane = lane_of_records(record(1))
    batches = forming()
    batches.form(lane, START, is_complete=False)
    pending = lane.pending[0]
    pending.is_given_up, pending.due_ms = True, 10

    assert batches.condition_of(pending, START) is None
    assert list(batches.moments(lane, START)) == [10]
    expected = Condition.RETRY_ATTEMPTS_EXHAUSTED
    assert batches.condition_of(pending, START.plus_ms(10)) is expected


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_expired_records_are_parted_from_the_others(flags: list[bool]) -> None:
    ages = [WALL_MS - 61_000 if is_expired else WALL_MS for is_expired in flags]
    lane = lane_of_records(*[record(n, arrived_ms=each) for n, each in enumerate(ages)])
    batches = forming(maximum_record_age_s=60)
    batches.form(lane, START, is_complete=False)

    first_has_expired = batches.isolate_expired(lane, START)

    parts = [[int(r.sequence_number) for r in each.batch.records] for each in lane.pending]
    assert [number for part in parts for number in part] == list(range(len(flags)))
    kinds = [{flags[number] for number in part} for part in parts]
    assert all(len(kind) == 1 for kind in kinds)
    assert all(one != other for one, other in itertools.pairwise(kinds))
    assert first_has_expired is flags[0]


def test_lane_that_nothing_waits_for_has_no_moments() -> None:
    assert list(forming().moments(Lane(0), START)) == []


def test_tumbling_window_is_closed_before_a_record_of_a_later_one() -> None:
    window = TumblingWindow(1)
    lane = lane_of_records(record(1), record(2, arrived_ms=WALL_MS + 1000))
    batches = forming(window=window, tumbling_window_s=1)
    assert batches.form(lane, START, is_complete=False)
    window.take(lane.finish_first().batch.records[-1], 1)
    window.keep_state(b"{}")

    assert batches.form(lane, START, is_complete=False)

    final = lane.finish_first()
    assert (final.is_final, final.batch.records) == (True, ())
    assert final.oldest_ms == WALL_MS + 1000


@pytest.mark.parametrize("is_complete", [pytest.param(True, id="at-the-end"), False])
def test_tumbling_window_for_which_nothing_succeeded_ends_without_an_invocation(
    *, is_complete: bool
) -> None:
    window = TumblingWindow(1)
    lane = lane_of_records(record(1))
    batches = forming(window=window, tumbling_window_s=1)
    batches.form(lane, START, is_complete=False)
    window.take(lane.finish_first().batch.records[-1], 1)  # it was discarded
    if not is_complete:
        window.end()

    assert not batches.form(lane, START, is_complete=is_complete)

    assert window.first is None
    assert lane.settled is not None
    assert lane.settled.number == 1
