"""Fakes that keep the engine's ports, on a real loop."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self, TypeVar

from stream_fakes import (
    FAST_STREAMS,
    STREAM_ARN,
    FakeDestination,
    FakeStream,
    RecordingStore,
    count_up,
)

from penstock.engine.clock import SystemClock
from penstock.engine.metrics import NodeMetrics
from penstock.engine.slots import SlotLedger
from penstock.engine.supervisor import Supervisor
from penstock.engine.surroundings import EngineSettings, StreamSettings, Surroundings
from penstock.model.arn import Scope
from penstock.model.errors import PenstockError, SourceNotFoundError, StoreError
from penstock.model.function import Function, FunctionResult, LocalProcess
from penstock.model.instant import Instant
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.model.stream import StartingPosition, StreamKind
from penstock.ports import QueueSource, Store, StreamSource
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

SCOPE = Scope("000000000000", "us-east-1")
QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:orders"
FUNCTION = Function(
    scope=SCOPE,
    name="charge",
    hosting=LocalProcess(code="/code", handler="app.handler"),
    concurrency=2,
)
WAIT_S_MAX = 10.0

ResultT = TypeVar("ResultT")


def run(coroutine: Awaitable[ResultT]) -> ResultT:
    """Run to the end, or fail after a bounded time."""

    async def bounded() -> ResultT:
        async with asyncio.timeout(WAIT_S_MAX):
            return await coroutine

    return asyncio.run(bounded())


class RecordedLog:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        """Remember."""
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        """Remember."""
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        """Remember."""
        self.lines.append(("warning", event, fields))

    @property
    def events(self) -> list[str]:
        """The events, in order."""
        return [event for _, event, _ in self.lines]


class FakeQueue:
    """A queue in memory: what is put in is received once; visibility is only recorded."""

    def __init__(self) -> None:
        self.failure: PenstockError | None = None
        self.deleted: list[str] = []
        self.visibility: list[tuple[str, int]] = []
        self.expired: tuple[Message, ...] = ()
        self.receives = 0
        self.asked: list[tuple[int | None, str | None]] = []
        self.count_request: Callable[[str], None] = lambda _: None
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self.changed = asyncio.Event()

    def put(self, *messages: Message) -> None:
        """Make messages receivable."""
        for message in messages:
            self._messages.put_nowait(message)

    async def describe(self) -> QueueAttributes:
        """Keep ``QueueSource``."""
        self._fail_if_asked()
        return QueueAttributes(30)

    async def receive(
        self,
        max_messages: int,
        wait_s: int,
        *,
        visibility_timeout_s: int | None = None,
        attempt_id: str | None = None,
    ) -> tuple[Message, ...]:
        """Keep ``QueueSource``."""
        self._fail_if_asked()
        self.asked.append((visibility_timeout_s, attempt_id))
        self.receives += 1
        self.count_request("ReceiveMessage")
        self.changed.set()
        received: list[Message] = []
        with contextlib.suppress(asyncio.QueueEmpty):
            if wait_s:
                received.append(await self._messages.get())
            while len(received) < max_messages:
                received.append(self._messages.get_nowait())
        return tuple(received)

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Keep ``QueueSource``."""
        self._fail_if_asked()
        self.deleted += [message.message_id for message in messages]
        self.count_request("DeleteMessageBatch")
        self.changed.set()
        return DeleteReport(tuple(messages))

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> tuple[Message, ...]:
        """Keep ``QueueSource``."""
        self._fail_if_asked()
        self.visibility += [(change.message.message_id, change.timeout_s) for change in changes]
        self.changed.set()
        return self.expired

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that happens to this queue makes the condition true."""
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    def _fail_if_asked(self) -> None:
        if self.failure is not None:
            raise self.failure


class FakeSources:
    """Opens fake queues by ARN, and a fake stream."""

    def __init__(self, stream: FakeStream | None = None, **queues: FakeQueue) -> None:
        self._stream = stream
        self._queues = queues
        self.opened_count = 0
        self.identities: list[str] = []
        self.opened_for: list[str] = []

    async def open_stream(
        self, arn: str, *, function_arn: str, invoke_identity_arn: str
    ) -> StreamSource:
        """Keep ``Sources``."""
        self.identities.append(invoke_identity_arn)
        if self._stream is None:
            raise SourceNotFoundError(f"no stream {arn}")
        self.opened_count += 1
        self.opened_for.append(function_arn)
        return self._stream

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> QueueSource:
        """Keep ``Sources``."""
        queue = self._queues.get(arn.rsplit(":", 1)[1])
        if queue is None:
            raise SourceNotFoundError("The specified queue does not exist.")
        self.opened_count += 1
        self.opened_for.append(function_arn)
        if count_request is not None:
            queue.count_request = count_request
            count_request("GetQueueUrl")
        return queue


class FakeFunctions:
    """Functions that answer by a script; None waits for ``release``."""

    def __init__(self, *functions: Function) -> None:
        self._functions = {function.arn: function for function in functions}
        self.answer: FunctionResult | Exception = FunctionResult(b"null")
        self.payloads: list[bytes] = []
        self.is_held = False
        self.held_arn = ""  # of a function that never answers before ``release``
        self.release = asyncio.Event()

    def declare(self, function: Function) -> None:
        """Add a function, or change it."""
        self._functions[function.arn] = function

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Keep ``FunctionInvoker``."""
        assert function_arn
        self.payloads.append(payload)
        if self.is_held or function_arn == self.held_arn:
            await self.release.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def find(self, function_arn: str) -> Function | None:
        """Keep ``FunctionInvoker``."""
        return self._functions.get(":".join(function_arn.split(":")[:7]))


