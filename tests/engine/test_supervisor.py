"""Keepers and the supervisor: what runs follows the rows, and states settle only then."""

import msgspec
import pytest
from engine_fakes import FUNCTION, Engine, a_row, run

from penstock.engine import mapping_keeper
from penstock.model.errors import SourceUnavailableError, StoreError
from penstock.model.function import FunctionResult
from penstock.model.mapping import State
from penstock.model.message import Message


def a_message(message_id: str) -> Message:
    return Message(message_id, f"handle-{message_id}", msgspec.Raw(b'"hello"'))


def state_of(engine: Engine) -> State | None:
    row = engine.row()
    return row.state if row is not None else None


def breaks_of(engine: Engine) -> list[int]:
    """Give the delay after each break."""
    event = "mapping broke; it is restarted"
    return [fields["delay_ms"] for _, name, fields in engine.log.lines if name == event]


def test_supervisor_delivers_and_deletes() -> None:
    async def deliver() -> Engine:
        async with Engine(a_row()) as engine:
            engine.queue.put(a_message("m1"), a_message("m2"))
            await engine.queue.until(lambda: len(engine.queue.deleted) == 2)
        return engine

    engine = run(deliver())

    assert sorted(engine.queue.deleted) == ["m1", "m2"]


def test_supervisor_settles_a_created_mapping() -> None:
    async def settle() -> Engine:
        async with Engine(a_row(state=State.CREATING)) as engine:
            await engine.until(lambda: state_of(engine) is State.ENABLED)
        return engine

    assert ("info", "mapping settled", {"state": "Enabled"}) in run(settle()).log.lines


def test_supervisor_says_when_a_state_changed() -> None:
    async def settle() -> tuple[int, int]:
        engine = Engine(a_row(state=State.CREATING))
        before_ms = engine.clock.now().wall_ms
        async with engine:
            await engine.until(lambda: state_of(engine) is State.ENABLED)
            row = engine.row()
            assert row is not None
            return before_ms, row.last_modified_ms

    before_ms, last_modified_ms = run(settle())

    assert last_modified_ms >= before_ms > 0


def test_supervisor_takes_up_a_mapping_that_is_created_while_it_runs() -> None:
    async def create() -> list[str]:
        async with Engine() as engine:
            engine.store.insert_mapping(a_row())
            engine.supervisor.mapping_changed(a_row())
            engine.queue.put(a_message("m1"))
            await engine.queue.until(lambda: engine.queue.deleted == ["m1"])
            return engine.queue.deleted

    assert run(create()) == ["m1"]


def test_supervisor_disabled_means_that_nothing_polls() -> None:
    async def disable() -> list[tuple[str, int]]:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            await engine.queue.until(lambda: engine.queue.receives == 1)
            engine.write(a_row(state=State.DISABLING, enabled=False))
            await engine.turn()
            assert state_of(engine) is State.DISABLING
            # The running long poll brings a message: it is given back before the state settles.
            engine.queue.put(a_message("m1"))
            await engine.until(lambda: state_of(engine) is State.DISABLED)
            return engine.queue.visibility

    assert run(disable()) == [("m1", 0)]


def test_supervisor_enabled_again_delivers_again() -> None:
    async def disable_and_enable() -> list[str]:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            await engine.queue.until(lambda: engine.queue.receives == 1)
            engine.write(a_row(state=State.DISABLING, enabled=False))
            await engine.turn()
            engine.queue.put(a_message("m1"))
            await engine.until(lambda: state_of(engine) is State.DISABLED)
            row = engine.row()
            assert row is not None
            engine.write(msgspec.structs.replace(row, state=State.ENABLING, enabled=True))
            engine.queue.put(a_message("m2"))
            await engine.queue.until(lambda: bool(engine.queue.deleted))
            return engine.queue.deleted

    assert run(disable_and_enable()) == ["m2"]


def test_supervisor_delete_waits_for_what_is_in_flight() -> None:
    async def delete() -> tuple[State | None, list[str]]:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            engine.functions.is_held = True
            engine.queue.put(a_message("m1"))
            await engine.until(lambda: bool(engine.functions.payloads))
            engine.write(a_row(state=State.DELETING))
            await engine.turn()
            engine.queue.put(a_message("m2"))
            await engine.queue.until(lambda: engine.queue.visibility == [("m2", 0)])
            before = state_of(engine)
            engine.functions.release.set()
            await engine.until(lambda: engine.row() is None)
            return before, engine.queue.deleted

    assert run(delete()) == (State.DELETING, ["m1"])


def test_supervisor_applies_an_update_while_it_runs() -> None:
    async def update() -> list[bytes]:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            await engine.queue.until(lambda: engine.queue.receives == 1)
            engine.write(a_row(state=State.UPDATING, report_batch_item_failures=True, batch_size=1))
            await engine.until(lambda: state_of(engine) is State.ENABLED)
            engine.functions.answer = FunctionResult(
                b'{"batchItemFailures":[{"itemIdentifier":"m1"}]}'
            )
            engine.queue.put(a_message("m1"), a_message("m2"))
            await engine.until(lambda: len(engine.functions.payloads) == 2)
        return engine.functions.payloads

    payloads = run(update())

    assert [payload.count(b'"messageId"') for payload in payloads] == [1, 1]


