"""What happened to one mapping, step by step: what tests look at and the timeline shows."""

import enum
from typing import Any

import msgspec

from penstock.testing.values import Entry


class Outcome(enum.StrEnum):
    """What the engine made of an invocation."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTLY_FAILED = "partly failed"
    UNKNOWN = "unknown"


class Invocation:
    """One run of a mapping's function.

    Attributes:
        number: Counts from 1 within its mapping.
        request_id: Lambda's.
        attempt: Counts from 1 how often exactly these records were invoked.
        start: Virtual seconds since the test began.
        end: Likewise; None while it runs.
        response: What the handler returned, decoded; None without, or after an error.
        error: Lambda's error object, {"errorMessage": .., "errorType": ..}; None without.
        outcome: What the engine made of it.
        reason: Why it failed, in words; empty when it did not.
    """

    def __init__(  # noqa: PLR0913 - all that is known when it begins
        self,
        number: int,
        payload: bytes,
        entries: tuple[Entry, ...],
        *,
        request_id: str,
        attempt: int,
        start_ms: int,
        shard: str,
    ) -> None:
        self.number = number
        self.request_id = request_id
        self.attempt = attempt
        self.response: Any = None
        self.error: dict[str, Any] | None = None
        self.outcome = Outcome.RUNNING
        self.reason = ""
        self.entries = entries
        self.failed: tuple[Entry, ...] = ()
        self.start_ms = start_ms
        self.end_ms: int | None = None
        self.shard = shard
        self._payload = payload
        self._event: dict[str, Any] | None = None

    @property
    def event(self) -> dict[str, Any]:
        """The event, as the handler got it, whatever the handler did to its own copy."""
        if self._event is None:
            self._event = msgspec.json.decode(self._payload, type=dict[str, Any])
        return self._event

    @property
    def records(self) -> list[Any]:
        """The values of its records, as the test put them."""
        return [entry.value for entry in self.entries]

    @property
    def start(self) -> float:
        """Virtual seconds since the test began."""
        return self.start_ms / 1000

    @property
    def end(self) -> float | None:
        """Virtual seconds since the test began; None while it runs."""
        return None if self.end_ms is None else self.end_ms / 1000

    def __repr__(self) -> str:
        count = len(self.entries)
        return (
            f"<invocation {self.number} of {count} records at {self.start:.3f} s: {self.outcome}>"
        )


class Kind(enum.Enum):
    """What a step is about."""

    PUT = enum.auto()
    READ = enum.auto()
    FILTERED = enum.auto()
    INVOKED = enum.auto()
    ENDED = enum.auto()  # how: the invocation's outcome
    REJECTED = enum.auto()
    HIDDEN = enum.auto()
    DELETED = enum.auto()
    DEAD_LETTERED = enum.auto()
    DISCARDED = enum.auto()
    CHECKPOINT = enum.auto()
    TROUBLE = enum.auto()
    CHANGED = enum.auto()


class Step(msgspec.Struct, frozen=True, eq=False):
    """Something that happened.

    Attributes:
        at_ms: Virtual time.
        text: What the kind and the entries do not say.
        shard: Of a stream's step.
    """

    at_ms: int
    kind: Kind
    entries: tuple[Entry, ...] = ()
    text: str = ""
    shard: str = ""
    invocation: Invocation | None = None


class History:
    """All that happened to one mapping.

    Attributes:
        steps: In order.
        invocations: In the order in which they began.
        reports: What its on-failure destination was told, decoded.
        running_count: Invocations whose end the engine does not know yet.
    """

    def __init__(self) -> None:
        self.running_count = 0
        self.steps: list[Step] = []
        self.invocations: list[Invocation] = []
        self.reports: list[dict[str, Any]] = []
        # Dicts, for their order: something may succeed twice.
        self._succeeded: dict[Entry, None] = {}
        self._discarded: dict[Entry, None] = {}
        self._attempts: dict[tuple[Entry, ...] | tuple[str, str], int] = {}

    @property
    def succeeded(self) -> list[Entry]:
        """What its function succeeded with, each once, in that order."""
        return list(self._succeeded)

    @property
    def discarded(self) -> list[Entry]:
        """What was given up, each once, in that order."""
        return list(self._discarded)

    def begin(
        self,
        payload: bytes,
        entries: tuple[Entry, ...],
        *,
        request_id: str,
        at_ms: int,
        window_end: tuple[str, str] | None = None,
    ) -> Invocation:
        """Note that an invocation begins; a window's last one has no entries."""
        what = window_end or entries
        shard = window_end[0] if window_end else entries[0].shard
        attempt = self._attempts[what] = self._attempts.get(what, 0) + 1
        invocation = Invocation(
            len(self.invocations) + 1,
            payload,
            entries,
            request_id=request_id,
            attempt=attempt,
            start_ms=at_ms,
            shard=shard,
        )
        self.invocations.append(invocation)
        self.running_count += 1
        self.steps.append(Step(at_ms, Kind.INVOKED, entries, shard=shard, invocation=invocation))
        return invocation

    def end(
        self, invocation: Invocation, outcome: Outcome, failed: tuple[Entry, ...], at_ms: int
    ) -> None:
        """Note what the engine made of an invocation."""
        self.running_count -= 1
        invocation.outcome = outcome
        invocation.failed = failed
        if outcome in {Outcome.SUCCEEDED, Outcome.PARTLY_FAILED}:
            gone = set(failed)
            self._succeeded |= dict.fromkeys(
                entry for entry in invocation.entries if entry not in gone
            )
        step = Step(
            at_ms, Kind.ENDED, invocation.entries, shard=invocation.shard, invocation=invocation
        )
        self.steps.append(step)

    def discard(self, step: Step) -> None:
        """Note that entries were given up."""
        self._discarded |= dict.fromkeys(step.entries)
        self.steps.append(step)
