"""A lane whose function fails for ever keeps no other lane, and no other shard, waiting."""

import planted_streams as planted
import pytest

from penstock.core.shard_contract import ReadPace
from penstock.model.stream import StartingPosition, StreamKind
from penstock.simulation.faults import StreamFaultRates
from penstock.simulation.mapping_plans import FunctionPlan
from penstock.simulation.streams.rules import StreamRule
from penstock.simulation.streams.run import run_stream_world
from penstock.simulation.streams.stream import StreamTraits
from penstock.simulation.streams.workload import (
    Put,
    StreamMappingPlan,
    StreamPlan,
    StreamWorldPlan,
)

TRAITS = StreamTraits(
    answer_count_max=1_000,
    answer_bytes_max=1_000_000,
    reads_per_s=5,
    ends_closed=True,
    refuses_foreign=True,
    listing_lag_ms=0,
)
MAPPING = StreamMappingPlan(
    stream=0,
    function=0,
    created_ms=0,
    starting_position=StartingPosition.TRIM_HORIZON,
    timestamp_ms=0,
    batch_size=10,
    batching_window_s=0,
    factor=10,
    bisects=False,
    reports=False,
    retry_attempts=None,
    record_age_s=None,
    tumbling_window_s=0,
    has_destination=False,
)
FUNCTION = FunctionPlan(concurrency=50, duration_ms=(10, 10), reports_failures=False, capacity=None)
# One key's first record is poison; the records of all keys come for two minutes.
PUTS = tuple(
    Put(at_ms=600 * number, key=number % 20, is_poison=number == 0) for number in range(200)
)


def poisoned(shard_count: int) -> StreamWorldPlan:
    """A world in which nothing is wrong but one record, until it is healed."""
    stream = StreamPlan(kind=StreamKind.KINESIS, shard_count=shard_count, traits=TRAITS, puts=PUTS)
    return StreamWorldPlan(
        functions=(FUNCTION,),
        streams=(stream,),
        mappings=(MAPPING,),
        rates=StreamFaultRates(),
        incidents=(),
        pace=ReadPace(),
        list_every_ms=30_000,
        held_bytes_max=10_000_000,
        safety_ms=300_000,
    )


@pytest.mark.parametrize("shard_count", [1, 2])
def test_lane_that_fails_keeps_no_other_waiting(shard_count: int) -> None:
    plan = poisoned(shard_count)

    assert plan.isolates()
    assert run_stream_world(1, plan).violation == ""


def test_auditor_sees_lanes_that_wait_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.shard(planted.WaitsForFailedLanes)(monkeypatch)

    assert f": {StreamRule.ISOLATION}: " in run_stream_world(1, poisoned(1)).violation
