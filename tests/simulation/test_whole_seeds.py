"""What whole worlds draw, what they see, and seeds of theirs that found something."""

import planted
import planted_streams
import pytest

from penstock.api.context import MappingContext
from penstock.simulation.__main__ import main
from penstock.simulation.outcome import WorldKind
from penstock.simulation.swarm import run_one, run_seeds
from penstock.simulation.whole.run import draw_whole_world


def test_world_has_mappings_of_every_kind_over_the_same_functions() -> None:
    plans = [draw_whole_world(seed) for seed in range(50)]

    assert all(plan.queues.mappings and plan.streams.mappings for plan in plans)
    assert all(plan.queues.functions == plan.streams.functions for plan in plans)
    assert any(each.is_fifo for plan in plans for each in plan.queues.mappings)
    assert {each.kind.name for plan in plans for each in plan.streams.streams} == {
        "KINESIS",
        "DYNAMODB",
    }


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(13, id="updating for ever"),
        pytest.param(26, id="creating for ever"),
        pytest.param(27, id="both"),
        pytest.param(331, id="a mapping that two users create anew at once"),
        pytest.param(373, id="a window that waits for a clock that was set back"),
        pytest.param(417, id="a window that a clock set forward ends"),
        pytest.param(300079, id="a batch that an update has filled, before that has got about"),
        pytest.param(303370, id="a batch that was full until a duplicate in it became visible"),
        pytest.param(302936, id="what is left out in the moment of a crash"),
        pytest.param(302762, id="a skip in a stream that was just made anew"),
        pytest.param(300521, id="a back-off that is as long as a heartbeat"),
        pytest.param(300397, id="an extension that is as slow as what it extends is short"),
        pytest.param(203038, id="pollers that an update gave new throughput"),
        pytest.param(202037, id="a delete's end after a pause, when a next try was due"),
    ],
)
def test_seed_that_found_something_keeps_every_rule(seed: int) -> None:
    outcome = run_one(WorldKind.ALL, seed)

    assert outcome.violation == ""


def test_seed_finds_an_engine_that_is_not_told_of_a_failed_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        MappingContext, "write", lambda context, call: context.store_calls.run(call)
    )

    outcome = run_one(WorldKind.ALL, 26)

    assert "without faults everything settles" in outcome.violation


def test_defect_of_queues_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.consumer(planted.TakesFailureForSuccess)(monkeypatch)

    tally = run_seeds(WorldKind.ALL, range(50), show=lambda _: None)

    assert tally.broken is not None


def test_defect_of_streams_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    planted_streams.work(planted_streams.JournalsNothing)(monkeypatch)

    tally = run_seeds(WorldKind.ALL, range(100), show=lambda _: None)

    assert tally.broken is not None


def test_failure_prints_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.consumer(planted.TakesFailureForSuccess)(monkeypatch)

    assert main(["--seeds", "50"]) == 1

    printed = capsys.readouterr().out
    assert "plan: {" in printed
    assert "the last events:" in printed
    assert "replay: python -m penstock.simulation --worlds all --seed " in printed
