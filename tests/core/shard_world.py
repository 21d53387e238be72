"""The world of one shard consumer, and an auditor that knows only what crossed its border.

``running`` are the commands that wait for their completion. What a record's end is worth is worked
out anew here: a checkpoint may cover a record that succeeded, that a destination has accepted, or
that is journaled with it or was before; of a tumbling window only once its last invocation is over.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from shard_play import WALL_MS, start

from penstock.core import shard_contract as s
from penstock.core.lane import lane_of
from penstock.core.shard_consumer import ShardConsumer
from penstock.model.failure import Condition, Discard, InvocationTrace
from penstock.model.filtering import FilterSource
from penstock.model.instant import Instant
from penstock.model.stream import (
    AfterSequenceNumber,
    AtSequenceNumber,
    Checkpoint,
    FetchedRecords,
    ShardEnd,
    ShardIterator,
    StreamKind,
    StreamRecord,
    TrimHorizon,
)

BATCH_BYTES_MAX = 600  # of a batch, in this small world
SHARD_BYTES_MAX = 1_200
THIRDS = "thirds"  # stands for a filter that lets every third record out (``ThirdsFilter``)
TURNS_MAX = 200  # more inputs at one moment, each leading to the next, would be a loop
DRAIN_MS_MAX = 8 * 3600_000
RETURNED = s.ReturnSlots | s.RequestSlots | s.ReportHeldBytes


def covers(checkpoint: Checkpoint, record: StreamRecord) -> bool:
    """Tell whether a checkpoint says that a record is settled."""
    number, position = int(record.sequence_number), checkpoint.position
    if isinstance(position, ShardEnd):
        return True
    if isinstance(position, AfterSequenceNumber) and number <= int(position.sequence_number):
        return True
    return any(
        number <= int(marks.settled.get(lane_of(record.key, marks.factor), "-1"))
        for marks in checkpoint.lanes
    )


def is_excluded(record: StreamRecord, policy: s.ShardPolicy) -> bool:
    """Tell whether the policy's filter leaves a record out."""
    return bool(policy.filters) and int(record.sequence_number) // 2 % 3 == 0


