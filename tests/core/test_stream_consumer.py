"""One stream mapping's life, an input at a time."""

from typing import Any

import msgspec
import pytest
from shard_play import WALL_MS, policy

from penstock.core import stream_contract as m
from penstock.core.stream_consumer import StreamConsumer
from penstock.model.instant import Instant
from penstock.model.position import Skip, StreamPlace, Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    AtTimestamp,
    Checkpoint,
    LatestPin,
    Shard,
    ShardEnd,
    StartingPosition,
    StreamDescription,
    TrimHorizon,
)

TENURE = Tenure("m", 1, 0)
PIN = LatestPin("token", WALL_MS)
OPEN = Shard("a")
CLOSED = Shard("a", ending_sequence_number="9")
CHILD = Shard("b", ("a",))
HORIZON = Checkpoint(TrimHorizon())


def stream_policy(position: str = "TRIM_HORIZON", **shard: Any) -> m.StreamPolicy:
    return m.StreamPolicy(
        shard=policy(**shard),
        starting_position=StartingPosition(position),
        start_timestamp_ms=5,
    )


def described(*shards: Shard, incarnation: str = "1", is_enabled: bool = True) -> m.StreamDescribed:
    return m.StreamDescribed(StreamDescription(incarnation, shards, is_enabled))


def begin(checkpoints: dict[str, Checkpoint] | None = None, **changes: Any) -> m.BeginIncarnation:
    given: dict[str, Any] = {"tenure": TENURE, "incarnation": "1", "start": None}
    return m.BeginIncarnation(**(given | {"checkpoints": checkpoints or {}} | changes))


class StreamPlay:
    """The machine, and the time."""

    def __init__(self, asked: m.StreamPolicy | None = None) -> None:
        self.asked = asked or stream_policy()
        self.machine = StreamConsumer(self.asked)
        self.now_ms = 0

    def feed(self, *inputs: m.Input) -> list[m.Command]:
        commands: list[m.Command] = []
        for inp in inputs:
            commands = self.machine.handle(inp, Instant(self.now_ms, WALL_MS + self.now_ms))
        return commands

    def wake(self) -> list[m.Command]:
        """Let time pass to the deadline."""
        deadline_ms = self.machine.deadline_ms()
        assert deadline_ms is not None
        self.now_ms = deadline_ms
        return self.feed(m.DeadlineReached())

    def take(self, **place: Any) -> list[m.Command]:
        """Take a place of the stream's present incarnation."""
        fields: dict[str, Any] = {"tenure": TENURE, "incarnation": "1"} | place
        return self.feed(m.Started(), m.PlaceTaken(StreamPlace(**fields)))

    def run(self, shard: Shard, checkpoint: Checkpoint = HORIZON, **changes: Any) -> m.RunShard:
        """Give the command that runs a shard."""
        fields: dict[str, Any] = {"tenure": TENURE, "incarnation": "1", "shard_id": shard.shard_id}
        fields |= {"ending_sequence_number": shard.ending_sequence_number} | changes
        return m.RunShard(m.ShardStart(checkpoint=checkpoint, **fields), self.asked.shard)


def running(*shards: Shard, **place: Any) -> StreamPlay:
    play = StreamPlay()
    play.take(**place)
    play.feed(described(*shards))
    return play


def test_stream_takes_its_place_and_lists_its_shards() -> None:
    play = StreamPlay()

    assert play.feed(m.Started()) == [m.TakePlace()]
    assert play.feed(m.PlaceTaken(StreamPlace(tenure=TENURE))) == [m.DescribeStream()]
    assert play.feed(described(OPEN)) == [begin()]
    assert play.feed(m.IncarnationBegun()) == [play.run(OPEN)]
    assert play.machine.is_ready


def test_stream_that_is_known_goes_on_at_its_checkpoints() -> None:
    kept = Checkpoint(AfterSequenceNumber("7"))
    play = StreamPlay()
    play.take(checkpoints={"a": kept}, skips=(Skip("a", "8"), Skip("b", "9")))

    assert play.feed(described(OPEN)) == [play.run(OPEN, kept, skips=frozenset({"8"}))]


def test_stream_pins_latest_before_anything_runs() -> None:
    play = StreamPlay(stream_policy("LATEST"))
    play.take(incarnation="")

    assert play.feed(described(CLOSED, CHILD)) == [m.PinLatest(("b",))]
    asked = play.feed(m.LatestPinned({"b": PIN}))
    assert asked == [begin({"a": Checkpoint(ShardEnd()), "b": Checkpoint(PIN)})]
    assert play.feed(m.IncarnationBegun()) == [play.run(CHILD, Checkpoint(PIN))]


def test_stream_pins_latest_again_after_a_failure() -> None:
    play = StreamPlay(stream_policy("LATEST"))
    play.take(incarnation="")
    play.feed(described(OPEN))

    assert play.feed(m.PinFailed("throttled")) == []
    assert play.wake() == [m.PinLatest(("a",))]


