"""Rules of docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.

The order of shards is stated in
docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html.
"""

import pytest
from shard_play import WALL_MS, ShardPlay, policy, record, records, start

from penstock.core import stream_contract as m
from penstock.core.shard_lineage import pinned, runnable
from penstock.core.stream_consumer import StreamConsumer
from penstock.engine.surroundings import StreamSettings
from penstock.model.instant import Instant
from penstock.model.position import StreamPlace, Tenure
from penstock.model.stream import (
    Checkpoint,
    LatestPin,
    Shard,
    ShardEnd,
    StartingPosition,
    StreamDescription,
    StreamKind,
)

DYNAMODB = StreamKind.DYNAMODB


def test_a_shard_is_polled_four_times_per_second() -> None:
    """Lambda polls shards of a DynamoDB stream at a base rate of 4 times per second."""
    asked = policy(kind=DYNAMODB, pace=StreamSettings().dynamodb_pace)

    play = ShardPlay([], asked=asked).run(10_000)

    assert 38 <= len(play.fetches) <= 42


def test_a_batch_larger_than_an_answer_is_gathered_from_several() -> None:
    """GetRecords gives 1,000 records at most, and BatchSize may be 10,000."""
    asked = policy(kind=DYNAMODB, batch_size=2_500, batching_window_s=1)

    play = ShardPlay(records(*range(2_500)), asked=asked).run(5_000)

    assert {fetch.limit for fetch in play.fetches} <= set(range(1_001))
    assert play.batches == [list(range(2_500))]


def test_order_is_kept_per_item() -> None:
    """With ParallelizationFactor, order is kept per item: partition key and sort key together."""
    shard = [record(number, key=f'{{"Id":{{"N":"{number % 3}"}}}}') for number in range(30)]
    asked = policy(kind=DYNAMODB, parallelization_factor=10, batch_size=2)
    play = ShardPlay(shard, asked=asked)
    play.duration_ms = 30

    play.run(10_000)

    seen = [number for batch in play.batches for number in batch]
    for item in range(3):
        assert [number for number in seen if number % 3 == item] == list(range(item, 30, 3))


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        pytest.param(set(), ["a"], id="parent-first"),
        pytest.param({"a"}, ["b", "c"], id="then-its-children"),
        pytest.param({"a", "b"}, ["c", "d"], id="and-theirs"),
    ],
)
def test_a_parent_is_processed_before_its_children(ended: set[str], expected: list[str]) -> None:
    """An application must always process a parent shard before it processes a child shard."""
    lineage = (Shard("d", ("b",)), Shard("c", ("a",)), Shard("b", ("a",)), Shard("a"))

    assert sorted(each.shard_id for each in runnable(lineage, ended)) == expected


def test_latest_takes_closed_shards_for_ended() -> None:
    """LATEST reads what is written later: a shard that was closed before holds nothing of it."""
    pin = LatestPin("token", 1)
    lineage = (Shard("a", ending_sequence_number="9"), Shard("b", ("a",)))

    assert pinned(lineage, {"b": pin}) == {"a": Checkpoint(ShardEnd()), "b": Checkpoint(pin)}


def test_latest_that_is_resumed_late_passes_over_what_was_there_before() -> None:
    """DynamoDB has no AT_TIMESTAMP: an old pin reads from the horizon, without older records.

    Its records tell the second only, so that of the pin is read.
    """
    began = start(Checkpoint(LatestPin("token", WALL_MS - 999_001)))
    old, same, later = WALL_MS - 1_000_000, WALL_MS - 999_000 - 1_000, WALL_MS
    shard = [record(1, arrived_ms=old - 1), record(2, arrived_ms=same), record(3, arrived_ms=later)]

    play = ShardPlay(shard, asked=policy(kind=DYNAMODB), began=began).run(1_000)

    assert play.batches == [[2, 3]]


def test_a_stream_that_was_made_anew_is_read_from_its_horizon() -> None:
    """Enabling a stream again makes another one: nothing of the old one's checkpoints is used."""
    asked = m.StreamPolicy(
        shard=policy(kind=DYNAMODB), starting_position=StartingPosition.TRIM_HORIZON
    )
    machine, now = StreamConsumer(asked), Instant(0, WALL_MS)
    kept = {"a": Checkpoint(ShardEnd())}
    place = StreamPlace(tenure=Tenure("m", 1, 0), incarnation="old", checkpoints=kept)
    machine.handle(m.Started(), now)
    machine.handle(m.PlaceTaken(place), now)

    [begun] = machine.handle(m.StreamDescribed(StreamDescription("new", (Shard("a"),))), now)

    assert isinstance(begun, m.BeginIncarnation)
    assert (begun.incarnation, begun.checkpoints, begun.start) == ("new", {}, None)
