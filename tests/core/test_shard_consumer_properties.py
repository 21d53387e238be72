"""The shard consumer under any sequence of inputs that its commands permit.

Hypothesis plays the world: which command ends next, how, and how much later; what the shard holds;
when the consumer dies and is begun again from a checkpoint, asked for something else. The auditor
(``shard_world.py``) checks every command, and in the end everything must settle.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from shard_play import WALL_MS, ShardPlay, fail_on, policy, record, succeed
from shard_world import BATCH_BYTES_MAX, SHARD_BYTES_MAX, THIRDS, ShardWorld, ThirdsFilter

from penstock.core import batch_forming, policy_filter, shard_progress, tumbling_window
from penstock.core import shard_contract as s
from penstock.core.lane import lane_of
from penstock.core.stream_event import EVENT_ENVELOPE_BYTES_MAX
from penstock.model.stream import Checkpoint, ShardEnd, StreamKind

DESTINATION = "arn:aws:sqs:us-east-1:000000000000:failures"
STATE_BYTES_MAX = 30

plain = {
    "batch_size": st.sampled_from([1, 2, 3, 10, 100]),
    "batching_window_s": st.sampled_from([0, 0, 1, 300]),
    "maximum_record_age_s": st.sampled_from([None, None, 60, 600]),
    "maximum_retry_attempts": st.sampled_from([None, 0, 1, 3]),
    "bisect_batch_on_function_error": st.booleans(),
    "destination_arn": st.sampled_from([None, DESTINATION]),
    "function_timeout_s": st.sampled_from([None, 3]),
    "filters": st.sampled_from([(), (THIRDS,)]),
}
with_lanes = st.fixed_dictionaries(plain | {"parallelization_factor": st.integers(1, 10)})
with_window = st.fixed_dictionaries(plain | {"tumbling_window_s": st.sampled_from([1, 30, 900])})
policies = with_lanes | with_lanes | with_window
sizes = st.sampled_from(
    [1, 40, 40, 100, 250, BATCH_BYTES_MAX]
)  # the last is too large, with its comma
some_records = st.lists(st.tuples(st.integers(0, 5), sizes, st.integers(-90, 60)), max_size=12)
# Few values, drawn alike: Hypothesis prefers the edges of a range, and most would come to nothing.
choices = st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 0.99])
delays_ms = st.sampled_from([0, 1, 60, 500, 3_000, 20_000, 70_000, 400_000, 950_000])
fates = st.sampled_from(
    ["success", "success", "success", "failed", "partial", "rejected", "unknown"]
)


class ShardConsumerWorld(RuleBasedStateMachine):
    """Draws what the world of one shard does next."""

    @initialize(kind=st.sampled_from(StreamKind), changes=policies, given=some_records)
    def start(
        self, kind: StreamKind, changes: dict[str, Any], given: list[tuple[int, int, int]]
    ) -> None:
        self.kind = kind
        self.world = ShardWorld([], policy(kind=kind, **changes))
        self.put(given)

    @property
    def is_over(self) -> bool:
        return self.world.machine.is_finished()

    @precondition(lambda self: not self.world.is_closed)
    @rule(given=some_records)
    def put(self, given: list[tuple[int, int, int]]) -> None:
        """Put records into the shard; their times are approximate."""
        world = self.world
        first = int(world.shard[-1].sequence_number) if world.shard else 7
        for index, (key, size, age_s) in enumerate(given):
            arrived_ms = world.now().wall_ms - age_s * 1000
            number = first + 1 + index * 3
            world.shard.append(record(number, key=f"k{key}", size=size, arrived_ms=arrived_ms))

    @rule(turns=st.lists(st.tuples(choices, choices, fates), min_size=5, max_size=30))
    def go_on(self, turns: list[tuple[float, float, str]]) -> None:
        """Let things happen one after another, well and ill."""
        world = self.world
        for choice, share, fate in turns:
            while world.grants or world.wanted:
                world.step()
            if world.running:
                world.set_time(world.now_ms + int(share * 3))
                self.complete(choice, share, fate)
            elif not world.machine.is_finished():
                world.step()

    @precondition(lambda self: self.world.running)
    @rule(choice=choices, share=choices, fate=fates)
    def complete(self, choice: float, share: float, fate: str) -> None:
        """End one running command."""
        world = self.world
        command = world.running.pop(int(choice * len(world.running)))
        match command:
            case s.Invoke():
                world.feed(world.ended(command, fate, share))
            case s.SendToDestination():
                kind = {"failed": "failed", "unknown": "failed", "partial": "final"}.get(fate)
                world.feed(world.delivered(command, kind or "success"))
            case s.SaveCheckpoint():
                world.feed(world.stored(command, is_well=fate != "failed"))
            case s.Fetch() if fate in {"failed", "unknown"}:
                failures = list(s.FetchFailure)
                failure = failures[int(share * len(failures))]
                world.feed(s.FetchFailed(failure, "as drawn"))
            case s.Fetch():
                world.feed(world.fetched(command, count=int(share * 12)))

    @precondition(lambda self: self.world.wanted)
    @rule(count=st.integers(1, 10))
    def grant(self, count: int) -> None:
        self.world.grant(count)

    @precondition(lambda self: self.world.grants)
    @rule()
    def arrive(self) -> None:
        self.world.feed(self.world.grants.pop(0))

    @rule(delay_ms=delays_ms)
    def wait(self, delay_ms: int) -> None:
        self.world.pass_time(self.world.now_ms + delay_ms)

    @rule(count=st.integers(0, 3))
    def trim(self, count: int) -> None:
        """The oldest records leave the stream."""
        world = self.world
        world.trimmed = min(len(world.shard), world.trimmed + count)

    @rule(offset_s=st.sampled_from([0, -3600, -60, 30, 3600]))
    def set_clock(self, offset_s: int) -> None:
        """The wall clock jumps."""
        self.world.wall_offset_ms = WALL_MS + offset_s * 1000

    @rule(repeats=st.booleans())
    def change_server(self, *, repeats: bool) -> None:
        self.world.repeats = repeats

    @precondition(lambda self: not self.world.is_closed)
    @rule(says_end=st.booleans(), is_spared=st.sampled_from([True, True, False]))
    def close(self, *, says_end: bool, is_spared: bool) -> None:
        """The shard is closed, now and then."""
        world = self.world
        if is_spared or not world.shard:
            return
        world.is_closed = True
        # Only of Kinesis is a server known whose closed shards never say that they have ended.
        world.says_end = says_end or self.kind is StreamKind.DYNAMODB
        world.feed(s.ShardClosed(world.shard[-1].sequence_number))

    @precondition(lambda self: self.world.saved)
    @rule(choice=choices, changes=policies)
    def die(self, choice: float, changes: dict[str, Any]) -> None:
        """The consumer dies and begins again, asked for something else."""
        world = self.world
        checkpoint = world.saved[-1 - int(choice * min(4, len(world.saved)))]
        self.begin(checkpoint, changes)

    @rule(is_spared=st.sampled_from([True, True, True, False]), changes=policies)
    def stop_and_go_on(self, *, is_spared: bool, changes: dict[str, Any]) -> None:
        """The consumer is stopped, and a successor begins where it stood."""
        world = self.world
        if is_spared:
            return
        world.stop()
        checkpoint = world.saved[-1] if world.saved else world.checkpoint
        self.begin(checkpoint, changes)

    def begin(self, checkpoint: Checkpoint, changes: dict[str, Any]) -> None:
        """Begin another life, unless the shard has ended."""
        world = self.world
        if isinstance(checkpoint.position, ShardEnd):
            return
        world.saved = [checkpoint]
        world.begin(checkpoint, policy(kind=self.kind, **changes))
        if world.is_closed:
            world.feed(s.ShardClosed(world.shard[-1].sequence_number))

    def teardown(self) -> None:
        """Nothing fails any more: everything settles, and a stop ends."""
        if not hasattr(self, "world") or not self.world.is_sound:
            return
        self.world.drain()
        self.world.stop()


def test_shard_consumer_keeps_its_invariants_whatever_the_world_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quota = BATCH_BYTES_MAX + EVENT_ENVELOPE_BYTES_MAX
    monkeypatch.setattr(batch_forming, "PAYLOAD_BYTES_MAX", quota)
    monkeypatch.setattr(batch_forming, "SHARD_BYTES_MAX", SHARD_BYTES_MAX)
    monkeypatch.setattr(batch_forming, "STATE_BYTES_MAX", 0)
    monkeypatch.setattr(tumbling_window, "STATE_BYTES_MAX", STATE_BYTES_MAX)
    monkeypatch.setattr(policy_filter, "RecordFilter", ThirdsFilter)
    monkeypatch.setattr(shard_progress, "JOURNAL_BYTES_PENDING_MAX", 500)

    run_state_machine_as_test(
        ShardConsumerWorld, settings=settings(max_examples=40, stateful_step_count=40)
    )


@settings(max_examples=25)
@given(
    keys=st.lists(st.integers(0, 9), min_size=20, max_size=150),
    factor=st.integers(2, 10),
    fetch_max=st.sampled_from([3, 20, 1_000]),
)
def test_key_that_always_fails_holds_up_its_own_lane_only(
    keys: list[int], factor: int, fetch_max: int
) -> None:
    shard = [record(number, key=f"k{key}", size=100) for number, key in enumerate(keys)]
    lane = lane_of(b"k0", factor)
    poison = {number for number, key in enumerate(keys) if key == 0}
    blocked = {n for n, r in enumerate(shard) if lane_of(r.key, factor) == lane}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(batch_forming, "SHARD_BYTES_MAX", 200 * factor)
        asked = policy(parallelization_factor=factor, batch_size=3)
        play = ShardPlay(shard, asked=asked, function=fail_on(*poison))
        play.fetch_max = fetch_max
        play.run(20_000)
        before = {n for batch in play.batches if not poison & set(batch) for n in batch}
        failures = [batch for batch in play.batches if poison & set(batch)]
        play.function = succeed

        play.run(150_000)

    assert before >= set(range(len(keys))) - blocked
    seen = sorted(n for batch in play.batches if batch not in failures for n in batch)
    again = sorted(failures[-1]) if failures else []
    assert sorted([*seen, *again]) == list(range(len(keys)))
    assert play.held_bytes == 0