def test_shards_born_after_the_pin_are_not_taken_for_closed_ones() -> None:
    play = StreamPlay(stream_policy("LATEST"))
    play.take(incarnation="")
    play.feed(described(OPEN), m.LatestPinned({"a": PIN}), m.StoreFailed("locked"))
    play.now_ms = 40_000

    assert play.feed(m.DeadlineReached()) == [m.DescribeStream()]
    assert play.feed(described(CLOSED, CHILD)) == [begin({"a": Checkpoint(PIN)})]


def test_pins_of_a_stream_that_was_made_anew_meanwhile_are_dropped() -> None:
    play = StreamPlay(stream_policy("LATEST"))
    play.take(incarnation="")
    play.feed(described(OPEN), m.LatestPinned({"a": PIN}), m.StoreFailed("locked"))
    play.now_ms = 40_000
    play.feed(m.DeadlineReached())

    assert play.feed(described(OPEN, incarnation="2")) == [m.PinLatest(("a",))]


def test_stream_that_was_rewound_before_it_began_is_not_pinned() -> None:
    play = StreamPlay(stream_policy("LATEST"))
    play.take(incarnation="", start=AtTimestamp(7))

    assert play.feed(described(OPEN)) == [begin(start=AtTimestamp(7))]


def test_stream_that_was_made_anew_begins_with_nothing_of_the_old_one() -> None:
    play = running(OPEN, checkpoints={"a": Checkpoint(AfterSequenceNumber("7"))})
    play.feed(m.ShardLost("a"))

    assert play.feed(described(OPEN, incarnation="2")) == [m.StopShard("a")]
    assert play.feed(m.ShardStopped("a", HORIZON)) == [begin(incarnation="2")]
    assert play.feed(m.IncarnationBegun()) == [play.run(OPEN, incarnation="2")]


def test_child_runs_when_its_parent_has_ended() -> None:
    play = running(CLOSED, CHILD)

    asked = play.feed(m.ShardEnded("a"))

    assert asked == [m.DescribeStream()]
    assert play.feed(described(CLOSED, CHILD)) == [play.run(CHILD)]


def test_children_that_are_not_listed_yet_are_looked_for_ever_more_slowly() -> None:
    play = running(CLOSED)
    play.feed(m.ShardEnded("a"), described(CLOSED))
    waits_ms = []

    for _ in range(8):
        before_ms = play.now_ms
        assert play.wake() == [m.DescribeStream()]
        waits_ms.append(play.now_ms - before_ms)
        play.feed(described(CLOSED))

    assert waits_ms == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
    assert play.feed(m.ShardLost("a")) == [m.DescribeStream()]
    assert play.feed(described(CLOSED, CHILD)) == [play.run(CHILD)]


def test_stream_that_is_disabled_has_no_children_to_look_for() -> None:
    play = running(CLOSED)
    play.feed(m.ShardEnded("a"), described(CLOSED, is_enabled=False))

    assert play.machine.deadline_ms() == 30_000


def test_running_shard_is_told_once_that_it_is_closed() -> None:
    play = running(OPEN)
    play.feed(m.ShardLost("a"))

    assert play.feed(described(CLOSED)) == [m.CloseShard("a", "9")]
    assert play.feed(m.DeadlineReached()) == []


def test_running_shard_that_is_no_longer_listed_is_stopped_before_its_children_run() -> None:
    play = running(CLOSED, CHILD)
    play.feed(m.ShardLost("a"))

    assert play.feed(described(CHILD)) == [m.StopShard("a")]
    assert play.feed(m.ShardStopped("a", HORIZON)) == [play.run(CHILD)]


def test_shard_that_broke_runs_again_after_a_while_from_its_last_checkpoint() -> None:
    play, kept = running(OPEN), Checkpoint(AfterSequenceNumber("5"))

    first = play.feed(m.ShardBroke("a", "defect", 10, kept))
    again = play.wake()
    play.feed(m.ShardBroke("a", "defect", 10, kept))

    assert first == []
    assert again == [play.run(OPEN, kept)]
    assert (play.now_ms, play.machine.deadline_ms()) == (1_000, 3_000)


def test_shard_that_ran_for_long_before_it_broke_begins_with_a_short_wait() -> None:
    play = running(OPEN)
    for _ in range(3):
        play.feed(m.ShardBroke("a", "defect", 10, HORIZON))
        play.wake()

    play.feed(m.ShardBroke("a", "defect", 70_000, HORIZON))

    assert play.machine.deadline_ms() == play.now_ms + 1_000


