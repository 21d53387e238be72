"""``python -m penstock.simulation``: run many seeds, or replay one."""

import argparse
import itertools
import sys
from collections.abc import Sequence

from penstock.simulation.outcome import WorldKind
from penstock.simulation.swarm import describe_failure, run_one, run_seeds, what_is_sent

SEEDS_DEFAULT = 1_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator.

    Returns:
        0 when every rule held, 1 when one was broken.
    """
    options = _parse(argv)
    kind = WorldKind(options.worlds)
    if options.seed is not None:
        return _replay(kind, options.seed, is_traced=options.trace)
    return _swarm(kind, options)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m penstock.simulation",
        description="Run the engine in drawn worlds on virtual time, and judge what it does.",
    )
    parser.add_argument(
        "--worlds",
        choices=[*WorldKind],
        default=WorldKind.ALL,
        help="worlds of queues, of streams, of both at once under one engine (the default), or of "
        "one machine of the core alone",
    )
    parser.add_argument("--seeds", type=int, help=f"how many worlds; {SEEDS_DEFAULT} by default")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=float, help="run for so long instead")
    parser.add_argument("--processes", type=int, default=1, help="run so many worlds at once")
    parser.add_argument("--seed", type=int, help="run this world only")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every event")
    options = parser.parse_args(argv)
    if options.trace and options.seed is None:
        parser.error("--trace needs --seed")
    is_many = options.seeds is not None or options.minutes is not None or options.first
    if options.seed is not None and is_many:
        parser.error("--seed runs one world: leave out --seeds, --first and --minutes")
    counts = (options.seeds, options.minutes, options.processes)
    if any(each is not None and each <= 0 for each in counts):
        parser.error("--seeds, --minutes and --processes are above 0")
    return options


def _replay(kind: WorldKind, seed: int, *, is_traced: bool) -> int:
    outcome = run_one(kind, seed, keeps_trace=is_traced)
    if outcome.violation:
        print(describe_failure(outcome))
        return 1
    if is_traced:
        print("\n".join(outcome.lines))
    print(
        f"seed {seed}: {outcome.message_count} {what_is_sent(kind)}, "
        f"{outcome.invocation_count} invocations, {outcome.virtual_s:.0f} virtual s, "
        "every rule held"
    )
    return 0


def _swarm(kind: WorldKind, options: argparse.Namespace) -> int:
    first, count, minutes = options.first, options.seeds, options.minutes
    if count is None and minutes is None:
        count = SEEDS_DEFAULT
    seeds = itertools.count(first) if count is None else range(first, first + count)
    tally = run_seeds(
        kind,
        seeds,
        limit_s=None if minutes is None else minutes * 60,
        process_count=options.processes,
        show=_show_at_once,
    )
    if tally.broken is not None:
        print(describe_failure(tally.broken))
    print(tally)
    return 1 if tally.broken is not None else 0


def _show_at_once(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
