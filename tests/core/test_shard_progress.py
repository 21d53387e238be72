"""How far a shard is settled, and what of that is durable."""

from shard_play import policy, record, records

from penstock.core import shard_progress as progress
from penstock.core.lane import Lane, PendingBatch, lane_of
from penstock.core.lane_failures import LaneFailures
from penstock.core.shard_contract import JournalEntry, SaveCheckpoint
from penstock.core.shard_progress import ShardProgress
from penstock.core.shard_reading import Mark, mark_of
from penstock.model.failure import Condition
from penstock.model.instant import Instant
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    Checkpoint,
    LaneMarks,
    ShardEnd,
    StreamBatch,
    TrimHorizon,
)

START = Instant(0, 0)
FRESH = Checkpoint(TrimHorizon())


def marked(number: int) -> Mark:
    return mark_of(record(number))


def entry(size: int = 40) -> JournalEntry:
    pending = PendingBatch(StreamBatch(1, 0, (record(1, size=size),)))
    failures = LaneFailures(policy(), "shard-0", ids=iter([1]))
    return JournalEntry(failures.discard(pending, Condition.SKIPPED, None, START).discard)


def lanes(*settled: int | None) -> list[Lane]:
    made = [Lane(index) for index in range(len(settled))]
    for lane, number in zip(made, settled, strict=True):
        lane.settled = None if number is None else marked(number)
    return made


def test_frontier_reaches_the_head_when_nothing_is_unsettled() -> None:
    kept = ShardProgress(FRESH, 1)

    kept.advance(lanes(None), marked(9), None)

    saving = kept.save(lanes(None), START)
    assert saving == SaveCheckpoint(Checkpoint(AfterSequenceNumber("9"), (), record(9).arrived_ms))


def test_frontier_stays_before_what_a_window_has_open() -> None:
    kept, one = ShardProgress(FRESH, 1), lanes(7)

    kept.advance(one, marked(9), 8)

    saving = kept.save(one, START)
    assert saving is not None
    assert saving.checkpoint.position == AfterSequenceNumber("7")


def test_frontier_never_goes_back() -> None:
    began = Checkpoint(AfterSequenceNumber("50"), (), 1)
    kept, one = ShardProgress(began, 1), lanes(None)

    kept.advance(one, marked(9), None)

    assert kept.save(one, START) is None


def test_frontier_without_anything_read_stays() -> None:
    kept = ShardProgress(FRESH, 1)

    kept.advance(lanes(None), None, None)

    assert kept.save(lanes(None), START) is None


def test_lanes_are_marked_beyond_the_frontier() -> None:
    kept, two = ShardProgress(FRESH, 2), lanes(3, 8)
    two[0].take(record(4), 0)

    kept.advance(two, marked(9), None)

    saving = kept.save(two, START)
    assert saving is not None
    assert saving.checkpoint.position == AfterSequenceNumber("3")
    assert saving.checkpoint.lanes == (LaneMarks(2, {1: "8"}),)


def test_one_save_is_in_flight_and_the_next_holds_what_came_meanwhile() -> None:
    kept, one = ShardProgress(FRESH, 1), lanes(None)
    kept.advance(one, marked(1), None)
    first = kept.save(one, START)
    kept.advance(one, marked(2), None)
    kept.advance(one, marked(3), None)
    during = kept.save(one, START)

    kept.note_saved()

    second = kept.save(one, START)
    assert first is not None
    assert during is None
    assert second is not None
    assert second.checkpoint.position == AfterSequenceNumber("3")


def test_failed_save_is_tried_again_after_a_while() -> None:
    kept, one = ShardProgress(FRESH, 1), lanes(None)
    kept.advance(one, marked(1), None)
    first = kept.save(one, START)

    kept.note_failed(START)

    assert kept.save(one, START.plus_ms(progress.SAVE_RETRY_MS - 1)) is None
    assert kept.save(one, START.plus_ms(progress.SAVE_RETRY_MS)) == first


