"""A whole world on virtual time: queues, functions, one node, faults, incidents, and a judge."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from penstock.core.scaling import RampPolicy
from penstock.engine.surroundings import EngineSettings
from penstock.model.function import TIMEOUT_S_MAX, Function, InvokeEndpoint
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.mapping_status import QueueLoad
from penstock.model.message import QueueAttributes
from penstock.simulation.auditor import Auditor
from penstock.simulation.chance import Chance
from penstock.simulation.destination import SimulatedDestinations
from penstock.simulation.failure_reports import decode_report
from penstock.simulation.faults import FaultModel, FaultRates
from penstock.simulation.function import DIRECT_PAYLOAD, POISON, SimulatedFunctions, Temper
from penstock.simulation.ground import Ground
from penstock.simulation.incident_plans import ChangeOptions, Incident, PauseNode
from penstock.simulation.ledger import DARK, AuditedMapping, Rule
from penstock.simulation.loop import pass_s
from penstock.simulation.mapping_plans import BIG_BODY_BYTES, MappingPlan
from penstock.simulation.names import (
    SCOPE,
    function_arn,
    queue_arn,
    queue_mapping_uuid,
)
from penstock.simulation.node import Node, SimulatedSources
from penstock.simulation.option_tags import tags_of
from penstock.simulation.outcome import Outcome, WorldKind
from penstock.simulation.queue import SimulatedQueue
from penstock.simulation.ramp_audit import AWS_RAMP
from penstock.simulation.requests import DirectRequests
from penstock.simulation.store import SimulatedStore
from penstock.simulation.wire import Wire
from penstock.simulation.workload import WorldPlan

Befall = Callable[[Incident], Coroutine[Any, Any, None]]

UNTIMED_S = TIMEOUT_S_MAX  # what was lost of a function that was gone may run so long
IDLE_S = 120  # how long an idle world is watched
LOOK_EVERY_S = 0.5  # at what waits in a calm world
STOP_S_MAX = 120  # the longest function timeout, a long poll, and the last tries of deletes
LIT_ONLY = '{"body":[{"prefix":"good"},{"prefix":"poison"}]}'
_TEXT_BYTES = 40  # of a body, without its filler


class World:
    """One seed's world.

    Attributes:
        plan: What was drawn.
        ground: What it stands on, alone or with others.
    """

    def __init__(
        self,
        seed: int,
        plan: WorldPlan,
        *,
        keeps_trace: bool = False,
        ground: Ground | None = None,
    ) -> None:
        self.ground = ground or Ground(keeps_trace=keeps_trace)
        self.seed = seed
        self.plan = plan
        self.loop = self.ground.loop
        self.clock = self.ground.clock
        self.trace = self.ground.trace
        self.auditor = Auditor(self.now_ms, self.trace.lines)
        self._rows: dict[str, EventSourceMapping] = {}  # as the store has them, by queue
        self._faults = FaultModel(plan.rates)
        self.functions = SimulatedFunctions(
            chance_of=self._part_of, auditor=self.auditor, trace=self.trace
        )
        self.queues = {
            self.queue_arn_of(index): self._build_queue(index, each)
            for index, each in enumerate(plan.mappings)
        }
        self.destinations = SimulatedDestinations(
            chance=self._part_of("destinations"),
            read=decode_report,
            watch=self.auditor.failures,
            trace=self.trace,
        )
        wires = {arn: Wire(self._part_of(f"way to {arn}")) for arn in self.queues}
        self.sources = SimulatedSources(self.queues, wires, auditor=self.auditor, trace=self.trace)
        if ground is None:
            self._stand_alone()

    def _stand_alone(self) -> None:
        """Be the whole world: nothing but queues."""
        store = SimulatedStore(self.row_written, self.row_deleted)
        node = Node(
            store=store,
            sources=self.sources,
            destinations=self.destinations,
            functions=self.functions,
            clock=self.clock,
            settings=EngineSettings(ramp=self.plan.ramp, long_poll_s=self.plan.long_poll_s),
            auditor=self.auditor,
            trace=self.trace,
        )
        self.ground.open(store, node, DirectRequests(self.ground, store, node))

    @property
    def node(self) -> Node:
        """The node that runs the mappings."""
        return self.ground.node

    def queue_arn_of(self, index: int) -> str:
        """Name the queue of a mapping of the plan."""
        return queue_arn(index, is_fifo=self.plan.mappings[index].is_fifo)

    def now_ms(self) -> int:
        """Read virtual time."""
        return self.clock.now().monotonic_ms

    async def run(self, befall: Befall) -> Outcome:
        """Let the world live until its end, or until a rule is broken.

        Args:
            befall: Waits for an incident's moment and lets it happen to this world.
        """
        self.declare()
        for row in self.rows():
            self.ground.store.insert_mapping(row)
        await self.ground.live(self._live(befall), self.auditor.books.broken)
        return self._outcome()

    def _outcome(self) -> Outcome:
        books = self.auditor.books
        return Outcome(
            seed=self.seed,
            kind=WorldKind.QUEUES,
            plan=self.plan,
            violation=str(books.violations[0]) if books.violations else "",
            lines=books.lines_at_violation or self.trace.lines(),
            digest=self.trace.digest(),
            message_count=len(books.messages),
            invocation_count=self.auditor.functions.invocation_count,
            virtual_s=self.loop.time(),
            settled_ms=books.settled_ms,
        )

    # How it begins.

    def _part_of(self, name: str) -> Chance[FaultRates]:
        """Give a part of this world dice of its own; no other part has a say in them."""
        return Chance(self._faults, Random(f"world {self.seed} {name}"), self.loop)

    def _build_queue(self, index: int, plan: MappingPlan) -> SimulatedQueue:
        arn = self.queue_arn_of(index)
        return SimulatedQueue(
            arn,
            QueueAttributes(plan.visibility_s, plan.max_receive_count),
            chance=self._part_of(arn),
            watch=self.auditor.queues,
            trace=self.trace,
        )

    def declare(self) -> None:
        """Declare functions, and let messages be sent when it is their time."""
        books = self.auditor.books
        books.ramp = AWS_RAMP if self.plan.ramp == RampPolicy() else self.plan.ramp
        books.is_calm = self.plan.is_calm() and self.ground.is_undisturbed
        if books.is_calm:
            self.loop.call_later(LOOK_EVERY_S, self._look)
        for index, each in enumerate(self.plan.functions):
            self.declare_function(index, each.concurrency)
        for index, plan in enumerate(self.plan.mappings):
            arn = self.queue_arn_of(index)
            if self.plan.never_receives_twice(plan) and self.ground.is_undisturbed:
                self.auditor.books.never_twice.add(arn)
            mapping = self.auditor.books.mappings[arn] = AuditedMapping(arn)
            mapping.has_filter = bool(plan.dark)
            mapping.visibility_ms = plan.visibility_s * 1000
            mapping.max_receive_count = plan.max_receive_count
            mapping.has_big_messages = plan.body_bytes >= BIG_BODY_BYTES
            for number, at_ms in enumerate(plan.sent_at_ms):
                for _ in range(2 if number in plan.resent else 1):
                    self.loop.call_at(at_ms / 1000, self._send, index, number)

    def _look(self) -> None:
        """Look at every queue, as long as something may come."""
        for arn, queue in self.queues.items():
            visible, hidden = (0, 0) if queue.is_empty else queue.counts()
            # What waits behind a hidden message of its group is not for anybody.
            is_given = not queue.is_fifo or not hidden
            self.auditor.promptness.looked_at(arn, visible if is_given else 0)
        if self.now_ms() <= self.plan.safety_ms or not self.auditor.is_settled():
            self.loop.call_later(LOOK_EVERY_S, self._look)

    def rows(self) -> list[EventSourceMapping]:
        """Give the mappings as they are wanted."""
        return [
            EventSourceMapping(
                uuid=queue_mapping_uuid(index),
                scope=SCOPE,
                event_source_arn=self.queue_arn_of(index),
                function_arn=function_arn(plan.function, index),
                batch_size=plan.batch_size,
                maximum_batching_window_s=plan.window_s,
                maximum_concurrency=plan.maximum_concurrency,
                provisioned_pollers=plan.pollers,
                report_batch_item_failures=plan.report_failures,
                filters=(LIT_ONLY,) if plan.dark else (),
                tags=tags_of(plan.options),
            )
            for index, plan in enumerate(self.plan.mappings)
        ]

    def find_row(self, index: int) -> EventSourceMapping | None:
        """Give a mapping's row, whatever its uuid is by now."""
        return self._rows.get(self.queue_arn_of(index))

    def declare_function(self, index: int, concurrency: int) -> None:
        """Declare a function, or declare it anew with other slots."""
        plan = self.plan.functions[index]
        function = Function(
            scope=SCOPE,
            name=f"function-{index}",
            hosting=InvokeEndpoint(url="http://simulated"),
            timeout_s=plan.timeout_s,
            concurrency=concurrency,
        )
        temper = Temper(
            duration_ms=plan.duration_ms,
            reports_failures=plan.reports_failures,
            capacity=plan.capacity,
            is_careless=plan.is_careless,
        )
        self.functions.declare(function, temper)

    def row_written(self, row: EventSourceMapping) -> None:
        """Take note of a row that the store has."""
        self.trace.note(row.uuid, "is", row.state, f"v{row.version}")
        self._rows[row.event_source_arn] = row
        self.auditor.mapping_changed(row)
        if row.state is State.DISABLED:
            self._check_stopped(row.event_source_arn)
        self.auditor.books.has_changed.set()
        self.ground.row_changed.set()

    def row_deleted(self, row: EventSourceMapping) -> None:
        """Take note of a row that is gone."""
        self.trace.note(row.uuid, "is deleted")
        del self._rows[row.event_source_arn]
        self._check_stopped(row.event_source_arn)
        self.ground.row_changed.set()

    def _check_stopped(self, arn: str) -> None:
        self.auditor.queues.mapping_stopped(arn, self.queues[arn].hidden_handles())

    def _send(self, index: int, number: int) -> None:
        plan = self.plan.mappings[index]
        kind = DARK if number in plan.dark else b'"good'
        kind = POISON if number in plan.poison else kind
        filler = b"x" * max(0, plan.body_bytes - _TEXT_BYTES)
        body = b'%b %d \\u00e9 %b"' % (kind, number, filler)
        group = f"g{plan.groups[number]}" if plan.groups else ""
        self.queues[self.queue_arn_of(index)].send(f"m{index}-{number}", body, group=group)

    # How it lives.

    async def _live(self, befall: Befall) -> None:
        self.ground.start_node()
        try:
            await self._live_until_settled(befall)
        except* TimeoutError:
            self._report_stuck("did not settle")
        if not self.auditor.books.violations:
            await pass_s(self.idle_s())
            self._check_status()
            await self.check_slots()
            await self.stop_node()
            self.auditor.check_final()

    def _check_status(self) -> None:
        """Check what is told of each mapping, when all is done and nobody began anew meanwhile."""
        books = self.auditor.books
        for index, _ in enumerate(self.plan.mappings) if books.is_calm else ():
            row = self.find_row(index)
            assert row is not None, "the mapping was there when the world settled"
            status = self.node.metrics.status_of(row.uuid)
            mapping = books.mappings[row.event_source_arn]
            if status.filtered_out_count != mapping.excluded_count:
                text = f"{status.filtered_out_count} of {mapping.excluded_count} are filtered out"
                books.report(Rule.COUNTED, text)
            idle = QueueLoad(0, 0, self.auditor.first_limit(mapping))
            if status.load != idle:
                text = f"{row.uuid} is idle; its load is {status.load}, not {idle}"
                books.report(Rule.COUNTED, text)

    def idle_s(self) -> int:
        """Say how long an idle world is watched."""
        return UNTIMED_S if self.auditor.books.untimed else IDLE_S

    async def _live_until_settled(self, befall: Befall) -> None:
        async with asyncio.TaskGroup() as tasks:
            for incident in self.plan.incidents:
                name = type(incident).__name__
                tasks.create_task(befall(incident), name=name)
            await pass_s(self.plan.safety_ms / 1000)
            self.heal()
            async with asyncio.timeout(self.settle_s_max()):
                await self._settle()

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self.trace.note("world", "is healed")
        self._faults.is_on = False
        self.destinations.broken = None
        for wire in self.sources.wires.values():
            wire.broken = None
        for source in self.sources.by_arn.values():
            source.receives_denied = None

    async def _settle(self) -> None:
        books = self.auditor.books
        while not self.is_settled():
            books.has_changed.clear()
            await books.has_changed.wait()

    def is_settled(self) -> bool:
        """Tell whether every message has ended, and every mapping runs."""
        if not (self.auditor.is_settled() and self.node.is_running):
            return False
        rows = [self.find_row(index) for index, _ in enumerate(self.plan.mappings)]
        return all(row is not None and row.state is State.ENABLED for row in rows)

    def settle_s_max(self) -> float:
        """Bound how long a healed world may take: every receive a message may need, in turn."""
        longest_s = max(each.duration_ms[1] for each in self.plan.functions) / 1000
        tagged = [each.options for each in self.plan.incidents if isinstance(each, ChangeOptions)]
        total_s = 300.0 + max(each.timeout_s for each in self.plan.functions)
        total_s += UNTIMED_S if self.auditor.books.untimed else 0
        pauses = [each for each in self.plan.incidents if isinstance(each, PauseNode)]
        total_s += sum(each.for_ms for each in pauses) / 1000
        for plan in self.plan.mappings:
            tries = plan.receives_max + 2
            # The messages of one group may each have to fail for the last time, in turn.
            waits = tries * (1 + plan.is_fifo * len(plan.poison))
            backoffs = [each.backoff for each in (plan.options, *tagged)]
            backoff_s = max(each.maximum_s if each else 0 for each in backoffs)
            total_s += waits * (2 * plan.visibility_s + plan.window_s + backoff_s + 60)
            total_s += tries * len(plan.sent_at_ms) * longest_s
        return total_s

    async def check_slots(self) -> None:
        """Take every slot of every function at once: an idle mapping holds none."""
        for index, _ in enumerate(self.plan.functions):
            function = self.functions.find(function_arn(index))
            assert function is not None
            calls = [
                self.node.invoke(function.arn, DIRECT_PAYLOAD) for _ in range(function.concurrency)
            ]
            for result in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(result, BaseException):
                    self.auditor.books.report(Rule.SLOTS_LEAKED, f"{function.name}: {result!r}")

    async def stop_node(self) -> None:
        """Stop the node gracefully, and check what it leaves behind."""
        try:
            await self.ground.stop_node(STOP_S_MAX)
        except TimeoutError:
            self._report_stuck("did not stop")
            return
        if not self.node.is_running and not self.node.has_crashed:
            self.check_stopped()

    def check_stopped(self) -> None:
        """Check what a graceful stop leaves behind."""
        for arn in self.queues:
            self._check_stopped(arn)

    def _report_stuck(self, what: str) -> None:
        self.auditor.books.report(Rule.STUCK, f"{what}; {self.tell_unfinished()}")

    def tell_unfinished(self) -> str:
        """Say what has not settled."""
        names = [task.get_name() for task in asyncio.all_tasks()]
        queues = [
            f"{queue.name} has {visible} visible and {hidden} hidden"
            for queue in self.queues.values()
            for visible, hidden in [queue.counts()]
        ]
        states = [f"{row.uuid} is {row.state}" for row in self.ground.store.list_mappings()]
        left = [message.message_id for message in self.auditor.unsettled()]
        return "; ".join([*queues, *states, f"left: {left}", f"tasks: {sorted(names)}"])
