"""The operations on mappings and their tags, for HTTP handlers and for callers in this process."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import (
    RESOURCE_CONFLICT,
    RESOURCE_IN_USE,
    RESOURCE_NOT_FOUND,
    SERVICE,
    ApiError,
    invalid_parameter,
)
from penstock.api.shapes import check_parameters
from penstock.api.tags import check_tags
from penstock.api.validation import (
    check_batch_size,
    check_is_implemented,
    check_source,
    check_visibility,
    probe_error,
)
from penstock.api.wire import MappingRequest, apply_request
from penstock.core.lifecycle import (
    Request,
    state_when_created,
    state_when_requested,
    update_request,
)
from penstock.model.arn import FunctionReference, Scope, parse_function_name
from penstock.model.errors import ConfigurationError, SourceError, StoreConflictError
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping
from penstock.ports import Store

PAGE_SIZE_MAX = 100  # AWS accepts MaxItems up to 10,000 and never gives more than this
_MARKER = re.compile(rb"after:(?P<uuid>[0-9a-fA-F-]{1,36})")


class MappingPage(msgspec.Struct, frozen=True):
    """A part of a list; ``next_marker`` None: the last one."""

    mappings: Sequence[EventSourceMapping]
    next_marker: str | None = None


class MappingOperations:
    """Create, Get, List, Update and Delete of mappings, and their tags.

    A request is a dict with the API's own member names; every operation holds it against AWS's
    model and rules. When an operation returns, its effect is durable.

    All raise ``ApiError``, and ``StoreError`` when the store fails.
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def create(
        self, scope: Scope, request: Mapping[str, object], *, name: str | None = None
    ) -> EventSourceMapping:
        """Create a mapping.

        The order of the checks is AWS's as far as it was observed: the model's constraints, the
        source, its parameters, the batch, the function, a duplicate, and last the queue itself.

        Args:
            scope: Owns the mapping; the queue must be of its region.
            request: CreateEventSourceMapping's members.
            name: The mapping's identity in a project file.
        """
        check_parameters("CreateEventSourceMapping", request)
        source_arn = check_source(request, scope)
        check_is_implemented(request)
        asked = msgspec.convert(request, MappingRequest)
        check_batch_size(asked.batch_size)
        check_tags(asked.tags or {})
        reference, function = self._find_function(asked.function_name or "", scope)
        await self._refuse_duplicate(scope, source_arn, reference.arn)
        await self._probe(source_arn, function)
        enabled = asked.enabled is not False
        mapping = EventSourceMapping(
            uuid=self._context.draw_uuid(),
            scope=scope,
            name=name,
            event_source_arn=source_arn,
            function_arn=reference.arn,
            state=state_when_created(enabled=enabled),
            last_modified_ms=self._now_ms(),
            tags=asked.tags or {},
        )
        mapping = apply_request(mapping, asked)
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
        after = _read_marker(asked.marker)
        mappings = await self._context.store_calls.run(
            lambda store: store.list_mappings(scope, event_source_arn=asked.event_source_arn)
        )
        if asked.function_name is not None:
            arn = _read_function_name(asked.function_name, scope).arn
            mappings = [mapping for mapping in mappings if mapping.function_arn == arn]
        remaining = [mapping for mapping in mappings if mapping.uuid > after]
        size = min(asked.max_items, PAGE_SIZE_MAX)
        page = remaining[:size]
        return MappingPage(page, _to_marker(page[-1]) if len(remaining) > size else None)

    async def update(
        self, scope: Scope, uuid: str, request: Mapping[str, object]
    ) -> EventSourceMapping:
        """Change a mapping: members that are not given stay, empty values clear.

        The queue is looked at only when the function changes or polling begins: a mapping whose
        queue is gone can still be disabled.

        Args:
            scope: Owns the mapping.
            uuid: The mapping's.
            request: UpdateEventSourceMapping's members, without the UUID.
        """
        check_parameters("UpdateEventSourceMapping", {**request, "UUID": uuid})
        mapping = await self._read(scope, uuid)
        asked = msgspec.convert(request, MappingRequest)
        changed = apply_request(mapping, asked)
        state = state_when_requested(
            mapping.state, update_request(was_enabled=mapping.enabled, enabled=changed.enabled)
        )
        if state is None:
            raise _in_use("update")
        check_is_implemented(request)
        check_batch_size(asked.batch_size)
        changed = await self._change_function(changed, asked)
        changed = msgspec.structs.replace(changed, state=state, last_modified_ms=self._now_ms())
        try:
            changed = await self._replace(changed)
        except StoreConflictError as exc:
            await self._refuse_duplicate(
                scope, changed.event_source_arn, changed.function_arn, uuid
            )
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

    async def list_tags(self, scope: Scope, resource: str) -> dict[str, str]:
        """Read a mapping's tags by its ARN."""
        check_parameters("ListTags", {"Resource": resource})
        uuid = _mapping_uuid(resource)
        read = partial(_read_tagged, scope=scope, uuid=uuid, resource=resource)
        return (await self._context.store_calls.run(read)).tags

    async def tag(self, scope: Scope, resource: str, request: Mapping[str, object]) -> None:
        """Add tags to a mapping; a key that is there gets the new value."""
        check_parameters("TagResource", {**request, "Resource": resource})
        added = msgspec.convert(request["Tags"], dict[str, str])
        if not added:
            raise invalid_parameter("An error occurred and the request cannot be processed.")
        await self._change_tags(scope, resource, added=added)

    async def untag(self, scope: Scope, resource: str, keys: Sequence[str] | None) -> None:
        """Remove tags from a mapping; keys that are not there are passed over."""
        check_parameters("UntagResource", {"Resource": resource, "TagKeys": keys})
        await self._change_tags(scope, resource, removed=keys or ())

    async def _change_tags(
        self,
        scope: Scope,
        resource: str,
        *,
        added: Mapping[str, str] | None = None,
        removed: Sequence[str] = (),
    ) -> None:
        uuid = _mapping_uuid(resource)

        def change(store: Store) -> None:
            mapping = _read_tagged(store, scope=scope, uuid=uuid, resource=resource)
            kept = {key: value for key, value in mapping.tags.items() if key not in removed}
            tags = kept | dict(added or {})
            check_tags(tags)
            store.replace_mapping(msgspec.structs.replace(mapping, tags=tags))

        await self._context.store_calls.run(change)

    async def _read(self, scope: Scope, uuid: str) -> EventSourceMapping:
        mapping = await self._context.store_calls.run(lambda store: store.get_mapping(scope, uuid))
        if mapping is None:
            raise ApiError(RESOURCE_NOT_FOUND, "The resource you requested does not exist.")
        return mapping

    async def _insert(self, mapping: EventSourceMapping) -> None:
        try:
            await self._context.store_calls.run(lambda store: store.insert_mapping(mapping))
        except StoreConflictError as exc:
            await self._refuse_duplicate(
                mapping.scope, mapping.event_source_arn, mapping.function_arn
            )
            raise ApiError(
                RESOURCE_CONFLICT, f"There is already a mapping with the name {mapping.name!r}."
            ) from exc

    async def _replace(self, mapping: EventSourceMapping) -> EventSourceMapping:
        return await self._context.store_calls.run(lambda store: store.replace_mapping(mapping))

    def _find_function(self, name: str, scope: Scope) -> tuple[FunctionReference, Function]:
        reference = _read_function_name(name, scope)
        # A mapping's function must be of the mapping's own region, and is run by its account.
        function = self._context.functions.find(reference.arn) if reference.scope == scope else None
        if function is None:
            raise invalid_parameter("Function does not exist")
        return reference, function

    async def _change_function(
        self, mapping: EventSourceMapping, asked: MappingRequest
    ) -> EventSourceMapping:
        """Merge the function that an update names; look at the queue where that is called for."""
        name = asked.function_name or mapping.function_arn
        if name == mapping.function_arn and not asked.enabled:
            return mapping
        reference, function = self._find_function(name, mapping.scope)
        changed = msgspec.structs.replace(mapping, function_arn=reference.arn)
        source_arn = changed.event_source_arn
        await self._refuse_duplicate(mapping.scope, source_arn, reference.arn, mapping.uuid)
        await self._probe(source_arn, function)
        return changed

    async def _refuse_duplicate(
        self, scope: Scope, source_arn: str, function_arn: str, uuid: str | None = None
    ) -> None:
        """Refuse a second mapping of a queue to a function; ``uuid`` is the one that may be."""
        mappings = await self._context.store_calls.run(
            lambda store: store.list_mappings(scope, event_source_arn=source_arn)
        )
        for mapping in mappings:
            if mapping.function_arn == function_arn and mapping.uuid != uuid:
                name = parse_function_name(function_arn, scope).name
                raise ApiError(
                    RESOURCE_CONFLICT,
                    f'An event source mapping with SQS arn (" {source_arn} ") and function '
                    f'(" {name} ") already exists. Please update or delete the existing mapping '
                    f"with UUID {mapping.uuid}",
                )

    async def _probe(self, source_arn: str, function: Function) -> None:
        """Look at the queue, as AWS does before it answers."""
        try:
            queue = await self._context.sources.open_queue(source_arn)
            attributes = await queue.describe()
        except (SourceError, ConfigurationError) as exc:
            refused = probe_error(exc)
            if refused is None:
                refused = ApiError(SERVICE, f"The queue {source_arn} could not be read: {exc}")
            raise refused from exc
        check_visibility(attributes, function)

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


