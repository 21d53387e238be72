"""A mapping's history in words, for a reader who does not know the engine."""

import collections
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from penstock.testing.history import History, Invocation, Kind, Outcome, Step
from penstock.testing.picture import draw
from penstock.testing.values import Entry, count_of, name_entries

_PREVIEWS_MAX = 3
_REQUEST_ID = re.compile(r"^RequestId: \S+ Error: ")  # how the sandbox's own errors begin
_LABELS = {
    Kind.PUT: "put",
    Kind.READ: "read",
    Kind.FILTERED: "filter out",
    Kind.REJECTED: "no run",
    Kind.HIDDEN: "hide",
    Kind.DELETED: "delete",
    Kind.DEAD_LETTERED: "dead-letter",
    Kind.DISCARDED: "discard",
    Kind.CHECKPOINT: "checkpoint",
    Kind.TROUBLE: "trouble",
    Kind.CHANGED: "mapping",
}
_VERBS = {
    Outcome.SUCCEEDED: "ended",
    Outcome.FAILED: "failed",
    Outcome.PARTLY_FAILED: "partly",
    Outcome.UNKNOWN: "lost",
}
# What says how an entry goes on after a failure.
_NEXT = {Kind.INVOKED, Kind.READ, Kind.REJECTED, Kind.DISCARDED, Kind.DEAD_LETTERED}


class Timeline:
    """What has happened to a mapping, as of when it was asked for.

    ``print`` it, or ``save`` its picture.

    Args:
        title: Names the mapping.
        settings: The parameters that it was made with.
        noun: What its source holds: ``record`` or ``message``.
    """

    def __init__(self, title: str, settings: str, noun: str, history: History) -> None:
        self._title = title
        self._settings = settings
        self._noun = noun
        self._history = history
        self._steps = tuple(history.steps)
        shards = {step.shard for step in self._steps if step.shard}
        self._shows_shards = len(shards) > 1

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<timeline of {self._title}: {len(self._steps)} steps>"

    def text(self, *, last: int | None = None) -> str:
        """Tell it; with ``last`` only so many steps from the end."""
        steps = self._steps
        followers = _Followers(steps)
        told = [self._tell(index, step, followers) for index, step in enumerate(steps)]
        if last is not None and len(told) > last:
            left_out = len(told) - last
            told = [f"{'...':>12}  {count_of(range(left_out), 'step')} before", *told[-last:]]
        head = filter(None, [self._title, self._settings and f"{'':>14}{self._settings}"])
        return "\n".join([*head, *told, self._summary()])

    def svg(self) -> str:
        """Draw it: records over time, as the text of an SVG file."""
        return draw(self._title, (self._settings, self._summary()), self._steps)

    def save(self, path: str | Path) -> None:
        """Write the picture to a file; its name ends with ``.svg``."""
        Path(path).write_text(self.svg(), encoding="utf-8")

    def _tell(self, index: int, step: Step, followers: "_Followers") -> str:
        match step.kind:
            case Kind.INVOKED if step.invocation is not None:
                return self._line(
                    step, f"invoke {step.invocation.number}", self._tell_run(step.invocation)
                )
            case Kind.ENDED if step.invocation is not None:
                verb = _VERBS[step.invocation.outcome]
                text = self._tell_end(index, step.invocation, followers)
                return self._line(step, f"{verb} {step.invocation.number}", text)
            case _:
                return self._line(step, _LABELS[step.kind], self._tell_other(step))

    def _tell_other(self, step: Step) -> str:
        named = name_entries(step.entries) if step.entries else ""
        match step.kind:
            case Kind.PUT:
                return f"{self._count(step.entries)}: {_previews(step.entries)}"
            case Kind.READ:
                again = f" ({step.text})" if step.text else ""
                return f"{self._count(step.entries)}: {named}{again}"
            case Kind.DISCARDED | Kind.DEAD_LETTERED:
                return f"{_previews(step.entries)}: {step.text}"
            case Kind.CHECKPOINT:
                return step.text or f"everything up to {named} is settled"
            case Kind.REJECTED | Kind.TROUBLE:
                return ": ".join(filter(None, [named, step.text]))
            case _:
                return " ".join(filter(None, [named, step.text]))

    def _line(self, step: Step, label: str, text: str) -> str:
        shard = f"[{short_shard(step.shard)}] " if self._shows_shards and step.shard else ""
        return f"{step.at_ms / 1000:>10.3f} s  {label:<11} {shard}{text}".rstrip()

    def _tell_run(self, invocation: Invocation) -> str:
        attempt = invocation.attempt
        again = f", attempt {attempt}" if attempt > 1 else ""
        if not invocation.entries:
            return f"the tumbling window's last invocation{again}"
        return f"{self._count(invocation.entries)}: {name_entries(invocation.entries)}{again}"

    def _tell_end(self, index: int, invocation: Invocation, followers: "_Followers") -> str:
        took_s = ((invocation.end_ms or invocation.start_ms) - invocation.start_ms) / 1000
        after = f"after {took_s:.3f} s"
        if invocation.outcome is Outcome.SUCCEEDED:
            return f"well, {after}"
        why = why_failed(invocation)
        if invocation.outcome is Outcome.PARTLY_FAILED:
            why = _tell_part(invocation)
        followed = followers.tell(index, invocation)
        return f"{after}: {why}" + (f"; {followed}" if followed else "")

    def _count(self, entries: Iterable[Entry]) -> str:
        return count_of(entries, self._noun)

    def _summary(self) -> str:
        history = self._history
        entries = {entry for step in self._steps if step.kind is Kind.PUT for entry in step.entries}
        failed = sum(bool(each.failed) for each in history.invocations)
        succeeded = len(history.succeeded)
        runs = count_of(history.invocations, "invocation")
        end_s = self._steps[-1].at_ms / 1000 if self._steps else 0
        return (
            f"{count_of(entries, self._noun)} put: {succeeded} succeeded, "
            f"{len(history.discarded)} discarded; {runs}, {failed} of them failed; "
            f"{end_s:.3f} s of virtual time"
        )