def test_supervisor_passes_over_a_row_that_comes_late() -> None:
    async def change_late() -> list[str]:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            engine.write(a_row(state=State.UPDATING))
            await engine.until(lambda: state_of(engine) is State.ENABLED)
            engine.supervisor.mapping_changed(a_row(state=State.DISABLED, enabled=False))
            await engine.turn()
            engine.queue.put(a_message("m1"))
            await engine.queue.until(lambda: bool(engine.queue.deleted or engine.queue.visibility))
            return engine.queue.deleted

    assert run(change_late()) == ["m1"]


def test_supervisor_tags_written_meanwhile_do_not_keep_a_state_from_settling() -> None:
    async def settle() -> State | None:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            updating = engine.store.replace_mapping(a_row(state=State.UPDATING))
            engine.store.replace_mapping(msgspec.structs.replace(updating, tags={"a": "b"}))
            engine.supervisor.mapping_changed(updating)
            await engine.until(lambda: state_of(engine) is State.ENABLED)
            row = engine.row()
            assert row is not None
            assert row.tags == {"a": "b"}
            return row.state

    assert run(settle()) is State.ENABLED


def test_supervisor_restarts_a_mapping_that_broke_and_says_so() -> None:
    async def break_and_recover() -> Engine:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            engine.functions.answer = RuntimeError("a defect")
            engine.queue.put(a_message("m1"))
            await engine.until(lambda: "mapping broke; it is restarted" in engine.log.events)
            engine.functions.answer = FunctionResult(b"null")
            engine.queue.put(a_message("m2"))
            await engine.queue.until(lambda: engine.queue.deleted == ["m2"])
        return engine

    assert run(break_and_recover()).queue.deleted == ["m2"]


@pytest.mark.parametrize(
    ("ran_ms", "delays_ms"),
    [
        pytest.param(0, [1, 2], id="one series"),
        pytest.param(mapping_keeper.RESTART_MS_MAX, [1, 1], id="far apart"),
    ],
)
def test_supervisor_restarts_later_after_each_break_of_a_series(
    ran_ms: int, delays_ms: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping_keeper, "RESTART_FIRST_MS", 1)

    async def break_twice() -> list[int]:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            engine.functions.answer = RuntimeError("a defect")
            engine.queue.put(a_message("m1"))
            await engine.until(lambda: len(breaks_of(engine)) == 1)
            received_count = engine.queue.receives
            await engine.queue.until(lambda: engine.queue.receives > received_count)
            engine.clock.ahead_ms = ran_ms
            engine.queue.put(a_message("m2"))
            await engine.until(lambda: len(breaks_of(engine)) == 2)
            return breaks_of(engine)

    assert run(break_twice()) == delays_ms


def test_supervisor_settles_a_state_once_the_store_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping_keeper, "STORE_RETRY_S", 0.001)

    async def damage_and_mend() -> State | None:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            engine.store_calls.failure = StoreError("database is locked")
            engine.write(a_row(state=State.UPDATING))
            await engine.until(lambda: "state not settled" in engine.log.events)
            engine.store_calls.failure = None
            await engine.until(lambda: state_of(engine) is State.ENABLED)
            return state_of(engine)

    assert run(damage_and_mend()) is State.ENABLED


def test_supervisor_delivers_while_a_damaged_store_keeps_a_state_from_settling() -> None:
    async def damage() -> list[str]:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            await engine.queue.until(lambda: engine.queue.receives == 1)
            engine.store_calls.failure = StoreError("the database disk image is malformed")
            engine.write(a_row(state=State.UPDATING))
            await engine.until(lambda: "state not settled" in engine.log.events)
            engine.queue.put(a_message("m1"))
            await engine.queue.until(lambda: bool(engine.queue.deleted))
            return engine.queue.deleted

    assert run(damage()) == ["m1"]


def test_supervisor_says_once_that_a_queue_is_away_and_that_it_is_back() -> None:
    async def lose_and_find() -> list[str]:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            engine.queue.failure = SourceUnavailableError("connection refused")
            engine.queue.put(a_message("m1"))
            await engine.until(lambda: "queue not readable" in engine.log.events)
            engine.queue.failure = None
            engine.queue.put(a_message("m2"))
            await engine.queue.until(lambda: "m2" in engine.queue.deleted)
        return [event for event in engine.log.events if event.startswith("queue")]

    assert run(lose_and_find()) == ["queue not readable", "queue readable again"]


def test_supervisor_stop_cuts_long_polls_short_and_leaves_rows_alone() -> None:
    async def stop() -> Engine:
        engine = Engine(
            a_row(state=State.ENABLED), a_row(uuid="u2", function_arn=FUNCTION.arn + ":1")
        )
        async with engine:
            await engine.queue.until(lambda: engine.queue.receives == 2)
        return engine

    engine = run(stop())

    assert engine.log.events.count("mapping broke; it is restarted") == 0


def test_supervisor_passes_over_changes_after_its_end() -> None:
    async def change_late() -> int:
        engine = Engine()
        async with engine:
            pass
        engine.supervisor.mapping_changed(a_row())
        return engine.queue.receives

    assert run(change_late()) == 0