def test_discards_that_were_not_saved_are_saved_again() -> None:
    kept, one = ShardProgress(FRESH, 1), lanes(None)
    kept.add_to_journal(entry())
    kept.save(one, START)
    kept.add_to_journal(entry())
    kept.note_failed(START)

    again = kept.save(one, START.plus_ms(progress.SAVE_RETRY_MS))
    kept.note_saved()

    assert again is not None
    assert len(again.journal) == 2
    assert kept.save(one, START.plus_ms(progress.SAVE_RETRY_MS)) is None


def test_journal_is_full_until_its_discards_are_durable() -> None:
    kept, one = ShardProgress(FRESH, 1), lanes(None)
    kept.add_to_journal(entry(progress.JOURNAL_BYTES_PENDING_MAX))
    was_full = kept.is_journal_full
    kept.add_to_journal(entry())
    is_full = kept.is_journal_full
    kept.save(one, START)

    kept.note_saved()

    assert (was_full, is_full, kept.is_journal_full) == (False, True, False)


def test_end_of_a_shard_keeps_no_marks_and_ends_when_it_is_durable() -> None:
    marks = LaneMarks(3, {0: "50"})
    kept, two = ShardProgress(Checkpoint(TrimHorizon(), (marks,)), 2), lanes(3, 8)
    kept.end()

    saving = kept.save(two, START)
    before = kept.has_ended
    kept.note_saved()

    assert saving == SaveCheckpoint(Checkpoint(ShardEnd()))
    assert (before, kept.has_ended) == (False, True)


def test_records_that_an_earlier_life_settled_are_left_out() -> None:
    marks = LaneMarks(2, {lane_of(b"k", 2): "50"})
    kept = ShardProgress(Checkpoint(AfterSequenceNumber("10"), (marks,)), 3)
    other = next(key for key in "abcd" if lane_of(key.encode(), 2) != lane_of(b"k", 2))

    given = (*records(9, 20, 50, 51), record(20, key=other), record(60))

    assert kept.unsettled(given) == (record(51), record(20, key=other), record(60))
    assert kept.unsettled(()) == ()
    assert kept.unsettled((record(51),)) == (record(51),)


def test_position_at_a_record_leaves_that_record_in() -> None:
    kept = ShardProgress(Checkpoint(AtSequenceNumber("10")), 1)

    assert kept.unsettled((record(10),)) == (record(10),)


def test_lane_of_the_same_factor_goes_on_from_its_mark() -> None:
    marks = (LaneMarks(3, {0: "70"}), LaneMarks(2, {1: "50"}))
    kept = ShardProgress(Checkpoint(TrimHorizon(), marks), 2)

    assert kept.marks_of_lane(0) is None
    assert kept.marks_of_lane(1) == Mark("50", 50)


def test_marks_of_older_factors_are_kept_until_the_frontier_has_passed_them() -> None:
    marks = LaneMarks(3, {0: "70"})
    kept = ShardProgress(Checkpoint(AfterSequenceNumber("1"), (marks,)), 1)
    one = lanes(None)

    kept.advance(one, marked(69), None)
    before = kept.save(one, START)
    kept.note_saved()
    kept.advance(one, marked(70), None)
    after = kept.save(one, START)

    assert before is not None
    assert before.checkpoint.lanes == (marks,)
    assert after is not None
    assert after.checkpoint.lanes == ()


def test_marks_of_more_factors_than_are_kept_go_oldest_first() -> None:
    marks = tuple(LaneMarks(factor, {0: "70"}) for factor in range(2, 11))
    kept = ShardProgress(Checkpoint(TrimHorizon(), marks), 1)
    kept.advance(lanes(None), marked(5), None)

    saving = kept.save(lanes(None), START)

    assert saving is not None
    assert saving.checkpoint.lanes == marks[-progress.FACTORS_MARKED_MAX :]
