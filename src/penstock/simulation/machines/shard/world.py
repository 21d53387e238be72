"""One shard's machine in its world: its shard, its function, its store, and what goes wrong."""

from collections.abc import Callable
from functools import partial
from random import Random

from penstock.core import shard_contract as s
from penstock.core.shard_consumer import ShardConsumer
from penstock.core.stream_contract import ShardStart
from penstock.model.failure import InvocationTrace
from penstock.model.position import Tenure
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    FetchedRecords,
    ShardEnd,
    ShardIterator,
    TrimHorizon,
)
from penstock.simulation.machines.dice import strikes
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.machines.shard.audit import FUNCTION, ShardAudit
from penstock.simulation.machines.shard.books import Rec
from penstock.simulation.machines.shard.plan import (
    DESTINATION_ARN,
    FILTER,
    ShardMachinePlan,
    ShardRates,
    ShardSettings,
    make_record,
)
from penstock.simulation.machines.shard.reading_audit import index_after
from penstock.simulation.machines.shard.turn_audit import judge, judge_turn
from penstock.simulation.machines.turns import Turns
from penstock.simulation.machines.words import Words

FUNCTION_ARN = f"arn:aws:lambda:us-east-2:123456789012:function:{FUNCTION}"
STREAM_ARN = "arn:aws:kinesis:us-east-2:123456789012:stream/orders"
SAFETY_TURNS_MAX = 120
SETTLED_MS = 2_000_000
STOP_MS_MAX = 1_000_000
TRACE = InvocationTrace("r", "$LATEST", "Unhandled")


