"""A stream mapping on a node: from its records to the function, to checkpoints, and to its end."""

import asyncio

import msgspec
import pytest
from engine_fakes import FUNCTION, Engine, FakeFunctions, a_row, a_stream_row, run
from stream_fakes import DESTINATION_ARN, FAST_STREAMS, SHARD_ID

from penstock.core.stream_contract import StreamPolicy
from penstock.engine.stream_consumption import stream_policy_of
from penstock.engine.surroundings import EngineSettings
from penstock.model.errors import SourceNotFoundError, StoreUnavailableError
from penstock.model.function import FunctionResult
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.position import NO_RECORDS_PROCESSED
from penstock.model.stream import (
    AfterSequenceNumber,
    Checkpoint,
    Position,
    Shard,
    ShardEnd,
    StartingPosition,
    StreamKind,
    TrimHorizon,
)

OTHER = "shardId-000000000001"
ROLE = "arn:aws:iam::000000000000:role/charge"


def position_of(engine: Engine, shard_id: str = SHARD_ID) -> Position | None:
    if "u1" not in engine.store.places:
        return None
    checkpoint = engine.store.checkpoint(shard_id)
    return checkpoint.position if checkpoint is not None else None


def state_of(engine: Engine) -> State | None:
    row = engine.row()
    return row.state if row is not None else None


async def until_settled(engine: Engine, number: int, shard_id: str = SHARD_ID) -> None:
    """Wait until everything up to a record is durable."""
    expected = AfterSequenceNumber(str(number))
    await engine.until(lambda: position_of(engine, shard_id) == expected)


def test_stream_record_goes_to_the_function_and_then_into_the_checkpoint() -> None:
    async def deliver() -> Engine:
        async with Engine(a_stream_row()) as engine:
            engine.stream.put(1, 2)
            await until_settled(engine, 2)
        return engine

    engine = run(deliver())

    assert engine.functions.payloads == [b'{"Records":[{"n":1},{"n":2}]}']
    assert engine.metrics.stream_counts_of("u1").invoked == 2


def test_stream_mapping_goes_on_where_it_stopped() -> None:
    async def stop_and_go_on() -> Engine:
        async with Engine(a_stream_row(state=State.ENABLED)) as engine:
            engine.stream.put(1)
            await until_settled(engine, 1)
            engine.write(a_stream_row(state=State.DISABLING, enabled=False))
            await engine.until(lambda: state_of(engine) is State.DISABLED)
            engine.stream.put(2)
            row = engine.row()
            assert row is not None
            engine.write(msgspec.structs.replace(row, state=State.ENABLING, enabled=True))
            await until_settled(engine, 2)
        return engine

    engine = run(stop_and_go_on())

    assert engine.functions.payloads == [b'{"Records":[{"n":1}]}', b'{"Records":[{"n":2}]}']


def test_stream_is_read_as_the_function_s_new_role_after_an_update() -> None:
    async def change_role() -> list[str]:
        async with Engine(a_stream_row(state=State.ENABLED)) as engine:
            engine.stream.put(1)
            await until_settled(engine, 1)
            engine.functions.declare(msgspec.structs.replace(FUNCTION, role=ROLE))
            engine.write(a_stream_row(state=State.UPDATING, batch_size=7))
            await engine.until(lambda: len(engine.sources.identities) > 1)
            engine.stream.put(2)
            await until_settled(engine, 2)
        return engine.sources.identities

    made_up = "arn:aws:iam::000000000000:role/penstock"

    assert run(change_role()) == [made_up, ROLE]


def test_stream_is_read_as_the_function_s_new_role_once_the_function_has_changed() -> None:
    async def change_role() -> list[str]:
        async with Engine(a_stream_row(state=State.ENABLED)) as engine:
            engine.stream.put(1)
            await until_settled(engine, 1)
            engine.functions.declare(msgspec.structs.replace(FUNCTION, role=ROLE))
            engine.supervisor.function_changed(f"{FUNCTION.arn}-other")
            engine.supervisor.function_changed(FUNCTION.arn)
            await engine.until(lambda: len(engine.sources.identities) > 1)
            engine.stream.put(2)
            await until_settled(engine, 2)
        return engine.sources.identities

    assert run(change_role())[1:] == [ROLE]


