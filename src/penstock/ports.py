"""What the engine needs from the world, as protocols; ``service.py`` chooses who keeps them."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from penstock.model.arn import Scope
from penstock.model.deployed_function import DeployedFunction
from penstock.model.failure import Failure, FailureReport
from penstock.model.function import Function, FunctionResult
from penstock.model.instant import Instant
from penstock.model.mapping import EventSourceMapping, MappingQuery
from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.model.position import CheckpointSave, PositionChange, StreamPlace, Tenure
from penstock.model.stream import (
    Checkpoint,
    FetchedRecords,
    LatestPin,
    Position,
    ShardIterator,
    StreamDescription,
)

ResultT = TypeVar("ResultT")


class Clock(Protocol):
    """The only way to learn the time."""

    def now(self) -> Instant:
        """Read both clocks; ``monotonic_ms`` is the event loop's own time."""
        ...


class PreciseClock(Clock, Protocol):
    """A clock that also measures what is shown to people."""

    def precise_ms(self) -> float:
        """Give milliseconds with fractions, since some moment; for durations, not deadlines."""
        ...


class QueueSource(Protocol):
    """One queue, as a mapping reads it.

    Every method raises ``SourceError`` only. Deleting and changing visibility are idempotent and
    are retried below this port where the server asks for it; receiving is not.
    """

    async def describe(self) -> QueueAttributes:
        """Read the queue's attributes."""
        ...

    async def receive(
        self,
        max_messages: int,
        wait_s: int,
        *,
        visibility_timeout_s: int | None = None,
        attempt_id: str | None = None,
    ) -> tuple[Message, ...]:
        """Long-poll once for messages; empty when none came within ``wait_s``.

        Args:
            max_messages: 1..10.
            wait_s: 0..20.
            visibility_timeout_s: How long what is received stays hidden; None: the queue's own.
            attempt_id: Of a FIFO queue: a second receive with the same id, because the answer to
                the first was lost, is given the same messages.
        """
        ...

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Delete 1..10 messages in one call."""
        ...

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> tuple[Message, ...]:
        """Hide 1..10 messages, each for its own time from now; 0 gives one back at once.

        Returns:
            Those that the server refused: they are visible already, or gone.
        """
        ...


class ByteBudget(Protocol):
    """Where a fetch finds room for its answer before it reads the answer's body."""

    async def take(self, count_bytes: int) -> None:
        """Wait until there is room for an answer of so many bytes; the room is the caller's."""
        ...


class StreamSource(Protocol):
    """One stream, as a mapping reads it.

    Every method raises ``SourceError`` only; all are idempotent and are retried below this port
    where the server asks for it, but for ``fetch``, which the machine paces itself.
    """

    async def describe(self) -> StreamDescription:
        """List the stream's shards, every page of them."""
        ...

    async def pin_latest(self, shard_id: str) -> LatestPin:
        """Take an iterator at the shard's present end, with the server's time."""
        ...

    async def open_iterator(self, shard_id: str, position: Position) -> ShardIterator:
        """Find a position; a ``LatestPin`` by its own iterator, ``ShardEnd`` is none.

        Raises:
            SourceTrimmedError: What follows the position is no longer there.
            SourcePositionError: The server does not know the sequence number.
        """
        ...

    async def fetch(
        self, shard_id: str, iterator: ShardIterator, limit: int, *, budget: ByteBudget
    ) -> FetchedRecords:
        """Read up to ``limit`` records, once.

        Args:
            shard_id: The shard that the iterator is of.
            iterator: Used once; the answer has the next one.
            limit: 1..10000 (Kinesis) or 1..1000 (DynamoDB).
            budget: Asked for the answer's Content-Length before its body is read.

        Raises:
            SourceIteratorExpiredError: The iterator is too old.
        """
        ...


