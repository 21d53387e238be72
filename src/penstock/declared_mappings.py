"""Brings the store's mappings into agreement with those that a project file declares.

It runs before the supervisor starts, while nothing polls: so every row can be settled at once, and
a mapping that is replaced is gone before its successor is created. A mapping's name is its
identity; mappings made through the API have none and are left alone.

Many are looked at and written at once: they share few transactions (``store/thread.py``).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import ApiError
from penstock.api.operations import STREAM_BATCH_SIZE_DEFAULT, MappingOperations
from penstock.api.shapes import check_parameters
from penstock.api.tag_operations import TagOperations
from penstock.api.wire import pollers_to_wire, read_timestamp_ms, to_wire
from penstock.core.lifecycle import state_when_settled
from penstock.model.arn import Scope, parse_function_name
from penstock.model.errors import ConfigurationError, FilterPatternError
from penstock.model.mapping import EventSourceMapping, ProvisionedPollers
from penstock.ports import Store

# What a member that the file no longer has goes back to; Update alone would leave it as it was.
_CLEARED_OF_EVERY_SOURCE: dict[str, object] = {
    "Enabled": True,
    "FilterCriteria": {},
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
    "MetricsConfig": {"Metrics": []},
}
_CLEARED_OF_QUEUES = _CLEARED_OF_EVERY_SOURCE | {
    "BatchSize": 10,
    "ProvisionedPollerConfig": {},
    "ScalingConfig": {},
}
_CLEARED_OF_STREAMS = _CLEARED_OF_EVERY_SOURCE | {
    "BatchSize": STREAM_BATCH_SIZE_DEFAULT,
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {}},
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
    "TumblingWindowInSeconds": 0,
}
# Where a mapping reads from is given once; a queue mapping has no such members at all.
_SOURCE = "EventSourceArn"
_FUNCTION = "FunctionName"
_STARTS = ("StartingPosition", "StartingPositionTimestamp")
_FILTERS = "FilterCriteria"
_POLLERS = "ProvisionedPollerConfig"
AT_ONCE = 64  # mappings; as many as there are connections for short calls to one server
_NOT_UPDATED = (_SOURCE, "Tags")  # tags are no member of Update


class DeclaredMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping as a project file declares it.

    Attributes:
        name: Its identity in the file.
        parameters: Lambda's own parameter names; EventSourceArn and FunctionName among them.
        replace: A change of the source, or of where its reading starts, may delete the mapping and
            create it anew.
    """

    name: str
    parameters: dict[str, object]
    replace: bool = False


# A mapping, and its row where there is one.
_Declared = tuple[DeclaredMapping, EventSourceMapping | None]


def settle_rows(store: Store, *, rows: Iterable[EventSourceMapping], now_ms: int) -> None:
    """Settle the rows that are in a transition: nothing runs, so nothing is awaited."""
    for row in rows:
        settled = state_when_settled(row.state, enabled=row.enabled)
        if settled is None:
            store.delete_mapping(row.uuid)
        elif settled is not row.state:
            store.replace_mapping(
                msgspec.structs.replace(row, state=settled, last_modified_ms=now_ms)
            )


class Reconciliation:
    """Creates, updates and removes declared mappings; keeps the rest.

    Args:
        context: Of the API, whose own operations do the work, with all their rules.
        scope: Owns the mappings, but for those whose function is named by an ARN of another region.
    """

    def __init__(self, context: ApiContext, *, scope: Scope) -> None:
        self._operations = MappingOperations(context)
        self._tags = TagOperations(context)
        self._store_calls = context.store_calls
        self._clock = context.clock
        self._scope = scope

    async def run(self, declared: Sequence[DeclaredMapping]) -> None:
        """Reconcile.

        Raises:
            ConfigurationError: A mapping cannot be as declared; what was done before stays done,
                and running again goes on from there.
        """
        rows = await self._store_calls.run(partial(_settle_what_was_left, now_ms=self._now_ms()))
        row_by_name = {row.name: row for row in rows if row.name is not None}
        names = {mapping.name for mapping in declared}
        await self._remove([row for name, row in row_by_name.items() if name not in names])
        # One may take the source and function that another leaves: those go first, in their order.
        moved: list[_Declared] = []
        others: list[_Declared] = []
        for mapping in declared:
            row = row_by_name.get(mapping.name)
            (moved if _is_moved(mapping, row) else others).append((mapping, row))
        groups = [[each] for each in moved]
        groups += [others[at : at + AT_ONCE] for at in range(0, len(others), AT_ONCE)]
        for group in groups:
            await self._reconcile_all(group)

    async def _reconcile_all(self, group: Sequence[_Declared]) -> None:
        """Reconcile mappings at once; the first that cannot be as declared is told, and only it."""
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._try(mapping, row), name=f"declared {mapping.name}")
                for mapping, row in group
            ]
        outcomes = [task.result() for task in running]
        changed = [each for each in outcomes if isinstance(each, EventSourceMapping)]
        if changed:
            await self._store_calls.run(partial(settle_rows, rows=changed, now_ms=self._now_ms()))
        for outcome in outcomes:
            if isinstance(outcome, ConfigurationError):
                raise outcome

    async def _try(
        self, declared: DeclaredMapping, row: EventSourceMapping | None
    ) -> EventSourceMapping | ConfigurationError | None:
        """Reconcile a mapping; give the row that is now in a transition, or why it cannot be."""
        try:
            return await self._reconcile(declared, row)
        except ApiError as exc:
            error = ConfigurationError(_refusal(declared, exc))
            error.__cause__ = exc
            return error
        except ConfigurationError as exc:
            return exc

    async def _reconcile(
        self, declared: DeclaredMapping, row: EventSourceMapping | None
    ) -> EventSourceMapping | None:
        """Give the row that is now in a transition; None: none is.

        Raises:
            ApiError: It cannot be as declared.
            ConfigurationError: As above.
        """
        change = None if row is None else _changed_for_good(row, declared.parameters)
        if row is not None and change is not None:
            if not declared.replace:
                raise ConfigurationError(
                    f"mapping {declared.name!r}: {change}; a mapping cannot change it: set replace"
                    " = true to delete it and create it anew, or choose another name"
                )
            await self._remove([row])
            row = None
        if row is None:
            scope = self._scope_of(declared.parameters)
            return await self._operations.create(scope, declared.parameters, name=declared.name)
        request = _update_request(row, declared.parameters)
        tags = _read_tags(row, declared.parameters)
        if _is_different(row, request):
            # Together: an option that goes may make room for the parameter that comes.
            return await self._operations.update(row.scope, row.uuid, request, tags=tags)
        if tags != row.tags:
            await self._tags.replace(row.scope, row.arn, tags)
        return None

    def _scope_of(self, parameters: Mapping[str, object]) -> Scope:
        """Give the scope of a new mapping: its function's region, as everywhere in Lambda."""
        function = parse_function_name(str(parameters.get(_FUNCTION, "")), self._scope)
        return Scope(self._scope.account, function.scope.region)

    async def _remove(self, rows: Sequence[EventSourceMapping]) -> None:
        def remove(store: Store) -> None:
            for row in rows:
                store.delete_mapping(row.uuid)

        if rows:
            await self._store_calls.run(remove)

    def _now_ms(self) -> int:
        return self._clock.now().wall_ms


