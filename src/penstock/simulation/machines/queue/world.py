"""One queue's machine in its world: its queue, its function, its slots, and what goes wrong."""

from collections.abc import Callable
from functools import partial
from random import Random

from penstock.core import queue_contract as q
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.queue_options import read_queue_options
from penstock.core.scaling import RampPolicy
from penstock.simulation.machines.queue.audit import QueueAudit
from penstock.simulation.machines.queue.command_audit import (
    FUNCTION_ARN,
    TIMEOUT_S_MAX,
    CommandAudit,
)
from penstock.simulation.machines.queue.functions import Functions
from penstock.simulation.machines.queue.plan import FILTER, QueueMachinePlan, QueueSettings, Rates
from penstock.simulation.machines.queue.shelf import Shelf
from penstock.simulation.machines.queue.source import Source
from penstock.simulation.machines.queue.turn_audit import judge_turn
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.machines.turns import Turns
from penstock.simulation.machines.words import Words

QUEUE_ARN = "arn:aws:sqs:us-east-2:123456789012:orders"
SAFETY_TURNS_MAX = 80
SETTLED_MS_PER_MESSAGE = 30_000
SETTLED_MS = 400_000
IDLE_MS = 45_000
STOP_MS_MAX = 4_000_000  # an invocation may take its time, deletes are tried for half a minute


