"""A shard's consumer with filters: what is left out holds nothing up."""

from typing import Any

from shard_play import WALL_MS, ShardPlay, fail_on, policy, start, succeed

from penstock.core import shard_contract as s
from penstock.core.lane import lane_of
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    ShardEnd,
    StreamKind,
    StreamRecord,
)

INSERTS = '{"eventName":["INSERT"]}'
KEYS = {lane_of(key.encode(), 2): key for key in "abcdefgh"}
WINDOW_S = 10
# A time at which a window of ten seconds begins.
START_MS = WALL_MS - WALL_MS % (WINDOW_S * 1000)


def record(number: int, name: str = "INSERT", *, key: str = "k", after_s: int = 0) -> StreamRecord:
    """A record with its eventName; only INSERT matches."""
    event = b'{"eventName":"%s","dynamodb":{}}' % name.encode()
    return StreamRecord(str(number), key.encode(), START_MS + after_s * 1000, event)


def inserts(*numbers: int, last: int) -> list[StreamRecord]:
    """Records 1 to ``last``, of which only these match."""
    return [record(n, "INSERT" if n in numbers else "REMOVE") for n in range(1, last + 1)]


def play(shard: list[StreamRecord], **changes: Any) -> ShardPlay:
    given = {
        name: changes.pop(name) for name in ("began", "function", "is_closed") & changes.keys()
    }
    asked = policy(kind=StreamKind.DYNAMODB, **{"filters": (INSERTS,), **changes})
    return ShardPlay(shard, asked=asked, **given)


def after(number: int) -> AfterSequenceNumber:
    return AfterSequenceNumber(str(number))


def test_records_that_match_no_filter_are_not_invoked() -> None:
    life = play(inserts(2, 5, last=9)).run(2_000)

    assert life.batches == [[2, 5]]
    assert life.filtered_out == 7
    assert life.held_bytes == 0


def test_checkpoint_moves_past_a_read_of_which_nothing_matches() -> None:
    life = play(inserts(last=9)).run(2_000)

    assert life.batches == []
    assert life.checkpoint.position == after(9)


def test_checkpoint_moves_past_what_follows_the_last_match() -> None:
    life = play(inserts(2, last=9)).run(2_000)

    assert life.checkpoint.position == after(9)


def test_batch_is_filled_from_several_reads() -> None:
    life = play(inserts(2, 12, 22, last=30), batch_size=3, batching_window_s=60)
    life.fetch_max = 10

    assert life.run(50_000).batches == [[2, 12, 22]]


def test_record_that_fails_holds_back_the_checkpoint_and_the_excluded_behind_it() -> None:
    life = play(inserts(1, 5, last=9), function=fail_on(5), batch_size=1).run(30_000)

    assert life.checkpoint.position == after(1)
    life.function = succeed
    assert life.run(120_000).checkpoint.position == after(9)


def test_checkpoint_of_a_restart_is_read_on_from_and_nothing_comes_twice() -> None:
    shard = inserts(2, 5, last=9)
    life = play(shard, began=start(Checkpoint(after(3)))).run(2_000)

    assert life.batches == [[5]]
    assert life.filtered_out == 5


def test_lane_is_not_held_up_by_excluded_records_of_its_own() -> None:
    shard = [record(n, "REMOVE", key=KEYS[0]) for n in range(1, 500)]
    shard += [record(500, key=KEYS[0]), record(501, key=KEYS[1])]
    life = play(shard, parallelization_factor=2).run(2_000)

    assert sorted(life.batches) == [[500], [501]]
    assert life.checkpoint.position == after(501)


def test_closed_shard_of_which_nothing_matches_ends() -> None:
    life = play(inserts(last=9), is_closed=True).run(2_000)

    assert life.checkpoint.position == ShardEnd()
    assert life.machine.has_reached_end


def test_tumbling_window_ends_by_the_time_of_records_that_are_left_out() -> None:
    """DynamoDB does not say that nothing is behind while it gives records."""
    life = play([record(1)], tumbling_window_s=WINDOW_S)
    life.wall_offset_ms = START_MS - 3_600_000  # a clock that tells nothing
    life.run(1_000)
    life.shard += [record(2, "REMOVE", after_s=WINDOW_S - 1)]
    life.run(2_000)
    assert len(life.invoked) == 1

    life.shard += [record(3, "REMOVE", after_s=WINDOW_S + 5)]
    life.run(2_000)

    assert [window.is_final for _, _, window in life.invoked if window] == [False, True]
    assert life.checkpoint.position == after(3)


def test_update_of_the_filters_goes_on_from_the_checkpoint() -> None:
    shard = inserts(2, 5, last=9)
    life = play(shard).run(2_000)
    life.feed(s.StopRequested())
    checkpoint = life.run(2_000).checkpoint
    shard += [record(10, "REMOVE"), record(11)]

    removes = '{"eventName":["REMOVE"]}'
    successor = play(shard, began=start(checkpoint), filters=(removes,)).run(2_000)

    assert life.batches == [[2, 5]]
    assert successor.batches == [[10]]
