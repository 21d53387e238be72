"""What a queue mapping that runs lets its operator see."""

from engine_fakes import Engine, a_row, run
from test_queue_work import a_message

from penstock.model.errors import SourceUnavailableError
from penstock.model.mapping_status import MappingStatus, QueueLoad


async def settled(engine: Engine, count: int) -> MappingStatus:
    """Wait until so many messages are done; give the status then."""
    await engine.until(lambda: engine.metrics.status_of("u1").done_count == count)
    return engine.metrics.status_of("u1")


def test_queue_mapping_counts_what_it_did_and_what_it_cost() -> None:
    async def scenario() -> tuple[MappingStatus, bytes]:
        async with Engine(a_row(name="orders")) as engine:
            engine.queue.put(a_message("m1"), a_message("m2"))
            status = await settled(engine, 2)
            return status, b"".join(engine.metrics.render())

    status, rendered = run(scenario())
    assert status.requests["GetQueueUrl"] == 1
    assert status.requests["DeleteMessageBatch"] in {1, 2}
    assert status.receives_last_hour == status.requests["ReceiveMessage"]
    assert b'penstock_polled_events_total{mapping="u1"} 2.0' in rendered
    assert b'penstock_deleted_events_total{mapping="u1"} 2.0' in rendered
    assert b'function="charge",mapping="u1",name="orders"' in rendered


def test_queue_mapping_tells_its_load_while_it_runs() -> None:
    async def scenario() -> list[QueueLoad | None]:
        async with Engine(a_row()) as engine:
            engine.functions.is_held = True
            engine.queue.put(a_message("m1"))
            await engine.until(lambda: len(engine.functions.payloads) == 1)
            running = engine.metrics.status_of("u1").load
            engine.functions.release.set()
            await settled(engine, 1)
        return [running, engine.metrics.status_of("u1").load]

    assert run(scenario()) == [QueueLoad(1, 0, 5), None]


def test_queue_mapping_tells_its_last_trouble() -> None:
    async def scenario() -> MappingStatus:
        async with Engine(a_row()) as engine:
            engine.queue.failure = SourceUnavailableError("refused")
            await engine.until(lambda: engine.metrics.status_of("u1").trouble is not None)
            engine.queue.failure = None
            return engine.metrics.status_of("u1")

    trouble = run(scenario()).trouble
    assert trouble is not None
    assert trouble.text == "queue not readable: refused"
    assert trouble.noted_ms > 0


def test_engine_that_runs_knows_since_when() -> None:
    async def scenario() -> int:
        async with Engine() as engine:
            return engine.metrics.started_ms

    assert run(scenario()) > 0
