"""What the API is given in tests: queues, streams, functions, an engine that only remembers."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
from role_fakes import FakeRoles

from penstock.api.context import ApiContext, ApiSettings
from penstock.core.lifecycle import state_when_settled
from penstock.engine.identity import draw_uuid
from penstock.functions.code_store import CodeStore
from penstock.functions.deployed_functions import DeployedFunctions, DeploymentRules
from penstock.functions.deployment import Deployment
from penstock.model.arn import Scope, function_qualifier, unqualified_function_arn
from penstock.model.errors import (
    ConfigurationError,
    InvokeError,
    SourceError,
    SourceNotFoundError,
)
from penstock.model.function import LATEST, Function, FunctionResult, LocalProcess
from penstock.model.instant import Instant
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.mapping_status import MappingStatus
from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.model.stream import (
    AtSequenceNumber,
    FetchedRecords,
    LatestPin,
    Position,
    Shard,
    ShardIterator,
    StreamDescription,
    StreamRecord,
)
from penstock.ports import ByteBudget, Store, StoreCalls

ACCOUNT = "000000000000"
REGION = "us-east-1"
SCOPE = Scope(ACCOUNT, REGION)
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
STREAM_ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/clicks"
TABLE_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/items"
TABLE_STREAM_ARN = f"{TABLE_ARN}/stream/2019-06-10T19:26:16.525"
IDENTITY_ARN = f"arn:aws:iam::{ACCOUNT}:role/penstock"
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

    async def receive(
        self,
        max_messages: int,
        wait_s: int,
        *,
        visibility_timeout_s: int | None = None,
        attempt_id: str | None = None,
    ) -> tuple[Message, ...]:
        """Never called."""
        raise AssertionError((max_messages, wait_s, visibility_timeout_s, attempt_id))

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Never called."""
        raise AssertionError(messages)

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> tuple[Message, ...]:
        """Never called."""
        raise AssertionError(changes)


class FakeStream:
    """A stream that can only be looked at, one record at a time."""

    def __init__(
        self,
        description: StreamDescription,
        refused: dict[str, SourceError],
        written: dict[str, list[str]],
    ) -> None:
        self._description = description
        self._refused = refused
        self._written = written

    async def describe(self) -> StreamDescription:
        """Give what the test set."""
        return self._description

    async def pin_latest(self, shard_id: str) -> LatestPin:
        """Give a pin that names its shard, unless the test has set an error for the shard."""
        if shard_id in self._refused:
            raise self._refused[shard_id]
        return LatestPin(f"end of {shard_id}", NOW.wall_ms)

    async def open_iterator(self, shard_id: str, position: Position) -> ShardIterator:
        """Find the position, unless the test has set an error for the record."""
        assert isinstance(position, AtSequenceNumber), position
        if position.sequence_number in self._refused:
            raise self._refused[position.sequence_number]
        return ShardIterator(f"{shard_id} at {position.sequence_number}")

    async def fetch(
        self, shard_id: str, iterator: ShardIterator, limit: int, *, budget: ByteBudget
    ) -> FetchedRecords:
        """Give the record that was asked for, unless the test has set other answers."""
        assert limit == 1, shard_id
        asked = iterator.token.split()[-1]
        answers = self._written.get(asked, [asked])
        number = answers.pop(0) if answers else ""
        event = b"{}"
        await budget.take(len(event))
        records = (StreamRecord(number, b"k", NOW.wall_ms, event),) if number else ()
        return FetchedRecords(records, iterator, 0)


