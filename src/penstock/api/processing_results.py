"""LastProcessingResult of stream mappings, wherever it is known."""

from collections.abc import Iterable

from penstock.api.context import MappingContext
from penstock.model.mapping import EventSourceMapping
from penstock.model.position import NO_RECORDS_PROCESSED
from penstock.ports import Store


async def read_processing_results(
    context: MappingContext, mappings: Iterable[EventSourceMapping]
) -> dict[str, str]:
    """Ask the engine about the streams that run here, and the store about the others.

    The engine is asked here and not where the store is read: that is another thread.

    Returns:
        The results of the stream mappings among them, by uuid.
    """
    uuids = [mapping.uuid for mapping in mappings if mapping.stream_kind is not None]
    heard = {uuid: context.mappings.processing_result(uuid) for uuid in uuids}
    results = {uuid: result for uuid, result in heard.items() if result is not None}
    unheard = [uuid for uuid in uuids if uuid not in results]

    def read(store: Store) -> dict[str, str]:
        places = {uuid: store.read_place(uuid) for uuid in unheard}
        return {
            uuid: NO_RECORDS_PROCESSED if place is None else place.processing_result
            for uuid, place in places.items()
        }

    return results | await context.store_calls.run(read) if unheard else results
