"""What a whole world is made of: a plan of queues and one of streams, over the same functions."""

from random import Random

import msgspec

from penstock.simulation.incident_plans import ChangeConcurrency
from penstock.simulation.mapping_plans import MappingPlan
from penstock.simulation.streams.incident_plans import UpdateMapping
from penstock.simulation.streams.workload import StreamWorldPlan
from penstock.simulation.workload import WorldPlan

# Streams wait here for queues, which may take an hour: looking in vain would be most of the cost.
IDLE_PACE_MS_MIN = 10_000


class WholePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One world, whole; faults and incidents of either part strike the engine that both have."""

    queues: WorldPlan
    streams: StreamWorldPlan

    @classmethod
    def draw(cls, rng: Random) -> "WholePlan":
        """Draw a world."""
        queues, streams = WorldPlan.draw(rng), StreamWorldPlan.draw(rng)
        safety_ms = max(queues.safety_ms, streams.safety_ms)
        functions = queues.functions
        return cls(
            queues=msgspec.structs.replace(
                queues,
                mappings=tuple(_allowed(each) for each in queues.mappings),
                safety_ms=safety_ms,
            ),
            streams=msgspec.structs.replace(
                streams,
                functions=functions,
                mappings=tuple(
                    msgspec.structs.replace(each, function=each.function % len(functions))
                    for each in streams.mappings
                ),
                incidents=tuple(
                    msgspec.structs.replace(each, function=each.function % len(functions))
                    if hasattr(each, "function")
                    else each
                    for each in streams.incidents
                ),
                pace=msgspec.structs.replace(
                    streams.pace, idle_ms=max(streams.pace.idle_ms, IDLE_PACE_MS_MIN)
                ),
                list_every_ms=max(streams.list_every_ms, IDLE_PACE_MS_MIN),
                safety_ms=safety_ms,
            ),
        )

    def is_undisturbed(self) -> bool:
        """Tell whether neither part has faults or incidents that the other would feel."""
        parts = (self.queues, self.streams)
        return all(part.rates.is_calm() and not part.incidents for part in parts)

    def functions_of_streams(self) -> set[int]:
        """Give the functions that mappings of streams have, or may be given."""
        updates = [each for each in self.streams.incidents if isinstance(each, UpdateMapping)]
        return {each.function for each in self.streams.mappings} | {
            each.function for each in updates
        }

    def concurrency_max(self, function: int) -> int:
        """Give the most slots that a function ever has."""
        changed = [
            each.concurrency
            for each in self.queues.incidents
            if isinstance(each, ChangeConcurrency) and each.function == function
        ]
        return max(self.queues.functions[function].concurrency, *changed, 1)


def _allowed(mapping: MappingPlan) -> MappingPlan:
    """Make of a mapping one that the API takes.

    fifo-strict asks for reported failures, and an on-failure destination for messages that reach
    it: the queue must not move them away before.
    """
    options = mapping.options
    bounds = [options.max_receive_count, mapping.max_receive_count]
    if None not in bounds:
        options = msgspec.structs.replace(
            options, max_receive_count=min(each for each in bounds if each is not None)
        )
    return msgspec.structs.replace(
        mapping, options=options, report_failures=mapping.report_failures or options.fifo_strict
    )