class FakeSources:
    """Queues and streams by ARN; an error in their place is raised when they are opened.

    Attributes:
        refused: Of every stream: errors by sequence number, for the position, and by shard id, for
            its pin.
        written: Of every stream: by the number asked for, the record's own in each answer; empty:
            an answer without a record.
    """

    def __init__(self) -> None:
        self.queues: dict[str, QueueAttributes | SourceError] = {}
        self.streams: dict[str, StreamDescription | SourceError] = {}
        self.refused: dict[str, SourceError] = {}
        self.written: dict[str, list[str]] = {}
        self.identities: list[str] = []
        self.opened_for: list[str] = []

    async def open_stream(
        self, arn: str, *, function_arn: str, invoke_identity_arn: str
    ) -> FakeStream:
        """Give the stream, or raise its error."""
        self.identities.append(invoke_identity_arn)
        self.opened_for.append(function_arn)
        stream = self.streams.get(arn)
        if stream is None:
            raise SourceNotFoundError(f"no stream {arn}")
        if isinstance(stream, SourceError):
            raise stream
        return FakeStream(stream, self.refused, self.written)

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> FakeQueue:
        """Give the queue, or raise its error; a look at it is nobody's cost."""
        self.opened_for.append(function_arn)
        assert count_request is None
        queue = self.queues.get(arn)
        if queue is None:
            raise SourceNotFoundError(f"no queue {arn}")
        if isinstance(queue, SourceError):
            raise queue
        return FakeQueue(queue)


class FakeFunctions:
    """Functions by unqualified ARN, deployed ones too, and one answer to every invocation."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.deployments: dict[str, Deployment] = {}
        self.answer: FunctionResult | InvokeError = FunctionResult(b"{}")
        self.payloads: list[tuple[str, bytes]] = []

    def add(
        self, name: str, *, timeout_s: int = 3, region: str = REGION, role: str | None = None
    ) -> None:
        """Declare a function."""
        hosting = LocalProcess(code="/code", handler="app.handler")
        scope = Scope(ACCOUNT, region)
        function = Function(scope=scope, name=name, hosting=hosting, timeout_s=timeout_s, role=role)
        self.functions[function.arn] = function

    def find(self, function_arn: str) -> Function | None:
        """Find it by its ARN, qualified or not."""
        arn = unqualified_function_arn(function_arn)
        deployment = self.deployments.get(arn)
        if deployment is not None:
            return deployment.find(function_qualifier(function_arn) or LATEST)
        return self.functions.get(arn)

    def deploy(self, function_arn: str, deployment: Deployment | None) -> None:
        """Note what is deployed."""
        if deployment is None:
            del self.deployments[function_arn]
        else:
            self.deployments[function_arn] = deployment

    async def drain(self) -> list[BaseException]:
        """Nothing runs, nothing fails."""
        return []

    def folders_in_use(self) -> frozenset[str]:
        """Nothing runs."""
        return frozenset()

    def find_declared(self, function_arn: str) -> Function | None:
        """Give a declared function."""
        return self.functions.get(function_arn)

    def list_declared(self, scope: Scope) -> list[Function]:
        """Give the declared functions of a scope."""
        return [function for function in self.functions.values() if function.scope == scope]

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Note the payload and give the answer, or raise it."""
        self.payloads.append((function_arn, payload))
        if isinstance(self.answer, InvokeError):
            raise self.answer
        return self.answer


class FakeBuckets:
    """Objects by bucket and key; an error in the words of S3 in the place of what is missing."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str | None], bytes] = {}

    async def fetch(
        self, bucket: str, key: str, *, object_version: str | None, region: str
    ) -> bytes:
        """Give the object."""
        assert region == REGION
        found = self.objects.get((bucket, key, object_version))
        if found is None:
            raise ConfigurationError(
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The "
                "specified key does not exist."
            )
        return found


class GatedCode(CodeStore):
    """Code that is unpacked when the gate is open."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.gate = threading.Event()
        self.gate.set()

    async def unpack(self, sha256: str) -> None:
        """Wait for the gate first."""
        await asyncio.to_thread(self.gate.wait, 10)
        await super().unpack(sha256)


def check_runtime(runtime: str) -> str | None:
    """Have Python of one version."""
    if not runtime.startswith("python3."):
        raise ConfigurationError(f"Runtime {runtime} does not run here; this machine has python3.x")
    return None


