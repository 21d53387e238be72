"""Brings the store's mappings into agreement with those that a project file declares.

It runs before the supervisor starts, while nothing polls: so every row can be settled at once, and
a mapping that is replaced is gone before its successor is created. A mapping's name is its
identity; mappings made through the API have none and are left alone.
"""

from collections.abc import Mapping, Sequence

import msgspec

from penstock.api.errors import ApiError
from penstock.api.operations import MappingOperations
from penstock.api.wire import to_wire
from penstock.core.lifecycle import state_when_settled
from penstock.model.arn import Scope, parse_function_name
from penstock.model.errors import ConfigurationError
from penstock.model.mapping import EventSourceMapping
from penstock.ports import Store, StoreCalls

# What a member that the file no longer has goes back to; Update alone would leave it as it was.
_CLEARED: dict[str, object] = {
    "Enabled": True,
    "BatchSize": 10,
    "ScalingConfig": {},
    "FunctionResponseTypes": [],
}
_NOT_UPDATED = ("EventSourceArn", "Tags")  # the source is compared, tags have calls of their own


class DeclaredMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping as a project file declares it.

    Attributes:
        name: Its identity in the file.
        parameters: Lambda's own parameter names; EventSourceArn and FunctionName among them.
        replace: A change of the source may delete the mapping and create it anew.
    """

    name: str
    parameters: dict[str, object]
    replace: bool = False


def settle_rows(store: Store) -> None:
    """Settle what a stop or a crash left in a transition: nothing runs, so nothing is awaited."""
    for row in store.list_mappings():
        settled = state_when_settled(row.state, enabled=row.enabled)
        if settled is None:
            store.delete_mapping(row.uuid)
        elif settled is not row.state:
            store.replace_mapping(msgspec.structs.replace(row, state=settled))


class Reconciliation:
    """Creates, updates and removes declared mappings; keeps the rest.

    Args:
        operations: The API's own operations, with all their rules.
        scope: Owns the mappings, but for those whose function is named by an ARN of another region.
    """

    def __init__(
        self, operations: MappingOperations, store_calls: StoreCalls, *, scope: Scope
    ) -> None:
        self._operations = operations
        self._store_calls = store_calls
        self._scope = scope

    async def run(self, declared: Sequence[DeclaredMapping]) -> None:
        """Reconcile.

        Raises:
            ConfigurationError: A mapping cannot be as declared; what was done before stays done,
                and running again goes on from there.
        """
        await self._store_calls.run(settle_rows)
        rows = await self._store_calls.run(lambda store: store.list_mappings())
        row_by_name = {row.name: row for row in rows if row.name is not None}
        names = {mapping.name for mapping in declared}
        for name, row in row_by_name.items():
            if name not in names:
                await self._remove(row)
        for mapping in declared:
            try:
                await self._reconcile(mapping, row_by_name.get(mapping.name))
            except ApiError as exc:
                raise ConfigurationError(f"mapping {mapping.name!r}: {exc}") from exc
            await self._store_calls.run(settle_rows)

    async def _reconcile(self, declared: DeclaredMapping, row: EventSourceMapping | None) -> None:
        source_arn = declared.parameters.get("EventSourceArn")
        if row is not None and row.event_source_arn != source_arn:
            if not declared.replace:
                raise ConfigurationError(
                    f"mapping {declared.name!r}: EventSourceArn was {row.event_source_arn} and is "
                    f"now {source_arn}; a mapping cannot change its source: set replace = true to "
                    "delete it and create it anew, or choose another name"
                )
            await self._remove(row)
            row = None
        if row is None:
            scope = self._scope_of(declared.parameters)
            await self._operations.create(scope, declared.parameters, name=declared.name)
            return
        request = _update_request(declared.parameters)
        if _is_different(row, request):
            await self._operations.update(row.scope, row.uuid, request)
        await self._agree_tags(row, declared.parameters.get("Tags", {}))

    def _scope_of(self, parameters: Mapping[str, object]) -> Scope:
        """Give the scope of a new mapping: its function's region, as everywhere in Lambda."""
        function = parse_function_name(str(parameters.get("FunctionName", "")), self._scope)
        return Scope(self._scope.account, function.scope.region)

    async def _agree_tags(self, row: EventSourceMapping, tags: object) -> None:
        wanted = msgspec.convert(tags, dict[str, str])
        if wanted == row.tags:
            return
        removed = [key for key in row.tags if key not in wanted]
        if removed:
            await self._operations.untag(row.scope, row.arn, removed)
        if wanted:
            await self._operations.tag(row.scope, row.arn, {"Tags": wanted})

    async def _remove(self, row: EventSourceMapping) -> None:
        await self._store_calls.run(lambda store: store.delete_mapping(row.uuid))


def _update_request(parameters: Mapping[str, object]) -> dict[str, object]:
    changeable = {name: value for name, value in parameters.items() if name not in _NOT_UPDATED}
    return _CLEARED | changeable


def _is_different(row: EventSourceMapping, request: Mapping[str, object]) -> bool:
    """Tell whether an update would change the row, or must be refused."""
    shown = _CLEARED | to_wire(row) | {"Enabled": row.enabled, "FunctionName": row.function_arn}
    asked = dict(request)
    if "FunctionName" in asked:
        asked["FunctionName"] = parse_function_name(str(asked["FunctionName"]), row.scope).arn
    return any(shown.get(name) != value for name, value in asked.items())
