"""What a world is made of and what befalls it: drawn from its seed, printed when it fails."""

from collections.abc import Callable
from random import Random

import msgspec

from penstock.core.scaling import RampPolicy
from penstock.model.function import TIMEOUT_S_DEFAULT
from penstock.simulation.faults import FaultRates

BIG_BODY_BYTES = 1_000_000  # six of them are near the 6 MB of an event
_SMALL_BODY_BYTES = 40


class FunctionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A function; ``capacity``: runs at once where it runs, None for as many as asked."""

    concurrency: int
    timeout_s: int = TIMEOUT_S_DEFAULT
    duration_ms: tuple[int, int]
    reports_failures: bool
    capacity: int | None


class MappingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping, its queue, and what is sent to it.

    Attributes:
        sent_at_ms: When each message is sent.
        poison: Indices of the messages that no function succeeds with.
    """

    function: int
    visibility_s: int
    max_receive_count: int | None
    batch_size: int
    maximum_concurrency: int | None
    report_failures: bool
    sent_at_ms: tuple[int, ...]
    poison: tuple[int, ...]
    body_bytes: int


class UpdateMapping(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody changes the mapping through the API."""

    at_ms: int
    mapping: int
    function: int
    batch_size: int
    maximum_concurrency: int | None
    report_failures: bool


class DisableMapping(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody disables the mapping at the n-th event of the trace, and enables it again."""

    at_event: int
    mapping: int
    for_ms: int


class RecreateMapping(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody deletes the mapping at the n-th event of the trace, and creates it again."""

    at_event: int
    mapping: int
    for_ms: int


class RemoveFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function is gone for a while."""

    at_ms: int
    function: int
    for_ms: int


class StopNode(msgspec.Struct, frozen=True, kw_only=True):
    """The node is stopped gracefully at the n-th event of the trace, and started again."""

    at_event: int
    for_ms: int


class CrashNode(msgspec.Struct, frozen=True, kw_only=True):
    """The node is killed at the n-th event of the trace, and started again."""

    at_event: int
    for_ms: int


class BreakQueue(msgspec.Struct, frozen=True, kw_only=True):
    """Calls to a queue fail for a while: all of them, or receives only."""

    at_ms: int
    mapping: int
    for_ms: int
    error: str
    receives_only: bool


class ChangeConcurrency(msgspec.Struct, frozen=True, kw_only=True):
    """A function is declared anew with other slots."""

    at_ms: int
    function: int
    concurrency: int


class InvokeDirectly(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody invokes a function through the API."""

    at_ms: int
    function: int


class JumpWall(msgspec.Struct, frozen=True, kw_only=True):
    """The wall clock is set."""

    at_ms: int
    by_ms: int


Incident = (
    UpdateMapping
    | DisableMapping
    | RecreateMapping
    | RemoveFunction
    | StopNode
    | CrashNode
    | BreakQueue
    | ChangeConcurrency
    | InvokeDirectly
    | JumpWall
)
_HARMLESS = (UpdateMapping, InvokeDirectly, JumpWall)  # no message is received twice for them


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
    def draw(cls, rng: Random) -> "WorldPlan":
        """Draw a world; a third of them is calm."""
        is_calm = rng.random() < 1 / 3
        functions = tuple(
            _draw_function(rng, is_calm=is_calm) for _ in range(rng.choice((1, 1, 2)))
        )
        safety_ms = rng.choice((2_000, 20_000, 60_000, 200_000))
        mappings = tuple(
            _draw_mapping(rng, functions, safety_ms, is_calm=is_calm)
            for _ in range(rng.choice((1, 1, 2, 3)))
        )
        scene = _Scene(rng, len(functions), len(mappings), safety_ms)
        kinds = rng.sample(_CALM_KINDS if is_calm else _KINDS, k=rng.randint(0, 3))
        incidents: list[Incident] = [
            kind(scene) for kind in kinds for _ in range(rng.randint(1, 3))
        ]
        return cls(
            functions=functions,
            mappings=mappings,
            rates=FaultRates() if is_calm else FaultRates.draw(rng),
            incidents=tuple(incidents),
            ramp=rng.choice(_RAMPS),
            long_poll_s=rng.choice((5, 20, 20)),
            safety_ms=safety_ms,
        )

    def never_receives_twice(self, mapping: MappingPlan) -> bool:
        """Tell whether a message of this mapping's queue can have no reason to come again.

        An invocation ends within half the visibility timeout, so that it ends in time even when its
        batch has waited up to the moment at which the wait is extended.
        """
        return (
            self.rates.is_calm()
            and not mapping.poison
            and all(isinstance(incident, _HARMLESS) for incident in self.incidents)
            and all(function.capacity is None for function in self.functions)
            and all(2 * each.timeout_s < mapping.visibility_s for each in self.functions)
        )


def _draw_function(rng: Random, *, is_calm: bool) -> FunctionPlan:
    timeout_s = rng.choice((1, 3, 3, 10))
    longest_ms = rng.choice((5, 100, 1_000, timeout_s * 1000))
    return FunctionPlan(
        concurrency=rng.choice((1, 1, 2, 5, 10, 50)),
        timeout_s=timeout_s,
        duration_ms=(rng.randint(1, longest_ms), longest_ms),
        reports_failures=rng.choice((True, False)),
        capacity=None if is_calm else rng.choice((None, None, None, 1, 3)),
    )


def _draw_mapping(
    rng: Random, functions: tuple[FunctionPlan, ...], safety_ms: int, *, is_calm: bool
) -> MappingPlan:
    longest_s = max(function.timeout_s for function in functions)
    max_receive_count = rng.choice((None, 1, 2, 3, 5))
    is_big = rng.randrange(25) == 0
    count = rng.randint(2, 14) if is_big else rng.choice((0, 1, 5, 20, 60, 120))
    spread_ms = rng.choice((0, 1_000, safety_ms))
    poison_rate = 0.0 if max_receive_count is None or is_calm else rng.choice((0.0, 0.05, 0.3))
    return MappingPlan(
        function=rng.randrange(len(functions)),
        visibility_s=max(longest_s, rng.choice((1, 2, 8, 30, 120))),
        max_receive_count=max_receive_count,
        batch_size=rng.choice((1, 2, 5, 10, 10)),
        maximum_concurrency=rng.choice((None, None, 2, 3, 10)),
        report_failures=rng.choice((True, False)),
        sent_at_ms=tuple(sorted(rng.randint(0, spread_ms) for _ in range(count))),
        poison=tuple(index for index in range(count) if rng.random() < poison_rate),
        body_bytes=BIG_BODY_BYTES if is_big else _SMALL_BODY_BYTES,
    )


class _Scene(msgspec.Struct, frozen=True):
    """What incidents are drawn from."""

    rng: Random
    function_count: int
    mapping_count: int
    safety_ms: int

    def at_ms(self) -> int:
        # Early is when most messages are under way.
        return self.rng.randint(0, self.rng.choice((2_000, self.safety_ms)))

    def at_event(self) -> int:
        # Between two events of one moment lies where no clock would hit.
        return self.rng.randint(5, 800)

    def for_ms(self) -> int:
        return self.rng.choice((50, 1_000, 10_000, 60_000))

    def mapping(self) -> int:
        return self.rng.randrange(self.mapping_count)

    def function(self) -> int:
        return self.rng.randrange(self.function_count)


def _update(scene: _Scene) -> UpdateMapping:
    return UpdateMapping(
        at_ms=scene.at_ms(),
        mapping=scene.mapping(),
        function=scene.function(),
        batch_size=scene.rng.randint(1, 10),
        maximum_concurrency=scene.rng.choice((None, 2, 5)),
        report_failures=scene.rng.choice((True, False)),
    )


def _disable(scene: _Scene) -> DisableMapping:
    return DisableMapping(at_event=scene.at_event(), mapping=scene.mapping(), for_ms=scene.for_ms())


def _recreate(scene: _Scene) -> RecreateMapping:
    return RecreateMapping(
        at_event=scene.at_event(), mapping=scene.mapping(), for_ms=scene.for_ms()
    )


def _remove(scene: _Scene) -> RemoveFunction:
    return RemoveFunction(at_ms=scene.at_ms(), function=scene.function(), for_ms=scene.for_ms())


def _stop(scene: _Scene) -> StopNode:
    return StopNode(at_event=scene.at_event(), for_ms=scene.for_ms())


def _crash(scene: _Scene) -> CrashNode:
    return CrashNode(at_event=scene.at_event(), for_ms=scene.for_ms())


def _break(scene: _Scene) -> BreakQueue:
    return BreakQueue(
        at_ms=scene.at_ms(),
        mapping=scene.mapping(),
        for_ms=scene.for_ms(),
        error=scene.rng.choice(("unavailable", "not found", "access denied")),
        receives_only=scene.rng.choice((True, False)),
    )


def _resize(scene: _Scene) -> ChangeConcurrency:
    concurrency = scene.rng.choice((1, 2, 5, 20))
    return ChangeConcurrency(
        at_ms=scene.at_ms(), function=scene.function(), concurrency=concurrency
    )


def _invoke(scene: _Scene) -> InvokeDirectly:
    return InvokeDirectly(at_ms=scene.at_ms(), function=scene.function())


def _jump(scene: _Scene) -> JumpWall:
    return JumpWall(at_ms=scene.at_ms(), by_ms=scene.rng.choice((-3_600_000, 86_400_000)))


_CALM_KINDS: tuple[Callable[[_Scene], Incident], ...] = (_update, _invoke, _jump)
_KINDS: tuple[Callable[[_Scene], Incident], ...] = (
    _update,
    _disable,
    _recreate,
    _remove,
    _stop,
    _crash,
    _crash,
    _break,
    _break,
    _resize,
    _invoke,
    _jump,
)
_RAMPS = (
    RampPolicy(),
    RampPolicy(),
    RampPolicy(initial=1, per_minute=60, maximum=10),
    RampPolicy(initial=50, per_minute=6_000, maximum=1_000),
)
