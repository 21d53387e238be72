"""What the API needs from the rest of the service; ``service.py`` fills it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import msgspec

from penstock.functions.deployed_functions import DeployedFunctions
from penstock.model.arn import Scope
from penstock.model.caller import Caller
from penstock.model.errors import StoreConflictError, StoreError
from penstock.model.function import Function, FunctionResult
from penstock.model.mapping import EventSourceMapping
from penstock.model.mapping_status import MappingStatus
from penstock.ports import Clock, FunctionInvoker, Sources, Store, StoreCalls

ResultT = TypeVar("ResultT")


class Mappings(Protocol):
    """The part of the engine that runs mappings."""

    def mapping_changed(self, mapping: EventSourceMapping) -> None:
        """Make the world as this row says; called after it was created, updated, or set to go.

        It settles the row's state in the store. Tags that were changed are told too: the state
        stays as it was, and options among them apply to what runs.
        """
        ...

    def look_again(self) -> None:
        """Read all rows; called after a write of one that failed and may have taken effect."""
        ...

    def processing_result(self, mapping_uuid: str) -> str | None:
        """Give a running stream mapping's LastProcessingResult; None when it does not run here.

        It is newer than the store's, which is as old as the last save.
        """
        ...

    def position_changed(self, mapping_uuid: str) -> None:
        """Read the mapping's place in the store again; called after an operator has changed it.

        Its shards stop, and start from there; a mapping that does not run is passed over.
        """
        ...

    def iterator_ages_ms(self, mapping_uuid: str) -> dict[str, int]:
        """Give how late a mapping is with its shards, their iterator ages, by shard id.

        Only shards that run here, and of which it is known, are in it.
        """
        ...


class DirectInvoker(Protocol):
    """Runs a function for a caller of Invoke, within the function's concurrency."""

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run the function once, to its end.

        Raises:
            InvokeError: It did not run, or nobody knows whether it did.
        """
        ...


class FunctionLookUp(Protocol):
    """Asks whoever keeps the functions, where that is not this service."""

    async def refresh(self, function_arn: str) -> Function | None:
        """Ask for a function as it is now, a version or an alias of it; None: there is none.

        Raises:
            InvokeUnavailableError: Nobody tells.
            ConfigurationError: It is there, and cannot be used from here.
        """
        ...


class DeclaredFunctions(Protocol):
    """The functions of the project file; ``FunctionRegistry`` keeps it."""

    def find_declared(self, function_arn: str) -> Function | None:
        """Give a declared function by its unqualified ARN."""
        ...

    def list_declared(self, scope: Scope) -> list[Function]:
        """Give the declared functions of a scope."""
        ...


class CodeSource(Protocol):
    """Where zip files are fetched from that a request only names."""

    async def fetch(
        self, bucket: str, key: str, *, object_version: str | None, region: str
    ) -> bytes:
        """Read a zip file out of a bucket.

        Raises:
            ConfigurationError: There is none, or it cannot be read; in AWS's words.
        """
        ...


class Roles(Protocol):
    """Assumes the roles of functions."""

    async def check(self, role_arn: str, function_name: str, scope: Scope) -> None:
        """Assume a role once, as for a function of that name.

        Raises:
            InvokeAccessDeniedError: It cannot be assumed.
            InvokeError: Nobody knows: STS does not answer.
        """
        ...


class Metrics(Protocol):
    """What the node counts.

    Attributes:
        content_type: Of what ``render`` gives.
        started_ms: Since when it counts, Unix ms.
    """

    content_type: ClassVar[str]
    started_ms: int

    def status_of(self, mapping_uuid: str) -> MappingStatus:
        """Give what a mapping did since the node began; zeros of one that never ran."""
        ...

    def render(self) -> Iterator[bytes]:
        """Give every series in Prometheus's text format, in pieces that take a moment each."""
        ...


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the API is told by the configuration.

    Attributes:
        account: Owns everything made here; AWS clients cannot choose it.
        region: For requests that name none, because they carry no signature.
        filters_max: 1..10; of one mapping.
        hosts: Names beyond loopback under which this port may be addressed, without port.
        callers: One of them must have signed each request; none: signatures are not verified.
        open_metrics: ``/metrics`` needs no signature.
    """

    account: str = "000000000000"
    region: str = "us-east-1"
    filters_max: int = 5
    hosts: tuple[str, ...] = ()
    callers: tuple[Caller, ...] = ()
    open_metrics: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingContext:
    """Everything that the operations on mappings call.

    Attributes:
        look_up: None: functions are kept here. Else requests for functions go on to the fallback.
    """

    store_calls: StoreCalls
    sources: Sources
    functions: FunctionInvoker
    direct_invoker: DirectInvoker
    mappings: Mappings
    metrics: Metrics
    clock: Clock
    draw_uuid: Callable[[], str]
    settings: ApiSettings
    look_up: FunctionLookUp | None = None

    async def write(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Write a mapping's row; the engine looks for itself when nobody knows how that ended.

        Raises:
            StoreError: As the store: a conflict has left nothing behind, all else may have.
        """
        try:
            return await self.store_calls.run(call)
        except StoreConflictError:
            raise
        except StoreError:
            self.mappings.look_again()
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext(MappingContext):
    """Everything that the API calls.

    Attributes:
        roles: None where functions do not run as their roles.
    """

    declared: DeclaredFunctions
    deployed: DeployedFunctions
    code_source: CodeSource
    roles: Roles | None = None
