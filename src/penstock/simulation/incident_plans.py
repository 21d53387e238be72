"""What befalls a world of queues, as it is drawn and printed; ``incidents.py`` carries it out."""

from collections.abc import Callable
from random import Random

import msgspec

from penstock.model.queue_options import QueueOptions


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


class PauseNode(msgspec.Struct, frozen=True, kw_only=True):
    """The node's process is stopped at the n-th event of the trace, and goes on later."""

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


class ChangeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody tags the mapping, or takes its tags away, while it runs."""

    at_ms: int
    mapping: int
    options: QueueOptions


class DestinationDown(msgspec.Struct, frozen=True, kw_only=True):
    """On-failure destinations take nothing for a while."""

    at_ms: int
    for_ms: int


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
    | PauseNode
    | BreakQueue
    | ChangeConcurrency
    | ChangeOptions
    | DestinationDown
    | InvokeDirectly
    | JumpWall
)
HARMLESS = (UpdateMapping, InvokeDirectly, JumpWall)  # no message is received twice for them


class IncidentScene(msgspec.Struct, frozen=True):
    """What incidents are drawn from.

    Attributes:
        draw_options: Draws other options for a mapping that runs.
    """

    rng: Random
    function_count: int
    mapping_count: int
    safety_ms: int
    draw_options: Callable[[int], QueueOptions]

    def at_ms(self) -> int:
        """Draw a moment."""
        # Early is when most messages are under way.
        return self.rng.randint(0, self.rng.choice((2_000, self.safety_ms)))

    def at_event(self) -> int:
        """Draw an event of the trace."""
        # Between two events of one moment lies where no clock would hit.
        return self.rng.randint(5, 800)

    def for_ms(self) -> int:
        """Draw how long something lasts."""
        return self.rng.choice((50, 1_000, 10_000, 60_000))

    def mapping(self) -> int:
        """Draw a mapping."""
        return self.rng.randrange(self.mapping_count)

    def function(self) -> int:
        """Draw a function."""
        return self.rng.randrange(self.function_count)


def _update(scene: IncidentScene) -> UpdateMapping:
    return UpdateMapping(
        at_ms=scene.at_ms(),
        mapping=scene.mapping(),
        function=scene.function(),
        batch_size=scene.rng.randint(1, 10),
        maximum_concurrency=scene.rng.choice((None, 2, 5)),
        report_failures=scene.rng.choice((True, False)),
    )


def _disable(scene: IncidentScene) -> DisableMapping:
    return DisableMapping(at_event=scene.at_event(), mapping=scene.mapping(), for_ms=scene.for_ms())


def _recreate(scene: IncidentScene) -> RecreateMapping:
    return RecreateMapping(
        at_event=scene.at_event(), mapping=scene.mapping(), for_ms=scene.for_ms()
    )


def _remove(scene: IncidentScene) -> RemoveFunction:
    return RemoveFunction(at_ms=scene.at_ms(), function=scene.function(), for_ms=scene.for_ms())


def _stop(scene: IncidentScene) -> StopNode:
    return StopNode(at_event=scene.at_event(), for_ms=scene.for_ms())


def _crash(scene: IncidentScene) -> CrashNode:
    return CrashNode(at_event=scene.at_event(), for_ms=scene.for_ms())


def _pause(scene: IncidentScene) -> PauseNode:
    for_ms = scene.rng.choice((200, 3_000, 15_000, 45_000, 400_000))
    return PauseNode(at_event=scene.at_event(), for_ms=for_ms)


def _break(scene: IncidentScene) -> BreakQueue:
    return BreakQueue(
        at_ms=scene.at_ms(),
        mapping=scene.mapping(),
        for_ms=scene.for_ms(),
        error=scene.rng.choice(("unavailable", "not found", "access denied")),
        receives_only=scene.rng.choice((True, False)),
    )


def _resize(scene: IncidentScene) -> ChangeConcurrency:
    concurrency = scene.rng.choice((1, 2, 5, 20))
    return ChangeConcurrency(
        at_ms=scene.at_ms(), function=scene.function(), concurrency=concurrency
    )


def _destination_down(scene: IncidentScene) -> DestinationDown:
    return DestinationDown(at_ms=scene.at_ms(), for_ms=scene.for_ms())


def _tag(scene: IncidentScene) -> ChangeOptions:
    mapping = scene.mapping()
    return ChangeOptions(at_ms=scene.at_ms(), mapping=mapping, options=scene.draw_options(mapping))


def _invoke(scene: IncidentScene) -> InvokeDirectly:
    return InvokeDirectly(at_ms=scene.at_ms(), function=scene.function())


def _jump(scene: IncidentScene) -> JumpWall:
    return JumpWall(at_ms=scene.at_ms(), by_ms=scene.rng.choice((-600_000, 86_400_000)))


CALM_KINDS: tuple[Callable[[IncidentScene], Incident], ...] = (_update, _invoke, _jump)
INCIDENT_KINDS: tuple[Callable[[IncidentScene], Incident], ...] = (
    _update,
    _disable,
    _recreate,
    _remove,
    _stop,
    _crash,
    _crash,
    _pause,
    _pause,
    _break,
    _break,
    _resize,
    _destination_down,
    _tag,
    _tag,
    _invoke,
    _jump,
)