def test_shard_that_broke_and_is_no_longer_listed_is_forgotten() -> None:
    play = running(OPEN, Shard("c"))
    play.feed(m.ShardBroke("a", "defect", 10, HORIZON), m.ShardLost("c"), described(Shard("c")))

    assert play.machine.deadline_ms() == 30_000


def test_shard_that_broke_and_must_wait_for_its_parent_does_not_wake_the_machine() -> None:
    play = running(OPEN)
    play.feed(m.ShardBroke("a", "defect", 10, HORIZON), m.ShardLost("a"))
    play.feed(described(Shard("a", ("z",)), Shard("z")))
    play.now_ms = 2_000

    play.feed(m.DeadlineReached())

    assert play.machine.deadline_ms() == 30_000


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(m.PositionChanged(), id="position"),
        pytest.param(m.PolicyChanged(stream_policy(batch_size=7)), id="policy"),
    ],
)
def test_change_stops_every_shard_and_takes_the_place_anew(changed: m.Input) -> None:
    play = running(OPEN, Shard("c"))

    assert play.feed(changed) == [m.StopShard("a"), m.StopShard("c")]
    assert play.feed(m.ShardStopped("a", HORIZON)) == []
    assert play.feed(m.ShardStopped("c", HORIZON)) == [m.TakePlace()]


def test_change_that_shards_do_not_see_stops_none() -> None:
    play = running(OPEN)
    changed = msgspec.structs.replace(play.asked, list_every_ms=1)

    assert play.feed(m.PolicyChanged(changed)) == []


def test_change_waits_for_what_is_being_asked() -> None:
    play = StreamPlay()
    play.take()

    assert play.feed(m.PositionChanged()) == []
    assert play.machine.deadline_ms() is None
    assert play.feed(described(OPEN)) == [m.TakePlace()]


def test_lost_tenure_is_taken_again_after_a_moment() -> None:
    play = running(OPEN)

    assert play.feed(m.ShardStopped("a", HORIZON)) == []
    assert play.wake() == [m.TakePlace()]
    assert play.now_ms == 500


def test_tenure_lost_to_another_while_it_begins_is_taken_again_after_a_moment() -> None:
    play = StreamPlay()
    play.take(incarnation="")
    play.feed(described(OPEN))

    assert play.feed(m.TenureLost()) == []
    assert play.wake() == [m.TakePlace()]


def test_shard_that_ends_though_it_was_told_to_stop_has_ended() -> None:
    play = running(CLOSED)
    play.feed(m.PositionChanged())

    assert play.feed(m.ShardEnded("a")) == [m.TakePlace()]


@pytest.mark.parametrize(
    "failure", [m.DescribeFailed("away", is_missing=True), m.StoreFailed("locked")]
)
def test_failures_are_met_with_back_off_and_shards_go_on(failure: m.Input) -> None:
    play = running(OPEN)
    play.feed(m.ShardLost("a"))
    waits_ms = []

    for _ in range(7):
        assert play.feed(failure) == []
        before_ms = play.now_ms
        assert play.wake() == [m.DescribeStream()]
        waits_ms.append(play.now_ms - before_ms)

    assert waits_ms == [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]


def test_stop_stops_every_shard_and_waits_for_what_is_asked() -> None:
    play = running(OPEN)
    play.feed(m.ShardLost("a"))

    assert play.feed(m.StopRequested()) == [m.StopShard("a")]
    assert play.machine.deadline_ms() is None
    assert not play.machine.is_finished()
    play.feed(m.ShardStopped("a", HORIZON))
    assert not play.machine.is_finished()
    play.feed(described(OPEN))
    assert play.machine.is_finished()


def test_stream_is_listed_from_time_to_time() -> None:
    play = running(OPEN)

    assert play.wake() == [m.DescribeStream()]
    assert play.now_ms == 30_000


def test_shards_that_left_the_stream_long_ago_are_forgotten() -> None:
    play = StreamPlay()
    play.take(checkpoints={"gone": Checkpoint(ShardEnd()), "a": HORIZON})
    play.feed(described(OPEN))
    play.now_ms = 3_600_001
    assert play.feed(m.DeadlineReached()) == [m.DescribeStream()]

    assert play.feed(described(OPEN)) == [m.ForgetShards(TENURE, ("gone",))]
    assert play.feed(m.ShardsForgotten(("gone",))) == []
    assert play.feed(described(OPEN, Shard("b", ("gone",)))) == [play.run(Shard("b", ("gone",)))]


def test_shard_that_a_listing_leaves_out_for_once_is_not_forgotten() -> None:
    play = StreamPlay()
    play.take(checkpoints={"b": Checkpoint(ShardEnd())})
    play.feed(described(OPEN))
    play.feed(m.ShardLost("a"), described(OPEN, Shard("b")))
    play.now_ms = 3_600_001

    assert play.feed(m.DeadlineReached()) == [m.DescribeStream()]
    assert play.feed(described(OPEN)) == []
