"""What a queue mapping's row asks of its consumer, and a row that cannot be read."""

from typing import Any

import msgspec
import pytest
from engine_fakes import FUNCTION, Engine, FakeFunctions, a_row, run

from penstock.engine.queue_consumption import queue_policy_of
from penstock.engine.surroundings import EngineSettings
from penstock.model.mapping import ProvisionedPollers, State
from penstock.model.message import Message
from penstock.model.queue_options import QueueOptions

FIFO_ARN = a_row().event_source_arn + ".fifo"


def a_message(message_id: str) -> Message:
    return Message(message_id, f"handle-{message_id}", msgspec.Raw(b'"hello"'))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {"options": QueueOptions()}, id="AWS's defaults"),
        pytest.param(
            {"batch_size": 100, "maximum_batching_window_s": 5},
            {"batch_size": 100, "batching_window_s": 5},
            id="window",
        ),
        pytest.param(
            {"provisioned_pollers": ProvisionedPollers(3, 7)},
            {"pollers": ProvisionedPollers(3, 7), "maximum_concurrency": None},
            id="pollers",
        ),
        pytest.param({"maximum_concurrency": 4}, {"maximum_concurrency": 4}, id="concurrency"),
        pytest.param(
            {"tags": {"penstock:concurrency": "1", "team": "a"}},
            {"options": QueueOptions(concurrency=1), "maximum_concurrency": 1},
            id="serial",
        ),
        pytest.param(
            {"tags": {"penstock:fifo-one-group": "true"}, "event_source_arn": FIFO_ARN},
            {"options": QueueOptions(fifo_one_group=True), "is_fifo": True},
            id="fifo",
        ),
    ],
)
def test_queue_policy_says_what_the_row_asks_for(
    changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    policy = queue_policy_of(a_row(**changes), EngineSettings(), FakeFunctions(FUNCTION))

    assert {name: getattr(policy, name) for name in expected} == expected


def test_queue_option_applies_to_a_mapping_that_runs() -> None:
    async def make_serial() -> int:
        async with Engine(a_row(state=State.ENABLED, batch_size=1)) as engine:
            await engine.queue.until(lambda: engine.queue.receives == 1)
            row = engine.row()
            assert row is not None
            engine.write(msgspec.structs.replace(row, tags={"penstock:concurrency": "1"}))
            await engine.turn()
            engine.functions.is_held = True
            engine.queue.put(a_message("m1"), a_message("m2"))
            await engine.until(lambda: bool(engine.functions.payloads))
            await engine.turn()
            in_flight = len(engine.functions.payloads)
            engine.functions.release.set()
            await engine.queue.until(lambda: len(engine.queue.deleted) == 2)
            return in_flight

    assert run(make_serial()) == 1


UNREADABLE = {"penstock:of-a-later-version": "true"}
BROKE = "mapping broke; it is restarted"


def test_queue_mapping_with_an_option_that_nobody_knows_does_not_run_and_says_so() -> None:
    async def start() -> Engine:
        async with Engine(a_row(state=State.ENABLED, tags=UNREADABLE)) as engine:
            await engine.until(lambda: BROKE in engine.log.events)
        return engine

    engine = run(start())

    (reason,) = [fields["reason"] for _, event, fields in engine.log.lines if event == BROKE]
    assert "Unknown option 'penstock:of-a-later-version'" in reason
    assert engine.queue.receives == 0


def test_queue_mapping_that_gets_an_option_that_nobody_knows_ends() -> None:
    async def change() -> Engine:
        async with Engine(a_row(state=State.ENABLED)) as engine:
            await engine.queue.until(lambda: engine.queue.receives == 1)
            row = engine.row()
            assert row is not None
            engine.write(msgspec.structs.replace(row, tags=UNREADABLE))
            await engine.turn()
            engine.queue.put(a_message("m1"))
            await engine.until(lambda: BROKE in engine.log.events)
        return engine

    assert run(change()).queue.visibility == [("m1", 0)]
