"""The auditor sees each planted defect in options, windows and groups, by its own rule."""

from typing import Any

import msgspec
import planted
import planted_options as options
import pytest

from penstock.core.scaling import RampPolicy
from penstock.model.queue_options import QueueOptions
from penstock.simulation.faults import FaultRates
from penstock.simulation.ledger import Rule
from penstock.simulation.mapping_plans import Feature, FunctionPlan, MappingPlan
from penstock.simulation.run import draw_world, run_world
from penstock.simulation.workload import WorldPlan

SEEDS_MAX = 300

PLANTED = [
    pytest.param(plant, feature, rule, id=name)
    for name, plant, feature, rule in [
        (
            "ends windows early",
            planted.consumer(options.EndsWindowsEarly),
            Feature.WINDOW,
            Rule.WINDOW,
        ),
        (
            "turns batches around",
            planted.work(options.TurnsBatchesAround),
            Feature.FIFO,
            Rule.GROUP_ORDER,
        ),
        (
            "returns what is unknown",
            planted.consumer(options.ReturnsWhatIsUnknown),
            Feature.FIFO,
            Rule.GROUP_IN_FLIGHT,
        ),
        ("mixes groups", options.mix_groups, Feature.FIFO, Rule.ONE_GROUP),
        (
            "hides for two periods",
            planted.consumer(options.HidesForTwoPeriods),
            Feature.HEARTBEAT,
            Rule.HEARTBEAT_LONG,
        ),
        (
            "halves the back-off",
            planted.consumer(options.HalvesBackoff),
            Feature.BACKOFF,
            Rule.BACKOFF,
        ),
        (
            "records a receive early",
            options.failed_messages(options.RecordsEarly),
            Feature.ON_FAILURE,
            Rule.RECORDED_EARLY,
        ),
        (
            "records a receive late",
            options.failed_messages(options.RecordsLate),
            Feature.ON_FAILURE,
            Rule.NOT_RECORDED,
        ),
    ]
]


@pytest.mark.parametrize(("plant", "feature", "rule"), PLANTED)
def test_auditor_sees_by_one_rule(
    plant: planted.Plant, feature: Feature, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    plans = ((seed, draw_world(seed, frozenset({feature}))) for seed in range(SEEDS_MAX))
    violations = (run_world(seed, plan).violation for seed, plan in plans)
    first = next(filter(None, violations), "no seed shows it")

    assert f": {rule}: " in first, first


FUNCTION = FunctionPlan(
    concurrency=5,
    timeout_s=40,
    duration_ms=(15_000, 15_000),
    reports_failures=True,
    capacity=None,
    is_careless=True,
)
MAPPING = MappingPlan(
    function=0,
    visibility_s=60,
    max_receive_count=1,
    batch_size=10,
    maximum_concurrency=None,
    report_failures=True,
    sent_at_ms=(0,),
    poison=(0,),
    body_bytes=40,
)


def violation_of(**changes: Any) -> str:
    """Run a world in which nothing is wrong but one poison message."""
    plan = WorldPlan(
        functions=(FUNCTION,),
        mappings=(msgspec.structs.replace(MAPPING, **changes),),
        rates=FaultRates(),
        incidents=(),
        ramp=RampPolicy(),
        long_poll_s=20,
        safety_ms=20_000,
    )
    return run_world(1, plan).violation


def test_auditor_sees_a_heart_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.consumer(options.StopsItsHeart)(monkeypatch)

    violation = violation_of(options=QueueOptions(heartbeat_s=10))

    assert f": {Rule.HEARTBEAT_LOST}: " in violation


def test_auditor_sees_trust_in_careless_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.consumer(options.TrustsCarelessResponses)(monkeypatch)

    violation = violation_of(
        is_fifo=True,
        sent_at_ms=(0,) * 5,
        groups=(0,) * 5,
        options=QueueOptions(fifo_strict=True),
    )

    assert f": {Rule.STRICT}: " in violation


def test_auditor_sees_one_slot_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.work(options.LosesOneSlot)(monkeypatch)

    assert f": {Rule.SLOTS_LEAKED}: " in violation_of(sent_at_ms=(0,) * 5)
