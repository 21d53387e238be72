"""Rules of docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html.

What was recorded of AWS, with mappings of Kinesis streams, is here too.
"""

import itertools

import pytest
from shard_play import (
    FETCH_MS,
    WALL_MS,
    ShardPlay,
    fail_on,
    policy,
    record,
    records,
    start,
)

from penstock.core import shard_contract as s
from penstock.core import stream_contract as m
from penstock.core.lane import lane_of
from penstock.core.shard_lineage import runnable
from penstock.core.stream_consumer import StreamConsumer
from penstock.model.instant import Instant
from penstock.model.position import StreamPlace, Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    Shard,
    StartingPosition,
    StreamDescription,
    StreamKind,
)


def test_trim_horizon_delivers_what_was_written_before_the_mapping() -> None:
    """TRIM_HORIZON processes all records that the stream still has.

    Recorded: 20 records before the mapping and 10 after it, BatchSize 10: three batches of 10.
    """
    play = ShardPlay(records(*range(20)), asked=policy(batch_size=10)).run(1_000)
    play.shard += records(*range(20, 30))

    play.run(2_000)

    assert play.batches == [list(range(10)), list(range(10, 20)), list(range(20, 30))]


def test_batches_of_a_shard_are_invoked_one_after_another() -> None:
    """Lambda processes one batch of a shard at a time (ParallelizationFactor 1).

    Recorded: with a handler that takes 5 s, the second of two batches starts 5 s after the first.
    """
    play = ShardPlay(records(*range(20)), asked=policy(batch_size=10))
    play.duration_ms = 5_000

    play.run(20_000)

    began_ms = [at_ms for at_ms, _, _ in play.invoked]
    assert began_ms == [FETCH_MS, FETCH_MS + 5_000]


def test_a_shard_is_polled_once_per_second() -> None:
    """Lambda polls each shard at a base rate of once per second (ours is quicker for a minute)."""
    play = ShardPlay([]).run(120_000)
    count = len(play.fetches)

    play.run(60_000)

    assert 58 <= len(play.fetches) - count <= 60


def test_a_shard_that_has_more_records_is_read_on_without_a_pause() -> None:
    """When more records are available, Lambda keeps processing batches until it catches up."""
    play = ShardPlay(records(*range(40)), asked=policy(batch_size=10))
    play.fetch_max = 10

    play.run(1_000)

    assert len(play.invoked) == 4


def test_records_of_a_partition_key_are_processed_in_order_by_parallel_lanes() -> None:
    """With ParallelizationFactor, Lambda ensures in-order processing per partition key."""
    shard = [record(number, key=f"k{number % 5}") for number in range(60)]
    asked = policy(batch_size=3, parallelization_factor=4)
    play = ShardPlay(shard, asked=asked)
    play.duration_ms = 70

    play.run(10_000)

    seen = [number for batch in play.batches for number in batch]
    assert sorted(seen) == list(range(60))
    for key in range(5):
        assert [number for number in seen if number % 5 == key] == list(range(key, 60, 5))


def test_no_more_than_the_factor_are_invoked_at_once() -> None:
    """ParallelizationFactor is the number of concurrent batches of a shard."""
    shard = [record(number, key=f"k{number}") for number in range(200)]
    play = ShardPlay(shard, asked=policy(batch_size=1, parallelization_factor=3))
    play.duration_ms = 1_000

    play.run(10_500)

    began_ms = [at_ms for at_ms, _, _ in play.invoked]
    assert max(began_ms.count(at_ms) for at_ms in set(began_ms)) == 3
    assert all(later - first >= 1_000 for first, later in zip(began_ms, began_ms[3:], strict=False))


def test_a_lane_that_fails_does_not_hold_up_the_others() -> None:
    """A batch that fails blocks the records of its own lane only (where AWS is silent)."""
    shard = [record(number, key=f"k{number % 7}") for number in range(70)]
    blocked = {n for n in range(70) if lane_of(f"k{n % 7}".encode(), 4) == lane_of(b"k0", 4)}

    play = ShardPlay(shard, asked=policy(parallelization_factor=4), function=fail_on(0))
    play.run(60_000)

    done = {number for batch in play.batches if 0 not in batch for number in batch}
    assert done == set(range(70)) - blocked


