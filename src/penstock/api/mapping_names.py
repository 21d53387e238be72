"""How the service's own operations name a mapping: by its uuid, or by its name in a project file.

They are an operator's: a mapping is found in whatever region it is.
"""

import re

from penstock.api.context import ApiContext
from penstock.api.errors import NOT_FOUND, VALIDATION, ApiError
from penstock.model.mapping import EventSourceMapping

_NAMES_SHOWN_MAX = 20
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """Tell whether a text has the form of what mappings and failures are identified by."""
    return _UUID.fullmatch(text) is not None


async def find_mapping(context: ApiContext, named: str) -> EventSourceMapping:
    """Find a mapping by its uuid or its name.

    Raises:
        ApiError: There is none, or several regions have one of that name.
    """
    mappings = await context.store_calls.run(lambda store: store.list_mappings())
    for mapping in mappings:
        if mapping.uuid == named:
            return mapping
    found = [mapping for mapping in mappings if mapping.name == named]
    if not found:
        names = sorted({mapping.name for mapping in mappings if mapping.name is not None})
        known = "No mapping has a name: give a UUID"
        if names:
            known = f"Mappings of this project: {', '.join(names[:_NAMES_SHOWN_MAX])}"
        raise ApiError(NOT_FOUND, f"There is no mapping {named!r}. {known}.")
    if len(found) > 1:
        uuids = ", ".join(mapping.uuid for mapping in found)
        raise ApiError(
            VALIDATION,
            f"Several regions have a mapping {named!r}. Give one of their UUIDs: {uuids}.",
        )
    return found[0]


async def find_stream_mapping(context: ApiContext, named: str) -> EventSourceMapping:
    """Find a mapping that reads a stream.

    Raises:
        ApiError: There is none, or it reads a queue.
    """
    mapping = await find_mapping(context, named)
    if mapping.stream_kind is None:
        raise ApiError(
            VALIDATION,
            f"The mapping {named!r} reads the queue {mapping.event_source_arn}: only a stream "
            "mapping has a position; a queue's failed messages are in its dead-letter queue",
        )
    return mapping


async def find_mapping_uuid(context: ApiContext, named: str) -> str:
    """Give a mapping's uuid; a uuid itself is also one of a mapping that is gone.

    Raises:
        ApiError: It is no uuid, and no mapping has that name.
    """
    if is_uuid(named):
        return named
    return (await find_mapping(context, named)).uuid
