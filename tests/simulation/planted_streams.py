"""Engines of streams with one defect each, to prove that the auditor sees it."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from penstock.core import lane_failures, lane_filling, shard_consumer, shard_progress
from penstock.core import shard_contract as s
from penstock.core import stream_contract as t
from penstock.core.batch_forming import BatchForming
from penstock.core.byte_budget import ByteLedger
from penstock.core.lane import Lane, PendingBatch
from penstock.core.lane_failures import LaneFailures
from penstock.core.lane_filling import LaneFilling
from penstock.core.retry import RetryPolicy
from penstock.core.shard_consumer import ShardConsumer
from penstock.core.shard_positions import ShardState
from penstock.core.shard_progress import ShardProgress
from penstock.core.shard_reading import Mark, ShardReading
from penstock.core.stream_consumer import StreamConsumer
from penstock.core.tumbling_window import TumblingWindow
from penstock.engine import checkpoint_writer, stream_work
from penstock.engine.shard_work import ShardWork
from penstock.model.failure import Condition, Discard, InvocationTrace
from penstock.model.instant import Instant
from penstock.model.position import CheckpointSave
from penstock.model.stream import (
    AtTimestamp,
    Checkpoint,
    FetchedRecords,
    LaneMarks,
    LatestPin,
    Shard,
    StreamKind,
    StreamRecord,
    TrimHorizon,
)
from penstock.simulation.places import SimulatedPlaces

Plant = Callable[[pytest.MonkeyPatch], None]


class RewritingShard(ShardConsumer):
    """A consumer whose inputs pass through a defect."""

    def handle(self, inp: s.Input, now: Instant) -> list[s.Command]:
        return super().handle(self.rewrite(inp), now)

    def rewrite(self, inp: s.Input) -> s.Input:
        return inp


class TakesFailureForSuccess(RewritingShard):
    def rewrite(self, inp: s.Input) -> s.Input:
        if isinstance(inp, s.InvocationFailed) and self._window is None:
            return s.InvocationSucceeded(inp.batch)
        return inp


class TakesPartForTheWhole(RewritingShard):
    def rewrite(self, inp: s.Input) -> s.Input:
        if isinstance(inp, s.InvocationPartiallyFailed) and self._window is None:
            return s.InvocationSucceeded(inp.batch)
        return inp


class TrustsUnknownOutcomes(RewritingShard):
    def rewrite(self, inp: s.Input) -> s.Input:
        if isinstance(inp, s.InvocationOutcomeUnknown) and self._window is None:
            return s.InvocationSucceeded(inp.batch)
        return inp


class Raises(RewritingShard):
    _grants = 0

    def rewrite(self, inp: s.Input) -> s.Input:
        self._grants += isinstance(inp, s.SlotsGranted)
        assert self._grants < 3, "planted"
        return inp


class WaitsForFailedLanes(ShardConsumer):
    """Invokes nothing while another lane has a batch that failed."""

    def _ready(self, lane: Lane, now: Instant) -> bool:
        others = (each for each in self._lanes if each is not lane and each.pending)
        return super()._ready(lane, now) and not any(each.pending[0].attempts for each in others)


class IgnoresItsFilter(LaneFilling):
    def _matching(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        return records


class LeavesOutTooMuch(LaneFilling):
    def _matching(self, records: tuple[StreamRecord, ...]) -> tuple[StreamRecord, ...]:
        return super()._matching(records)[:2]


class SavesNothingAtItsStop(ShardConsumer):
    def _save(self, now: Instant) -> list[s.Command]:
        return [] if self._is_stopping else super()._save(now)


class PassesUnsettledRecords(ShardProgress):
    """Takes what was read for settled."""

    def advance(self, lanes: Sequence[Lane], head: Mark | None, limit: int | None) -> None:
        del limit
        super().advance(lanes[:0], head, None)


class ForgetsItsLanes(ShardProgress):
    def _marks(self, lanes: Sequence[Lane]) -> tuple[LaneMarks, ...]:
        super()._marks(lanes)
        return ()


class KeepsItsAttempts(LaneFailures):
    """Begins a remainder with the attempts of its batch."""

    def cut(self, lane: Lane, index: int, trace: InvocationTrace, now: Instant) -> None:
        attempts = lane.pending[0].attempts
        super().cut(lane, index, trace, now)
        lane.pending[0].attempts = attempts + 1


class WaitsForNoEnd(LaneFailures):
    """Runs a batch of unknown outcome again at once."""

    def lose(self, lane: Lane, reason: str) -> None:
        super().lose(lane, reason)
        lane.held_slot_until_ms = None
        lane.pending[0].due_ms = 0


class IgnoresAge(BatchForming):
    def condition_of(self, pending: PendingBatch, now: Instant) -> Condition | None:
        age_ms_max, self._age_ms_max = self._age_ms_max, None
        try:
            return super().condition_of(pending, now)
        finally:
            self._age_ms_max = age_ms_max


class IgnoresBatchSize(BatchForming):
    def __init__(self, policy: s.ShardPolicy, *args: Any, **options: Any) -> None:
        super().__init__(msgspec.structs.replace(policy, batch_size=10_000), *args, **options)


class SkipsAfterFailures(ShardReading):
    """Goes on at the present time when an iterator was lost."""

    def note_failed(self, failure: s.FetchFailure, now: Instant, *, spread: int) -> None:
        super().note_failed(failure, now, spread=spread)
        if failure is s.FetchFailure.OTHER and self._kind is StreamKind.KINESIS:
            self._resume = AtTimestamp(now.wall_ms)


class KeepsItsIterator(ShardReading):
    """Reads on with an iterator that the server has refused."""

    def note_failed(self, failure: s.FetchFailure, now: Instant, *, spread: int) -> None:
        iterator = self._iterator
        super().note_failed(failure, now, spread=spread)
        self._iterator = iterator


class ReadsAtOnce(ShardReading):
    def due_ms(self, *, wants_head: bool = True) -> int:  # noqa: ARG002 - the defect
        return self._next_ms


class ForgetsState(TumblingWindow):
    def keep_state(self, state: bytes) -> None:
        super().keep_state(state)
        self._state = b"{}"


class EndsWindowsLate(TumblingWindow):
    """Lets records of the next window in."""

    def admits(self, record: StreamRecord) -> bool:
        return self.first is not None or super().admits(record)


class IsReadyAtOnce(StreamConsumer):
    """Lets its mapping be Enabled before LATEST is pinned."""

    def handle(self, inp: t.Input, now: Instant) -> list[t.Command]:
        commands = super().handle(inp, now)
        self.is_ready = True
        return commands


class LosesSlots(ShardWork):
    def carry_out(self, command: s.Command) -> Any:
        return None if isinstance(command, s.ReturnSlots) else super().carry_out(command)


class MixesRecords(ShardWork):
    """Gives a record another region."""

    async def _invoke(self, command: s.Invoke) -> s.InvocationEnded:
        first, *others = command.batch.records
        if others:
            elsewhere = first.event.replace(b"eu-west-1", b"us-west-1")
            first = msgspec.structs.replace(first, event=elsewhere)
        batch = msgspec.structs.replace(command.batch, records=(first, *others))
        ended = await super()._invoke(msgspec.structs.replace(command, batch=batch))
        return msgspec.structs.replace(ended, batch=command.batch)


class TrustsDestinations(ShardWork):
    """Says that a destination has a discard, whatever it says."""

    async def _send_to_destination(self, *args: Any) -> s.DestinationAccepted:
        ended = await super()._send_to_destination(*args)
        return s.DestinationAccepted(ended.discard_id)


class JournalsNothing(ShardWork):
    async def _save(self, command: s.SaveCheckpoint) -> Any:
        return await super()._save(msgspec.structs.replace(command, journal=()))


class JournalsAfterwards(ShardWork):
    """Makes a checkpoint durable first, and then the failures that it passes."""

    async def _save(self, command: s.SaveCheckpoint) -> Any:
        await super()._save(msgspec.structs.replace(command, journal=()))
        return await super()._save(command)


class SavesAnOldOneAgain(ShardWork):
    """Makes the checkpoint durable that it began with, behind each newer one."""

    async def _save(self, command: s.SaveCheckpoint) -> Any:
        ended = await super()._save(command)
        old = msgspec.structs.replace(command, checkpoint=self._start.checkpoint, journal=())
        await super()._save(old)
        return ended


class JournalsNoPayload(ShardWork):
    """Keeps failures without their records."""

    def _event_of(self, discard: Discard, window: s.WindowInvocation | None) -> bytes:
        return super()._event_of(msgspec.structs.replace(discard, records=()), window)


class InvokesBackwards(ShardWork):
    """Gives a function its records last one first."""

    async def _invoke(self, command: s.Invoke) -> s.InvocationEnded:
        records = tuple(reversed(command.batch.records))
        batch = msgspec.structs.replace(command.batch, records=records)
        ended = await super()._invoke(msgspec.structs.replace(command, batch=batch))
        return msgspec.structs.replace(ended, batch=command.batch)


class ReportsNothingHeld(ShardWork):
    """Says never how many bytes it holds."""

    def carry_out(self, command: s.Command) -> Any:
        return None if isinstance(command, s.ReportHeldBytes) else super().carry_out(command)


class NeverBesideItself(ByteLedger):
    """Gives room only to an account that holds nothing."""

    def want(self, account: str, count_bytes: int) -> list[str]:
        self._capacity_bytes = 0
        return super().want(account, count_bytes)


class CountsTwice(LaneFilling):
    def take_filtered_out(self) -> int:
        return 2 * super().take_filtered_out()


class SecondHalfFirst(LaneFailures):
    """Works on the halves of a batch in the wrong order."""

    def _split(self, lane: Lane, index: int) -> None:
        super()._split(lane, index)
        first, second = lane.finish_first(), lane.finish_first()
        lane.pending.extendleft((first, second))


class WaitsForNoWindow(BatchForming):
    """Invokes what there is, whatever the batching window."""

    def __init__(self, policy: s.ShardPolicy, *args: Any, **options: Any) -> None:
        super().__init__(msgspec.structs.replace(policy, batching_window_s=0), *args, **options)


class LeavesOneBehind(BatchForming):
    """Takes one record less than there are."""

    def _count_run(self, lane: Lane) -> tuple[int, bool]:
        count, is_closed = super()._count_run(lane)
        return (count - 1, is_closed) if count > 1 else (count, is_closed)


class ReadsLate(ShardReading):
    """Takes its time when a shard has more."""

    def note_fetched(self, fetched: FetchedRecords, now: Instant) -> None:
        super().note_fetched(fetched, now)
        self._head_ms += 3_000


class EndsWithoutState(TumblingWindow):
    """Has a last invocation for a window of which nothing succeeded."""

    def admits(self, record: StreamRecord) -> bool:
        is_admitted = super().admits(record)
        self.has_state = True
        return is_admitted

    def take(self, last: StreamRecord, count: int) -> None:
        super().take(last, count)
        self.has_state = True


class RunsBesideTheUnknown(ShardConsumer):
    """Keeps the slot of an unknown outcome, and does not wait for its end."""

    def _ready(self, lane: Lane, now: Instant) -> bool:
        until_ms, lane.held_slot_until_ms = lane.held_slot_until_ms, None
        if until_ms is not None and lane.pending:
            lane.pending[0].due_ms = 0
        is_ready = super()._ready(lane, now)
        lane.held_slot_until_ms = until_ms
        return is_ready


def other_lane_of(key: bytes, factor: int) -> int:
    """Choose lanes as no other process does."""
    return zlib.adler32(key) % factor


def every_shard(
    shards: Sequence[Shard], ended: Sequence[str], _running: Sequence[str]
) -> list[Shard]:
    """Run children beside their parents."""
    return [shard for shard in shards if shard.shard_id not in ended]


def pinned_nowhere(shards: Sequence[Shard], pins: dict[str, LatestPin]) -> dict[str, Checkpoint]:
    """Forget what was pinned."""
    assert shards or not pins
    return {}


def horizon(*_: object) -> TrimHorizon:
    """Start every shard at its horizon."""
    return TrimHorizon()


def never_passed(*_: object) -> bool:
    """Say that no record is settled yet."""
    return False


def always_reading(*_: object, **__: object) -> ShardState:
    """Say that every shard is being read."""
    return ShardState.READING


def save_always(self: SimulatedPlaces, save: CheckpointSave) -> bool:
    """Let a save of an old position through."""
    place = self._places[save.tenure.mapping_uuid]
    honest = msgspec.structs.replace(save, tenure=place.tenure, incarnation=place.incarnation)
    return REAL_SAVE(self, honest)


REAL_SAVE = SimulatedPlaces._save  # noqa: SLF001 - what the defect stands in for


def shard(defect: type[ShardConsumer]) -> Plant:
    """Plant a defect in the machine."""
    return lambda patch: patch.setattr(stream_work, "ShardConsumer", defect)


def part(defect: type[Any]) -> Plant:
    """Plant a defect in the part of the machine that it inherits from."""
    return lambda patch: patch.setattr(shard_consumer, defect.__mro__[1].__name__, defect)


def work(defect: type[ShardWork]) -> Plant:
    """Plant a defect in the executor."""
    return lambda patch: patch.setattr(stream_work, "ShardWork", defect)


def rooms(patch: pytest.MonkeyPatch) -> None:
    """Plant another choice of who has room."""
    patch.setattr("penstock.engine.byte_budget.ByteLedger", NeverBesideItself)


def ready_at_once(patch: pytest.MonkeyPatch) -> None:
    """Plant a mapping that is Enabled too early."""
    patch.setattr("penstock.engine.stream_consumption.StreamConsumer", IsReadyAtOnce)


def lanes(patch: pytest.MonkeyPatch) -> None:
    """Plant another choice of lanes."""
    patch.setattr(lane_filling, "lane_of", other_lane_of)
    patch.setattr(shard_progress, "lane_of", other_lane_of)


def lineage(name: str, defect: Callable[..., Any]) -> Plant:
    """Plant a defect in the lineage of shards."""
    return lambda patch: patch.setattr(f"penstock.core.stream_consumer.{name}", defect)


def retry(**changes: Any) -> Plant:
    """Plant another policy of retries."""

    def policy(attempts: int | None, *, bisects: bool) -> RetryPolicy:
        return RetryPolicy(**({"maximum_retry_attempts": attempts, "bisects": bisects} | changes))

    return lambda patch: patch.setattr(
        lane_failures, "RetryPolicy", lambda attempts, bisects: policy(attempts, bisects=bisects)
    )


def constant(path: str, value: object) -> Plant:
    """Plant another constant, or another function."""
    return lambda patch: patch.setattr(f"penstock.core.{path}", value)


def rejection_ms(delay_ms: int) -> Plant:
    """Plant a retry without back-off."""
    return lambda patch: patch.setattr(lane_failures, "REJECTION_MS_MAX", delay_ms)


def flush_every_s(delay_s: float) -> Plant:
    """Plant a slow writer of checkpoints."""
    return lambda patch: patch.setattr(checkpoint_writer, "FLUSH_EVERY_S", delay_s)


def late_saves(patch: pytest.MonkeyPatch) -> None:
    """Plant a store that does not look at the tenure."""
    patch.setattr(SimulatedPlaces, "_save", save_always)
