"""The auditor sees each planted defect, and names the rule that it breaks."""

import planted
import pytest
from plain_plans import plain_function, plain_mapping, plain_world

from penstock.simulation.ledger import Rule
from penstock.simulation.run import draw_world, run_world

SEEDS_MAX = 300

PLANTED = [
    pytest.param(plant, rules, id=name)
    for name, plant, rules in [
        (
            "takes a failure for a success",
            planted.consumer(planted.TakesFailureForSuccess),
            {Rule.DELETED_UNFINISHED},
        ),
        (
            "deletes the whole of a partly failed batch",
            planted.consumer(planted.DeletesTheWholeBatch),
            {Rule.DELETED_UNFINISHED},
        ),
        (
            "takes an unknown outcome for a success",
            planted.consumer(planted.TrustsUnknownOutcomes),
            {Rule.DELETED_UNFINISHED},
        ),
        (
            "deletes before it invokes",
            planted.work(planted.DeletesTooEarly),
            {Rule.DELETED_UNFINISHED},
        ),
        ("ignores BatchSize", planted.consumer(planted.IgnoresBatchSize), {Rule.BATCH_COUNT}),
        (
            "has a slot too many",
            planted.slots(planted.EndlessSlots),
            {Rule.FUNCTION_CONCURRENCY},
        ),
        (
            "takes an unknown outcome for an end",
            planted.in_flight(planted.FreesLostSlots),
            {Rule.FUNCTION_CONCURRENCY, Rule.MAPPING_CONCURRENCY},
        ),
        ("gives slots to the richest", planted.slots(planted.UnfairSlots), {Rule.STARVED}),
        ("loses slots", planted.work(planted.LosesSlots), {Rule.STUCK, Rule.SLOTS_LEAKED}),
        ("receives while batches wait", planted.consumer(planted.Overpulls), {Rule.OVERPULL}),
        (
            "holds five long polls",
            planted.consumer(planted.HoldsFiveLongPolls),
            {Rule.IDLE_POLLS, Rule.OVERPULL, Rule.NOT_RETURNED, Rule.UNKEPT, Rule.STARVED},
        ),
        (
            "pretends to extend visibility",
            planted.work(planted.PretendsToExtend),
            {Rule.VISIBLE_INVOKED, Rule.BURNT, Rule.UNKEPT},
        ),
        (
            "keeps messages when it stops",
            planted.work(planted.KeepsMessagesAtStop),
            {Rule.NOT_RETURNED},
        ),
        ("mixes bodies up", planted.work(planted.MixesBodies), {Rule.ALTERED}),
        ("leaves a digest out", planted.no_digests, {Rule.ALTERED}),
        ("does not back off", planted.source_retry_ms(50), {Rule.HOT_LOOP}),
        ("falls asleep", planted.consumer(planted.FallsAsleep), {Rule.STUCK}),
        ("raises", planted.consumer(planted.Raises), {Rule.BROKEN}),
    ]
]


@pytest.mark.parametrize(("plant", "rules"), PLANTED)
def test_auditor_sees(
    plant: planted.Plant, rules: set[Rule], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    # Plain mappings show them soonest; planted_options.py has what the options are for.
    plans = ((seed, draw_world(seed, frozenset())) for seed in range(SEEDS_MAX))
    violations = (run_world(seed, plan).violation for seed, plan in plans)
    first = next(filter(None, violations), "no seed shows it")

    assert any(f": {rule}: " in first for rule in rules), first


@pytest.mark.parametrize(
    ("visibility_s", "rule"),
    [
        pytest.param(30, Rule.BURNT, id="where nothing may come twice"),
        pytest.param(6, Rule.STUCK, id="where something may"),
    ],
)
def test_auditor_sees_that_nothing_is_deleted(
    visibility_s: int, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.drop_deletes(monkeypatch)
    mapping = plain_mapping((0,), visibility_s=visibility_s)

    violation = run_world(1, plain_world([plain_function(100)], [mapping])).violation

    assert f": {rule}: " in violation
