"""The operations on mappings, for HTTP handlers and for callers in this process."""

from collections.abc import Mapping, Sequence

import msgspec

from penstock.api.context import MappingContext
from penstock.api.errors import (
    RESOURCE_CONFLICT,
    RESOURCE_IN_USE,
    RESOURCE_NOT_FOUND,
    SERVICE,
    ApiError,
    invalid_parameter,
)
from penstock.api.event_source import EventSource, check_source
from penstock.api.filter_rules import check_filters
from penstock.api.marker import make_marker, read_marker
from penstock.api.probe import probe_source
from penstock.api.processing_results import read_processing_results
from penstock.api.queue_rules import check_options, check_queue_mapping, check_queue_request
from penstock.api.shapes import check_parameters
from penstock.api.stream_rules import (
    check_combination,
    check_starting_position,
    check_stream_request,
)
from penstock.api.tags import check_tags
from penstock.api.validation import check_is_implemented, check_metrics
from penstock.api.wire import MappingRequest, apply_request, to_wire
from penstock.core.lifecycle import (
    Request,
    state_when_created,
    state_when_requested,
    update_request,
)
from penstock.model.arn import FunctionReference, Scope, parse_function_name
from penstock.model.errors import (
    ConfigurationError,
    InvokeUnavailableError,
    StoreConflictError,
)
from penstock.model.function import Function
from penstock.model.mapping import USER_ACTION, EventSourceMapping, MappingQuery
from penstock.model.position import NO_RECORDS_PROCESSED

STREAM_BATCH_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 100  # AWS accepts MaxItems up to 10,000 and never gives more than this


class MappingPage(msgspec.Struct, frozen=True):
    """A part of a list; ``next_marker`` None: the last one."""

    mappings: Sequence[EventSourceMapping]
    next_marker: str | None = None