class FakeEngine:
    """Remembers what it was told; it settles nothing."""

    def __init__(self) -> None:
        self.changed: list[EventSourceMapping] = []
        self.processing_results: dict[str, str] = {}
        self.repositioned: list[str] = []
        self.ages_ms: dict[str, int] = {}
        self.looks = 0

    def mapping_changed(self, mapping: EventSourceMapping) -> None:
        """Note the row."""
        self.changed.append(mapping)

    def processing_result(self, mapping_uuid: str) -> str | None:
        """Give what the test set; None: it does not run. Whoever asks must be on the loop."""
        asyncio.get_running_loop()
        return self.processing_results.get(mapping_uuid)

    def look_again(self) -> None:
        """Take note."""
        self.looks += 1

    def position_changed(self, mapping_uuid: str) -> None:
        """Note the mapping."""
        self.repositioned.append(mapping_uuid)

    def iterator_ages_ms(self, mapping_uuid: str) -> dict[str, int]:
        """Give what the test set, whatever ``mapping_uuid`` is."""
        del mapping_uuid
        return self.ages_ms


class SettlingEngine(FakeEngine):
    """Settles what it is told of, at once; one change of twenty stays in its transition."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._told = 0

    def mapping_changed(self, mapping: EventSourceMapping) -> None:
        """Do the keeper's part."""
        self._told += 1
        if self._told % 20 == 0 and mapping.state is not State.DELETING:
            return
        settled = state_when_settled(mapping.state, enabled=mapping.enabled)
        if settled is None:
            self._store.delete_mapping(mapping.uuid)
        elif settled is not mapping.state:
            self._store.replace_mapping(msgspec.structs.replace(mapping, state=settled))


class FakeMetrics:
    """One series, and the status of mappings as the test set it."""

    content_type: ClassVar[str] = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.started_ms = NOW.wall_ms - 3_600_000
        self.statuses: dict[str, MappingStatus] = {}

    def status_of(self, mapping_uuid: str) -> MappingStatus:
        """Give what the test set."""
        return self.statuses.get(mapping_uuid, MappingStatus())

    def render(self) -> Iterator[bytes]:
        """Always the same."""
        yield b"penstock_polled_total "
        yield b"1\n"


class World(msgspec.Struct):
    """One queue, two streams, one function, and everything the API may touch."""

    sources: FakeSources
    functions: FakeFunctions
    engine: FakeEngine
    metrics: FakeMetrics = msgspec.field(default_factory=FakeMetrics)
    buckets: FakeBuckets = msgspec.field(default_factory=FakeBuckets)
    code_folder: Path = Path("no-code-here")
    code: GatedCode | None = None
    warnings: list[str] = []
    roles: FakeRoles = msgspec.field(default_factory=FakeRoles)

    @classmethod
    def with_defaults(cls) -> "World":
        """Make a world of one queue, a stream of either kind, and one function."""
        world = cls(FakeSources(), FakeFunctions(), FakeEngine())
        world.sources.queues[QUEUE_ARN] = QueueAttributes(visibility_timeout_s=30)
        shards = (Shard("shardId-000000000000"),)
        for arn in (STREAM_ARN, TABLE_STREAM_ARN):
            world.sources.streams[arn] = StreamDescription("1", shards)
        world.functions.add("ship")
        return world

    def context(self, store_calls: StoreCalls) -> ApiContext:
        """Give the API this world."""
        self.code = GatedCode(self.code_folder)
        return ApiContext(
            store_calls=store_calls,
            sources=self.sources,
            functions=self.functions,
            declared=self.functions,
            deployed=DeployedFunctions(
                store_calls,
                self.code,
                self.functions,
                rules=DeploymentRules(
                    check_runtime=check_runtime,
                    check_code=lambda runtime, _: check_runtime(runtime),
                    draw_id=draw_uuid,
                    warn=self.warnings.append,
                    changed=lambda _: None,
                ),
            ),
            code_source=self.buckets,
            roles=self.roles,
            direct_invoker=self.functions,
            mappings=self.engine,
            metrics=self.metrics,
            clock=FakeClock(),
            draw_uuid=draw_uuid,
            settings=ApiSettings(),
        )