class ShardMachineWorld:
    """A world; ``run`` raises what is broken.

    Args:
        rng: Its dice.
    """

    def __init__(self, plan: ShardMachinePlan, rng: Random, *, keeps_trace: bool) -> None:
        self.plan = plan
        self.rng = rng
        self.rates = plan.rates
        self.turns = Turns(keeps_trace=keeps_trace)
        step = rng.choice([1, 3, 10_000])
        self.recs = [
            Rec(index, 7 + index * step, each, make_record(7 + index * step, each))
            for index, each in enumerate(plan.records)
        ]
        self._numbers = [rec.number for rec in self.recs]
        self.invocation_count = 0
        self.settled_ms = 0
        self._life = 0
        self._is_dead = False
        self._is_healed = False
        self._durable = Checkpoint(TrimHorizon())
        self._closes_ms = plan.closes_ms
        if self._closes_ms is not None and self.recs:
            self._closes_ms = max(self._closes_ms, plan.records[-1].put_ms)
        self._begin()

    @property
    def message_count(self) -> int:
        """Count what is put."""
        return len(self.recs)

    def run(self) -> None:
        """Run it: with trouble, then healed until all has settled, then to a stop."""
        self._start()
        ends_at = list(self.plan.ends_at)
        while self.turns.turn_count < SAFETY_TURNS_MAX and not self._is_over:
            if not self._take_turn(self.turns.now_ms + SETTLED_MS):
                break
            if ends_at and ends_at[0][0] <= self.turns.turn_count:
                self._end_life(is_killed=ends_at.pop(0)[1])
        self._heal()
        self._stop()
        for rec in self.recs:
            if not rec.has_ended:
                raise RuleBrokenError("every record ends succeeded or discarded", rec)

    # Lives.

    def _begin(self) -> None:
        lives = self.plan.lives
        settings = lives[min(self._life, len(lives) - 1)]
        for rec in self.recs:
            rec.is_settled = _is_covered(rec, self._durable)
        self.audit = ShardAudit(self.plan, settings, self.recs, self.turns)
        self.audit.begin_after(self._durable)
        ending = self._ending() if self._is_closed else None
        self.audit.reading.is_closed = ending is not None
        self.machine = ShardConsumer(
            self._policy(settings),
            ShardStart(
                tenure=Tenure("m", self._life, 0),
                incarnation="1",
                shard_id="shard-0",
                checkpoint=self._durable,
                ending_sequence_number=ending,
            ),
        )
        self._deadline_ms: int | None = None
        self._in_use = 0

    def _start(self) -> None:
        self.turns.trace.note("machine", "starts", self._durable)
        if self._closes_ms is not None and not self._is_closed:
            self._later(self._closes_ms - self.turns.now_ms, self._close)
        self.feed(s.Started())

    def _policy(self, settings: ShardSettings) -> s.ShardPolicy:
        return s.ShardPolicy(
            kind=self.plan.kind,
            stream_arn=STREAM_ARN,
            function_arn=FUNCTION_ARN,
            function_timeout_s=settings.timeout_s,
            batch_size=settings.batch_size,
            batching_window_s=settings.window_s,
            parallelization_factor=settings.factor,
            maximum_record_age_s=settings.age_s,
            maximum_retry_attempts=settings.retry_attempts,
            bisect_batch_on_function_error=settings.bisects,
            report_batch_item_failures=settings.reports,
            tumbling_window_s=settings.tumbling_s,
            destination_arn=DESTINATION_ARN if settings.has_destination else None,
            filters=(FILTER,) if self.plan.is_filtered else (),
            pace=self.plan.pace,
        )

    @property
    def _is_closed(self) -> bool:
        return self._closes_ms is not None and self._closes_ms <= self.turns.now_ms

    @property
    def _is_over(self) -> bool:
        return self._is_dead or self.machine.is_finished()

    def _ending(self) -> str:
        return self.recs[-1].record.sequence_number if self.recs else "7"

    def _close(self) -> None:
        if not self._is_over:
            self.audit.reading.is_closed = True
            self.feed(s.ShardClosed(self._ending()))

    def _end_life(self, *, is_killed: bool) -> None:
        if self._is_over:
            return
        if is_killed:
            self.turns.trace.note("machine", "is killed")
            self._life += 1
        else:
            self._stop()
        if isinstance(self._durable.position, ShardEnd):
            self._is_dead = True
        else:
            self._begin()
            self._start()

    def _stop(self) -> None:
        if self._is_dead:
            return
        if not self._is_over:
            self.audit.stop()
            self.feed(s.StopRequested())
        until_ms = self.turns.now_ms + STOP_MS_MAX
        while not self._is_over:
            if not self._take_turn(until_ms):
                raise RuleBrokenError("everything ends after a stop")
        if self.audit.slots.held_count:
            raise RuleBrokenError("every slot comes back, once", self.audit.slots.held)
        if not self.audit.progress.failures:
            for rec in self.recs:
                is_dark = self.plan.is_filtered and rec.plan.is_dark
                if rec.is_settled and not (is_dark or _is_covered(rec, self._durable)):
                    raise RuleBrokenError("a stop leaves every settled record behind", rec)
        self._life += 1

    def _heal(self) -> None:
        self.turns.trace.note("world", "is healed")
        self.rates = ShardRates()
        self._is_healed = True
        until_ms = self.turns.now_ms + SETTLED_MS
        while not self._is_settled():
            if not self._take_turn(until_ms):
                raise RuleBrokenError(
                    "without faults everything settles", [r for r in self.recs if not r.is_settled]
                )
        self.settled_ms = self.turns.now_ms

    def _is_settled(self) -> bool:
        if self._closes_ms is not None:
            return isinstance(self._durable.position, ShardEnd) and self._is_over
        return all(rec.is_settled and _is_covered(rec, self._durable) for rec in self.recs)

    # Turns.

    def _take_turn(self, until_ms: int) -> bool:
        deadline_ms = None if self._is_over else self._deadline_ms
        return self.turns.take_turn(deadline_ms, self._wake, until_ms)

    def _wake(self) -> None:
        self.feed(s.DeadlineReached())

    def feed(self, inp: s.Input) -> None:
        """Feed an input, judge what comes of it, and begin it."""
        self.turns.trace.note("machine", type(inp).__name__, Words(inp))
        self.audit.begin_turn()
        commands = self.machine.handle(inp, self.turns.now)
        for command in commands:
            self.turns.trace.note("  commands", type(command).__name__, Words(command))
            judge(self.audit, command)
        self._deadline_ms = self.machine.deadline_ms()
        judge_turn(self.audit, self.machine, self._deadline_ms)
        for command in commands:
            self._carry_out(command)
        self._grant()

    def _later(self, delay_ms: int, action: Callable[[], None]) -> None:
        life = self._life
        self.turns.later(
            delay_ms, lambda: action() if life == self._life and not self._is_over else None
        )

    def _strikes(self, rate: float) -> bool:
        return strikes(self.rng, rate)

    def _delay_ms(self) -> int:
        return self.rng.randint(0, self.plan.call_ms) if self.plan.call_ms else 0

    def _grant(self) -> None:
        wanted = self.audit.slots.wanted.get(FUNCTION, 0)
        count = min(wanted, self.plan.slots - self._in_use)
        if count > 0:
            count = self.rng.randint(1, count) if self.plan.grant_ms else count
            self._in_use += count
            self.audit.slots.grant(FUNCTION, count)
            delay_ms = self.rng.randint(0, self.plan.grant_ms) if self.plan.grant_ms else 0
            self._later(delay_ms, partial(self._take_slots, count))

    def _take_slots(self, count: int) -> None:
        self.audit.slots.take(FUNCTION, count)
        self.feed(s.SlotsGranted(FUNCTION_ARN, count))

    # What the machine asks for.

    def _carry_out(self, command: s.Command) -> None:
        match command:
            case s.Fetch():
                self._later(self._delay_ms(), partial(self._look, command))
            case s.Invoke():
                self._invoke(command)
            case s.SendToDestination():
                self._later(self._delay_ms(), partial(self._record, command))
            case s.SaveCheckpoint():
                self.turns.later(self._delay_ms(), partial(self._save, command, self._life))
            case s.ReturnSlots(_, count):
                self._in_use -= count
            case s.RequestSlots() | s.ReportHeldBytes() | s.ReportFilteredOut():
                pass

    def _look(self, command: s.Fetch) -> None:
        now_ms = self.turns.now_ms
        if self._strikes(self.rates.fetch_fails):
            failure = self.rng.choice([*s.FetchFailure])
            if failure is s.FetchFailure.TRIMMED:
                failure = s.FetchFailure.THROTTLED  # nothing leaves this shard
            self._later(self._delay_ms(), partial(self._fail_fetch, failure))
            return
        first = index_after(command.start, self._numbers)
        there = [rec for rec in self.recs[first:] if rec.plan.put_ms <= now_ms]
        count = min(command.limit, self.plan.answer_max)
        if self._strikes(self.rates.fetch_short):
            count = self.rng.randint(0, count)
        given = there[:count]
        left = there[count:]
        is_end = self._is_closed and self.plan.says_end and not left
        token = None if is_end else ShardIterator(str(first + len(given)))
        behind_ms = None
        if self.plan.kind.name == "KINESIS":
            behind_ms = max(1, now_ms - left[0].plan.put_ms) if left else 0
        records = tuple([rec.record for rec in given])
        fetched = FetchedRecords(records, token, behind_ms)
        self._later(self._delay_ms(), partial(self._fetched, fetched))

    def _fetched(self, fetched: FetchedRecords) -> None:
        self.audit.take_fetched(fetched)
        self.feed(s.RecordsFetched(fetched))

    def _fail_fetch(self, failure: s.FetchFailure) -> None:
        self.audit.reading.fail(failure, self.turns.now_ms)
        self.feed(s.FetchFailed(failure, "no answer"))

    def _invoke(self, command: s.Invoke) -> None:
        self.invocation_count += 1
        if self._strikes(self.rates.throttled):
            self._later(self._delay_ms(), partial(self._reject, command))
            return
        run_ms = self.rng.randint(*self.plan.run_ms)
        if self._strikes(self.rates.unknown):
            self._later(run_ms, partial(self._lose, command))
        else:
            self._later(run_ms, partial(self._end, command))

    def _reject(self, command: s.Invoke) -> None:
        self.audit.reject_invocation(command.batch.lane)
        self.feed(s.InvocationRejected(command.batch, "busy", is_throttle=True))

    def _lose(self, command: s.Invoke) -> None:
        self.audit.lose_invocation(command.batch.lane)
        self.feed(s.InvocationOutcomeUnknown(command.batch, "cut"))

    def _end(self, command: s.Invoke) -> None:
        batch = command.batch
        state = self._state()
        failing = [
            index
            for index, record in enumerate(batch.records)
            if not self._is_healed and self.audit.rec_of(record.sequence_number).plan.is_poison
        ]
        if batch.records and self._strikes(self.rates.partly_fails):
            failing.append(self.rng.randrange(len(batch.records)))
        is_reported = self.audit.settings.reports and bool(failing)
        if self._strikes(self.rates.function_fails) or (failing and not is_reported):
            self.audit.end_invocation(batch.lane, 0, state)
            self.feed(s.InvocationFailed(batch, "raised", TRACE))
        elif is_reported:
            index = min(failing)
            self.audit.end_invocation(batch.lane, index, state)
            self.feed(s.InvocationPartiallyFailed(batch, index, TRACE, state))
        else:
            self.audit.end_invocation(batch.lane, None, state)
            self.feed(s.InvocationSucceeded(batch, state))

    def _state(self) -> bytes:
        if self.audit.window is None:
            return b"{}"
        if self._strikes(0.02):
            return b'{"n":"' + b"x" * 1024 * 1024 + b'"}'
        return b'{"n":%d}' % self.rng.randint(0, 99)

    def _record(self, command: s.SendToDestination) -> None:
        discard_id = command.discard.id
        is_failed = self._strikes(self.rates.destination_fails)
        is_final = is_failed and self._strikes(0.2)
        self.audit.end_discard(discard_id, is_accepted=not is_failed, is_final=is_final)
        if is_failed:
            self.feed(s.DestinationFailed(discard_id, "no answer", is_final))
        else:
            self.feed(s.DestinationAccepted(discard_id))

    def _save(self, command: s.SaveCheckpoint, life: int) -> None:
        if life != self._life:
            return  # its tenure is over
        is_failed = self._strikes(self.rates.save_fails)
        if not is_failed or self._strikes(0.5):
            self._durable = command.checkpoint
        self._later(self._delay_ms(), partial(self._end_save, is_failed=is_failed))

    def _end_save(self, *, is_failed: bool) -> None:
        self.audit.progress.end(is_well=not is_failed, now_ms=self.turns.now_ms)
        self.feed(s.CheckpointFailed("no answer") if is_failed else s.CheckpointSaved())


def _is_covered(rec: Rec, checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint says of a record that it is settled."""
    position = checkpoint.position
    if isinstance(position, ShardEnd):
        return True
    if isinstance(position, AfterSequenceNumber) and rec.number <= int(position.sequence_number):
        return True
    return any(
        rec.number <= int(marks.settled.get(rec.lane(marks.factor), "-1"))
        for marks in checkpoint.lanes
    )
