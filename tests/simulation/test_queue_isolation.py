"""Mappings whose functions or queues are broken delay none of the others."""

from collections.abc import Sequence

from plain_plans import plain_function, plain_mapping, plain_world

from penstock.simulation.incident_plans import BreakQueue, Incident
from penstock.simulation.incidents import Incidents
from penstock.simulation.loop import pass_s, run_virtual
from penstock.simulation.mapping_plans import FunctionPlan
from penstock.simulation.world import World

HEALTHY_COUNT = 197
LIFE_S = 12
DELAY_MS_MAX = 1
SENT_AT_MS = tuple(500 * number + number % 7 for number in range(20))

HEALTHY = [plain_function(20 + index % 50, concurrency=5) for index in range(HEALTHY_COUNT)]
HANGS = plain_function(3_000, concurrency=5)  # as long as its timeout
THROTTLED = plain_function(10, concurrency=5, capacity=0)
WITHOUT_A_QUEUE = plain_function(10, concurrency=5)
Moment = tuple[str, ...]


def moments_of(functions: Sequence[FunctionPlan], *incidents: Incident) -> dict[Moment, int]:
    """Let mappings of a function each live; give when what happened to the healthy ones."""
    mappings = [plain_mapping(SENT_AT_MS, function=index) for index in range(len(functions))]
    plan = plain_world(functions, mappings, safety_ms=2_000 * LIFE_S, incidents=incidents)

    async def main() -> list[str]:
        world = World(1, plan, keeps_trace=True)
        # It is left before its end: what is broken would never settle.
        life = world.loop.create_task(world.run(Incidents(world).befall))
        await pass_s(LIFE_S)
        assert not life.done()
        return world.trace.lines()

    names = {f"function-{index}" for index in range(HEALTHY_COUNT)}
    names |= {f"queue-{index}{end}" for index in range(HEALTHY_COUNT) for end in ("", "'s")}
    found: dict[Moment, int] = {}
    for line in run_virtual(main):
        at_ms, _, subject, *event = line.split()
        if subject in names:
            found[(subject, *event)] = int(at_ms)
    return found


def test_broken_mappings_delay_no_other() -> None:
    deleted = BreakQueue(
        at_ms=0,
        mapping=HEALTHY_COUNT + 2,
        for_ms=1_000 * LIFE_S,
        error="not found",
        receives_only=False,
    )

    alone = moments_of(HEALTHY)
    beside = moments_of([*HEALTHY, HANGS, THROTTLED, WITHOUT_A_QUEUE], deleted)

    assert len(alone) >= 3 * HEALTHY_COUNT * len(SENT_AT_MS)  # received, invoked, deleted
    assert beside.keys() == alone.keys()
    delays_ms = [at_ms - alone[moment] for moment, at_ms in beside.items()]
    assert max(delays_ms) <= DELAY_MS_MAX
