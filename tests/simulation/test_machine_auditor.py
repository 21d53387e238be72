"""The rules of single machines see each planted defect, and name what it breaks."""

import planted
import planted_machines
import pytest

from penstock.simulation.machines import slot_audit
from penstock.simulation.machines.queue import (
    command_audit,
    ending_audit,
    receive_audit,
    renewal_audit,
    turn_audit,
)
from penstock.simulation.machines.run import run_machine_world
from penstock.simulation.machines.shard import audit as shard_audit
from penstock.simulation.machines.shard import progress_audit
from penstock.simulation.machines.shard import turn_audit as shard_turn_audit

SEEDS_MAX = 150

PLANTED = [
    pytest.param(plant, rule, id=name)
    for name, plant, rule in [
        (
            "takes a failure for a success",
            planted_machines.queue(planted.TakesFailureForSuccess),
            ending_audit.DELETED,
        ),
        ("keeps a slot", planted_machines.queue(planted_machines.KeepsASlot), turn_audit.WANTED),
        (
            "extends nothing",
            planted_machines.queue(planted_machines.ExtendsNothing),
            renewal_audit.KEPT,
        ),
        (
            "rises twice as fast",
            planted_machines.queue(planted_machines.RisesTwiceAsFast),
            command_audit.AT_MAXIMUM,
        ),
        ("deletes late", planted_machines.deletes_late, turn_audit.WAKES),
        ("notices its ramp late", planted_machines.notices_its_ramp_late, turn_audit.WAKES),
        ("keeps contended slots", planted_machines.keeps_contended_slots, slot_audit.BACK),
        ("closes windows early", planted_machines.closes_windows_early, receive_audit.PAUSED),
        (
            "saves one record too far",
            planted_machines.shard(planted_machines.SavesOneRecordTooFar),
            progress_audit.PASSES,
        ),
        (
            "journals nothing",
            planted_machines.shard(planted_machines.JournalsNothing),
            progress_audit.JOURNALED,
        ),
        (
            "swaps records",
            planted_machines.shard(planted_machines.SwapsRecords),
            shard_audit.NEXT,
        ),
        ("retries at once", planted_machines.retries_at_once, shard_turn_audit.WANTED),
    ]
]


@pytest.mark.parametrize(("plant", "rule"), PLANTED)
def test_planted_defect_of_a_machine_is_caught(
    plant: planted.Plant, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    outcomes = (run_machine_world(seed) for seed in range(SEEDS_MAX))
    violation = next((each.violation for each in outcomes if each.violation), "")

    assert violation.startswith(rule)


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(2004498, id="shown while its extension is under way"),
        pytest.param(2646404, id="hidden by a back-off for longer than all else takes"),
        pytest.param(2719791, id="parted by age twice before it is given up"),
    ],
)
def test_seed_that_accused_the_machine_keeps_every_rule(seed: int) -> None:
    assert run_machine_world(seed).violation == ""
