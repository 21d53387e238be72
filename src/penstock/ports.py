"""What the engine needs from the world, as protocols; ``service.py`` chooses who keeps them."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from penstock.model.arn import Scope
from penstock.model.function import Function, FunctionResult
from penstock.model.instant import Instant
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import DeleteReport, Message, QueueAttributes

ResultT = TypeVar("ResultT")


class Clock(Protocol):
    """The only way to learn the time."""

    def now(self) -> Instant:
        """Read both clocks; ``monotonic_ms`` is the event loop's own time."""
        ...


class QueueSource(Protocol):
    """One queue, as a mapping reads it.

    Every method raises ``SourceError`` only. Deleting and changing visibility are idempotent and
    are retried below this port where the server asks for it; receiving is not.
    """

    async def describe(self) -> QueueAttributes:
        """Read the queue's attributes."""
        ...

    async def receive(self, max_messages: int, wait_s: int) -> tuple[Message, ...]:
        """Long-poll once for 1..10 messages; empty when none came within ``wait_s``."""
        ...

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Delete 1..10 messages in one call."""
        ...

    async def change_visibility(self, messages: Sequence[Message], timeout_s: int) -> None:
        """Hide 1..10 messages for ``timeout_s`` from now; 0 gives them back at once.

        Messages whose handle has expired are passed over in silence: they are visible already.
        """
        ...


class Sources(Protocol):
    """Opens sources by ARN; the region is the ARN's, the endpoint the AWS configuration's."""

    async def open_queue(self, arn: str) -> QueueSource:
        """Find the queue's URL and make it readable.

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
    """Mappings that survive a restart.

    Every write is durable when the method returns. Raises ``StoreError`` only.
    """

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

    def replace_mapping(self, mapping: EventSourceMapping) -> EventSourceMapping:
        """Write the mapping if the row's version is still ``mapping.version``; gives the row back.

        Raises:
            StoreConflictError: The row is gone or was changed since it was read.
        """
        ...

    def delete_mapping(self, uuid: str) -> None:
        """Remove a mapping; removing one that is gone does nothing."""
        ...


class FunctionStore(Protocol):
    """Functions that survive a restart; durable and raising as ``MappingStore``."""

    def replace_functions(self, functions: Sequence[Function]) -> None:
        """Make these the declared functions: add, change and remove in one transaction."""
        ...

    def list_functions(self) -> list[Function]:
        """Read every function."""
        ...


class Store(MappingStore, FunctionStore, Protocol):
    """All that survives a restart; synchronous, called on one thread."""

    def close(self) -> None:
        """Give back connections."""
        ...


class StoreCalls(Protocol):
    """Runs calls of the store one after another: on its own thread, or inline in a simulation."""

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Run ``call`` on the store and give back its result; its errors are raised here.

        A call that has begun runs to its end even when the caller is cancelled. One call may read
        and write several times: nobody else of this process comes between.
        """
        ...