def _settle_what_was_left(store: Store, *, now_ms: int) -> list[EventSourceMapping]:
    """Settle what a stop or a crash left in a transition; give all rows as they are then."""
    settle_rows(store, rows=store.list_mappings(), now_ms=now_ms)
    return store.list_mappings()


def _refusal(mapping: DeclaredMapping, error: ApiError) -> str:
    """Say what is wrong with a mapping; of a filter also why, which AWS's text leaves out."""
    cause = error.__cause__
    reason = f" ({cause})" if isinstance(cause, FilterPatternError) else ""
    return f"mapping {mapping.name!r}: {error}{reason}"


def _is_moved(declared: DeclaredMapping, row: EventSourceMapping | None) -> bool:
    """Tell whether a mapping that is there is to have another source, start or function."""
    if row is None:
        return False
    if _changed_for_good(row, declared.parameters) is not None:
        return True
    name = declared.parameters.get(_FUNCTION)
    return name is not None and parse_function_name(str(name), row.scope).arn != row.function_arn


def _changed_for_good(row: EventSourceMapping, parameters: Mapping[str, object]) -> str | None:
    """Say which member of those that no update changes is another now; None: all are as before."""
    source_arn = parameters.get(_SOURCE)
    if row.event_source_arn != source_arn:
        return f"{_SOURCE} was {row.event_source_arn} and is now {source_arn}"
    if row.stream_kind is None:
        return None
    position, timestamp = (parameters.get(name) for name in _STARTS)
    if position != row.starting_position:
        return f"{_STARTS[0]} was {row.starting_position} and is now {position}"
    timestamp_ms = (
        read_timestamp_ms(timestamp) if isinstance(timestamp, int | float | str) else None
    )
    if timestamp_ms != row.starting_timestamp_ms:
        shown = to_wire(row).get(_STARTS[1])
        return f"{_STARTS[1]} was {shown} and is now {timestamp}"
    return None


def _read_tags(row: EventSourceMapping, parameters: Mapping[str, object]) -> dict[str, str]:
    """Give the tags that the file has; a Create checks them itself.

    Raises:
        ApiError: They break the model.
    """
    tags = parameters.get("Tags", {})
    check_parameters("TagResource", {"Resource": row.arn, "Tags": tags})
    return msgspec.convert(tags, dict[str, str])


def _cleared(row: EventSourceMapping) -> dict[str, object]:
    return _CLEARED_OF_QUEUES if row.stream_kind is None else _CLEARED_OF_STREAMS


def _update_request(row: EventSourceMapping, parameters: Mapping[str, object]) -> dict[str, object]:
    # A queue's are left in, for Update to refuse them.
    given_once = _NOT_UPDATED if row.stream_kind is None else (*_NOT_UPDATED, *_STARTS)
    changeable = {name: value for name, value in parameters.items() if name not in given_once}
    return _cleared(row) | changeable


def _is_different(row: EventSourceMapping, request: Mapping[str, object]) -> bool:
    """Tell whether an update would change the row, or must be refused."""
    shown = _cleared(row) | to_wire(row)
    shown |= {"Enabled": row.enabled, _FUNCTION: row.function_arn}
    asked = dict(request)
    if isinstance(pollers := asked.get(_POLLERS), dict) and pollers:
        asked[_POLLERS] = pollers_to_wire(ProvisionedPollers()) | pollers
    if asked.get(_FILTERS) in ({"Filters": []}, {"Filters": None}):
        asked[_FILTERS] = {}
    if _FUNCTION in asked:
        asked[_FUNCTION] = parse_function_name(str(asked[_FUNCTION]), row.scope).arn
    return any(shown.get(name) != value for name, value in asked.items())
