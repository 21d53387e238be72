"""The stream consumer under any sequence of inputs that its commands permit.

Hypothesis plays the world: shards split and merge, listings lag behind, the store and the server
fail, tenures are lost, positions change, streams are made anew. Every command is checked, and in
the end all that is left of the stream must have been run.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from shard_play import WALL_MS, policy

from penstock.core import stream_contract as m
from penstock.core.stream_consumer import StreamConsumer
from penstock.model.instant import Instant
from penstock.model.position import StreamPlace, Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    AtTimestamp,
    Checkpoint,
    LatestPin,
    Position,
    Shard,
    ShardEnd,
    StartingPosition,
    StreamDescription,
    TrimHorizon,
)

COMMANDS_PER_S_MAX = 60
START_MS = WALL_MS - 5_000

choices = st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 0.99])
delays_ms = st.sampled_from([0, 1, 400, 1_000, 10_000, 31_000, 70_000])
fates = st.sampled_from(["well", "well", "well", "well", "fail", "fail", "lost"])
QUESTIONS = m.TakePlace | m.DescribeStream | m.PinLatest | m.BeginIncarnation


class StreamConsumerWorld(RuleBasedStateMachine):
    """A stream, a store, and one consumer.

    Attributes:
        shards: All that the stream has, by id.
        hides_from: Shards that were born with this number or later are not listed yet.
        listed: What the machine knows of.
        kept: The store's checkpoints.
        running: By shard id, what it was started with.
        asked: Commands that wait for their completion.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.shards: dict[str, Shard] = {}
        self.hides_from: int | None = None
        self.listed: set[str] = set()
        self.born = 0
        self.incarnation = 1
        self.is_missing = False
        self.is_enabled = True
        self.lease_counter = 0
        self.epoch = 0
        self.stored = StreamPlace(tenure=Tenure("m", 0, 0))
        self.running: dict[str, m.ShardStart] = {}
        self.told: set[str] = set()
        self.broke: dict[str, tuple[Tenure, int]] = {}
        self.ended: set[str] = set()
        self.pinned_open: set[str] = set()
        self.asked: list[m.Command] = []
        self.recent_ms: list[int] = []
        self.is_stopping = False
        self.is_sound = True

    @initialize(position=st.sampled_from(StartingPosition), count=st.integers(0, 3))
    def start(self, position: StartingPosition, count: int) -> None:
        self.position = position
        for _ in range(count):
            self.bear()
        self.policy = m.StreamPolicy(
            shard=policy(), starting_position=position, start_timestamp_ms=START_MS
        )
        self.machine = StreamConsumer(self.policy)
        self.feed(m.Started())

    def bear(self, *parents: str) -> None:
        self.born += 1
        shard_id = f"s{self.incarnation}-{self.born}"
        self.shards[shard_id] = Shard(shard_id, parents)

    # The machine's border.

    def feed(self, inp: m.Input) -> None:
        self.is_sound = False
        for command in self.machine.handle(inp, Instant(self.now_ms, WALL_MS + self.now_ms)):
            self.take(command)
        deadline_ms = self.machine.deadline_ms()
        assert deadline_ms is None or deadline_ms > self.now_ms, "the driver would spin"
        self.is_sound = True

    def take(self, command: m.Command) -> None:
        self.recent_ms = [each for each in self.recent_ms if each > self.now_ms - 1000]
        self.recent_ms.append(self.now_ms)
        assert len(self.recent_ms) <= COMMANDS_PER_S_MAX, "the machine spins"
        match command:
            case m.RunShard(start):
                self.check_run(start)
                self.running[start.shard_id] = start
            case m.StopShard(shard_id):
                assert shard_id in self.running
                assert shard_id not in self.told
                self.told.add(shard_id)
            case m.CloseShard(shard_id, ending):
                assert shard_id in self.running
                assert self.shards[shard_id].ending_sequence_number == ending
            case _:
                assert not self.is_stopping
                assert not self.asked, "two questions at once"
                if isinstance(command, m.BeginIncarnation):
                    assert not self.running, "an incarnation begins while shards of another run"
                self.asked.append(command)

    def check_run(self, start: m.ShardStart) -> None:
        """Check where and when a shard is started."""
        assert not self.is_stopping
        shard_id = start.shard_id
        assert shard_id not in self.running, "two runs of one shard"
        tenure, broke_ms = self.broke.get(shard_id, (None, 0))
        assert tenure != start.tenure or self.now_ms - broke_ms >= 750, "it is run again at once"
        assert start.tenure == self.stored.tenure or self.is_superseded(start.tenure)
        if start.tenure != self.stored.tenure:
            return  # its first save will tell it
        assert start.incarnation == self.stored.incarnation
        shard = self.shards.get(shard_id)
        if shard is None or start.incarnation != str(self.incarnation):
            return  # the machine cannot know yet
        assert shard_id not in self.ended
        for parent in shard.parent_ids:
            assert parent not in self.running, "a child runs beside its parent"
            assert parent in self.ended or parent not in self.listed, (
                "a child runs before its parent ended"
            )
        kept = self.stored.checkpoints.get(shard_id)
        assert start.checkpoint == (kept or Checkpoint(self.first_position()))
        if self.position is StartingPosition.LATEST and self.stored.start is None and kept is None:
            assert shard_id not in self.pinned_open, "what was open at the pin starts at it"

    def is_superseded(self, tenure: Tenure) -> bool:
        now = self.stored.tenure
        return tenure.lease_counter < now.lease_counter or tenure.epoch < now.epoch

    def first_position(self) -> Position:
        if self.stored.start is not None:
            return self.stored.start
        is_timestamp = self.position is StartingPosition.AT_TIMESTAMP
        return AtTimestamp(START_MS) if is_timestamp else TrimHorizon()

    # Completions.

    @rule(turns=st.lists(st.tuples(choices, fates, delays_ms), min_size=3, max_size=20))
    def go_on(self, turns: list[tuple[float, str, int]]) -> None:
        """Answer what is asked, well or ill, and let time pass."""
        for choice, fate, delay_ms in turns:
            if self.asked:
                self.answer(fate)
            elif self.running:
                self.end_shard(choice, fate)
            self.wait(delay_ms)

    @precondition(lambda self: self.asked)
    @rule(fate=fates)
    def answer(self, fate: str) -> None:
        self.now_ms += 5  # no store and no server answers at once
        command = self.asked.pop()
        match command:
            case m.TakePlace():
                self.feed(self.take_place() if fate == "well" else m.StoreFailed("locked"))
            case m.DescribeStream():
                self.feed(self.describe(fate))
            case m.PinLatest(shard_ids):
                self.pinned_open = set(shard_ids)
                pins = {each: LatestPin("token", WALL_MS + self.now_ms) for each in shard_ids}
                self.feed(m.LatestPinned(pins) if fate == "well" else m.PinFailed("away"))
            case m.BeginIncarnation():
                self.feed(self.begin_incarnation(command, fate))

    def take_place(self) -> m.PlaceTaken:
        self.lease_counter += 1
        tenure = Tenure("m", self.lease_counter, self.epoch)
        self.stored = self.changed(tenure=tenure)
        return m.PlaceTaken(self.stored)

    def changed(self, **changes: object) -> StreamPlace:
        fields = {name: getattr(self.stored, name) for name in StreamPlace.__struct_fields__}
        return StreamPlace(**(fields | changes))

    def describe(self, fate: str) -> m.Input:
        if fate != "well" or self.is_missing:
            return m.DescribeFailed("away", is_missing=self.is_missing)
        listed = tuple(each for name, each in self.shards.items() if self.is_shown(name))
        self.listed = {shard.shard_id for shard in listed}
        return m.StreamDescribed(StreamDescription(str(self.incarnation), listed, self.is_enabled))

    def is_shown(self, shard_id: str) -> bool:
        return self.hides_from is None or int(shard_id.split("-")[1]) < self.hides_from

    def begin_incarnation(self, command: m.BeginIncarnation, fate: str) -> m.Input:
        if fate == "fail":
            return m.StoreFailed("locked")
        if command.tenure != self.stored.tenure:
            return m.TenureLost()
        is_first = not self.stored.incarnation
        assert command.start == (self.stored.start if is_first else None)
        is_latest = self.position is StartingPosition.LATEST
        if is_latest and is_first and self.stored.start is None:
            for shard_id, checkpoint in command.checkpoints.items():
                is_pin = isinstance(checkpoint.position, LatestPin)
                assert is_pin == (shard_id in self.pinned_open), "LATEST is where it was pinned"
        else:
            assert command.checkpoints == {}
        self.ended = {
            shard_id
            for shard_id, checkpoint in command.checkpoints.items()
            if isinstance(checkpoint.position, ShardEnd)
        }
        self.stored = self.changed(
            incarnation=command.incarnation,
            start=command.start,
            checkpoints=command.checkpoints,
        )
        return m.IncarnationBegun()

    @precondition(lambda self: self.running)
    @rule(choice=choices, fate=fates)
    def end_shard(self, choice: float, fate: str) -> None:
        """A shard's consumer ends, if there is a reason for it."""
        shard_id = sorted(self.running)[int(choice * len(self.running))]
        start = self.running[shard_id]
        is_mine = start.tenure == self.stored.tenure
        shard = self.shards.get(shard_id)
        is_there = start.incarnation == str(self.incarnation)
        is_drained = is_there and shard is not None and shard.ending_sequence_number is not None
        if not is_mine or shard_id in self.told:
            self.end_run(shard_id, m.ShardStopped(shard_id, self.saved_of(start)))
        elif fate == "fail":
            self.now_ms += 5
            self.broke[shard_id] = (start.tenure, self.now_ms)
            checkpoint = Checkpoint(AfterSequenceNumber(str(self.now_ms)))
            self.keep(shard_id, checkpoint)
            self.end_run(shard_id, m.ShardBroke(shard_id, "defect", 1, checkpoint))
        elif is_drained:
            self.ended.add(shard_id)
            self.keep(shard_id, Checkpoint(ShardEnd()))
            self.end_run(shard_id, m.ShardEnded(shard_id))
        elif fate == "lost" or not is_there:
            self.feed(m.ShardLost(shard_id))

    def saved_of(self, start: m.ShardStart) -> Checkpoint:
        """Give what a run has saved, or what it began with."""
        return self.stored.checkpoints.get(start.shard_id, start.checkpoint)

    def keep(self, shard_id: str, checkpoint: Checkpoint) -> None:
        kept = {**self.stored.checkpoints, shard_id: checkpoint}
        self.stored = self.changed(checkpoints=kept)

    def end_run(self, shard_id: str, inp: m.Input) -> None:
        del self.running[shard_id]
        self.told.discard(shard_id)
        self.feed(inp)

    # What happens to the stream, and to the mapping.

    @rule(delay_ms=delays_ms)
    def wait(self, delay_ms: int) -> None:
        until_ms = self.now_ms + delay_ms
        while (deadline_ms := self.machine.deadline_ms()) is not None and deadline_ms <= until_ms:
            self.now_ms = deadline_ms
            self.feed(m.DeadlineReached())
        self.now_ms = max(self.now_ms, until_ms)

    @precondition(lambda self: self.open_shards())
    @rule(choice=choices, is_merge=st.booleans(), is_hidden=st.booleans())
    def reshard(self, choice: float, *, is_merge: bool, is_hidden: bool) -> None:
        """Split a shard, or merge two; the children may be listed late."""
        parents = self.open_shards()
        first = int(choice * len(parents))
        parents = parents[first : first + 1 + is_merge]
        for parent in parents:
            old = self.shards[parent]
            self.shards[parent] = Shard(parent, old.parent_ids, str(self.now_ms + 1))
        if is_hidden and self.hides_from is None:
            self.hides_from = self.born + 1
        for _ in range(1 if is_merge else 2):
            self.bear(*parents)

    def open_shards(self) -> list[str]:
        return [name for name, each in self.shards.items() if each.ending_sequence_number is None]

    @rule()
    def show_all(self) -> None:
        self.hides_from = None

    @rule()
    def trim(self) -> None:
        """The oldest closed shard leaves the listing, drained or not."""
        for name, each in self.shards.items():
            if each.ending_sequence_number is not None and self.is_shown(name):
                del self.shards[name]
                return

    @rule(is_missing=st.booleans(), is_made_anew=st.sampled_from([False, False, True]))
    def change_stream(self, *, is_missing: bool, is_made_anew: bool) -> None:
        self.is_missing = is_missing
        if is_made_anew:
            self.incarnation += 1
            self.shards, self.ended = {}, set()
            self.bear()

    @rule(is_rewind=st.booleans())
    def change_position(self, *, is_rewind: bool) -> None:
        """An operator rewinds the mapping, or skips a record."""
        self.epoch += 1
        tenure = Tenure("m", self.stored.tenure.lease_counter, self.epoch)
        if is_rewind:
            self.ended = set()
            self.stored = self.changed(tenure=tenure, start=AtTimestamp(1), checkpoints={})
        else:
            self.stored = self.changed(tenure=tenure)
        self.feed(m.PositionChanged())

    @rule()
    def lose_tenure(self) -> None:
        """Another node takes the mapping."""
        self.lease_counter += 1
        self.stored = self.changed(tenure=Tenure("m", self.lease_counter, self.epoch))

    @rule(batch_size=st.integers(1, 2))
    def update(self, batch_size: int) -> None:
        self.policy = m.StreamPolicy(
            shard=policy(batch_size=batch_size),
            starting_position=self.position,
            start_timestamp_ms=START_MS,
        )
        self.feed(m.PolicyChanged(self.policy))

    @rule(trouble=st.sampled_from(["store", "server", "rival", "defect"]))
    def suffer(self, trouble: str) -> None:
        """For some seconds one thing always goes wrong, at once."""
        until_ms = self.now_ms + 5_000
        while self.now_ms < until_ms:
            if trouble == "rival":
                self.lose_tenure()
            if self.asked:
                is_store = isinstance(self.asked[0], m.TakePlace | m.BeginIncarnation)
                is_ill = trouble == ("store" if is_store else "server")
                self.answer("fail" if is_ill else "well")
            for _ in list(self.running):
                self.end_shard(0.0, "fail" if trouble == "defect" else "well")
            self.wait(5)

    # The end.

    def teardown(self) -> None:
        """Nothing fails any more: all shards run, and end; then a stop ends."""
        if not hasattr(self, "machine") or not self.is_sound:
            return
        self.is_missing, self.hides_from = False, None
        for name in self.open_shards():
            self.shards[name] = Shard(name, self.shards[name].parent_ids, "99")
        until_ms = self.now_ms + 600_000
        while set(self.shards) - self.ended or self.running:
            assert self.now_ms < until_ms, "not all shards are run"
            self.settle()
        self.is_stopping = True
        self.feed(m.StopRequested())
        for _ in range(len(self.asked) + len(self.running)):
            self.settle()
        assert self.machine.is_finished()

    def settle(self) -> None:
        if self.asked:
            self.answer("well")
        for _ in list(self.running):
            self.end_shard(0.0, "well")
        deadline_ms = self.machine.deadline_ms()
        if not self.asked and not self.running and deadline_ms is not None:
            self.wait(deadline_ms - self.now_ms)
        self.wait(100)


def test_stream_consumer_keeps_its_invariants_whatever_the_world_does() -> None:
    run_state_machine_as_test(
        StreamConsumerWorld, settings=settings(max_examples=60, stateful_step_count=30)
    )
