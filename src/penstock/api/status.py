"""HTTP handler of the status: what every mapping does, what it costs, where it has trouble."""

from aiohttp import web

from penstock.api.answers import check_query, json_answer
from penstock.api.context import ApiContext
from penstock.api.processing_results import read_processing_results
from penstock.model.mapping import EventSourceMapping
from penstock.model.mapping_status import MappingStatus, Trouble


class StatusHandlers:
    """Shows all mappings, of every region, running or not."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def show(self, request: web.Request) -> web.Response:
        """Give one row per mapping, by name."""
        check_query(request.query)
        mappings = await self._context.store_calls.run(lambda store: store.list_mappings())
        mappings.sort(key=lambda mapping: (mapping.name or "", mapping.uuid))
        results = await read_processing_results(self._context, mappings)
        rows = [self._to_wire(mapping, results.get(mapping.uuid)) for mapping in mappings]
        return json_answer(
            {
                "started_ms": self._context.metrics.started_ms,
                "now_ms": self._context.clock.now().wall_ms,
                "mappings": rows,
            }
        )

    def _to_wire(
        self, mapping: EventSourceMapping, processing_result: str | None
    ) -> dict[str, object]:
        status = self._context.metrics.status_of(mapping.uuid)
        is_queue = mapping.stream_kind is None
        ages_ms = self._context.mappings.iterator_ages_ms(mapping.uuid)
        return {
            "mapping": mapping.uuid,
            "name": mapping.name,
            "kind": "queue" if is_queue else "stream",
            "source_arn": mapping.event_source_arn,
            "function_arn": mapping.function_arn,
            "state": mapping.state,
            "filtered_out_count": status.filtered_out_count,
            **(_queue_to_wire(status) if is_queue else {}),
            **({} if is_queue else _stream_to_wire(ages_ms, processing_result)),
            "trouble": self._trouble_to_wire(status.trouble),
        }

    def _trouble_to_wire(self, trouble: Trouble | None) -> dict[str, object] | None:
        if trouble is None:
            return None
        ago_ms = max(0, self._context.clock.now().wall_ms - trouble.noted_ms)
        return {"text": trouble.text, "noted_ms": trouble.noted_ms, "ago_ms": ago_ms}


def _queue_to_wire(status: MappingStatus) -> dict[str, object]:
    """Give a queue mapping's part; what it has in hand is null while it does not run."""
    load, request_count = status.load, sum(status.requests.values())
    done_count = status.done_count
    return {
        "in_flight_count": None if load is None else load.in_flight_count,
        "concurrency_limit": None if load is None else load.concurrency_limit,
        "waiting_count": None if load is None else load.waiting_count,
        "done_count": done_count,
        "requests": status.requests,
        "requests_per_message": round(request_count / done_count, 3) if done_count else None,
        "receives_last_hour": status.receives_last_hour,
    }


def _stream_to_wire(ages_ms: dict[str, int], processing_result: str | None) -> dict[str, object]:
    """Give a stream mapping's part; the age is that of the shard that is furthest behind."""
    return {
        "iterator_age_ms": max(ages_ms.values(), default=None),
        "last_processing_result": processing_result,
    }