class MappingOperations:
    """Create, Get, List, Update and Delete of mappings; ``TagOperations`` has their tags.

    A request is a dict with the API's own member names; every operation holds it against AWS's
    model and rules. When an operation returns, its effect is durable.

    All raise ``ApiError``, and ``StoreError`` when the store fails.
    """

    def __init__(self, context: MappingContext) -> None:
        self._context = context

    async def create(
        self, scope: Scope, request: Mapping[str, object], *, name: str | None = None
    ) -> EventSourceMapping:
        """Create a mapping.

        The order of the checks is AWS's as far as it was observed: the model's constraints, the
        source, its parameters, destinations, the starting position, the batch, the filters, the
        function, a duplicate, and last the queue or stream itself.

        Args:
            scope: Owns the mapping; the source must be of its region.
            request: CreateEventSourceMapping's members.
            name: The mapping's identity in a project file.
        """
        check_parameters("CreateEventSourceMapping", request)
        source = check_source(request, scope)
        check_is_implemented(request, source.kind)
        asked = msgspec.convert(request, MappingRequest)
        mapping = self._draft(scope, source, asked, name)
        self._check_rules(mapping, asked, is_new=True)
        reference, function = await self._find_function(asked.function_name or "", scope)
        mapping = msgspec.structs.replace(mapping, function_arn=reference.arn)
        await self._refuse_duplicate(mapping)
        await probe_source(self._context.sources, mapping, function)
        await self._insert(mapping)
        self._context.mappings.mapping_changed(mapping)
        return mapping

    async def get(self, scope: Scope, uuid: str) -> EventSourceMapping:
        """Read one mapping."""
        check_parameters("GetEventSourceMapping", {"UUID": uuid})
        return await self._read(scope, uuid)

    async def list_page(self, scope: Scope, request: Mapping[str, object]) -> MappingPage:
        """Read mappings in the order of their uuid, a page at a time.

        Args:
            scope: Owns the mappings.
            request: ListEventSourceMappings' members. EventSourceArn matches exactly; FunctionName
                takes any form of a name and matches with its qualifier, as in FunctionArn; both
                together must both match.
        """
        check_parameters("ListEventSourceMappings", request)
        asked = msgspec.convert(request, _ListRequest)
        after, name = read_marker(asked.marker), asked.function_name
        size = min(asked.max_items, PAGE_SIZE_MAX)
        query = MappingQuery(
            scope,
            limit=size + 1,
            after=after,
            event_source_arn=asked.event_source_arn,
            function_arn=None if name is None else _read_function_name(name, scope).arn,
        )
        mappings = await self._context.store_calls.run(lambda store: store.read_page(query))
        page = mappings[:size]
        return MappingPage(page, make_marker(page[-1].uuid) if len(mappings) > size else None)

    async def update(
        self,
        scope: Scope,
        uuid: str,
        request: Mapping[str, object],
        *,
        tags: Mapping[str, str] | None = None,
    ) -> EventSourceMapping:
        """Change a mapping: members that are not given stay, empty values clear.

        A stream is looked at when the function changes or polling begins; a queue by every update
        but one that disables, so that a mapping whose source is gone can still be disabled.

        Args:
            scope: Owns the mapping.
            uuid: The mapping's.
            request: UpdateEventSourceMapping's members, without the UUID.
            tags: All that it shall have, changed in the same step; None: they stay. For callers in
                this process: Lambda's API changes tags by calls of their own.
        """
        check_parameters("UpdateEventSourceMapping", {**request, "UUID": uuid})
        mapping = await self._read(scope, uuid)
        asked = msgspec.convert(request, MappingRequest)
        changed = apply_request(mapping, asked)
        if tags is not None:
            changed = msgspec.structs.replace(changed, tags=dict(tags))
        state = state_when_requested(
            mapping.state, update_request(was_enabled=mapping.enabled, enabled=changed.enabled)
        )
        if state is None:
            raise _in_use("update")
        check_is_implemented(request, mapping.stream_kind)
        self._check_rules(changed, asked, is_new=False)
        changed = await self._change_function(changed, asked)
        changed = msgspec.structs.replace(changed, state=state, last_modified_ms=self._now_ms())
        try:
            changed = await self._replace(changed)
        except StoreConflictError as exc:
            await self._refuse_duplicate(changed)
            raise _in_use("update") from exc
        self._context.mappings.mapping_changed(changed)
        return changed

    async def delete(self, scope: Scope, uuid: str) -> EventSourceMapping:
        """Begin to delete a mapping; it can be read until what runs for it has ended."""
        check_parameters("DeleteEventSourceMapping", {"UUID": uuid})
        mapping = await self._read(scope, uuid)
        state = state_when_requested(mapping.state, Request.DELETE)
        if state is None:
            raise _in_use("delete")
        try:
            deleting = await self._replace(
                msgspec.structs.replace(mapping, state=state, last_modified_ms=self._now_ms())
            )
        except StoreConflictError as exc:
            raise _in_use("delete") from exc
        self._context.mappings.mapping_changed(deleting)
        return deleting

    async def show(self, mappings: Sequence[EventSourceMapping]) -> list[dict[str, object]]:
        """Give mappings as the API shows them, with what was last heard of each stream."""
        results = await read_processing_results(self._context, mappings)
        return [
            to_wire(mapping, processing_result=results.get(mapping.uuid, NO_RECORDS_PROCESSED))
            for mapping in mappings
        ]

    def _draft(
        self, scope: Scope, source: EventSource, asked: MappingRequest, name: str | None
    ) -> EventSourceMapping:
        """Make the row of a new mapping, but for its function."""
        mapping = EventSourceMapping(
            uuid=self._context.draw_uuid(),
            scope=scope,
            name=name,
            event_source_arn=source.arn,
            function_arn="",
            state=state_when_created(enabled=asked.enabled is not False),
            last_modified_ms=self._now_ms(),
            tags=asked.tags or {},
        )
        if source.kind is not None:
            mapping = msgspec.structs.replace(
                mapping,
                stream_kind=source.kind,
                batch_size=STREAM_BATCH_SIZE_DEFAULT,
                state_transition_reason=USER_ACTION,
            )
        return apply_request(mapping, asked)

    def _check_rules(
        self, mapping: EventSourceMapping, asked: MappingRequest, *, is_new: bool
    ) -> None:
        """Hold a merged mapping, and what was asked for, against the rules of its source."""
        if mapping.stream_kind is None:
            check_queue_request(asked, is_new=is_new)
            check_queue_mapping(mapping)
        else:
            check_stream_request(asked)
            if is_new:
                check_starting_position(mapping, now_ms=self._now_ms())
            check_combination(mapping)
        check_filters(mapping, asked, filters_max=self._context.settings.filters_max)
        check_metrics(asked, mapping.stream_kind)
        check_tags(mapping)
        if mapping.stream_kind is None:
            check_options(mapping)

    async def _read(self, scope: Scope, uuid: str) -> EventSourceMapping:
        mapping = await self._context.store_calls.run(lambda store: store.get_mapping(scope, uuid))
        if mapping is None:
            raise ApiError(RESOURCE_NOT_FOUND, "The resource you requested does not exist.")
        return mapping

    async def _insert(self, mapping: EventSourceMapping) -> None:
        try:
            await self._context.write(lambda store: store.insert_mapping(mapping))
        except StoreConflictError as exc:
            await self._refuse_duplicate(mapping)
            raise ApiError(
                RESOURCE_CONFLICT, f"There is already a mapping with the name {mapping.name!r}."
            ) from exc

    async def _replace(self, mapping: EventSourceMapping) -> EventSourceMapping:
        return await self._context.write(lambda store: store.replace_mapping(mapping))

    async def _find_function(self, name: str, scope: Scope) -> tuple[FunctionReference, Function]:
        reference = _read_function_name(name, scope)
        # A mapping's function must be of the mapping's own region, and is run by its account.
        function = await self._look_up(reference.arn) if reference.scope == scope else None
        if function is None:
            raise invalid_parameter("Function does not exist")
        return reference, function

    async def _look_up(self, function_arn: str) -> Function | None:
        """Find a function here, or ask whoever keeps it."""
        if self._context.look_up is None:
            return self._context.functions.find(function_arn)
        try:
            return await self._context.look_up.refresh(function_arn)
        except InvokeUnavailableError as exc:
            raise ApiError(SERVICE, str(exc)) from exc
        except ConfigurationError as exc:
            raise invalid_parameter(str(exc)) from exc

    async def _change_function(
        self, mapping: EventSourceMapping, asked: MappingRequest
    ) -> EventSourceMapping:
        """Merge the function that an update names; look at the source where that is called for."""
        name = asked.function_name or mapping.function_arn
        if name == mapping.function_arn and not asked.enabled:
            if mapping.stream_kind is None and asked.enabled is None:
                known = self._context.functions.find(name)
                await probe_source(self._context.sources, mapping, known)
            return mapping
        reference, function = await self._find_function(name, mapping.scope)
        changed = msgspec.structs.replace(mapping, function_arn=reference.arn)
        await self._refuse_duplicate(changed)
        await probe_source(self._context.sources, changed, function)
        return changed

    async def _refuse_duplicate(self, mapping: EventSourceMapping) -> None:
        """Refuse a second mapping of a source to a function; ``mapping`` itself may be there."""
        known = await self._context.store_calls.run(
            lambda store: store.list_mappings(
                mapping.scope, event_source_arn=mapping.event_source_arn
            )
        )
        for other in known:
            if other.function_arn == mapping.function_arn and other.uuid != mapping.uuid:
                raise _duplicate(other)

    def _now_ms(self) -> int:
        return self._context.clock.now().wall_ms


class _ListRequest(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    event_source_arn: str | None = None
    function_name: str | None = None
    marker: str | None = None
    max_items: int = PAGE_SIZE_MAX


def _in_use(verb: str) -> ApiError:
    return ApiError(
        RESOURCE_IN_USE, f"Cannot {verb} the event source mapping because it is in use."
    )


def _duplicate(mapping: EventSourceMapping) -> ApiError:
    """Name the mapping that is there, in the words of its kind of source."""
    source_arn = mapping.event_source_arn
    name = parse_function_name(mapping.function_arn, mapping.scope).name
    if mapping.stream_kind is None:
        what = f'An event source mapping with SQS arn (" {source_arn} ") and function (" {name} ")'
    else:
        what = f'The event source arn (" {source_arn} ") and function (" {name} ") provided mapping'
    return ApiError(
        RESOURCE_CONFLICT,
        f"{what} already exists. Please update or delete the existing mapping with UUID "
        f"{mapping.uuid}",
    )


def _read_function_name(name: str, scope: Scope) -> FunctionReference:
    try:
        return parse_function_name(name, scope)
    except ConfigurationError as exc:
        raise invalid_parameter(str(exc)) from exc