def test_the_checkpoint_is_the_last_record_of_the_highest_batch_that_succeeded() -> None:
    """Lambda checkpoints to the sequence number of a batch only when it is a complete success."""
    play = ShardPlay(records(1, 2, 3, 4), asked=policy(batch_size=2), function=fail_on(3))

    play.run(30_000)

    assert play.checkpoint.position == AfterSequenceNumber("2")


def test_a_mapping_that_is_enabled_again_goes_on_after_its_checkpoint() -> None:
    """A disabled mapping resumes later from the same location."""
    first = ShardPlay(records(1, 2), asked=policy(batch_size=1)).run(1_000)

    second = ShardPlay(records(1, 2, 3), began=start(first.checkpoint)).run(1_000)

    assert second.batches == [[3]]


@pytest.mark.parametrize("factor", [1, 2, 7])
def test_a_changed_factor_delivers_nothing_again(factor: int) -> None:
    """ParallelizationFactor may be updated (where AWS is silent: no record comes twice)."""
    shard = [record(number, key=f"k{number % 9}") for number in range(90)]
    asked = policy(parallelization_factor=5, batch_size=4)
    first = ShardPlay(shard, asked=asked, function=fail_on(0)).run(5_000)
    done = {n for batch in first.batches if 0 not in batch for n in batch}

    again = policy(parallelization_factor=factor)
    second = ShardPlay(shard, asked=again, began=start(first.checkpoint)).run(5_000)

    assert sorted(itertools.chain(*second.batches)) == sorted(set(range(90)) - done)


def test_a_record_that_no_longer_exists_is_not_waited_for() -> None:
    """Records that expire in the stream while a shard is blocked are skipped."""
    play = ShardPlay(records(90, 91), began=start(Checkpoint(AfterSequenceNumber("1"))))
    play.fetch_failures = [s.FetchFailure.TRIMMED]

    play.run(1_000)

    assert play.batches == [[90, 91]]


@pytest.mark.parametrize(
    "failure", [s.FetchFailure.ITERATOR_EXPIRED, s.FetchFailure.THROTTLED, s.FetchFailure.OTHER]
)
def test_reading_goes_on_after_a_failure_where_it_was(failure: s.FetchFailure) -> None:
    """An iterator expires after 5 minutes, and a shard serves 5 reads per second only."""
    play = ShardPlay(records(*range(8)), asked=policy(batch_size=2))
    play.fetch_max = 2
    play.fetch_failures = [failure, failure]

    play.run(5_000)

    assert play.batches == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_merged_shards_are_both_drained_before_their_child() -> None:
    """A child is processed after its parents, so that order is kept across resharding."""
    merge = (Shard("a"), Shard("b"), Shard("c", ("a", "b")))

    assert [each.shard_id for each in runnable(merge, {"a"})] == ["b"]
    assert [each.shard_id for each in runnable(merge, {"a", "b"})] == ["c"]


def test_latest_is_pinned_before_anything_is_invoked() -> None:
    """LATEST starts with new records: what is written after the mapping is Enabled is not missed.

    AWS warns that its own mapping may miss records for several minutes.
    """
    asked = m.StreamPolicy(
        shard=policy(kind=StreamKind.KINESIS), starting_position=StartingPosition.LATEST
    )
    machine, now = StreamConsumer(asked), Instant(0, WALL_MS)
    description = StreamDescription("1", (Shard("a"),))
    machine.handle(m.Started(), now)
    machine.handle(m.PlaceTaken(StreamPlace(tenure=Tenure("m", 1, 0))), now)

    commands = machine.handle(m.StreamDescribed(description), now)

    assert commands == [m.PinLatest(("a",))]
    assert not machine.is_ready