class _Followers:
    """Finds what comes of an entry after a step."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._by_entry: dict[Entry, list[int]] = collections.defaultdict(list)
        for index, step in enumerate(steps):
            if step.kind in _NEXT:
                for entry in step.entries:
                    self._by_entry[entry].append(index)

    def tell(self, index: int, invocation: Invocation) -> str:
        """Say what follows a failure, as far as it is known."""
        if not invocation.failed:
            return ""
        following = self._by_entry.get(invocation.failed[0], [])
        later = next((each for each in following if each > index), None)
        return (
            "not tried again so far" if later is None else self._tell_next(index, later, invocation)
        )

    def _tell_next(self, index: int, later: int, invocation: Invocation) -> str:
        step = self._steps[later]
        after_s = (step.at_ms - self._steps[index].at_ms) / 1000
        match step.kind:
            case Kind.DISCARDED:
                return "given up"
            case Kind.DEAD_LETTERED:
                return f"goes to the dead-letter queue {after_s:.3f} s later"
            case Kind.READ:
                return f"comes again {after_s:.3f} s later"
            case Kind.INVOKED if len(step.entries) < len(invocation.failed):
                rest = invocation.failed[len(step.entries) :]
                halves = f"{name_entries(step.entries)}, then {name_entries(rest)}"
                return f"split: {halves}; {after_s:.3f} s later"
            case _:
                return f"tried again {after_s:.3f} s later"


def why_failed(invocation: Invocation) -> str:
    """Say why an invocation failed, in a line."""
    error = invocation.error
    if error is None:
        return invocation.reason
    kind = str(error.get("errorType", ""))
    message = _REQUEST_ID.sub("", str(error.get("errorMessage", "")))
    told = ": ".join(" ".join(part.split()) for part in (kind, message) if part)
    return told.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be printed


def _tell_part(invocation: Invocation) -> str:
    """Say what was reported; of a stream all comes again from the first of it on."""
    if not invocation.shard:
        return f"{name_entries(invocation.failed)} reported as failed"
    first, rest = invocation.failed[:1], name_entries(invocation.failed)
    return f"reported as failed from {name_entries(first)} on: {rest}"


def short_shard(shard_id: str) -> str:
    """Name a shard by its number."""
    digits = shard_id.rpartition("-")[2]
    return f"shard {int(digits)}" if digits.isdecimal() else shard_id


def _previews(entries: Iterable[Entry]) -> str:
    """Show a few values; of many only which they are."""
    shown = tuple(entries)
    if len(shown) > _PREVIEWS_MAX:
        return name_entries(shown)
    return ", ".join(f"#{entry.number} {entry.preview()}" for entry in shown)