class JumpingClock:
    """The real clock, and what a test has added to it."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self._real = SystemClock()

    def now(self) -> Instant:
        """Keep ``Clock``."""
        now = self._real.now()
        return Instant(now.monotonic_ms + self.ahead_ms, now.wall_ms + self.ahead_ms)


class FaultyStoreCalls(InlineStore):
    """Runs calls of the store at once, or fails them as asked."""

    def __init__(self, store: SqlStore) -> None:
        super().__init__(store)
        self.failure: StoreError | None = None
        self.failures_left = 0

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Keep ``StoreCalls``."""
        if self.failures_left:
            self.failures_left -= 1
            raise StoreError("locked")
        if self.failure is not None:
            raise self.failure
        return await super().run(call)


class Engine:
    """A supervisor over fakes and a store in memory."""

    def __init__(self, *rows: EventSourceMapping, streams: StreamSettings = FAST_STREAMS) -> None:
        self.queue = FakeQueue()
        self.functions = FakeFunctions(FUNCTION)
        self.stream = FakeStream()
        self.destination = FakeDestination()
        self.store = RecordingStore()
        for row in rows:
            self.store.insert_mapping(row)
        self.store_calls = FaultyStoreCalls(self.store)
        self.log = RecordedLog()
        self.clock = JumpingClock()
        self.metrics = NodeMetrics(self.clock)
        self.slots = SlotLedger(self.functions)
        self.sources = FakeSources(self.stream, orders=self.queue)
        self.surroundings = Surroundings(
            store=self.store_calls,
            sources=self.sources,
            destinations=self.destination,
            functions=self.functions,
            slots=self.slots,
            clock=self.clock,
            draw_uuid=count_up(),
            metrics=self.metrics,
            log_of=lambda _: self.log,
        )
        self.supervisor = Supervisor(
            self.surroundings, EngineSettings(streams=streams, is_verbose=True)
        )
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        started = asyncio.Event()
        self._tasks.create_task(self.supervisor.run(started))
        await started.wait()
        return self

    async def __aexit__(self, *args: object) -> None:
        self.supervisor.stop()
        await self._tasks.__aexit__(None, None, None)
        self.store.close()

    def row(self, uuid: str = "u1") -> EventSourceMapping | None:
        """Read a row as it is now."""
        return self.store.get_mapping(SCOPE, uuid)

    def write(self, row: EventSourceMapping) -> None:
        """Write a row as the API does, and tell the supervisor."""
        self.supervisor.mapping_changed(self.store.replace_mapping(row))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop turn until the condition is true."""
        while not condition():
            turned = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.001, turned.set_result, None)
            await turned

    async def turn(self) -> None:
        """Let the loop turn until everybody has seen what has just happened."""
        turns = iter(range(5))
        await self.until(lambda: next(turns, None) is None)


def a_row(**changes: object) -> EventSourceMapping:
    """Make a mapping's row."""
    fields: dict[str, Any] = {
        "uuid": "u1",
        "scope": SCOPE,
        "event_source_arn": QUEUE_ARN,
        "function_arn": FUNCTION.arn,
        **changes,
    }
    return EventSourceMapping(**fields)


def a_stream_row(**changes: object) -> EventSourceMapping:
    """Make the row of a mapping from the stream, which reads everything there is."""
    return a_row(
        **{
            "event_source_arn": STREAM_ARN,
            "stream_kind": StreamKind.KINESIS,
            "starting_position": StartingPosition.TRIM_HORIZON,
            "batch_size": 100,
            **changes,
        }
    )
