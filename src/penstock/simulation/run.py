"""Runs one seed's world, from its draw to its outcome."""

from random import Random

from penstock.simulation.incidents import Incidents
from penstock.simulation.loop import run_virtual
from penstock.simulation.mapping_plans import FEATURES_DRAWN, Feature
from penstock.simulation.outcome import Outcome, WorldKind, replay_command
from penstock.simulation.workload import WorldPlan
from penstock.simulation.world import World


def draw_world(seed: int, features: frozenset[Feature] = FEATURES_DRAWN) -> WorldPlan:
    """Draw the plan of a seed, with all that mappings may have or with less."""
    return WorldPlan.draw(Random(f"plan {seed}"), features)


def run_world(seed: int, plan: WorldPlan | None = None, *, keeps_trace: bool = False) -> Outcome:
    """Run one seed's world on a loop of its own; ``plan`` stands in for the drawn one."""

    async def main() -> Outcome:
        chosen = draw_world(seed) if plan is None else plan
        world = World(seed, chosen, keeps_trace=keeps_trace)
        return await world.run(Incidents(world).befall)

    try:
        return run_virtual(main)
    except BaseException as error:
        error.add_note(f"replay: {replay_command(WorldKind.QUEUES, seed)}")
        raise
