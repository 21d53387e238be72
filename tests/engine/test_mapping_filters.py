"""Mappings with filters on a node: what they deliver, count, change live, and cannot read."""

import msgspec
import pytest
from engine_fakes import Engine, a_row, a_stream_row, run

from penstock.model.mapping import EventSourceMapping, State
from penstock.model.message import Message
from penstock.model.stream import AfterSequenceNumber

ORDERS = '{"body":{"kind":["order"]}}'
FIRST_TWO = '{"n":[{"numeric":["<",3]}]}'
LATER = '{"n":[{"numeric":[">",4]}]}'
UNREADABLE = '{"body":[{"of-a-later-version":1}]}'
BROKE = "mapping broke; it is restarted"


def a_message(message_id: str, kind: str) -> Message:
    body = msgspec.Raw(msgspec.json.encode(f'{{"kind":"{kind}"}}'))
    return Message(message_id, f"handle-{message_id}", body)


def position_of(engine: Engine) -> object:
    checkpoint = engine.store.checkpoint() if "u1" in engine.store.places else None
    return None if checkpoint is None else checkpoint.position


async def until_settled(engine: Engine, number: int) -> None:
    await engine.until(lambda: position_of(engine) == AfterSequenceNumber(str(number)))


async def change_filters(engine: Engine, *filters: str) -> None:
    row = engine.row()
    assert row is not None
    engine.write(msgspec.structs.replace(row, filters=filters))
    await engine.turn()


def test_queue_deletes_what_no_filter_lets_through_and_counts_it() -> None:
    async def deliver() -> Engine:
        async with Engine(a_row(state=State.ENABLED, filters=(ORDERS,))) as engine:
            engine.queue.put(a_message("m1", "order"), a_message("m2", "offer"))
            await engine.queue.until(lambda: len(engine.queue.deleted) == 2)
        return engine

    engine = run(deliver())

    (payload,) = engine.functions.payloads
    assert b'"m1"' in payload
    assert b'"m2"' not in payload
    counts = engine.metrics.queue_counts_of("u1")
    assert (counts.polled, counts.filtered_out, counts.invoked) == (2, 1, 1)


def test_queue_filters_that_change_apply_to_a_mapping_that_runs() -> None:
    async def deliver() -> Engine:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            engine.queue.put(a_message("m1", "offer"))
            await engine.queue.until(lambda: engine.queue.deleted == ["m1"])
            await change_filters(engine, ORDERS)
            engine.queue.put(a_message("m2", "offer"))
            await engine.queue.until(lambda: engine.queue.deleted == ["m1", "m2"])
        return engine

    assert len(run(deliver()).functions.payloads) == 1


def test_stream_passes_over_what_no_filter_lets_through_and_counts_it() -> None:
    async def deliver() -> Engine:
        async with Engine(a_stream_row(filters=(FIRST_TWO,))) as engine:
            engine.stream.put(1, 2, 3, 4)
            await until_settled(engine, 4)
        return engine

    engine = run(deliver())

    assert engine.functions.payloads == [b'{"Records":[{"n":1},{"n":2}]}']
    counts = engine.metrics.stream_counts_of("u1")
    assert (counts.filtered_out, counts.invoked) == (2, 2)


def test_stream_filters_that_change_keep_the_place() -> None:
    async def deliver() -> Engine:
        async with Engine(a_stream_row(filters=(FIRST_TWO,))) as engine:
            engine.stream.put(1, 2, 3, 4)
            await until_settled(engine, 4)
            await change_filters(engine, LATER)
            engine.stream.put(5, 6)
            await until_settled(engine, 6)
        return engine

    assert run(deliver()).functions.payloads == [
        b'{"Records":[{"n":1},{"n":2}]}',
        b'{"Records":[{"n":5},{"n":6}]}',
    ]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(a_row(state=State.ENABLED, filters=(UNREADABLE,)), id="queue"),
        pytest.param(a_stream_row(state=State.ENABLED, filters=(UNREADABLE,)), id="stream"),
    ],
)
def test_mapping_with_a_filter_that_nobody_can_read_does_not_run_and_says_so(
    row: EventSourceMapping,
) -> None:
    async def start() -> Engine:
        async with Engine(row) as engine:
            await engine.until(lambda: BROKE in engine.log.events)
        return engine

    engine = run(start())

    (reason,) = [fields["reason"] for _, event, fields in engine.log.lines if event == BROKE]
    assert "FilterPatternError" in reason
    assert engine.functions.payloads == []


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(a_row(state=State.ENABLED), id="queue"),
        pytest.param(a_stream_row(state=State.ENABLED), id="stream"),
    ],
)
def test_mapping_that_gets_a_filter_that_nobody_can_read_ends(row: EventSourceMapping) -> None:
    async def change() -> Engine:
        async with Engine(row) as engine:
            await engine.turn()
            await change_filters(engine, UNREADABLE)
            engine.queue.put(a_message("m1", "order"))  # its poll ends
            await engine.until(lambda: BROKE in engine.log.events)
        return engine

    assert run(change()).functions.payloads == []