def test_stream_mapping_is_enabled_only_when_latest_is_pinned() -> None:
    async def create() -> tuple[State | None, list[str], State | None]:
        row = a_stream_row(state=State.CREATING, starting_position=StartingPosition.LATEST)
        engine = Engine(row)
        engine.stream.put(1)
        engine.stream.failure = SourceNotFoundError("not there yet")
        async with engine:
            await engine.until(lambda: "stream not readable" in engine.log.events)
            before = state_of(engine)
            engine.stream.failure = None
            await engine.until(lambda: state_of(engine) is State.ENABLED)
            pinned = list(engine.stream.pinned)
            engine.stream.put(2)
            await until_settled(engine, 2)
            assert engine.functions.payloads == [b'{"Records":[{"n":2}]}']
            return before, pinned, state_of(engine)

    assert run(create()) == (State.CREATING, [SHARD_ID], State.ENABLED)


def test_stream_mapping_disabled_drains_what_is_in_flight() -> None:
    async def disable() -> tuple[State | None, Position | None]:
        async with Engine(a_stream_row(state=State.ENABLED)) as engine:
            engine.functions.is_held = True
            engine.stream.put(1)
            await engine.until(lambda: bool(engine.functions.payloads))
            engine.write(a_stream_row(state=State.DISABLING, enabled=False))
            await engine.turn()
            before = state_of(engine)
            engine.functions.release.set()
            await engine.until(lambda: state_of(engine) is State.DISABLED)
            return before, position_of(engine)

    assert run(disable()) == (State.DISABLING, AfterSequenceNumber("1"))


def test_stream_defect_of_one_shard_leaves_the_other_running() -> None:
    async def break_one() -> Engine:
        async with Engine(a_stream_row(batch_size=1)) as engine:
            engine.stream.add_shard(OTHER)
            engine.functions.answer = RuntimeError("a defect")
            engine.stream.put(1)
            await engine.until(lambda: "shard broke; it is restarted" in engine.log.events)
            engine.functions.answer = FunctionResult(b"null")
            engine.stream.put(7, shard_id=OTHER)
            await until_settled(engine, 7, OTHER)
            assert position_of(engine) != AfterSequenceNumber("1"), "it must wait a while"
            await until_settled(engine, 1)
        return engine

    engine = run(break_one())

    assert "mapping broke; it is restarted" not in engine.log.events


def test_stream_budget_that_a_stuck_function_has_used_up_stops_no_other_mapping() -> None:
    stuck_function = msgspec.structs.replace(FUNCTION, name="stuck")
    rows = (
        a_stream_row(),
        a_stream_row(uuid="u2", function_arn=stuck_function.arn, batch_size=1),
    )

    async def deliver() -> Engine:
        engine = Engine(*rows, streams=msgspec.structs.replace(FAST_STREAMS, held_bytes_max=1))
        engine.functions.declare(stuck_function)
        engine.functions.held_arn = stuck_function.arn
        engine.stream.put(1, 2)
        async with engine:
            await engine.until(lambda: len(engine.functions.payloads) == 2)
            for number in range(3, 10):
                engine.stream.put(number)
                await until_settled(engine, number)
            engine.functions.release.set()
        return engine

    run(deliver())


def test_stream_child_runs_when_its_parent_has_ended() -> None:
    async def split() -> list[bytes]:
        async with Engine(a_stream_row()) as engine:
            engine.stream.put(1)
            engine.stream.add_shard(OTHER, SHARD_ID)
            engine.stream.put(9, shard_id=OTHER)
            await until_settled(engine, 1)
            assert position_of(engine, OTHER) is None
            engine.stream.shards[SHARD_ID] = Shard(SHARD_ID, (), "1")
            await until_settled(engine, 9, OTHER)
            assert position_of(engine) == ShardEnd()
        return engine.functions.payloads

    assert run(split()) == [b'{"Records":[{"n":1}]}', b'{"Records":[{"n":9}]}']


def test_stream_position_changed_is_read_from_anew() -> None:
    async def rewind() -> Engine:
        async with Engine(a_stream_row()) as engine:
            engine.stream.put(1)
            await until_settled(engine, 1)
            engine.store.move("u1", {SHARD_ID: Checkpoint(TrimHorizon())})
            engine.supervisor.position_changed("u1")
            await until_settled(engine, 1)
        return engine

    assert run(rewind()).functions.payloads == [b'{"Records":[{"n":1}]}'] * 2


