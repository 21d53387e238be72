"""Worlds of queues in which nothing is drawn: a test says all that counts."""

from collections.abc import Sequence
from typing import Any

from penstock.core.scaling import RampPolicy
from penstock.simulation.faults import FaultRates
from penstock.simulation.incident_plans import Incident
from penstock.simulation.incidents import Incidents
from penstock.simulation.loop import run_virtual
from penstock.simulation.mapping_plans import FunctionPlan, MappingPlan
from penstock.simulation.names import queue_mapping_uuid
from penstock.simulation.workload import WorldPlan
from penstock.simulation.world import World

AT_ONCE = RampPolicy(initial=1_000, maximum=1_000)


def plain_function(duration_ms: int, **members: Any) -> FunctionPlan:
    """A function that takes its time and succeeds."""
    return FunctionPlan(
        **{"concurrency": 50, "reports_failures": False, "capacity": None}
        | {"duration_ms": (duration_ms, duration_ms)}
        | members
    )


def plain_mapping(sent_at_ms: Sequence[int], **members: Any) -> MappingPlan:
    """A mapping of a standard queue."""
    return MappingPlan(
        **{
            "function": 0,
            "visibility_s": 30,
            "max_receive_count": None,
            "batch_size": 10,
            "maximum_concurrency": None,
            "report_failures": False,
            "sent_at_ms": tuple(sent_at_ms),
            "poison": (),
            "body_bytes": 40,
        }
        | members
    )


def plain_world(
    functions: Sequence[FunctionPlan],
    mappings: Sequence[MappingPlan],
    *,
    safety_ms: int = 1_000,
    incidents: Sequence[Incident] = (),
) -> WorldPlan:
    """A world without faults, in which a mapping may use all slots at once."""
    return WorldPlan(
        functions=tuple(functions),
        mappings=tuple(mappings),
        rates=FaultRates(),
        incidents=tuple(incidents),
        ramp=AT_ONCE,
        long_poll_s=20,
        safety_ms=safety_ms,
    )


def count_requests(plan: WorldPlan) -> dict[str, int]:
    """Run a world to its end, and give how often its first mapping asked its queue for what."""

    async def main() -> dict[str, int]:
        world = World(1, plan)
        outcome = await world.run(Incidents(world).befall)
        assert outcome.violation == ""
        return world.node.metrics.requests_of(queue_mapping_uuid(0)).by_operation

    return run_virtual(main)