class Sources(Protocol):
    """Opens sources by ARN; the region is the ARN's, the endpoint the AWS configuration's."""

    async def open_stream(
        self, arn: str, *, function_arn: str, invoke_identity_arn: str
    ) -> StreamSource:
        """Make a Kinesis stream or a DynamoDB stream readable; the kind is the ARN's.

        Args:
            arn: The stream's.
            function_arn: Of the function it is read for: as its role, where roles are assumed.
            invoke_identity_arn: Shown in Kinesis records: the role that the function runs as.

        Raises:
            SourceError: No answer, or no permission.
            ConfigurationError: The resolved endpoint is this service itself.
        """
        ...

    async def open_queue(
        self, arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> QueueSource:
        """Find the queue's URL and make it readable.

        Args:
            arn: The queue's.
            function_arn: Of the function it is read for: as its role, where roles are assumed.
            count_request: Told the operation of each request that is sent for this source, this
                opening's too; each attempt of a call that is retried is a request.

        Raises:
            SourceError: No such queue, no permission, or no answer.
            ConfigurationError: The resolved endpoint is this service itself.
        """
        ...


class FunctionInvoker(Protocol):
    """Runs functions synchronously."""

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run the function once, to its end; never retried here.

        Args:
            function_arn: Full ARN, qualified or not.
            payload: The event, at most ``PAYLOAD_BYTES_MAX``.

        Returns:
            What the function returned, its own error included.

        Raises:
            InvocationOutcomeUnknownError: It may have run.
            InvokeError: Any other: it did not run.
        """
        ...

    def find(self, function_arn: str) -> Function | None:
        """Give the function's present configuration; None when there is no such function."""
        ...


class MappingStore(Protocol):
    """Mappings that survive a restart once a call has been answered; raises ``StoreError`` only."""

    def insert_mapping(self, mapping: EventSourceMapping) -> None:
        """Add a mapping.

        Raises:
            StoreConflictError: The (scope, source, function) or the (scope, name) is taken.
        """
        ...

    def get_mapping(self, scope: Scope, uuid: str) -> EventSourceMapping | None:
        """Read one mapping of that scope."""
        ...

    def list_mappings(
        self, scope: Scope | None = None, *, event_source_arn: str | None = None
    ) -> list[EventSourceMapping]:
        """Read every mapping of a scope (None: of all) and of a source, ordered by uuid."""
        ...

    def read_page(self, asked: MappingQuery) -> list[EventSourceMapping]:
        """Read a part of a scope's mappings, ordered by uuid."""
        ...

    def replace_mapping(self, mapping: EventSourceMapping) -> EventSourceMapping:
        """Write the mapping if the row's version is still ``mapping.version``; gives the row back.

        Raises:
            StoreConflictError: The row is gone or was changed since it was read.
        """
        ...

    def delete_mapping(self, uuid: str) -> None:
        """Remove a mapping; removing one that is gone does nothing."""
        ...


class StreamStore(Protocol):
    """Where stream mappings stand; durable and raising as ``MappingStore``."""

    def take_place(self, mapping_uuid: str) -> StreamPlace:
        """Raise the mapping's lease counter and give where it stands; an empty place at first."""
        ...

    def read_place(self, mapping_uuid: str) -> StreamPlace | None:
        """Give where a mapping stands; None before it ever ran."""
        ...

    def begin_incarnation(
        self,
        tenure: Tenure,
        incarnation: str,
        checkpoints: dict[str, Checkpoint],
        *,
        start: Position | None = None,
    ) -> bool:
        """Replace all checkpoints and skips; False when the tenure is over."""
        ...

    def forget_shards(self, tenure: Tenure, shard_ids: Sequence[str]) -> bool:
        """Remove the checkpoints of shards that left their stream; False: the tenure is over."""
        ...

    def save_checkpoints(self, saves: Sequence[CheckpointSave]) -> list[bool]:
        """Save many shards' checkpoints, with the failures they pass, in one transaction.

        Returns:
            Per save, whether its tenure still held; one that did not has left nothing behind.
        """
        ...

    def save_processing_result(self, tenure: Tenure, text: str) -> bool:
        """Keep what the function did last, without a checkpoint; False: the tenure is over."""
        ...

    def change_place(self, place: StreamPlace, change: PositionChange) -> StreamPlace:
        """Put the mapping elsewhere, raise its epoch, and write down who asked for what.

        Args:
            place: Its tenure's epoch must still be the mapping's, 0 before it ever ran; its
                incarnation, start, checkpoints and skips replace what is there.
            change: Its epoch is set here.

        Raises:
            StoreConflictError: The position was changed meanwhile.
        """
        ...

    def list_position_changes(self, mapping_uuid: str) -> list[PositionChange]:
        """Read the newest ``POSITION_CHANGES_MAX`` of a mapping's audit, newest first.

        Also of a mapping that was deleted.
        """
        ...


class FailureStore(Protocol):
    """The failure journal: bounded by age and bytes, oldest out first; raising as above."""

    def list_failures(
        self, *, mapping_uuid: str | None = None, after: str = "", limit: int = 100
    ) -> list[Failure]:
        """Read failures without their events, oldest first, after the id ``after``."""
        ...

    def get_failure(self, failure_id: str) -> Failure | None:
        """Read one failure with its event."""
        ...

    def delete_failures(
        self, failure_ids: Sequence[str] | None = None, *, mapping_uuid: str | None = None
    ) -> int:
        """Remove failures by id, of a mapping, or all; gives how many were there."""
        ...

    def evicted_failure_count(self) -> int:
        """Count the failures that went because the journal was full or they were too old."""
        ...


class Destination(Protocol):
    """Takes reports of discards in."""

    async def send(self, report: FailureReport) -> None:
        """Keep a report; when this returns it is durable there.

        Raises:
            DestinationError: It was not taken; ``retryable`` says whether asking again may help.
        """
        ...


class Destinations(Protocol):
    """Opens on-failure destinations by ARN."""

    async def open(self, arn: str, *, function_arn: str) -> Destination:
        """Make a queue, a topic or a bucket writable.

        Args:
            arn: The destination's.
            function_arn: Of the function whose discards it takes: it is written as its role, where
                roles are assumed.

        Raises:
            DestinationError: No answer, or no permission.
            ConfigurationError: No destination of a kind that is offered.
        """
        ...


class FunctionStore(Protocol):
    """Functions that survive a restart; durable and raising as ``MappingStore``."""

    def replace_functions(self, functions: Sequence[Function]) -> None:
        """Make these the declared functions: add, change and remove in one transaction."""
        ...

    def list_functions(self) -> list[Function]:
        """Read every declared function."""
        ...

    def insert_deployed_function(self, function: DeployedFunction) -> None:
        """Add a function that the API made.

        Raises:
            StoreConflictError: There is one of that scope and name.
        """
        ...

    def replace_deployed_function(self, function: DeployedFunction) -> DeployedFunction:
        """Write the function if the row is still of ``function.row_version``; gives the row back.

        Raises:
            StoreConflictError: The row is gone or was changed since it was read.
        """
        ...

    def delete_deployed_function(self, scope: Scope, name: str) -> None:
        """Remove a function that the API made; removing one that is gone does nothing."""
        ...

    def list_deployed_functions(self) -> list[DeployedFunction]:
        """Read every function that the API made."""
        ...


class Store(MappingStore, FunctionStore, StreamStore, FailureStore, Protocol):
    """All that survives a restart; synchronous, called on one thread."""

    def close(self) -> None:
        """Give back connections."""
        ...


class StoreCalls(Protocol):
    """Runs calls of the store one after another: on its own thread, or inline in a simulation."""

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Run ``call`` on the store and give back its result; its errors are raised here.

        A call that has begun runs to its end even when the caller is cancelled. One call may read
        and write several times: nobody else of this process comes between, and an error undoes all.
        """
        ...