class QueueMachineWorld:
    """A world; ``run`` raises what is broken.

    Args:
        rng: Its dice.

    Attributes:
        invocation_count: How many there were.
    """

    def __init__(self, plan: QueueMachinePlan, rng: Random, *, keeps_trace: bool) -> None:
        self.plan = plan
        self.rng = rng
        self.rates = plan.rates
        self.turns = Turns(keeps_trace=keeps_trace)
        self.shelf = Shelf(
            plan.messages, is_fifo=plan.is_fifo, max_receive_count=plan.max_receive_count
        )
        self.source = Source(self)
        self.functions = Functions(self)
        self.invocation_count = 0
        self.settled_ms = 0
        self.life = 0
        self._settings = plan.settings
        self._updates = list(plan.updates)
        self._stop_turn = plan.stop_turn
        self._begin()

    @property
    def message_count(self) -> int:
        """Count what is sent."""
        return len(self.shelf.entries)

    def strikes(self, rate: float) -> bool:
        """Throw the dice for one rate."""
        return rate > 0 and self.rng.random() < rate

    def delay_ms(self) -> int:
        """Draw how long a call takes."""
        return self.rng.randint(0, self.plan.call_ms) if self.plan.call_ms else 0

    def run(self) -> None:
        """Run it: with trouble, then healed until all has settled, then idle, then to a stop."""
        self._start()
        while self.turns.turn_count < SAFETY_TURNS_MAX and self.shelf.open_count:
            if not self._take_turn(self.turns.now_ms + 1_000_000):
                break
            self._befall()
        self._heal()
        self._check_idle()
        self._stop(abandons=self.plan.abandons)
        self._end()

    # The machine's life.

    def _begin(self) -> None:
        plan = self.plan
        ramp = RampPolicy(initial=plan.initial, per_minute=plan.per_minute, maximum=plan.maximum)
        self.machine = QueueConsumer(self._policy(), ramp)
        self.audit = QueueAudit(plan, self._settings, self.shelf, self.turns)
        self._commands = CommandAudit(self.audit)
        self._deadline_ms: int | None = None
        self._in_use = 0  # slots of the function, those on their way included
        self._is_alone = False  # as far as the machine was told
        self._arriving = 0

    def _start(self) -> None:
        self.turns.trace.note("machine", "starts")
        self.feed(q.Started())

    def _policy(self) -> q.QueuePolicy:
        settings = self._settings
        options = read_queue_options(settings.tags, is_fifo=self.plan.is_fifo)
        return q.QueuePolicy(
            function_arn=FUNCTION_ARN + settings.function,
            queue_arn=f"{QUEUE_ARN}.fifo" if self.plan.is_fifo else QUEUE_ARN,
            batch_size=settings.batch_size,
            function_timeout_s=settings.timeout_s,
            batching_window_s=settings.window_s,
            maximum_concurrency=options.concurrency or settings.maximum_concurrency,
            pollers=settings.pollers,
            filters=(FILTER,) if settings.is_filtered else (),
            options=options,
            report_batch_item_failures=settings.reports,
        )

    def _take_turn(self, until_ms: int) -> bool:
        return self.turns.take_turn(self._deadline_ms, self._wake, until_ms)

    def _wake(self) -> None:
        self.feed(q.DeadlineReached())

    def feed(self, inp: q.Input) -> None:
        """Feed an input, judge what comes of it, and begin it."""
        self.turns.trace.note("machine", type(inp).__name__, Words(inp))
        self.audit.begin_turn()
        commands = self.machine.handle(inp, self.turns.now)
        for command in commands:
            self.turns.trace.note("  commands", type(command).__name__, Words(command))
            self._commands.judge(command)
        self._deadline_ms = self.machine.deadline_ms()
        judge_turn(self.audit, self.machine, self._deadline_ms)
        for command in commands:
            self._carry_out(command)
        self._grant()

    def complete(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Let a command's completion come; a machine that is over by then hears of nothing."""
        life = self.life
        self.turns.later(delay_ms, lambda: action() if life == self.life else None)

    def _carry_out(self, command: q.Command) -> None:
        match command:
            case q.Invoke():
                self.invocation_count += 1
                self.functions.invoke(command)
            case q.ReturnSlots(_, count):
                self._in_use -= count
            case q.AbandonReceives():
                self.source.abandon()
            case q.RequestSlots() | q.ReportFilteredOut() | q.Forget():
                pass
            case _:
                self.source.carry_out(command)

    def _grant(self) -> None:
        """Give the machine of the slots it wants what is free, some of it now and some later."""
        for function, wanted in self.audit.slots.wanted.items():
            count = min(wanted, self.plan.slots - self._in_use)
            if count <= 0:
                continue
            count = self.rng.randint(1, count) if self.plan.grant_ms else count
            self._in_use += count
            self.audit.slots.grant(function, count)
            delay_ms = self.rng.randint(0, self.plan.grant_ms) if self.plan.grant_ms else 0
            self._arriving += 1
            self.complete(delay_ms, partial(self._take_slots, function, count))

    def _take_slots(self, function: str, count: int) -> None:
        self._arriving -= 1
        self.audit.slots.take(function, count)
        self.feed(q.SlotsGranted(FUNCTION_ARN + function, count))

    # What befalls it.

    def _befall(self) -> None:
        turn = self.turns.turn_count
        if self._updates and self._updates[0][0] <= turn:
            self._update(self._updates.pop(0)[1])
        if self._stop_turn is not None and self._stop_turn <= turn:
            self._stop_turn = None
            self._stop(abandons=self.plan.abandons)
            self._begin()
            self._start()
        plan, until = self.plan, self.plan.alone_until
        is_begun = plan.alone_from is not None and plan.alone_from <= turn
        is_alone = is_begun and (until is None or turn < until)
        if is_alone != self._is_alone:
            self._is_alone, self.audit.slots.is_contended = is_alone, not is_alone
            function_arn = FUNCTION_ARN + self._settings.function
            self.feed(q.SlotsContended(function_arn, not is_alone))

    def _update(self, settings: QueueSettings) -> None:
        if settings.function != self._settings.function:
            self._is_alone, self.audit.slots.is_contended = False, True
        self._settings = settings
        self.audit.update(settings)
        self.feed(q.PolicyChanged(self._policy()))

    def _stop(self, *, abandons: bool) -> None:
        self.audit.stop()
        self.feed(q.StopRequested(abandons))
        until_ms = self.turns.now_ms + STOP_MS_MAX
        while not self.machine.is_finished() or self._arriving:
            if not self._take_turn(until_ms):
                raise RuleBrokenError(
                    "everything ends after a stop", self.machine.load(self.turns.now)
                )
        if any(self.audit.slots.held.values()):
            raise RuleBrokenError("every slot comes back, once", self.audit.slots.held)
        self.life += 1
        self.turns.trace.note("machine", "is over")

    def _heal(self) -> None:
        self.turns.trace.note("world", "is healed")
        self.rates = Rates()
        self.functions.is_healed = True
        until_ms = self.turns.now_ms + SETTLED_MS + SETTLED_MS_PER_MESSAGE * self.message_count
        if self.plan.rates.unknown:  # of a function whose timeout is not known
            until_ms += 2 * TIMEOUT_S_MAX * 1000
        # A back-off may have hidden a message for longer than that.
        until_ms += max(0, self.shelf.last_visible_ms - self.turns.now_ms)
        while self.shelf.open_count:
            if not self._take_turn(until_ms):
                stuck = [f"m{entry.index}" for entry in self.shelf.entries if not entry.is_gone]
                raise RuleBrokenError("without faults everything settles", *stuck)
        self.settled_ms = self.turns.now_ms

    def _check_idle(self) -> None:
        """Nothing is there any more: the mapping holds one long poll, and no slot."""
        until_ms = self.turns.now_ms + IDLE_MS
        while self._take_turn(until_ms):
            pass
        audit = self.audit
        waits = [each.asked for each in audit.receives.running.values()]
        is_idle = not audit.flying and audit.slots.held_count == len(audit.unknown)
        if len(waits) != 1 or not is_idle:
            raise RuleBrokenError(
                "an idle mapping holds one long poll, and no slot", waits, audit.slots.held
            )

    def _end(self) -> None:
        for entry in self.shelf.entries:
            if not (entry.has_succeeded or entry.is_dead):
                raise RuleBrokenError("every message ends succeeded or recorded", f"m{entry.index}")