def _read_function_name(name: str, scope: Scope) -> FunctionReference:
    try:
        return parse_function_name(name, scope)
    except ConfigurationError as exc:
        raise invalid_parameter(str(exc)) from exc


def _to_marker(last: EventSourceMapping) -> str:
    return base64.urlsafe_b64encode(f"after:{last.uuid}".encode()).decode()


def _read_marker(marker: str | None) -> str:
    """Give the uuid after which the page begins; a marker is opaque to callers."""
    if not marker:
        return ""
    try:
        match = _MARKER.fullmatch(base64.urlsafe_b64decode(marker))
    except (binascii.Error, ValueError):
        match = None
    if match is None:
        raise invalid_parameter("Invalid Marker: give the NextMarker of an earlier answer.")
    return match["uuid"].decode()


def _mapping_uuid(resource: str) -> str:
    kind, _, identity = resource.split(":", 5)[5].partition(":")
    if kind != "event-source-mapping":
        raise invalid_parameter(
            "This version of Penstock implements tags on event source mappings only; "
            f"{resource} is none."
        )
    return identity


def _read_tagged(store: Store, *, scope: Scope, uuid: str, resource: str) -> EventSourceMapping:
    mapping = store.get_mapping(scope, uuid)
    if mapping is None or mapping.arn != resource:
        raise ApiError(RESOURCE_NOT_FOUND, f"Event source mapping not found: {resource}")
    return mapping
