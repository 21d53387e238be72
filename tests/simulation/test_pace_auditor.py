"""The auditor sees each planted defect of pace, promptness and counts, by its own rule."""

from typing import Any

import msgspec
import planted
import planted_pace as pace
import pytest
from plain_plans import plain_function, plain_mapping, plain_world

from penstock.core.scaling import RampPolicy
from penstock.simulation.ledger import Rule
from penstock.simulation.mapping_plans import Feature
from penstock.simulation.run import draw_world, run_world

SEEDS_MAX = 300
DRAWN = [
    pytest.param(plant, feature, rule, id=name)
    for name, plant, feature, rule in [
        ("gives pollers no bound", pace.pollers_without_bound, Feature.POLLERS, Rule.POLLER_BYTES),
        ("forgets lost receives", pace.lost_receives_forgotten, Feature.FIFO, Rule.REPEATED),
        ("hides nothing for long", pace.hide_but_once, Feature.WINDOW, Rule.UNKEPT),
    ]
]
PLAIN = [
    pytest.param(plant, members, rule, id=name)
    for name, plant, members, rule in [
        ("ignores the ramp", planted.consumer(pace.IgnoresTheRamp), {}, Rule.RAMP),
        (
            "ignores MaximumConcurrency",
            planted.consumer(planted.IgnoresMaximumConcurrency),
            {"maximum_concurrency": 2},
            Rule.MAPPING_CONCURRENCY,
        ),
        ("invokes late", planted.work(pace.InvokesLate), {}, Rule.PROMPT),
        ("receives late", planted.work(pace.ReceivesLate), {}, Rule.PROMPT),
        ("goes on receiving", pace.receives_without_end, {}, Rule.WASTED),
        ("deletes late", planted.work(pace.DeletesLate), {}, Rule.DELETED_LATE),
        ("deletes nothing", planted.consumer(pace.DeletesNothing), {}, Rule.CALL),
        ("counts nothing", planted.consumer(pace.CountsNothing), {"dark": (0,)}, Rule.COUNTED),
    ]
]


def plain_violation(**members: Any) -> str:
    """Run a world without faults: a backlog, and AWS's ramp."""
    mapping = plain_mapping((0,) * 60, batch_size=1, **members)
    plan = plain_world([plain_function(1_000)], [mapping])
    return run_world(1, msgspec.structs.replace(plan, ramp=RampPolicy())).violation


@pytest.mark.parametrize(("plant", "members", "rule"), PLAIN)
def test_auditor_sees_in_a_plain_world(
    plant: planted.Plant, members: dict[str, Any], rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    assert f": {rule}: " in plain_violation(**members)


def test_plain_world_breaks_no_rule() -> None:
    assert plain_violation(maximum_concurrency=2, dark=(0,)) == ""


@pytest.mark.parametrize(("plant", "feature", "rule"), DRAWN)
def test_auditor_sees_by_one_rule(
    plant: planted.Plant, feature: Feature, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    plans = ((seed, draw_world(seed, frozenset({feature}))) for seed in range(SEEDS_MAX))
    violations = (run_world(seed, plan).violation for seed, plan in plans)
    first = next(filter(None, violations), "no seed shows it")

    assert f": {rule}: " in first, first
