"""Runs one seed's world of a machine, from its draw to its outcome."""

from random import Random

from penstock.simulation.machines.queue.plan import QueueMachinePlan
from penstock.simulation.machines.queue.world import QueueMachineWorld
from penstock.simulation.machines.rule import RuleBrokenError
from penstock.simulation.machines.shard.plan import ShardMachinePlan
from penstock.simulation.machines.shard.world import ShardMachineWorld
from penstock.simulation.outcome import Outcome, WorldKind

MachinePlan = QueueMachinePlan | ShardMachinePlan


def draw_machine_world(seed: int) -> MachinePlan:
    """Draw the plan of a seed: even ones are of queues, odd ones of shards."""
    rng = Random(f"plan {seed}")
    return ShardMachinePlan.draw(rng) if seed % 2 else QueueMachinePlan.draw(rng)


def run_machine_world(
    seed: int, plan: MachinePlan | None = None, *, keeps_trace: bool = False
) -> Outcome:
    """Run one seed's world; ``plan`` stands in for the drawn one."""
    world = _make_world(
        seed, draw_machine_world(seed) if plan is None else plan, keeps_trace=keeps_trace
    )
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


def _make_world(
    seed: int, plan: MachinePlan, *, keeps_trace: bool
) -> QueueMachineWorld | ShardMachineWorld:
    rng = Random(seed)
    if isinstance(plan, ShardMachinePlan):
        return ShardMachineWorld(plan, rng, keeps_trace=keeps_trace)
    return QueueMachineWorld(plan, rng, keeps_trace=keeps_trace)
