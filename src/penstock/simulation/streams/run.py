"""Runs one seed's world of streams, from its draw to its outcome."""

from random import Random

from penstock.simulation.loop import run_virtual
from penstock.simulation.outcome import Outcome, WorldKind, replay_command
from penstock.simulation.streams.incidents import StreamIncidents
from penstock.simulation.streams.workload import StreamWorldPlan
from penstock.simulation.streams.world import StreamWorld


def dice(purpose: str, seed: int) -> Random:
    """Give the dice of a seed for one purpose: no throw of one moves another's."""
    return Random(f"{purpose} {seed}")


def draw_stream_world(seed: int) -> StreamWorldPlan:
    """Draw the plan of a seed."""
    return StreamWorldPlan.draw(dice("stream plan", seed))


def run_stream_world(
    seed: int, plan: StreamWorldPlan | None = None, *, keeps_trace: bool = False
) -> Outcome:
    """Run one seed's world on a loop of its own; ``plan`` stands in for the drawn one."""

    async def main() -> Outcome:
        chosen = draw_stream_world(seed) if plan is None else plan
        world = StreamWorld(seed, chosen, keeps_trace=keeps_trace)
        return await world.run(StreamIncidents(world, dice("incidents", seed)).befall)

    try:
        return run_virtual(main)
    except BaseException as error:
        error.add_note(f"replay: {replay_command(WorldKind.STREAMS, seed)}")
        raise
