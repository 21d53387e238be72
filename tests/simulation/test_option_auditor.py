"""The auditor sees each planted defect in options, windows and groups, by its own rule."""

from typing import Any

import planted
import planted_options as options
import pytest
from plain_plans import plain_function, plain_mapping, plain_world

from penstock.model.queue_options import QueueOptions
from penstock.simulation.ledger import Rule
from penstock.simulation.mapping_plans import Feature
from penstock.simulation.run import draw_world, run_world

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
        (
            "invokes what its filter leaves out",
            options.invoke_what_is_left_out,
            Feature.FILTER,
            Rule.FILTERED,
        ),
        (
            "leaves out what its filter lets through",
            options.leave_out_what_passes,
            Feature.FILTER,
            Rule.DELETED_UNFINISHED,
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


def violation_of(*, sent_count: int = 1, **members: Any) -> str:
    """Run a world in which nothing is wrong but one poison message and a careless function."""
    function = plain_function(
        15_000, timeout_s=40, concurrency=5, reports_failures=True, is_careless=True
    )
    mapping = plain_mapping(
        (0,) * sent_count,
        **{"visibility_s": 60, "max_receive_count": 1, "report_failures": True, "poison": (0,)}
        | members,
    )
    return run_world(1, plain_world([function], [mapping], safety_ms=20_000)).violation


def test_auditor_sees_a_heart_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.consumer(options.StopsItsHeart)(monkeypatch)

    violation = violation_of(options=QueueOptions(heartbeat_s=10))

    assert f": {Rule.HEARTBEAT_LOST}: " in violation


def test_auditor_sees_trust_in_careless_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.consumer(options.TrustsCarelessResponses)(monkeypatch)

    violation = violation_of(
        is_fifo=True,
        sent_count=5,
        groups=(0,) * 5,
        options=QueueOptions(fifo_strict=True),
    )

    assert f": {Rule.STRICT}: " in violation


def test_auditor_sees_that_what_a_filter_leaves_out_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    options.hold_what_is_left_out(monkeypatch)

    violation = violation_of(poison=(), max_receive_count=None, dark=(0,))

    assert f": {Rule.DELETED_LATE}: " in violation


def test_world_with_a_filter_settles() -> None:
    assert violation_of(sent_count=5, dark=(1, 3)) == ""


def test_auditor_sees_one_slot_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.work(options.LosesOneSlot)(monkeypatch)

    assert f": {Rule.SLOTS_LEAKED}: " in violation_of(sent_count=5)
