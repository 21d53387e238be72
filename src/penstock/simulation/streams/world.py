"""A whole world of streams on virtual time: servers, functions, one node, faults, and a judge."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from penstock.engine.surroundings import EngineSettings, StreamSettings
from penstock.model.function import Function, InvokeEndpoint
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.stream import ShardEnd
from penstock.simulation.chance import Chance
from penstock.simulation.destination import SimulatedDestinations
from penstock.simulation.faults import FaultModel, StreamFaultRates
from penstock.simulation.function import DIRECT_PAYLOAD, Temper
from penstock.simulation.ground import Ground
from penstock.simulation.loop import WALL_MS_AT_START, pass_s
from penstock.simulation.names import SCOPE, function_arn
from penstock.simulation.node import Node
from penstock.simulation.outcome import Outcome, WorldKind
from penstock.simulation.requests import DirectRequests
from penstock.simulation.store import SimulatedStore
from penstock.simulation.streams.auditor import StreamAuditor
from penstock.simulation.streams.function import SimulatedStreamFunctions
from penstock.simulation.streams.incident_plans import (
    JumpWall,
    PauseNode,
    StreamIncident,
    UpdateMapping,
)
from penstock.simulation.streams.mapping_rows import wanted_row
from penstock.simulation.streams.names import mapping_uuid, stream_arn
from penstock.simulation.streams.report import decode_report
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.source import (
    ReadWatch,
    SimulatedStreamSource,
    SimulatedStreamSources,
)
from penstock.simulation.streams.store_calls import SimulatedStoreCalls
from penstock.simulation.streams.stream import SimulatedStream
from penstock.simulation.streams.workload import Put, StreamWorldPlan
from penstock.simulation.wire import Wire

Befall = Callable[[StreamIncident], Coroutine[Any, Any, None]]

# A world in which nothing begins for so long is idle: longer than a batching window, and than the
# read that ends a tumbling window, whose records may have left the stream.
IDLE_S = 8
LOOK_EVERY_S = 4  # how often a healed world is asked whether it has settled
STOP_S_MAX = 120  # the longest function timeout, twice, and a destination that is slow


class StreamWorld:
    """One seed's world.

    Attributes:
        plan: What was drawn.
        ground: What it stands on, alone or with others.
        store_chance: What goes wrong with calls of the store.
    """

    def __init__(
        self,
        seed: int,
        plan: StreamWorldPlan,
        *,
        keeps_trace: bool = False,
        ground: Ground | None = None,
    ) -> None:
        rng = Random(f"stream world {seed}")
        self.ground = ground or Ground(keeps_trace=keeps_trace)
        self.seed = seed
        self.plan = plan
        self.loop = self.ground.loop
        self.clock = self.ground.clock
        self.trace = self.ground.trace
        self._rows: dict[str, EventSourceMapping] = {}  # as the store has them
        self._faults = FaultModel(plan.rates)
        self.auditor = StreamAuditor(
            self.now_ms,
            self.trace.lines,
            wall_ms=lambda: self.clock.now().wall_ms,
            trouble_ms=lambda: self.ground.trouble_ms,
        )
        self.auditor.books.is_calm = plan.is_calm() and self.ground.is_undisturbed
        self.auditor.books.is_wall_steady = not any(
            isinstance(each, JumpWall) for each in plan.incidents
        )
        self.auditor.books.is_alone = ground is None
        self.auditor.reading.pace = plan.pace
        self.auditor.reading.capacity_bytes = plan.held_bytes_max
        self.auditor.reading.is_sound = plan.reads_soundly() and self.ground.is_undisturbed
        self.streams = [self._build_stream(index, rng) for index in range(len(plan.streams))]
        self.functions = SimulatedStreamFunctions(
            chance=self._part_of(rng), watch=self.auditor.functions, trace=self.trace
        )
        self.destinations = SimulatedDestinations(
            chance=self._part_of(rng),
            read=decode_report,
            watch=self.auditor.discards,
            trace=self.trace,
        )
        self.store_chance = self._part_of(rng)
        self.wires = [Wire(self._part_of(rng)) for _ in plan.mappings]
        self.sources = self.build_sources(rng, self.auditor)
        if ground is None:
            self._stand_alone()

    def now_ms(self) -> int:
        """Read virtual time."""
        return self.clock.now().monotonic_ms

    def stream_of(self, mapping: int) -> SimulatedStream:
        """Give a mapping's stream."""
        return self.streams[self.plan.mappings[mapping].stream]

    def _part_of(self, rng: Random) -> Chance[StreamFaultRates]:
        """Give a part of this world dice of its own."""
        return Chance(self._faults, Random(rng.random()), self.loop)

    def _build_stream(self, index: int, rng: Random) -> SimulatedStream:
        plan = self.plan.streams[index]
        stream = SimulatedStream(
            stream_arn(index, plan.kind),
            plan.kind,
            plan.traits,
            rng=Random(rng.random()),
            now_ms=self.now_ms,
            wall_ms=lambda: WALL_MS_AT_START + self.now_ms(),
            watch=self.auditor.places,
        )
        stream.create(plan.shard_count)
        return stream

    @property
    def node(self) -> Node:
        """The node that runs the mappings."""
        return self.ground.node

    def build_sources(self, rng: Random, watch: ReadWatch) -> SimulatedStreamSources:
        """Make clients of the streams, one for each mapping."""
        by_mapping: dict[str, tuple[SimulatedStreamSource, Wire]] = {}
        for index, wire in enumerate(self.wires):
            source = SimulatedStreamSource(
                self.stream_of(index),
                wire,
                mapping=mapping_uuid(index),
                chance=self._part_of(rng),
                watch=watch,
                trace=self.trace,
            )
            by_mapping[mapping_uuid(index)] = (source, wire)
        return SimulatedStreamSources(by_mapping)

    def settings(self) -> StreamSettings:
        """Give what the node is told of streams."""
        plan = self.plan
        return StreamSettings(
            kinesis_pace=plan.pace,
            dynamodb_pace=plan.pace,
            list_every_ms=plan.list_every_ms,
            held_bytes_max=plan.held_bytes_max,
        )

    def _stand_alone(self) -> None:
        """Be the whole world: nothing but streams."""
        store = SimulatedStore(self.row_written, self.row_written)
        store.watch = self.auditor.places
        calls = SimulatedStoreCalls(store, chance=self.store_chance, trace=self.trace)
        node = Node(
            store=calls,
            sources=self.sources,
            functions=self.functions,
            clock=self.clock,
            settings=EngineSettings(streams=self.settings()),
            auditor=self.auditor,
            trace=self.trace,
            destinations=self.destinations,
        )
        self.ground.open(store, node, DirectRequests(self.ground, store, node), calls=calls)

    async def run(self, befall: Befall) -> Outcome:
        """Let the world live until its end, or until a rule is broken."""
        self.declare()
        for index, mapping in enumerate(self.plan.mappings):
            self.loop.call_at(mapping.created_ms / 1000, self._create, index)
        await self.ground.live(self._live(befall), self.auditor.books.broken)
        return self._outcome()

    def _outcome(self) -> Outcome:
        books = self.auditor.books
        return Outcome(
            seed=self.seed,
            kind=WorldKind.STREAMS,
            plan=self.plan,
            violation=str(books.violations[0]) if books.violations else "",
            lines=books.lines_at_violation or self.trace.lines(),
            digest=self.trace.digest(),
            message_count=sum(len(stream.puts) for stream in self.plan.streams),
            invocation_count=self.auditor.functions.invocation_count,
            virtual_s=self.loop.time(),
            settled_ms=self.now_ms(),
        )

    # How it begins.

    def declare(self) -> None:
        """Declare functions and mappings, and let records be put when it is their time."""
        for index, plan in enumerate(self.plan.functions):
            function = Function(
                scope=SCOPE,
                name=f"function-{index}",
                hosting=InvokeEndpoint(url="http://simulated"),
                timeout_s=plan.timeout_s,
                concurrency=plan.concurrency,
            )
            temper = Temper(
                duration_ms=plan.duration_ms,
                reports_failures=plan.reports_failures,
                capacity=plan.capacity,
            )
            self.functions.declare(function, temper)
            self.auditor.books.concurrency[function.arn] = plan.concurrency
            self.auditor.books.timeout_ms[function.arn] = plan.timeout_s * 1000
        for index, stream in enumerate(self.plan.streams):
            for put in stream.puts:
                self.loop.call_at(put.at_ms / 1000, self._put, self.streams[index], put)
        for index, _ in enumerate(self.plan.mappings):
            self.auditor.mapping_declared(mapping_uuid(index), self.stream_of(index))

    def _put(self, stream: SimulatedStream, put: Put) -> None:
        stream.put(f"key-{put.key}", put.filler_bytes, is_poison=put.is_poison)

    def _create(self, index: int) -> None:
        row = self.row(index)
        self.ground.store.insert_mapping(row)
        self.node.mapping_changed(row)

    def row(self, index: int) -> EventSourceMapping:
        """Give a mapping as it is wanted."""
        return wanted_row(index, self.plan.mappings[index], self.stream_of(index))

    def find_row(self, index: int) -> EventSourceMapping | None:
        """Give a mapping's row."""
        return self._rows.get(mapping_uuid(index))

    def rows(self) -> list[EventSourceMapping]:
        """Give the rows of all mappings that there are."""
        rows = [self.find_row(index) for index, _ in enumerate(self.plan.mappings)]
        return [row for row in rows if row is not None]

    def row_written(self, row: EventSourceMapping) -> None:
        """Take note of a row that the store has."""
        self.trace.note(row.uuid, "is", row.state, f"v{row.version}")
        self._rows[row.uuid] = row
        self.auditor.mapping_changed(row)
        if row.state is State.DISABLED:
            self._check_left(row.uuid)
        self.ground.row_changed.set()

    def _check_left(self, uuid: str) -> None:
        self.auditor.check_left(uuid, self.ground.store.read_place(uuid))

    def check_stopped(self) -> None:
        """Check what a graceful stop leaves behind."""
        for index, _ in enumerate(self.plan.mappings):
            self._check_left(mapping_uuid(index))

    # How it lives.

    async def stop_node(self) -> None:
        """Stop the node gracefully, and check what it leaves behind."""
        was_running = self.node.is_running
        try:
            await self.ground.stop_node(STOP_S_MAX)
        except TimeoutError:
            self._report_stuck("did not stop")
            return
        if was_running and not self.node.has_crashed:
            self.check_stopped()

    async def _live(self, befall: Befall) -> None:
        self.ground.start_node()
        try:
            await self._live_until_settled(befall)
        except TimeoutError:
            self._report_stuck("did not settle")
        if not self.auditor.books.violations:
            await self.wait_until_idle()
            await self._check_slots()
            await self.stop_node()
            self.check_final()

    def check_final(self) -> None:
        """Check the end of the world: nothing is owed."""
        for text in self.owing():
            self.auditor.report(StreamRule.LOST, text)
        if self.plan.reads_once() and self.ground.is_undisturbed:
            for row in self.rows():
                self.auditor.check_counts(row, self.node.metrics.stream_counts_of(row.uuid))

    async def wait_until_idle(self) -> None:
        """Wait for what may run although nothing is owed: records that were trimmed meanwhile."""
        is_idle = False
        while not is_idle:
            count = self.auditor.functions.invocation_count
            await pass_s(IDLE_S + self.plan.pace.idle_ms / 1000)
            is_idle = count == self.auditor.functions.invocation_count
            is_idle &= not any(each.invocations for each in self.auditor.books.mappings.values())

    async def _live_until_settled(self, befall: Befall) -> None:
        async with asyncio.timeout(self.plan.safety_ms / 1000 + self.settle_s_max()):
            async with asyncio.TaskGroup() as tasks:
                for incident in self.plan.incidents:
                    tasks.create_task(befall(incident), name=type(incident).__name__)
                await pass_s(self.plan.safety_ms / 1000)
                self.heal()
            while not self.is_settled():
                await pass_s(LOOK_EVERY_S)

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self.trace.note("world", "is healed")
        if self.plan.isolates() and self.ground.is_undisturbed:
            self.auditor.isolation.check()
        self._faults.is_on = False
        self.destinations.broken = None
        self.functions.is_down.clear()
        for wire in self.wires:
            wire.broken = None
        attempts = [mapping.retry_attempts for mapping in self.plan.mappings]
        attempts += [
            each.retry_attempts for each in self.plan.incidents if isinstance(each, UpdateMapping)
        ]
        if None in attempts:
            self.functions.is_mended = True

    def is_settled(self) -> bool:
        """Tell whether every mapping runs and has done all that it owes; the cheap looks first."""
        return self.node.is_running and self.auditor.is_settled() and not self._unsaved()

    def owing(self) -> list[str]:
        """Say what is still to be done: records, and shards that must end."""
        return [*self.auditor.owing(), *self._unsaved()]

    def _unsaved(self) -> list[str]:
        """Say what no checkpoint in the store tells of."""
        found: list[str] = []
        for row in self.rows():
            place = self.ground.store.read_place(row.uuid)
            mapping = self.auditor.books.mappings[row.uuid]
            if mapping.incarnation == mapping.stream.incarnation:
                found += self.auditor.places.uncovered(mapping, place)
                found += self.auditor.places.not_passed(mapping, place)
            for served in mapping.stream.shards.values():
                checkpoint = place.checkpoints.get(served.shard_id) if place else None
                has_ended = checkpoint and isinstance(checkpoint.position, ShardEnd)
                if not (served.is_open or served.is_trimmed_away or has_ended):
                    found.append(f"{row.uuid}, {served.shard_id} has not ended: {checkpoint}")
        return found

    def settle_s_max(self) -> float:
        """Bound how long a healed world may take: every record, one after another."""
        longest_s = max(each.timeout_s for each in self.plan.functions)
        count = sum(len(stream.puts) for stream in self.plan.streams)
        pauses = [each for each in self.plan.incidents if isinstance(each, PauseNode)]
        total_s = 1_800.0 + sum(each.for_ms for each in pauses) / 1000
        for plan in self.plan.mappings:
            attempts = 2 + (plan.retry_attempts or 0)
            each_s = longest_s + plan.batching_window_s + plan.tumbling_window_s + 2
            total_s += count * attempts * each_s
        return total_s

    async def _check_slots(self) -> None:
        """Take every slot of every function at once: an idle mapping holds none."""
        for index, plan in enumerate(self.plan.functions):
            calls = [
                self.node.invoke(function_arn(index), DIRECT_PAYLOAD)
                for _ in range(plan.concurrency)
            ]
            for result in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(result, BaseException):
                    text = f"function-{index} has lost slots: {result!r}"
                    self.auditor.report(StreamRule.SLOTS_LEAKED, text)

    def _report_stuck(self, what: str) -> None:
        names = sorted(task.get_name() for task in asyncio.all_tasks())
        text = "; ".join([what, *self.owing(), f"tasks: {names}"])
        self.auditor.report(StreamRule.STUCK, text)
