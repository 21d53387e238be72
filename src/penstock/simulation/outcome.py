"""What came of a simulated world."""

import enum

import msgspec


class WorldKind(enum.StrEnum):
    """The kinds of simulated worlds; a seed is of one of them."""

    ALL = "all"
    QUEUES = "queues"
    STREAMS = "streams"
    MACHINES = "machines"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a world.

    Attributes:
        plan: What was drawn.
        violation: The first rule that was broken, and how; empty when none was.
        settled_ms: When the last message or record ended.
        lines: The last events before it, or all of them when they were asked for.
        message_count: Messages sent, or records put.
    """

    seed: int
    kind: WorldKind
    plan: msgspec.Struct
    violation: str
    lines: list[str]
    digest: str
    message_count: int
    invocation_count: int
    virtual_s: float
    settled_ms: int

    @property
    def replay(self) -> str:
        """Give the command that shows this world again."""
        return replay_command(self.kind, self.seed)


def replay_command(kind: WorldKind, seed: int) -> str:
    """Give the command that shows a world again."""
    return f"python -m penstock.simulation --worlds {kind} --seed {seed} --trace"
