"""What may befall a world of streams: drawn from its seed, printed when it fails."""

from collections.abc import Callable
from random import Random

import msgspec


class UpdateMapping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody changes the mapping through the API."""

    at_ms: int
    mapping: int
    function: int
    batch_size: int
    factor: int
    bisects: bool
    reports: bool
    retry_attempts: int | None


class DisableMapping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody disables the mapping at the n-th event of the trace, and enables it again."""

    at_event: int
    mapping: int
    for_ms: int


class StopNode(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The node is stopped gracefully at the n-th event of the trace, and started again."""

    at_event: int
    for_ms: int


class CrashNode(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The node is killed at the n-th event of the trace, and started again."""

    at_event: int
    for_ms: int


class PauseNode(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The node's process is stopped at the n-th event of the trace, and goes on later."""

    at_event: int
    for_ms: int


class MovePosition(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An operator puts a mapping elsewhere.

    Attributes:
        to: ``horizon``, ``timestamp``, ``record`` or ``skip``.
        share: Chooses the time or the record among all there is, 0..1.
    """

    at_event: int
    mapping: int
    to: str
    share: float


class JumpWall(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The node's wall clock is set."""

    at_ms: int
    by_ms: int


class Reshard(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Shards are split or merged, one after another."""

    at_ms: int
    stream: int
    splits: tuple[bool, ...]
    every_ms: int
    index: int


class TrimStream(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Records leave the stream by their age."""

    at_ms: int
    stream: int
    retention_ms: int


class RecreateStream(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The stream is deleted, and made again under the same ARN."""

    at_ms: int
    stream: int
    for_ms: int
    shard_count: int


class BreakStream(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Calls to the stream of a mapping fail for a while."""

    at_ms: int
    mapping: int
    for_ms: int
    error: str


class FunctionDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A function cannot be reached for a while."""

    at_ms: int
    function: int
    for_ms: int


class DestinationDown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """No destination takes anything for a while."""

    at_ms: int
    for_ms: int


StreamIncident = (
    UpdateMapping
    | DisableMapping
    | StopNode
    | CrashNode
    | PauseNode
    | MovePosition
    | JumpWall
    | Reshard
    | TrimStream
    | RecreateStream
    | BreakStream
    | FunctionDown
    | DestinationDown
)


class Scene(msgspec.Struct, frozen=True):
    """What incidents are drawn from."""

    rng: Random
    function_count: int
    stream_count: int
    mapping_count: int
    safety_ms: int

    def at_ms(self) -> int:
        """Draw a moment; early is when most records are under way."""
        return self.rng.randint(0, self.rng.choice((2_000, self.safety_ms)))

    def at_event(self) -> int:
        """Draw an event: between two events of one moment lies where no clock would hit."""
        return self.rng.randint(5, self.rng.choice((60, 150, 500)))

    def for_ms(self) -> int:
        """Draw how long something lasts."""
        return self.rng.choice((50, 1_000, 10_000, 60_000))

    def long_ms(self) -> int:
        """Draw how long something lasts that may last long."""
        return self.rng.choice((1_000, 20_000, 120_000, 400_000))

    def mapping(self) -> int:
        """Draw a mapping."""
        return self.rng.randrange(self.mapping_count)

    def stream(self) -> int:
        """Draw a stream."""
        return self.rng.randrange(self.stream_count)


def draw_incidents(scene: Scene, *, is_calm: bool) -> tuple[StreamIncident, ...]:
    """Draw what befalls a world."""
    kinds = scene.rng.sample(_CALM_KINDS if is_calm else _KINDS, k=scene.rng.randint(0, 4))
    return tuple(kind(scene) for kind in kinds for _ in range(scene.rng.randint(1, 3)))


def _update(scene: Scene) -> UpdateMapping:
    return UpdateMapping(
        at_ms=scene.at_ms(),
        mapping=scene.mapping(),
        function=scene.rng.randrange(scene.function_count),
        batch_size=scene.rng.choice((1, 2, 10, 100)),
        factor=scene.rng.choice((1, 2, 3, 5)),
        bisects=scene.rng.choice((True, False)),
        reports=scene.rng.choice((True, False)),
        retry_attempts=scene.rng.choice((None, 0, 1, 3)),
    )


def _disable(scene: Scene) -> DisableMapping:
    return DisableMapping(at_event=scene.at_event(), mapping=scene.mapping(), for_ms=scene.for_ms())


def _stop(scene: Scene) -> StopNode:
    return StopNode(at_event=scene.at_event(), for_ms=scene.for_ms())


def _crash(scene: Scene) -> CrashNode:
    return CrashNode(at_event=scene.at_event(), for_ms=scene.for_ms())


def _pause(scene: Scene) -> PauseNode:
    for_ms = scene.rng.choice((200, 3_000, 15_000, 120_000, 400_000, 1_000_000))
    return PauseNode(at_event=scene.at_event(), for_ms=for_ms)


def _move(scene: Scene) -> MovePosition:
    return MovePosition(
        at_event=scene.at_event(),
        mapping=scene.mapping(),
        to=scene.rng.choice(("horizon", "timestamp", "record", "record", "skip", "skip")),
        share=scene.rng.random(),
    )


def _jump(scene: Scene) -> JumpWall:
    by_ms = scene.rng.choice((-600_000, -5_000, 5_000, 86_400_000))
    return JumpWall(at_ms=scene.at_ms(), by_ms=by_ms)


def _reshard(scene: Scene) -> Reshard:
    count = scene.rng.randint(1, 4)
    return Reshard(
        at_ms=scene.at_ms(),
        stream=scene.stream(),
        splits=tuple(scene.rng.choice((True, False)) for _ in range(count)),
        every_ms=scene.rng.choice((0, 100, 3_000)),
        index=scene.rng.randrange(4),
    )


def _trim(scene: Scene) -> TrimStream:
    retention_ms = scene.rng.choice((0, 1_000, 10_000, 60_000))
    return TrimStream(at_ms=scene.at_ms(), stream=scene.stream(), retention_ms=retention_ms)


def _recreate(scene: Scene) -> RecreateStream:
    return RecreateStream(
        at_ms=scene.at_ms(),
        stream=scene.stream(),
        for_ms=scene.rng.choice((0, 0, 1_000, 20_000)),
        shard_count=scene.rng.choice((1, 2)),
    )


def _break(scene: Scene) -> BreakStream:
    return BreakStream(
        at_ms=scene.at_ms(),
        mapping=scene.mapping(),
        for_ms=scene.long_ms(),
        error=scene.rng.choice(("unavailable", "access denied", "not found")),
    )


def _function_down(scene: Scene) -> FunctionDown:
    return FunctionDown(
        at_ms=scene.at_ms(),
        function=scene.rng.randrange(scene.function_count),
        for_ms=scene.long_ms(),
    )


def _destination_down(scene: Scene) -> DestinationDown:
    return DestinationDown(at_ms=scene.at_ms(), for_ms=scene.long_ms())


_CALM_KINDS: tuple[Callable[[Scene], StreamIncident], ...] = (_update, _reshard, _reshard, _move)
_KINDS: tuple[Callable[[Scene], StreamIncident], ...] = (
    _update,
    _disable,
    _stop,
    _crash,
    _crash,
    _crash,
    _crash,
    _crash,
    _pause,
    _pause,
    _move,
    _move,
    _jump,
    _reshard,
    _reshard,
    _reshard,
    _trim,
    _recreate,
    _break,
    _function_down,
    _destination_down,
)
