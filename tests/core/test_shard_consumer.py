"""One shard's life in a world where everything completes as a script says."""

import pytest
from shard_play import (
    WALL_MS,
    ShardPlay,
    fail,
    fail_on,
    policy,
    record,
    records,
    report,
    start,
)

from penstock.core import shard_contract as s
from penstock.core import shard_progress
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    Checkpoint,
    LaneMarks,
    LatestPin,
    ShardEnd,
    StreamKind,
)


def test_consumer_invokes_in_order_and_checkpoints_the_last() -> None:
    play = ShardPlay(records(1, 2, 3, 10, 20), asked=policy(batch_size=2)).run(1000)

    assert play.batches == [[1, 2], [3, 10], [20]]
    assert play.checkpoint == Checkpoint(AfterSequenceNumber("20"), (), WALL_MS)
    assert play.held_bytes == 0


def test_consumer_goes_on_after_its_checkpoint() -> None:
    began = start(Checkpoint(AfterSequenceNumber("3")))

    play = ShardPlay(records(1, 2, 3, 10, 20), began=began).run(1000)

    assert play.batches == [[10, 20]]


def test_consumer_begins_at_a_sequence_number() -> None:
    began = start(Checkpoint(AtSequenceNumber("3")))

    play = ShardPlay(records(1, 2, 3, 10, 20), began=began).run(1000)

    assert play.batches == [[3, 10, 20]]


def test_consumer_ends_with_its_shard() -> None:
    play = ShardPlay(records(1, 2), is_closed=True).run(1000)

    assert play.machine.is_finished()
    assert play.machine.has_reached_end
    assert play.checkpoint.position == ShardEnd()


def test_consumer_ends_a_closed_shard_that_never_says_so() -> None:
    play = ShardPlay(records(1, 2), began=start(ending_sequence_number="2")).run(3000)

    assert play.machine.has_reached_end


def test_consumer_retries_with_back_off_until_attempts_are_used_up() -> None:
    asked = policy(maximum_retry_attempts=2)

    play = ShardPlay(records(1, 2), asked=asked, function=fail).run(60_000)

    assert play.batches == [[1, 2]] * 3
    assert [entry.discard.invoke_count for entry in play.journal] == [3]
    assert play.checkpoint.position == AfterSequenceNumber("2")


def test_consumer_without_limits_tries_eight_times_in_the_first_minute() -> None:
    play = ShardPlay(records(1), function=fail).run(60_000)

    assert 7 <= len(play.invoked) <= 9


def test_consumer_bisects_until_the_poison_record_is_alone() -> None:
    asked = policy(bisect_batch_on_function_error=True, maximum_retry_attempts=1)

    play = ShardPlay(records(1, 2, 3, 4), asked=asked, function=fail_on(3)).run(60_000)

    assert play.batches == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [3], [4]]
    [entry] = play.journal
    assert [each.sequence_number for each in entry.discard.records] == ["3"]


def test_consumer_goes_on_at_the_lowest_failed_record() -> None:
    asked = policy(batch_size=3, maximum_retry_attempts=3, batching_window_s=1)

    play = ShardPlay(records(*range(6)), asked=asked, function=report(5)).run(60_000)

    assert play.batches == [[0, 1, 2], [3, 4, 5], [5], [5], [5], [5]]
    assert [entry.discard.invoke_count for entry in play.journal] == [4]
    assert play.journal[0].discard.trace.function_error is None


def test_consumer_keeps_lanes_apart() -> None:
    shard = [record(number, key=f"k{number % 7}") for number in range(40)]
    asked = policy(parallelization_factor=4, batch_size=5)

    play = ShardPlay(shard, asked=asked, function=fail_on(0)).run(5_000)

    done = {number for batch in play.batches for number in batch}
    assert len(done) > 20
    marks = play.checkpoint.lanes
    assert [each.factor for each in marks] == [4]
    assert play.checkpoint.position != AfterSequenceNumber("39")


def test_consumer_sees_nothing_twice_after_a_restart_with_another_factor() -> None:
    shard = [record(number, key=f"k{number % 7}") for number in range(40)]
    asked = policy(parallelization_factor=4, batch_size=5)
    first = ShardPlay(shard, asked=asked, function=fail_on(0)).run(5_000)
    done = {n for (_, batch, _) in first.invoked if 0 not in batch for n in batch}

    again = policy(parallelization_factor=3, batch_size=5)
    second = ShardPlay(shard, asked=again, began=start(first.checkpoint)).run(5_000)

    seen = [number for batch in second.batches for number in batch]
    assert sorted(seen) == sorted(set(range(40)) - done)
    assert second.checkpoint == Checkpoint(AfterSequenceNumber("39"), (), WALL_MS)


