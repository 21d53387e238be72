"""A store in memory, and calls of it run inline."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from penstock.model.arn import Scope
from penstock.model.deployed_function import DeployedFunction
from penstock.model.errors import StoreConflictError
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping, MappingQuery
from penstock.ports import Store
from penstock.simulation.places import SimulatedPlaces

ResultT = TypeVar("ResultT")


class SimulatedStore(SimulatedPlaces):
    """Keeps ``ports.Store`` and ``ports.StoreCalls``; it outlives the nodes of its world.

    Args:
        written: Called with each row that was written.
        deleted: Called with each row that was removed.
    """

    def __init__(
        self,
        written: Callable[[EventSourceMapping], None],
        deleted: Callable[[EventSourceMapping], None],
    ) -> None:
        super().__init__()
        self._written = written
        self._deleted = deleted
        self._mappings: dict[str, EventSourceMapping] = {}
        self._functions: list[Function] = []
        self._deployed: dict[tuple[Scope, str], DeployedFunction] = {}

    async def run(self, call: Callable[[Store], ResultT]) -> ResultT:
        """Run a call on this store."""
        return call(self)

    def insert_mapping(self, mapping: EventSourceMapping) -> None:
        """Add a mapping."""
        if mapping.uuid in self._mappings:
            raise StoreConflictError(f"{mapping.uuid} is there already")
        self._mappings[mapping.uuid] = mapping
        self._written(mapping)

    def get_mapping(self, scope: Scope, uuid: str) -> EventSourceMapping | None:
        """Read one mapping of that scope."""
        mapping = self._mappings.get(uuid)
        return mapping if mapping is not None and mapping.scope == scope else None

    def list_mappings(
        self, scope: Scope | None = None, *, event_source_arn: str | None = None
    ) -> list[EventSourceMapping]:
        """Read every mapping of a scope and of a source, ordered by uuid."""
        return [
            mapping
            for _, mapping in sorted(self._mappings.items())
            if scope in {None, mapping.scope}
            and event_source_arn in {None, mapping.event_source_arn}
        ]

    def read_page(self, asked: MappingQuery) -> list[EventSourceMapping]:
        """Read a part of a scope's mappings, ordered by uuid."""
        of_source = self.list_mappings(asked.scope, event_source_arn=asked.event_source_arn)
        found = [
            mapping
            for mapping in of_source
            if mapping.uuid > asked.after and asked.function_arn in {None, mapping.function_arn}
        ]
        return found[: asked.limit]

    def replace_mapping(self, mapping: EventSourceMapping) -> EventSourceMapping:
        """Write the row if its version is still the mapping's."""
        known = self._mappings.get(mapping.uuid)
        if known is None or known.version != mapping.version:
            raise StoreConflictError(f"{mapping.uuid} was changed")
        row = msgspec.structs.replace(mapping, version=mapping.version + 1)
        self._mappings[row.uuid] = row
        self._written(row)
        return row

    def delete_mapping(self, uuid: str) -> None:
        """Remove a mapping."""
        row = self._mappings.pop(uuid, None)
        self.forget_place(uuid)
        if row is not None:
            self._deleted(row)

    def replace_functions(self, functions: Sequence[Function]) -> None:
        """Make these the declared functions."""
        self._functions = list(functions)

    def list_functions(self) -> list[Function]:
        """Read every function."""
        return list(self._functions)

    def insert_deployed_function(self, function: DeployedFunction) -> None:
        """Add a deployed function."""
        key = function.scope, function.name
        if key in self._deployed:
            raise StoreConflictError(f"{function.name} is there already")
        self._deployed[key] = function

    def replace_deployed_function(self, function: DeployedFunction) -> DeployedFunction:
        """Write a deployed function if its row is still of its version."""
        key = function.scope, function.name
        known = self._deployed.get(key)
        if known is None or known.row_version != function.row_version:
            raise StoreConflictError(f"{function.name} was changed")
        row = msgspec.structs.replace(function, row_version=function.row_version + 1)
        self._deployed[key] = row
        return row

    def delete_deployed_function(self, scope: Scope, name: str) -> None:
        """Remove a deployed function."""
        self._deployed.pop((scope, name), None)

    def list_deployed_functions(self) -> list[DeployedFunction]:
        """Read every deployed function."""
        keys = sorted(self._deployed, key=lambda key: (key[0].account, key[0].region, key[1]))
        return [self._deployed[key] for key in keys]

    def close(self) -> None:
        """Nothing is held open."""
