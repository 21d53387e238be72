"""HTTP handlers of the failure journal: list, show, redrive, purge."""

import msgspec
from aiohttp import web

from penstock.api.answers import check_query, json_answer, refused
from penstock.api.bodies import read_json_object
from penstock.api.context import ApiContext
from penstock.api.errors import NOT_FOUND, ApiError
from penstock.api.mapping_names import find_mapping_uuid, is_uuid
from penstock.api.redrive import Redriver
from penstock.model.failure import Failure
from penstock.ports import Store

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1_000


class FailureHandlers:
    """One handler per operation on the failure journal."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._redriver = Redriver(context)

    async def list_page(self, request: web.Request) -> web.Response:
        """Give failures without their events, oldest first."""
        query = request.query
        check_query(query, ("mapping", "after", "limit"))
        limit, after = _read_limit(query.get("limit")), _read_after(query.get("after", ""))
        mapping_uuid = await self._mapping_uuid(query.get("mapping"))
        failures, names, evicted_count = await self._context.store_calls.run(
            lambda store: (
                store.list_failures(mapping_uuid=mapping_uuid, after=after, limit=limit),
                _mapping_names(store),
                store.evicted_failure_count(),
            )
        )
        return json_answer(
            {
                "failures": [_to_wire(each, names.get(each.mapping_uuid)) for each in failures],
                "next_after": failures[-1].id if len(failures) == limit else None,
                "evicted_count": evicted_count,
            }
        )

    async def get(self, request: web.Request) -> web.Response:
        """Give one failure with its event."""
        check_query(request.query)
        failure = await self._read(request)
        names = await self._context.store_calls.run(_mapping_names)
        event = msgspec.Raw(failure.event) if failure.event else None
        shown = _to_wire(failure, names.get(failure.mapping_uuid))
        return json_answer(shown | {"event": event})

    async def redrive(self, request: web.Request) -> web.Response:
        """Invoke the failure's function with its event again; success takes it off the journal."""
        check_query(request.query)
        if await read_json_object(request, "redrive"):
            raise refused("A redrive has no parameters; the function gets the event that is stored")
        failure = await self._read(request)
        refusal = await self._redriver.redrive(failure)
        return json_answer({"id": failure.id, "redriven": refusal is None, "reason": refusal})

    async def delete(self, request: web.Request) -> web.Response:
        """Remove one failure."""
        check_query(request.query)
        failure_id = request.match_info["Failure"]
        count = await self._context.store_calls.run(
            lambda store: store.delete_failures([failure_id])
        )
        if not count:
            raise _missing(failure_id)
        return json_answer({"deleted_count": count})

    async def purge(self, request: web.Request) -> web.Response:
        """Remove a mapping's failures, or all; which of the two must be said."""
        query = request.query
        check_query(query, ("mapping", "all"))
        if len(query) != 1 or query.get("all", "true") != "true":
            raise refused("Say which failures are to be removed: ?mapping=MAPPING or ?all=true")
        mapping_uuid = await self._mapping_uuid(query.get("mapping"))
        count = await self._context.store_calls.run(
            lambda store: store.delete_failures(mapping_uuid=mapping_uuid)
        )
        return json_answer({"deleted_count": count})

    async def _mapping_uuid(self, named: str | None) -> str | None:
        return None if named is None else await find_mapping_uuid(self._context, named)

    async def _read(self, request: web.Request) -> Failure:
        failure_id = request.match_info["Failure"]
        failure = await self._context.store_calls.run(lambda store: store.get_failure(failure_id))
        if failure is None:
            raise _missing(failure_id)
        return failure


def _mapping_names(store: Store) -> dict[str, str | None]:
    return {mapping.uuid: mapping.name for mapping in store.list_mappings()}


def _missing(failure_id: str) -> ApiError:
    return ApiError(
        NOT_FOUND,
        f"There is no failure {failure_id!r}; it may be redriven or purged already, or have left "
        "the full journal",
    )


def _read_limit(text: str | None) -> int:
    """Read the query's limit.

    Raises:
        ApiError: It is no number, or out of range.
    """
    if text is None:
        return PAGE_SIZE_DEFAULT
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= len("1000") else 0
    if not 1 <= limit <= PAGE_SIZE_MAX:
        raise refused(f"The limit {text!r} is not from 1 to {PAGE_SIZE_MAX}")
    return limit


def _read_after(text: str) -> str:
    """Read the query's after; the failure itself may have left the journal since it was listed.

    Raises:
        ApiError: It cannot be a failure's id.
    """
    if text and not is_uuid(text):
        raise refused(
            f"The after {text!r} is no failure's id: that is a UUID, as the list shows it"
        )
    return text


def _to_wire(failure: Failure, mapping_name: str | None) -> dict[str, object]:
    """Give a failure without its event; times are in Unix ms.

    Args:
        failure: Of the journal.
        mapping_name: None: its mapping has none, or is gone.
    """
    return {
        "id": failure.id,
        "mapping": failure.mapping_uuid,
        "mapping_name": mapping_name,
        "kind": failure.kind,
        "stream_arn": failure.stream_arn,
        "function_arn": failure.function_arn,
        "shard": failure.shard_id,
        "condition": failure.condition,
        "invoke_count": failure.invoke_count,
        "start_sequence_number": failure.start_sequence_number,
        "end_sequence_number": failure.end_sequence_number,
        "record_count": failure.record_count,
        "first_arrived_ms": failure.first_arrived_ms,
        "last_arrived_ms": failure.last_arrived_ms,
        "discarded_ms": failure.discarded_ms,
        "request_id": failure.request_id,
        "reason": failure.reason,
        "cause": failure.cause,
    }