def test_stream_tenure_lost_takes_the_place_anew() -> None:
    async def lose() -> Engine:
        async with Engine(a_stream_row()) as engine:
            engine.store.is_tenure_over = True
            engine.stream.put(1)
            await engine.until(
                lambda: "shard given up: another owner or position" in engine.log.events
            )
            engine.store.is_tenure_over = False
            await until_settled(engine, 1)
        return engine

    engine = run(lose())

    assert engine.store.places["u1"].tenure.lease_counter > 1


def test_stream_store_that_is_away_holds_up_checkpoints_only() -> None:
    async def lose_store() -> Engine:
        async with Engine(a_stream_row(batch_size=1)) as engine:
            engine.stream.put(1)
            await until_settled(engine, 1)
            engine.store_calls.failure = StoreUnavailableError("locked")
            engine.stream.put(2, 3)
            await engine.until(lambda: len(engine.functions.payloads) == 3)
            await engine.until(lambda: "checkpoint not saved" in engine.log.events)
            engine.store_calls.failure = None
            await until_settled(engine, 3)
        return engine

    assert "checkpoint saved again" in run(lose_store()).log.events


def test_stream_update_applies_from_the_last_checkpoint() -> None:
    async def update() -> list[bytes]:
        async with Engine(a_stream_row(state=State.ENABLED)) as engine:
            engine.stream.put(1)
            await until_settled(engine, 1)
            engine.write(a_stream_row(state=State.UPDATING, batch_size=1))
            await engine.until(lambda: state_of(engine) is State.ENABLED)
            await engine.until(lambda: engine.store.places["u1"].tenure.lease_counter == 2)
            engine.stream.put(2, 3)
            await until_settled(engine, 3)
        return engine.functions.payloads

    events = [b'{"Records":[{"n":%d}]}' % number for number in (1, 2, 3)]
    assert run(update()) == events


def test_stream_discard_goes_to_the_destination() -> None:
    async def discard() -> Engine:
        row = a_stream_row(maximum_retry_attempts=0, destination_arn=DESTINATION_ARN)
        async with Engine(row) as engine:
            engine.functions.answer = FunctionResult(b"{}", "Unhandled")
            engine.stream.put(1)
            await until_settled(engine, 1)
        return engine

    engine = run(discard())

    assert [report.event for report in engine.destination.taken] == [b'{"Records":[{"n":1}]}']
    assert engine.metrics.stream_counts_of("u1").delivered == 1
    assert engine.store.failures == []


def test_stream_discard_without_a_destination_goes_to_the_journal() -> None:
    async def discard() -> Engine:
        async with Engine(a_stream_row(maximum_retry_attempts=0)) as engine:
            engine.functions.answer = FunctionResult(b"{}", "Unhandled")
            engine.stream.put(1)
            await until_settled(engine, 1)
        return engine

    engine = run(discard())

    assert [failure.event for failure in engine.store.failures] == [b'{"Records":[{"n":1}]}']
    assert engine.metrics.stream_counts_of("u1").journaled == 1


def test_stream_processing_result_is_the_last_invocations() -> None:
    async def process() -> list[str | None]:
        async with Engine(a_stream_row(maximum_retry_attempts=0)) as engine:
            await engine.until(lambda: bool(engine.stream.fetches))
            results = [engine.supervisor.processing_result("u1")]
            engine.stream.put(1)
            await until_settled(engine, 1)
            results.append(engine.supervisor.processing_result("u1"))
            engine.functions.answer = FunctionResult(b"{}", "Unhandled")
            engine.stream.put(2)
            await until_settled(engine, 2)
            results.append(engine.supervisor.processing_result("u1"))
            assert engine.store.places["u1"].processing_result == results[-1]
            return results

    assert run(process()) == [NO_RECORDS_PROCESSED, "OK", "PROBLEM: Function call failed"]


def test_stream_result_of_a_function_that_never_succeeds_outlives_a_disabled_mapping() -> None:
    async def disable() -> str:
        async with Engine(a_stream_row(state=State.ENABLED)) as engine:
            engine.functions.answer = FunctionResult(b"{}", "Unhandled")
            engine.stream.put(1)
            await engine.until(lambda: "invocation failed" in engine.log.events)
            engine.write(a_stream_row(state=State.DISABLING, enabled=False))
            await engine.until(lambda: state_of(engine) is State.DISABLED)
            return engine.store.places["u1"].processing_result

    assert run(disable()) == "PROBLEM: Function call failed"


