"""Many worlds, one after another, and the report of the first that breaks."""

import functools
import itertools
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec

from penstock.simulation.machines.run import run_machine_world
from penstock.simulation.outcome import Outcome, WorldKind
from penstock.simulation.run import run_world
from penstock.simulation.streams.run import run_stream_world
from penstock.simulation.whole.run import run_whole_world

PROGRESS_EVERY_S = 5.0
SEEDS_AT_ONCE = 500  # of each process, before the others are waited for
SEEDS_PER_TURN = 25


class Tally(msgspec.Struct):
    """What a swarm has done so far."""

    kind: WorldKind
    seed_count: int = 0
    message_count: int = 0
    invocation_count: int = 0
    virtual_s: float = 0.0
    elapsed_s: float = 0.0
    broken: Outcome | None = None

    def add(self, outcome: Outcome) -> None:
        """Count a world in."""
        self.seed_count += 1
        self.message_count += outcome.message_count
        self.invocation_count += outcome.invocation_count
        self.virtual_s += outcome.virtual_s
        if outcome.violation:
            self.broken = outcome

    def __str__(self) -> str:
        what = what_is_sent(self.kind)
        rate = self.seed_count / self.elapsed_s if self.elapsed_s else 0.0
        return (
            f"{self.kind}: {self.seed_count} seeds in {self.elapsed_s:.1f} s ({rate:.0f}/s): "
            f"{self.message_count} {what}, {self.invocation_count} invocations, "
            f"{self.virtual_s / 3600:.1f} virtual hours"
        )


def run_seeds(
    kind: WorldKind,
    seeds: Iterable[int],
    *,
    limit_s: float | None = None,
    process_count: int = 1,
    show: Callable[[str], None] = print,
) -> Tally:
    """Run worlds until one breaks, the seeds end, or the time is over.

    Args:
        kind: Of the worlds.
        seeds: In the order in which they are run.
        limit_s: Real seconds; the world that runs when they are over is still finished.
        process_count: In so many processes at once; what is printed is the same.
        show: Takes a line of progress now and then.
    """
    tally = Tally(kind)
    began_s = shown_s = time.perf_counter()
    for outcome in _outcomes(kind, seeds, process_count):
        now_s = time.perf_counter()
        tally.add(outcome)
        tally.elapsed_s = now_s - began_s
        if tally.broken is not None or (limit_s is not None and tally.elapsed_s >= limit_s):
            break
        if now_s - shown_s >= PROGRESS_EVERY_S:
            shown_s = now_s
            show(str(tally))
    return tally


def describe_failure(outcome: Outcome) -> str:
    """Say all that is needed to understand a broken world and to see it again."""
    plan = msgspec.json.format(msgspec.json.encode(outcome.plan), indent=1).decode()
    return "\n".join(
        [
            f"seed {outcome.seed} broke a rule",
            f"plan: {plan}",
            "the last events:",
            *outcome.lines,
            f"seed {outcome.seed}, {outcome.violation}",
            f"replay: {outcome.replay}",
        ]
    )


def what_is_sent(kind: WorldKind) -> str:
    """Name what a world of that kind is about."""
    match kind:
        case WorldKind.QUEUES:
            return "messages"
        case WorldKind.STREAMS:
            return "records"
        case WorldKind.ALL | WorldKind.MACHINES:
            return "messages and records"


def run_one(kind: WorldKind, seed: int, *, keeps_trace: bool = False) -> Outcome:
    """Run one seed's world of a kind."""
    match kind:
        case WorldKind.QUEUES:
            return run_world(seed, keeps_trace=keeps_trace)
        case WorldKind.STREAMS:
            return run_stream_world(seed, keeps_trace=keeps_trace)
        case WorldKind.ALL:
            return run_whole_world(seed, keeps_trace=keeps_trace)
        case WorldKind.MACHINES:
            return run_machine_world(seed, keeps_trace=keeps_trace)


def _outcomes(kind: WorldKind, seeds: Iterable[int], process_count: int) -> Iterator[Outcome]:
    """Run worlds, in several processes if asked; their outcomes come in the seeds' order."""
    run = functools.partial(run_one, kind)
    if process_count == 1:
        yield from map(run, seeds)
        return
    coming = iter(seeds)
    with multiprocessing.get_context("spawn").Pool(process_count) as pool:
        while chunk := list(itertools.islice(coming, SEEDS_AT_ONCE * process_count)):
            yield from pool.imap(run, chunk, chunksize=SEEDS_PER_TURN)
