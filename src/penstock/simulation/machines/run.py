"""Runs one seed's world of a machine, from its draw to its outcome."""

from random import Random

from penstock.simulation.machines.queue.plan import QueueMachinePlan
from penstock.simulation.machines.queue.world import QueueMachineWorld
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.outcome import Outcome, WorldKind


def run_machine_world(
    seed: int, plan: QueueMachinePlan | None = None, *, keeps_trace: bool = False
) -> Outcome:
    """Run one seed's world; ``plan`` stands in for the drawn one."""
    rng = Random(seed)
    drawn = QueueMachinePlan.draw(rng)
    world = QueueMachineWorld(drawn if plan is None else plan, rng, keeps_trace=keeps_trace)
    violation = ""
    try:
        world.run()
    except RuleBrokenError as error:
        violation = str(error)
    return Outcome(
        seed=seed,
        kind=WorldKind.MACHINES,
        plan=world.plan,
        violation=violation,
        lines=world.turns.trace.lines() if violation or keeps_trace else [],
        digest=world.turns.trace.digest() if keeps_trace else "",
        message_count=world.message_count,
        invocation_count=world.invocation_count,
        virtual_s=world.turns.now_ms / 1000,
        settled_ms=world.settled_ms,
    )
