"""What a world of queues is made of: drawn from its seed, printed when it fails."""

from random import Random

import msgspec

from penstock.core.scaling import RampPolicy
from penstock.simulation.faults import FaultRates
from penstock.simulation.incident_plans import (
    CALM_KINDS,
    HARMLESS,
    INCIDENT_KINDS,
    Incident,
    IncidentScene,
)
from penstock.simulation.mapping_plans import (
    FEATURES_DRAWN,
    Feature,
    FunctionPlan,
    MappingDraw,
    MappingPlan,
    add_weight,
    draw_function,
)


class WorldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One world, whole.

    Attributes:
        safety_ms: How long faults last; then the world is healed and must settle.
    """

    functions: tuple[FunctionPlan, ...]
    mappings: tuple[MappingPlan, ...]
    rates: FaultRates
    incidents: tuple[Incident, ...]
    ramp: RampPolicy
    long_poll_s: int
    safety_ms: int

    @classmethod
    def draw(cls, rng: Random, features: frozenset[Feature] = FEATURES_DRAWN) -> "WorldPlan":
        """Draw a world; a third of them is calm."""
        is_calm = rng.random() < 1 / 3
        functions = tuple(draw_function(rng, is_calm=is_calm) for _ in range(rng.choice((1, 1, 2))))
        safety_ms = rng.choice((2_000, 20_000, 60_000, 200_000))
        draws = [
            MappingDraw(rng, features, is_calm=is_calm) for _ in range(rng.choice((1, 1, 2, 3)))
        ]
        mappings = tuple(draw.draw(functions, safety_ms) for draw in draws)
        scene = IncidentScene(
            rng,
            len(functions),
            len(mappings),
            safety_ms,
            lambda index: draws[index].redraw_options(mappings[index]),
        )
        kinds = rng.sample(CALM_KINDS if is_calm else INCIDENT_KINDS, k=rng.randint(0, 3))
        incidents: list[Incident] = [
            kind(scene) for kind in kinds for _ in range(rng.randint(1, 3))
        ]
        plan = cls(
            functions=functions,
            mappings=mappings,
            rates=FaultRates() if is_calm else FaultRates.draw(rng),
            incidents=tuple(incidents),
            ramp=rng.choice(_RAMPS),
            long_poll_s=rng.choice((5, 20, 20)),
            safety_ms=safety_ms,
        )
        filtered = [draw.add_filter(each) for draw, each in zip(draws, mappings, strict=True)]
        return msgspec.structs.replace(plan, mappings=tuple(map(add_weight, filtered)))

    def is_calm(self) -> bool:
        """Tell whether nothing goes wrong, and nobody takes anything away."""
        return self.rates.is_calm() and all(isinstance(each, HARMLESS) for each in self.incidents)

    def never_receives_twice(self, mapping: MappingPlan) -> bool:
        """Tell whether a message of this mapping's queue can have no reason to come again.

        An invocation ends within half the visibility timeout, so that it ends in time even when its
        batch has waited up to the moment at which the wait is extended.
        """
        return (
            self.is_calm()
            and not mapping.poison
            and all(function.capacity is None for function in self.functions)
            and (
                mapping.options.heartbeat_s is not None
                or all(2 * each.timeout_s < mapping.visibility_s for each in self.functions)
            )
        )


_RAMPS = (
    RampPolicy(),
    RampPolicy(),
    RampPolicy(initial=1, per_minute=60, maximum=10),
    RampPolicy(initial=50, per_minute=6_000, maximum=1_000),
)
