"""What simulated worlds have found in ``ShardConsumer``; each test failed before the fix."""

from shard_play import (
    FETCH_MS,
    WALL_MS,
    ShardPlay,
    fail_on,
    policy,
    record,
    records,
    start,
    succeed,
)

from penstock.core import shard_contract as s
from penstock.core.lane_failures import REJECTION_FIRST_MS
from penstock.core.shard_progress import SAVE_RETRY_MS, STOP_SAVES_MAX
from penstock.model.stream import (
    AfterSequenceNumber,
    AtTimestamp,
    Checkpoint,
    FetchedRecords,
    LatestPin,
    ShardIterator,
    StreamKind,
)


def test_consumer_splits_a_batch_whose_outcome_is_unknown() -> None:
    asked = policy(bisect_batch_on_function_error=True, maximum_retry_attempts=0)
    play = ShardPlay(records(1, 2), asked=asked)
    play.function = lambda batch, _: s.InvocationOutcomeUnknown(batch, "lost")

    play.run(60_000)

    assert play.batches == [[1, 2], [1], [2]]
    assert [len(entry.discard.records) for entry in play.journal] == [1, 1]


def test_consumer_counts_rejections_anew_after_an_unknown_outcome() -> None:
    play = ShardPlay(records(1))
    ends = [s.InvocationRejected, s.InvocationOutcomeUnknown, s.InvocationRejected]
    play.function = lambda batch, _: ends.pop(0)(batch, "away") if ends else succeed(batch)

    play.run(10_000)

    _, _, rejected, last = [began_ms for began_ms, _, _ in play.invoked]
    assert last - rejected <= REJECTION_FIRST_MS


def test_consumer_saves_no_checkpoint_before_the_time_that_it_starts_at() -> None:
    began = start(Checkpoint(AtTimestamp(WALL_MS)))
    shard = [record(1, arrived_ms=WALL_MS - 60_000), record(2, arrived_ms=WALL_MS - 50_000)]

    play = ShardPlay(shard, asked=policy(kind=StreamKind.DYNAMODB), began=began).run(5_000)

    assert play.saved == []


def test_consumer_reads_on_after_an_answer_that_is_older_than_its_shards_end() -> None:
    play = ShardPlay([])
    play.shard += records(1)  # after the first read was answered, before its answer is here

    play.feed(s.ShardClosed("1"))
    play.is_closed = True
    play.run(5_000)

    assert play.batches == [[1]]
    assert play.machine.has_reached_end


def test_consumer_that_stops_saves_what_came_after_a_save_that_failed() -> None:
    play = ShardPlay(records(1, 2), asked=policy(batch_size=1))
    play.duration_ms = 100
    play.save_failures = [s.CheckpointFailed("away")]
    play.run(FETCH_MS + 150)

    play.feed(s.StopRequested())
    play.run(200)

    assert play.machine.is_finished()
    assert play.checkpoint.position == AfterSequenceNumber("2")


def test_consumer_that_stops_makes_its_last_save_again() -> None:
    play = ShardPlay(records(1))
    play.duration_ms = 100
    play.run(FETCH_MS + 50)
    play.save_failures = [s.CheckpointFailed("away")] * (STOP_SAVES_MAX - 1)

    play.feed(s.StopRequested())
    play.run(STOP_SAVES_MAX * SAVE_RETRY_MS)

    assert play.machine.is_finished()
    assert play.checkpoint.position == AfterSequenceNumber("1")


def test_consumer_that_stops_does_not_wait_for_a_store_that_stays_away() -> None:
    play = ShardPlay(records(1))
    play.duration_ms = 100
    play.run(FETCH_MS + 50)
    play.save_failures = [s.CheckpointFailed("away")] * (STOP_SAVES_MAX + 1)

    play.feed(s.StopRequested())
    play.run(STOP_SAVES_MAX * SAVE_RETRY_MS)

    assert play.machine.is_finished()
    assert len(play.save_failures) == 1
    assert play.saved == []


def test_consumer_ends_no_window_by_an_answer_from_before_its_end() -> None:
    play = ShardPlay(records(1), asked=policy(tumbling_window_s=10)).run(200)
    in_window = play.invoked[0][2]
    assert in_window is not None
    late_ms = in_window.end_ms - WALL_MS + 10_000

    play.now_ms = late_ms  # the read that is in flight began at 200 ms at the latest
    play.feed(s.RecordsFetched(FetchedRecords((), ShardIterator("1"), 0)))
    play.run(1)

    assert len(play.invoked) == 1


def test_consumer_passes_over_nothing_that_its_own_latest_iterator_gives() -> None:
    began = start(Checkpoint(LatestPin("0", WALL_MS)))
    shard = [record(1, arrived_ms=WALL_MS - 1_000)]  # by another clock than the pin's

    play = ShardPlay(shard, asked=policy(kind=StreamKind.DYNAMODB), began=began).run(1_000)

    assert play.batches == [[1]]


def test_consumer_passes_over_what_is_older_only_up_to_the_first_that_is_not() -> None:
    began = start(Checkpoint(AtTimestamp(WALL_MS)))
    times = (-5_000, 0, -1_000, 0)
    shard = [record(n, arrived_ms=WALL_MS + ms) for n, ms in enumerate(times, start=1)]

    play = ShardPlay(shard, asked=policy(kind=StreamKind.DYNAMODB), began=began).run(1_000)

    assert play.batches == [[2, 3, 4]]


def test_consumer_waits_for_a_dead_destination_once_and_not_for_each_discard() -> None:
    asked = policy(batch_size=1, maximum_retry_attempts=0, destination_arn="arn:aws:sqs:::q")
    poison = range(1, 20)
    play = ShardPlay(records(*poison, 20), asked=asked, function=fail_on(*poison))
    play.destination = lambda discard: s.DestinationFailed(discard.id, "away")

    play.run(360_000)

    assert len(play.journal) == len(poison)
    assert play.batches[-1] == [20]