def test_consumer_gives_a_full_lane_back_what_it_missed() -> None:
    size = 100_000
    shard = [record(n, key=f"k{n % 3}", size=size) for n in range(900)]
    asked = policy(parallelization_factor=2, batch_size=10)
    play = ShardPlay(shard, asked=asked)
    play.function = lambda batch, _: s.InvocationSucceeded(batch)
    play.duration_ms = 500

    play.run(600_000)

    seen = [number for batch in play.batches for number in batch]
    assert sorted(seen) == list(range(900))
    for key in range(3):
        assert [n for n in seen if n % 3 == key] == list(range(key, 900, 3))
    assert play.checkpoint.position == AfterSequenceNumber("899")
    assert play.held_bytes_max < 50_000_000


def test_consumer_waits_out_an_unknown_outcome() -> None:
    play = ShardPlay(records(1))
    play.function = lambda batch, _: s.InvocationOutcomeUnknown(batch, "lost")

    play.run(2_900)
    count_before = len(play.invoked)
    play.run(300)

    assert count_before == 1
    assert len(play.invoked) == 2


def test_consumer_stops_with_its_last_checkpoint() -> None:
    play = ShardPlay(records(1, 2, 3), asked=policy(batch_size=1))
    play.duration_ms = 100
    play.run(150)

    play.feed(s.StopRequested())
    play.run(1000)

    assert play.machine.is_finished()
    assert not play.machine.has_reached_end
    assert play.batches == [[1], [2]]
    assert play.checkpoint.position == AfterSequenceNumber("2")


def test_consumer_passes_over_what_arrived_before_the_mapping_on_dynamodb() -> None:
    began = start(Checkpoint(LatestPin("0", WALL_MS - 1_000_000)))
    shard = [record(1, arrived_ms=WALL_MS - 2_000_000), record(2, arrived_ms=WALL_MS)]

    play = ShardPlay(shard, asked=policy(kind=StreamKind.DYNAMODB), began=began).run(1000)

    assert play.batches == [[2]]


def test_consumer_keeps_marks_of_older_factors_until_they_are_passed() -> None:
    marks = LaneMarks(4, {0: "50"})
    began = start(Checkpoint(AfterSequenceNumber("1"), (marks,)))

    play = ShardPlay(records(2, 60), began=began, function=fail_on(2, 60)).run(1000)

    assert play.saved == []


def test_consumer_that_lost_its_tenure_ends_and_saves_no_more() -> None:
    play = ShardPlay(records(1, 2), asked=policy(batch_size=1))
    play.save_failures = [s.TenureLost()]

    play.run(10_000)

    assert play.machine.is_finished()
    assert not play.machine.has_reached_end
    assert play.saved == []
    assert play.machine.deadline_ms() is None


def test_consumer_waits_for_its_store_without_waking_when_the_journal_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shard_progress, "JOURNAL_BYTES_PENDING_MAX", 30)
    asked = policy(batch_size=1, maximum_retry_attempts=0, maximum_record_age_s=60)
    play = ShardPlay(records(1, 2), asked=asked, function=fail)
    play.save_failures = [s.CheckpointFailed("locked")] * 3

    play.run(900)
    before = list(play.batches)
    play.run(10_000)

    assert before == [[1]]
    assert play.batches == [[1], [2]]
    assert len(play.journal) == 2


def test_consumer_ends_the_window_of_a_shard_that_ends_while_its_records_are_worked_on() -> None:
    asked = policy(tumbling_window_s=60)

    play = ShardPlay(records(1, 2), asked=asked, is_closed=True).run(1_000)

    assert play.batches == [[1, 2], []]
    assert play.machine.has_reached_end


def test_consumer_goes_on_after_its_checkpoint_on_a_server_that_gives_that_record_again() -> None:
    began = start(Checkpoint(AfterSequenceNumber("2")))
    play = ShardPlay(records(1, 2, 3), began=began)
    play.fetch_failures = [s.FetchFailure.TRIMMED]

    play.run(1_000)

    assert play.batches == [[3]]


def test_consumer_that_is_stopped_gives_back_a_slot_that_comes_late() -> None:
    play = ShardPlay(records(1))
    play.slots = 0
    play.run(1_000)
    play.feed(s.StopRequested())

    commands = play.machine.handle(s.SlotsGranted(play.policy.function_arn, 1), play.now())

    assert commands == [s.ReturnSlots(play.policy.function_arn, 1)]


def test_consumer_is_begun_with_lanes_or_with_a_tumbling_window() -> None:
    with pytest.raises(AssertionError):
        ShardPlay([], asked=policy(parallelization_factor=2, tumbling_window_s=1))


def test_consumer_tells_the_oldest_arrival_of_what_waits() -> None:
    shard = [record(number, arrived_ms=WALL_MS + number) for number in (1, 2)]
    blocked = ShardPlay(shard, asked=policy(batch_size=1), function=fail_on(2)).run(1_000)

    assert blocked.machine.oldest_arrived_ms == WALL_MS + 2
    assert ShardPlay(shard).run(1_000).machine.oldest_arrived_ms is None