class ThirdsFilter:
    """Takes the place of a compiled filter: its records have no JSON, and must be small."""

    def __init__(self, patterns: Sequence[str], _source: FilterSource) -> None:
        assert tuple(patterns) == (THIRDS,)

    def keep_records(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        return tuple(each for each in records if int(each.sequence_number) // 2 % 3)


class ThoroughConsumer(ShardConsumer):
    """Takes no input for one that concerns the reading alone."""

    def _has_only_to_read(self, _now: Instant) -> bool:
        return False


class ShardWorld:
    """A shard, its server, the function, the destination, the store, and who watches them."""

    def __init__(self, shard: list[StreamRecord], policy: s.ShardPolicy) -> None:
        self.shard = shard
        self.trimmed = 0
        self.is_closed = False
        self.says_end = True  # whether the server of a closed shard gives a null iterator
        self.repeats = False  # whether it gives again the record that it is asked to go on after
        self.now_ms = 0
        self.wall_offset_ms = WALL_MS
        self.saved: list[Checkpoint] = []
        self.begin(Checkpoint(TrimHorizon()), policy)

    def begin(self, checkpoint: Checkpoint, policy: s.ShardPolicy) -> None:
        """Begin a consumer's life; of an earlier one nothing is left but the checkpoint."""
        self.policy = policy
        self.checkpoint = checkpoint
        self.covered = {r.sequence_number for r in self.shard if covers(checkpoint, r)}
        self.covered_at_start = frozenset(self.covered)
        self.filtered_out = 0
        self.done: set[str] = set()
        self.sent: dict[int, s.SendToDestination] = {}
        self.window_is_over = True  # or nothing was done in it yet: then it may end unnoticed
        self.window_from = -1  # records below it belong to windows that are over
        self.attempts: Counter[tuple[str, ...]] = Counter()
        self.has_lost_outcome = False
        self.began_ms: dict[int, int] = {}  # by lane: its last invocation
        self.busy_until_ms: dict[int, int] = {}  # by lane: one of unknown outcome may run so long
        self.last_of_key: dict[bytes, int] = {}
        self.running: list[s.Command] = []
        self.grants: list[s.SlotsGranted] = []
        self.wanted = self.held = self.held_bytes = self.turns = 0
        self.is_stopping = False
        self.machine = ShardConsumer(policy, start(checkpoint))
        self.thorough = ThoroughConsumer(policy, start(checkpoint))
        self.feed(s.Started())

    def now(self) -> Instant:
        return Instant(self.now_ms, self.now_ms + self.wall_offset_ms)

    def feed(self, inp: s.Input) -> None:
        """Feed an input and take the commands in."""
        self.turns += 1
        self.is_sound = False
        assert self.turns < TURNS_MAX, "the machine spins"
        commands = self.machine.handle(inp, self.now())
        for command in commands:
            self._take(command)
        deadline_ms = self.machine.deadline_ms()
        assert self.thorough.handle(inp, self.now()) == commands, "a short way leads elsewhere"
        assert self.thorough.deadline_ms() == deadline_ms, "a short way is woken at another time"
        assert deadline_ms is None or deadline_ms > self.now_ms, "the driver would spin"
        self.is_sound = True

    def pass_time(self, until_ms: int) -> None:
        """Let time pass; every deadline on the way is met."""
        while (deadline_ms := self.machine.deadline_ms()) is not None and deadline_ms <= until_ms:
            self.set_time(deadline_ms)
            self.feed(s.DeadlineReached())
        self.set_time(until_ms)

    def set_time(self, now_ms: int) -> None:
        self.turns = 0 if now_ms > self.now_ms else self.turns
        self.now_ms = now_ms

    # Commands.

    def _take(self, command: s.Command) -> None:
        match command:
            case s.RequestSlots(_, count):
                assert 0 <= count <= self.policy.parallelization_factor
                self.wanted = count
            case s.ReturnSlots(_, count):
                assert 0 < count <= self.held, "slots returned twice"
                self.held -= count
            case s.ReportHeldBytes(held_bytes):
                self._audit_held_bytes(held_bytes)
            case s.ReportFilteredOut(count):
                self.filtered_out += count
                assert 0 < self.filtered_out <= len(self._to_filter_out()), "counted twice"
            case _:
                self._audit(command)
                self.running.append(command)

    def _to_filter_out(self) -> list[int]:
        """Give the indices of records that this life's filter has left out, or will."""
        return [
            index
            for index, each in enumerate(self.shard)
            if is_excluded(each, self.policy) and each.sequence_number not in self.covered_at_start
        ]

    def _audit_held_bytes(self, held_bytes: int) -> None:
        assert held_bytes >= 0
        answer = max((len(r.event) for r in self.shard), default=0) * 100
        largest = max([BATCH_BYTES_MAX, *(len(r.event) for r in self.shard)])
        in_flight = largest * self.policy.parallelization_factor
        gathered = in_flight if self.policy.batching_window_s else 0
        assert held_bytes <= max(SHARD_BYTES_MAX, gathered) + answer + 2 * in_flight
        self.held_bytes = held_bytes

    def _audit(self, command: s.Command) -> None:
        match command:
            case s.Fetch(_, limit):
                assert limit >= 1
                assert not self.is_stopping
                assert not self._running(s.Fetch)
            case s.Invoke(batch, window):
                assert not self.is_stopping
                self._audit_lane(batch.lane)
                assert len(self._running(s.Invoke)) < self.held, "an invocation without a slot"
                assert self.now_ms >= self.busy_until_ms.get(batch.lane, 0), "it may still run"
                self.began_ms[batch.lane] = self.now_ms
                self._audit_invoke(batch.records, window)
            case s.SendToDestination(discard):
                self._audit_lane(discard.lane)
                self._audit_discard(discard)
                self.sent[discard.id] = command
            case s.SaveCheckpoint(checkpoint, journal):
                assert not self._running(s.SaveCheckpoint)
                for entry in journal:
                    self._audit_discard(entry.discard)
                self._audit_save(checkpoint, journal)

    def _running(self, kind: type) -> list[Any]:
        return [each for each in self.running if isinstance(each, kind)]

    def _audit_lane(self, lane: int) -> None:
        busy = [each.batch.lane for each in self._running(s.Invoke)]
        busy += [each.discard.lane for each in self._running(s.SendToDestination)]
        assert lane not in busy, "two things are in flight for one lane"

    def _audit_invoke(
        self, records: tuple[StreamRecord, ...], window: s.WindowInvocation | None
    ) -> None:
        policy, wall_ms = self.policy, self.now().wall_ms
        numbers = [int(r.sequence_number) for r in records]
        assert len(numbers) <= policy.batch_size
        assert numbers == sorted(set(numbers))
        assert sum(len(r.event) + 1 for r in records) <= BATCH_BYTES_MAX
        assert len({lane_of(r.key, policy.parallelization_factor) for r in records}) <= 1
        ids = {r.sequence_number for r in records}
        assert not ids & self.covered, "a record that the checkpoint covers is invoked"
        assert not ids & self.done, "a record that is done is invoked"
        assert not any(is_excluded(r, policy) for r in records), "an excluded one is invoked"
        if policy.maximum_record_age_s is not None:
            oldest_ms = wall_ms - policy.maximum_record_age_s * 1000
            assert all(r.arrived_ms >= oldest_ms for r in records), "expired records are invoked"
        assert (window is None) == (policy.tumbling_window_s == 0)
        assert bool(records) != (window is not None and window.is_final)
        if self.window_is_over and records:
            self.window_from = numbers[0]
        assert not (self.window_is_over and window is not None and window.is_final)
        if policy.maximum_retry_attempts is not None and records:
            key = tuple(r.sequence_number for r in records)
            assert self.attempts[key] <= policy.maximum_retry_attempts

    def _audit_discard(self, discard: Discard) -> None:
        assert discard.records
        assert not any(is_excluded(r, self.policy) for r in discard.records)
        assert discard.invoke_count >= 1
        if discard.condition is Condition.RECORD_AGE_EXCEEDED and not self.policy.tumbling_window_s:
            oldest_ms = discard.discarded_ms - (self.policy.maximum_record_age_s or 0) * 1000
            assert all(r.arrived_ms < oldest_ms for r in discard.records), "they are not too old"
        exhausted = discard.condition is Condition.RETRY_ATTEMPTS_EXHAUSTED
        if exhausted:
            assert self.policy.maximum_retry_attempts is not None
            assert discard.invoke_count == self.policy.maximum_retry_attempts + 1
        if exhausted and not self.policy.tumbling_window_s and not self.has_lost_outcome:
            key = tuple(r.sequence_number for r in discard.records)
            assert self.attempts[key] <= discard.invoke_count
            # What is left of a batch when some of its records have expired keeps its attempts.
            if self.policy.maximum_record_age_s is None:
                assert self.attempts[key] == discard.invoke_count
            if self.policy.bisect_batch_on_function_error:
                assert len(discard.records) == 1, "bisecting ends in single records"

    def _audit_save(self, checkpoint: Checkpoint, journal: tuple[s.JournalEntry, ...]) -> None:
        done = set(self.done)
        for entry in journal:
            done |= {r.sequence_number for r in entry.discard.records}
            if entry.window is not None and entry.window.is_final:
                last = int(entry.discard.records[-1].sequence_number)
                self.window_from = max(self.window_from, last + 1)
                self.window_is_over |= max(self.last_of_key.values(), default=-1) <= last
        for index, record in enumerate(self.shard):
            number = record.sequence_number
            if not covers(checkpoint, record):
                assert number not in self.covered, "a checkpoint forgets what the last one covered"
                continue
            is_open = self.policy.tumbling_window_s and not self.window_is_over
            settled = is_excluded(record, self.policy) or (
                number in done and not (is_open and int(number) >= self.window_from)
            )
            assert settled or number in self.covered or index < self.trimmed, (
                f"the checkpoint covers {number}, which is not settled ({number in done=})"
            )

    # Completions.

    def grant(self, count: int) -> None:
        """Grant some of the slots that are wanted."""
        count = min(count, self.wanted)
        self.wanted -= count
        self.held += count
        self.grants.append(s.SlotsGranted(self.policy.function_arn, count))

    def fetched(self, command: s.Fetch, *, count: int = 50) -> s.RecordsFetched:
        """Answer a read with so many records at most."""
        index = max(self.trimmed, self._index_of(command))
        found = self.shard[index : index + min(count, command.limit)]
        end = index + len(found)
        is_last = end == len(self.shard)
        iterator = None if self.is_closed and is_last and self.says_end else ShardIterator(str(end))
        behind_ms = None if self.policy.kind is StreamKind.DYNAMODB else int(not is_last)
        return s.RecordsFetched(FetchedRecords(tuple(found), iterator, behind_ms))

    def _index_of(self, command: s.Fetch) -> int:
        match command.start:
            case ShardIterator(token):
                return int(token)
            case AfterSequenceNumber(number):
                index = sum(int(r.sequence_number) <= int(number) for r in self.shard)
                return max(0, index - self.repeats)
            case AtSequenceNumber(number):
                return sum(int(r.sequence_number) < int(number) for r in self.shard)
        return 0

    def ended(self, command: s.Invoke, kind: str, share: float) -> s.InvocationEnded:
        """End an invocation in one of its ways."""
        batch, state = command.batch, b'{"n":1}' if share < 0.8 else b"x" * 40
        key = tuple(r.sequence_number for r in batch.records)
        trace = InvocationTrace("r", "$LATEST", "Unhandled")
        index = int(share * len(batch.records))
        match kind:
            case "success":
                self._succeed(batch.records)
                if command.window is not None and command.window.is_final:
                    self.window_is_over = True
                return s.InvocationSucceeded(batch, state)
            case "rejected":
                return s.InvocationRejected(batch, "busy")
        self.attempts[key] += 1
        if kind == "unknown":
            self.has_lost_outcome = True
            timeout_ms = (self.policy.function_timeout_s or 900) * 1000
            self.busy_until_ms[batch.lane] = self.began_ms[batch.lane] + timeout_ms
            return s.InvocationOutcomeUnknown(batch, "cut")
        if kind == "partial":
            self._succeed(batch.records[:index])
            return s.InvocationPartiallyFailed(batch, index, trace, state)
        return s.InvocationFailed(batch, "raised", trace)

    def _succeed(self, records: tuple[StreamRecord, ...]) -> None:
        self.window_is_over = self.window_is_over and not records
        for record in records:
            number = int(record.sequence_number)
            assert number > self.last_of_key.get(record.key, -1), "a key's order is broken"
            self.last_of_key[record.key] = number
            self.done.add(record.sequence_number)

    def delivered(self, command: s.SendToDestination, kind: str) -> s.Input:
        """End a delivery to the destination; it did take it, or did not."""
        discard = command.discard
        if kind != "success":
            return s.DestinationFailed(discard.id, "away", is_final=kind == "final")
        self.done |= {r.sequence_number for r in discard.records}
        if command.window is not None and command.window.is_final:
            self.window_is_over = True
        return s.DestinationAccepted(discard.id)

    def stored(self, command: s.SaveCheckpoint, *, is_well: bool) -> s.Input:
        """End a save; a store that does not answer has stored nothing here."""
        if not is_well:
            return s.CheckpointFailed("locked")
        self.saved.append(command.checkpoint)
        self.covered |= {r.sequence_number for r in self.shard if covers(command.checkpoint, r)}
        for entry in command.journal:
            self.done |= {r.sequence_number for r in entry.discard.records}
        return s.CheckpointSaved()

    def end_well(self, command: s.Command) -> s.Input:
        """Let a command succeed."""
        match command:
            case s.Fetch():
                return self.fetched(command)
            case s.Invoke():
                return self.ended(command, "success", 0.0)
            case s.SendToDestination():
                return self.delivered(command, "success")
            case s.SaveCheckpoint():
                return self.stored(command, is_well=True)
        raise AssertionError(command)

    # The end.

    def step(self) -> None:
        """Let one thing happen, well, or time pass to the next deadline."""
        if self.grants:
            self.feed(self.grants.pop(0))
        elif self.wanted:
            self.grant(self.wanted)
        elif self.running:
            self.set_time(self.now_ms + 1)
            command = self.running.pop(0)
            self.feed(self.end_well(command))
        else:
            deadline_ms = self.machine.deadline_ms()
            assert deadline_ms is not None, "the machine is stuck"
            self.pass_time(deadline_ms)

    def drain(self) -> None:
        """Let everything go well until all is settled."""
        until_ms = self.now_ms + DRAIN_MS_MAX
        for _ in range(20_000):
            if self.is_settled():
                kept = [each for each in self._to_filter_out() if each >= self.trimmed]
                assert self.filtered_out >= len(kept), "excluded records were not counted"
                return
            assert self.now_ms < until_ms, "the machine does not settle"
            self.step()
        raise AssertionError("the machine takes too many turns to settle")

    def is_settled(self) -> bool:
        """Tell whether a saved checkpoint covers all that there is."""
        if self.is_closed:
            return self.machine.is_finished() and self.machine.has_reached_end
        kept = self.shard[self.trimmed :]
        is_covered = all(r.sequence_number in self.covered for r in kept)
        return is_covered and not self.running and not self.held_bytes

    def stop(self) -> None:
        """Stop: everything under way ends, and no slot is left."""
        self.is_stopping = True
        self.feed(s.StopRequested())
        until_ms = self.now_ms + 1_000_000
        while not self.machine.is_finished() or self.grants or self.wanted:
            assert self.now_ms < until_ms, "the stop does not end"
            self.step()
        assert not self.running
        assert self.held == 0, "slots are left"
