"""The operations on the tags of mappings and of functions.

They are for HTTP handlers and for callers in this process.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from penstock.api.context import ApiContext
from penstock.api.errors import RESOURCE_CONFLICT, RESOURCE_NOT_FOUND, ApiError, invalid_parameter
from penstock.api.functions.finding import FunctionFinder
from penstock.api.functions.names import read_reference
from penstock.api.probe import probe_source
from penstock.api.queue_rules import check_options
from penstock.api.shapes import check_parameters
from penstock.api.tags import check_function_tags, check_tags
from penstock.core.queue_options import read_queue_options
from penstock.model.arn import FunctionReference, Scope
from penstock.model.deployed_function import DeployedFunction
from penstock.model.errors import ConfigurationError, StoreConflictError
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping
from penstock.model.queue_options import QueueOptions
from penstock.ports import Store

# A mapping's row is written when its state settles, soon after it was created or updated.
ATTEMPTS_MAX = 10

_Change = Callable[[dict[str, str]], dict[str, str]]


class TagOperations:
    """ListTags, TagResource and UntagResource of mappings and of deployed functions.

    Options among the tags apply to a mapping that runs as soon as they are written; its state stays
    as it is. A change of options looks at the queue, as a change of parameters does.

    All raise ``ApiError``, and ``StoreError`` when the store fails.
    """

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._functions = FunctionFinder(context)

    async def list_tags(self, scope: Scope, resource: str) -> dict[str, str]:
        """Read a mapping's or a function's tags by its ARN."""
        check_parameters("ListTags", {"Resource": resource})
        if not _is_function_arn(resource):
            return (await self._read(scope, resource)).tags
        function = self._functions.find(_read_function(resource, scope))
        return {} if isinstance(function, Function) else function.tags

    async def tag(self, scope: Scope, resource: str, request: Mapping[str, object]) -> None:
        """Add tags; a key that is there gets the new value."""
        check_parameters("TagResource", {**request, "Resource": resource})
        added = msgspec.convert(request["Tags"], dict[str, str])
        if not added:
            raise invalid_parameter("An error occurred and the request cannot be processed.")
        await self._change(scope, resource, lambda tags: tags | added)

    async def untag(self, scope: Scope, resource: str, keys: Sequence[str] | None) -> None:
        """Remove tags; keys that are not there are passed over."""
        check_parameters("UntagResource", {"Resource": resource, "TagKeys": keys})
        removed = keys or ()
        await self._change(
            scope, resource, lambda tags: {k: v for k, v in tags.items() if k not in removed}
        )

    async def replace(self, scope: Scope, resource: str, tags: dict[str, str]) -> None:
        """Give a mapping these tags and no others, in one step; for callers in this process."""
        await self._change_mapping(scope, resource, lambda _: tags)

    async def _change(self, scope: Scope, resource: str, change: _Change) -> None:
        if _is_function_arn(resource):
            await self._change_function(_read_function(resource, scope), change)
        else:
            await self._change_mapping(scope, resource, change)

    async def _change_function(self, reference: FunctionReference, change: _Change) -> None:
        def with_tags(function: DeployedFunction) -> DeployedFunction:
            tags = change(function.tags)
            check_function_tags(reference.unqualified_arn, tags)
            return msgspec.structs.replace(function, tags=tags)

        await self._functions.change(reference, with_tags, what="be tagged")

    async def _change_mapping(self, scope: Scope, resource: str, change: _Change) -> None:
        for _ in range(ATTEMPTS_MAX):
            mapping = await self._read(scope, resource)
            changed = msgspec.structs.replace(mapping, tags=change(mapping.tags))
            check_tags(changed)
            await self._check_options(mapping, changed)
            try:
                changed = await self._context.store_calls.run(partial(_replace, mapping=changed))
            except StoreConflictError:
                continue  # it was judged by a row that is no more
            self._context.mappings.mapping_changed(changed)
            return
        raise ApiError(
            RESOURCE_CONFLICT, f"{resource} is being changed by others all the time; try again"
        )

    async def _check_options(self, before: EventSourceMapping, changed: EventSourceMapping) -> None:
        if changed.stream_kind is not None:
            return
        if check_options(changed) != _options_of(before):
            function = self._context.functions.find(changed.function_arn)
            await probe_source(self._context.sources, changed, function)

    async def _read(self, scope: Scope, resource: str) -> EventSourceMapping:
        uuid = _mapping_uuid(resource)
        mapping = await self._context.store_calls.run(lambda store: store.get_mapping(scope, uuid))
        if mapping is None or mapping.arn != resource:
            raise ApiError(RESOURCE_NOT_FOUND, f"Event source mapping not found: {resource}")
        return mapping


def _replace(store: Store, *, mapping: EventSourceMapping) -> EventSourceMapping:
    return store.replace_mapping(mapping)


def _options_of(mapping: EventSourceMapping) -> QueueOptions | None:
    """Give what a row asked for; None: it cannot be read, which a change may mend."""
    try:
        return read_queue_options(mapping.tags, is_fifo=mapping.is_fifo)
    except ConfigurationError:
        return None


def _is_function_arn(resource: str) -> bool:
    """Tell whether a resource with tags is a function, or something of one."""
    return resource.split(":", 5)[5].startswith("function:")


def _read_function(resource: str, scope: Scope) -> FunctionReference:
    """Read a function's ARN.

    Raises:
        ApiError: It names a version or an alias, or a function of another region.

    Source: recorded answers of AWS (the text)
    """
    reference = read_reference(resource, scope)
    if reference.qualifier is not None:
        raise invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify a function "
            "ARN."
        )
    return reference


def _mapping_uuid(resource: str) -> str:
    kind, _, identity = resource.split(":", 5)[5].partition(":")
    if kind != "event-source-mapping":
        raise invalid_parameter(
            "This version of Penstock implements tags on functions and event source mappings "
            f"only; {resource} is neither."
        )
    return identity
