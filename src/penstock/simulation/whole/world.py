"""A whole world: queues and streams, one engine over the real store, and its API."""

import asyncio
import enum
from random import Random

from penstock.engine.surroundings import EngineSettings
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import FetchedRecords
from penstock.simulation.auditor import Auditor
from penstock.simulation.ground import Ground
from penstock.simulation.incident_plans import JumpWall
from penstock.simulation.incidents import Incidents
from penstock.simulation.ledger import Rule
from penstock.simulation.loop import pass_s
from penstock.simulation.names import function_arn
from penstock.simulation.node import Node
from penstock.simulation.outcome import Outcome, WorldKind
from penstock.simulation.streams.auditor import StreamAuditor
from penstock.simulation.streams.incidents import StreamIncidents
from penstock.simulation.streams.store_calls import SimulatedStoreCalls
from penstock.simulation.streams.world import LOOK_EVERY_S, StreamWorld
from penstock.simulation.whole.functions import SharedFunctions
from penstock.simulation.whole.plan import WholePlan
from penstock.simulation.whole.requests import ApiRequests
from penstock.simulation.whole.sources import ApiSources, BothDestinations, BothSources
from penstock.simulation.whole.store import WatchedStore
from penstock.simulation.world import STOP_S_MAX, World


class BothAuditors:
    """Keeps ``node.Judge`` for both parts' auditors."""

    def __init__(self, queues: Auditor, streams: StreamAuditor) -> None:
        self._both = (queues, streams)

    def node_started(self) -> None:
        """A new engine runs."""
        for auditor in self._both:
            auditor.node_started()

    def node_stopping(self) -> None:
        """The engine is asked to stop."""
        for auditor in self._both:
            auditor.node_stopping()

    def node_crashed(self) -> None:
        """The engine was killed."""
        for auditor in self._both:
            auditor.node_crashed()

    def node_paused(self) -> None:
        """The engine does nothing from now on."""
        for auditor in self._both:
            auditor.node_paused()

    def node_resumed(self) -> None:
        """It goes on."""
        for auditor in self._both:
            auditor.node_resumed()

    def report(self, rule: enum.StrEnum, text: str) -> None:
        """Write a violation down."""
        self._both[0].report(rule, text)


class _Unwatched:
    """Keeps ``ReadWatch`` for the API, whose reads no rule limits."""

    def iterator_asked(self, mapping: str, shard_id: str) -> None:
        """A position is looked for."""

    def fetch_started(self, mapping: str, shard_id: str, limit: int) -> None:
        """A shard is read."""

    def iterator_reused(self, mapping: str, shard_id: str) -> None:
        """A refused iterator is used again."""

    def read_failed(self, mapping: str, shard_id: str) -> None:
        """A read has failed."""

    def answer_served(self, mapping: str, shard_id: str, fetched: FetchedRecords) -> None:
        """An answer waits for room."""

    def records_given(self, mapping: str, shard_id: str, fetched: FetchedRecords) -> None:
        """A read has ended."""


