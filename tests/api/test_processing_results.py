"""LastProcessingResult of streams: the engine's, or the store's of what does not run here."""

import asyncio
from pathlib import Path

from api_fakes import FUNCTION_ARN, SCOPE, STREAM_ARN, World

from penstock.api.processing_results import read_processing_results
from penstock.model.mapping import EventSourceMapping
from penstock.model.stream import StreamKind
from penstock.store.sql import SqlStore
from penstock.store.thread import StoreThread


def a_mapping(uuid: str, stream_kind: StreamKind | None) -> EventSourceMapping:
    return EventSourceMapping(
        uuid=uuid,
        scope=SCOPE,
        event_source_arn=STREAM_ARN,
        function_arn=FUNCTION_ARN,
        stream_kind=stream_kind,
    )


def test_engine_is_asked_on_the_loop_and_the_store_on_its_own_thread(tmp_path: Path) -> None:
    world = World.with_defaults()
    world.engine.processing_results["runs"] = "OK"
    mappings = [
        a_mapping("runs", StreamKind.KINESIS),
        a_mapping("never-ran", StreamKind.KINESIS),
        a_mapping("queue", None),
    ]

    async def read() -> dict[str, str]:
        store = StoreThread(SqlStore(f"sqlite:///{tmp_path / 'store.db'}"))
        results = await read_processing_results(world.context(store), mappings)
        await store.close()
        return results

    assert asyncio.run(read()) == {"runs": "OK", "never-ran": "No records processed"}
