"""Runs one seed's whole world, from its draw to its outcome."""

from random import Random

from penstock.simulation.loop import run_virtual
from penstock.simulation.outcome import Outcome, WorldKind, replay_command
from penstock.simulation.whole.plan import WholePlan
from penstock.simulation.whole.world import WholeWorld


def draw_whole_world(seed: int) -> WholePlan:
    """Draw the plan of a seed."""
    return WholePlan.draw(Random(f"whole plan {seed}"))


def run_whole_world(
    seed: int, plan: WholePlan | None = None, *, keeps_trace: bool = False
) -> Outcome:
    """Run one seed's world on a loop of its own; ``plan`` stands in for the drawn one."""

    async def main() -> Outcome:
        chosen = draw_whole_world(seed) if plan is None else plan
        return await WholeWorld(seed, chosen, keeps_trace=keeps_trace).run()

    try:
        return run_virtual(main)
    except BaseException as error:
        error.add_note(f"replay: {replay_command(WorldKind.ALL, seed)}")
        raise