class WholeWorld:
    """One seed's world: the two parts stand on one ground."""

    def __init__(self, seed: int, plan: WholePlan, *, keeps_trace: bool = False) -> None:
        self._seed = seed
        self._plan = plan
        self._ground = Ground(keeps_trace=keeps_trace, is_undisturbed=plan.is_undisturbed())
        self._queues = World(seed, plan.queues, ground=self._ground)
        self._streams = StreamWorld(seed, plan.streams, ground=self._ground)
        if any(isinstance(each, JumpWall) for each in plan.queues.incidents):
            self._streams.auditor.books.is_wall_steady = False
        self._queues.auditor.books.used_by_others |= {
            function_arn(index) for index in plan.functions_of_streams()
        }
        self._judge = BothAuditors(self._queues.auditor, self._streams.auditor)
        self._open_ground()

    def _open_ground(self) -> None:
        queues, streams, ground = self._queues, self._streams, self._ground
        store = WatchedStore(
            streams.auditor.places, written=self._row_written, deleted=self._row_deleted
        )
        calls = SimulatedStoreCalls(store, chance=streams.store_chance, trace=ground.trace)
        functions = SharedFunctions(
            queues.functions,
            streams.functions,
            books=queues.auditor.books,
            now_ms=queues.now_ms,
        )
        settings = EngineSettings(
            ramp=self._plan.queues.ramp,
            long_poll_s=self._plan.queues.long_poll_s,
            streams=streams.settings(),
        )
        node = Node(
            store=calls,
            sources=BothSources(queues.sources, streams.sources),
            functions=functions,
            clock=ground.clock,
            settings=settings,
            auditor=self._judge,
            trace=ground.trace,
            destinations=BothDestinations(queues.destinations, streams.destinations),
        )
        clients = streams.build_sources(Random(f"api {self._seed}"), _Unwatched())
        self._requests = ApiRequests(ground, store, ApiSources(queues.sources, clients))
        ground.open(store, node, self._requests, calls=calls)

    async def run(self) -> Outcome:
        """Let the world live until its end, or until a rule is broken."""
        self._queues.declare()
        self._streams.declare()
        for index, _ in enumerate(self._plan.queues.functions):
            most = self._plan.concurrency_max(index)
            self._streams.auditor.books.concurrency[function_arn(index)] = most
        books = (self._queues.auditor.books, self._streams.auditor.books)
        try:
            await self._ground.live(self._live(), *[each.broken for each in books])
        finally:
            self._ground.store.close()
        return self._outcome()

    def _outcome(self) -> Outcome:
        parts = (self._queues.auditor.books, self._streams.auditor.books)
        broken = next((books for books in parts if books.violations), None)
        trace = self._ground.trace
        streams = self._plan.streams.streams
        return Outcome(
            seed=self._seed,
            kind=WorldKind.ALL,
            plan=self._plan,
            violation=str(broken.violations[0]) if broken else "",
            lines=broken.lines_at_violation if broken else trace.lines(),
            digest=trace.digest(),
            message_count=len(parts[0].messages) + sum(len(each.puts) for each in streams),
            invocation_count=self._queues.auditor.functions.invocation_count
            + self._streams.auditor.functions.invocation_count,
            virtual_s=self._ground.loop.time(),
            settled_ms=self._queues.now_ms(),
        )

    def _row_written(self, row: EventSourceMapping) -> None:
        part = self._queues if row.stream_kind is None else self._streams
        part.row_written(row)

    def _row_deleted(self, row: EventSourceMapping) -> None:
        if row.stream_kind is None:
            self._queues.row_deleted(row)
        else:
            self._streams.row_written(row)

    # How it lives.

    async def _live(self) -> None:
        self._ground.start_node()
        try:
            await self._live_until_settled()
        except* TimeoutError:
            self._report_stuck("did not settle")
        if self._is_sound():
            await self._streams.wait_until_idle()
            await pass_s(self._queues.idle_s())
            await self._queues.check_slots()
            await self._stop()

    async def _live_until_settled(self) -> None:
        safety_s = self._plan.queues.safety_ms / 1000
        befall_queues = Incidents(self._queues).befall
        dice = Random(f"incidents {self._seed}")
        befall_streams = StreamIncidents(self._streams, dice).befall
        async with asyncio.timeout(safety_s + self._settle_s_max()):
            async with asyncio.TaskGroup() as tasks:
                for row in self._queues.rows():
                    tasks.create_task(self._create(row, 0), name="create")
                for index, mapping in enumerate(self._plan.streams.mappings):
                    row = self._streams.row(index)
                    tasks.create_task(self._create(row, mapping.created_ms), name="create")
                for incident in self._plan.queues.incidents:
                    tasks.create_task(befall_queues(incident), name=type(incident).__name__)
                for each in self._plan.streams.incidents:
                    tasks.create_task(befall_streams(each), name=type(each).__name__)
                await pass_s(safety_s)
                self._queues.heal()
                self._streams.heal()
            while not (self._queues.is_settled() and self._streams.is_settled()):
                await pass_s(LOOK_EVERY_S)

    async def _create(self, row: EventSourceMapping, at_ms: int) -> None:
        await pass_s(at_ms / 1000)
        await self._requests.create(row)

    def _settle_s_max(self) -> float:
        """Bound both parts; a tumbling window waits for a clock that was set back to come up."""
        jumps = [each for each in self._plan.queues.incidents if isinstance(each, JumpWall)]
        set_back_s = sum(max(0, -each.by_ms) for each in jumps) / 1000
        return self._queues.settle_s_max() + self._streams.settle_s_max() + set_back_s

    async def _stop(self) -> None:
        try:
            await self._ground.stop_node(STOP_S_MAX)
        except TimeoutError:
            self._report_stuck("did not stop")
            return
        self._queues.check_stopped()
        self._streams.check_stopped()
        self._queues.auditor.check_final()
        self._streams.check_final()

    def _is_sound(self) -> bool:
        parts = (self._queues.auditor.books, self._streams.auditor.books)
        return not any(books.violations for books in parts)

    def _report_stuck(self, what: str) -> None:
        refusal = f"the API's last refusal: {self._requests.refusal!r}"
        text = "; ".join([what, self._queues.tell_unfinished(), *self._streams.owing(), refusal])
        self._judge.report(Rule.STUCK, text)
