"""What the API is given in tests: a queue service, functions and an engine that only remember."""

from collections.abc import Sequence

import msgspec

from penstock.api.context import ApiContext, ApiSettings
from penstock.engine.identity import draw_uuid
from penstock.model.arn import Scope
from penstock.model.errors import InvokeError, SourceError, SourceNotFoundError
from penstock.model.function import Function, FunctionResult, LocalProcess
from penstock.model.instant import Instant
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import DeleteReport, Message, QueueAttributes
from penstock.ports import StoreCalls

ACCOUNT = "000000000000"
REGION = "us-east-1"
SCOPE = Scope(ACCOUNT, REGION)
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ship"
NOW = Instant(1_000, 1_700_000_000_123)


class FakeClock:
    def now(self) -> Instant:
        """Always the same moment."""
        return NOW


class FakeQueue:
    """A queue that can only be looked at: the API must never take its messages."""

    def __init__(self, attributes: QueueAttributes) -> None:
        self._attributes = attributes

    async def describe(self) -> QueueAttributes:
        """Give what the test set."""
        return self._attributes

    async def receive(self, max_messages: int, wait_s: int) -> tuple[Message, ...]:
        """Never called."""
        raise AssertionError((max_messages, wait_s))

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Never called."""
        raise AssertionError(messages)

    async def change_visibility(self, messages: Sequence[Message], timeout_s: int) -> None:
        """Never called."""
        raise AssertionError((messages, timeout_s))


class FakeSources:
    """Queues by ARN; an error in place of a queue is raised when it is opened."""

    def __init__(self) -> None:
        self.queues: dict[str, QueueAttributes | SourceError] = {}

    async def open_queue(self, arn: str) -> FakeQueue:
        """Give the queue, or raise its error."""
        queue = self.queues.get(arn)
        if queue is None:
            raise SourceNotFoundError(f"no queue {arn}")
        if isinstance(queue, SourceError):
            raise queue
        return FakeQueue(queue)


class FakeFunctions:
    """Functions by unqualified ARN, and one answer to every invocation."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.answer: FunctionResult | InvokeError = FunctionResult(b"{}")
        self.payloads: list[tuple[str, bytes]] = []

    def add(self, name: str, *, timeout_s: int = 3) -> None:
        """Declare a function."""
        hosting = LocalProcess(code="/code", handler="app.handler")
        function = Function(scope=SCOPE, name=name, hosting=hosting, timeout_s=timeout_s)
        self.functions[function.arn] = function

    def find(self, function_arn: str) -> Function | None:
        """Find it by its ARN, qualified or not."""
        return self.functions.get(":".join(function_arn.split(":")[:7]))

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Note the payload and give the answer, or raise it."""
        self.payloads.append((function_arn, payload))
        if isinstance(self.answer, InvokeError):
            raise self.answer
        return self.answer


class FakeEngine:
    """Remembers what it was told; it settles nothing."""

    def __init__(self) -> None:
        self.changed: list[EventSourceMapping] = []

    def mapping_changed(self, mapping: EventSourceMapping) -> None:
        """Note the row."""
        self.changed.append(mapping)


class World(msgspec.Struct):
    """One queue, one function, and everything the API may touch."""

    sources: FakeSources
    functions: FakeFunctions
    engine: FakeEngine

    @classmethod
    def with_defaults(cls) -> "World":
        """Make a world of one queue and one function."""
        world = cls(FakeSources(), FakeFunctions(), FakeEngine())
        world.sources.queues[QUEUE_ARN] = QueueAttributes(visibility_timeout_s=30)
        world.functions.add("ship")
        return world

    def context(self, store_calls: StoreCalls) -> ApiContext:
        """Give the API this world."""
        return ApiContext(
            store_calls=store_calls,
            sources=self.sources,
            functions=self.functions,
            direct_invoker=self.functions,
            mappings=self.engine,
            clock=FakeClock(),
            draw_uuid=draw_uuid,
            settings=ApiSettings(),
        )