def test_stream_result_of_a_function_that_never_succeeds_outlives_the_service() -> None:
    async def stop() -> Engine:
        async with Engine(a_stream_row()) as engine:
            engine.functions.answer = FunctionResult(b"{}", "Unhandled")
            engine.stream.put(1)
            await engine.until(lambda: "invocation failed" in engine.log.events)
        return engine

    assert run(stop()).store.places["u1"].processing_result == "PROBLEM: Function call failed"


def test_stream_ages_are_those_of_running_shards() -> None:
    async def read() -> tuple[dict[str, int], dict[str, int]]:
        async with Engine(a_stream_row()) as engine:
            await engine.until(lambda: bool(engine.supervisor.iterator_ages_ms("u1")))
            idle = engine.supervisor.iterator_ages_ms("u1")
            engine.functions.is_held = True
            engine.stream.put(1)
            await engine.until(lambda: bool(engine.functions.payloads))
            busy = engine.supervisor.iterator_ages_ms("u1")
            engine.functions.release.set()
            return idle, busy

    idle, busy = run(read())

    assert idle == {SHARD_ID: 0}
    assert busy[SHARD_ID] > 60_000


def test_stream_shard_to_which_nothing_happens_is_warned_of() -> None:
    async def fall_silent() -> dict[str, int]:
        async with Engine(a_stream_row()) as engine:
            await engine.until(lambda: bool(engine.supervisor.iterator_ages_ms("u1")))
            engine.stream.fetches_held = asyncio.Event()
            count = len(engine.stream.fetches)
            await engine.until(lambda: len(engine.stream.fetches) > count)
            engine.clock.ahead_ms += 70_000
            await engine.until(lambda: "iterator age is high" in engine.log.events)
            ages = engine.supervisor.iterator_ages_ms("u1")
            engine.stream.fetches_held.set()
            await engine.until(lambda: "iterator age is low again" in engine.log.events)
            return ages

    assert run(fall_silent())[SHARD_ID] >= 70_000


def test_supervisor_knows_nothing_of_mappings_that_do_not_run() -> None:
    async def ask() -> tuple[str | None, dict[str, int]]:
        async with Engine(a_row()) as engine:
            engine.supervisor.position_changed("u1")
            engine.supervisor.position_changed("none")
            assert engine.supervisor.processing_result("u1") is None
            assert engine.supervisor.iterator_ages_ms("u1") == {}
            return (
                engine.supervisor.processing_result("none"),
                engine.supervisor.iterator_ages_ms("none"),
            )

    assert run(ask()) == (None, {})


def test_stream_mapping_deleted_leaves_no_metrics() -> None:
    async def delete() -> bytes:
        async with Engine(a_stream_row(state=State.ENABLED)) as engine:
            engine.stream.put(1)
            await until_settled(engine, 1)
            engine.write(a_stream_row(state=State.DELETING))
            await engine.until(lambda: engine.row() is None)
            return b"".join(engine.metrics.render())

    assert b"u1" not in run(delete())


@pytest.mark.parametrize(
    ("kind", "idle_ms"),
    [
        pytest.param(StreamKind.KINESIS, 1_000, id="kinesis"),
        pytest.param(StreamKind.DYNAMODB, 250, id="dynamodb"),
    ],
)
def test_stream_policy_has_the_pace_of_its_kind(kind: StreamKind, idle_ms: int) -> None:
    policy = policy_of(a_stream_row(stream_kind=kind))

    assert policy.shard.pace.idle_ms == idle_ms


def test_stream_policy_says_what_the_row_says() -> None:
    row = a_stream_row(
        maximum_batching_window_s=3,
        parallelization_factor=4,
        maximum_record_age_s=60,
        maximum_retry_attempts=2,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
        destination_arn=DESTINATION_ARN,
        starting_timestamp_ms=5,
    )

    policy = policy_of(row)

    shard = policy.shard
    assert (shard.batch_size, shard.batching_window_s, shard.parallelization_factor) == (100, 3, 4)
    assert (shard.maximum_record_age_s, shard.maximum_retry_attempts) == (60, 2)
    assert (shard.bisect_batch_on_function_error, shard.report_batch_item_failures) == (True, True)
    assert (shard.destination_arn, shard.function_timeout_s) == (DESTINATION_ARN, 3)
    assert policy.start_timestamp_ms == 5


def policy_of(row: EventSourceMapping) -> StreamPolicy:
    return stream_policy_of(row, EngineSettings(), FakeFunctions(FUNCTION))
