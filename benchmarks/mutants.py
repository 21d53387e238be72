"""Does the swarm alone see a defect of the core? ``make mutants`` answers with a table.

Each mutant is run in a process of its own until a world notices or its seeds end. What was found
is kept in ``build/mutants`` by the text of the mutant's module: a run that was cut off goes on
where it stood, and only what has changed since is run again. ``--again`` asks a simulator that has
learnt to see more for what survived.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from mutant_worlds import Verdict
from mutations import (
    MODULES,
    QUEUE_MODULES,
    STREAM_MODULES,
    Mutant,
    draw_mutants,
    read_module,
)

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build" / "mutants"
COUNT_DEFAULT = 140
SEED_DEFAULT = 7
SEEDS_MAX = 200
MUTANT_S_MAX = 600  # of real time; a mutant whose time is over counts as one that survived
ENOUGH = 0.85


class Result(msgspec.Struct, frozen=True):
    """What became of a mutant; ``key`` says of which code."""

    key: str
    mutant: Mutant
    verdict: Verdict
    elapsed_s: float

    @property
    def is_killed(self) -> bool:
        """Whether a world noticed."""
        return self.verdict.seed is not None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the mutants.

    Returns:
        0 when enough were killed; 1 when not, or when the time was over before the last one.
    """
    options = _parse(argv)
    drawn = draw_mutants(options.seed, options.count)
    chosen = [mutant for mutant in drawn if mutant.module in options.only][options.part]
    KEPT.mkdir(parents=True, exist_ok=True)
    known = _read_results()
    if options.again:
        known = {key: result for key, result in known.items() if result.is_killed}
    waiting = [mutant for mutant in chosen if _key_of(mutant) not in known]
    for number, result in enumerate(_run_all(waiting, options.processes, options.minutes), 1):
        known[result.key] = result
        print(f"{number}/{len(waiting)} {_row(result)}", flush=True)
    results = [known[key] for mutant in chosen if (key := _key_of(mutant)) in known]
    print(_table(results))
    killed = sum(result.is_killed for result in results)
    print(f"{killed} of {len(results)} killed; drawn: {len(chosen)}, by seed {options.seed}")
    is_whole = len(results) == len(chosen)
    return 0 if is_whole and killed >= ENOUGH * len(chosen) else 1


def _run_all(
    mutants: Sequence[Mutant], process_count: int, minutes: float | None
) -> Iterator[Result]:
    """Run mutants, so many at once; begin none after so many minutes."""
    ends_s = None if minutes is None else time.monotonic() + minutes * 60

    def run(mutant: Mutant) -> Result | None:
        return _run(mutant) if ends_s is None or time.monotonic() < ends_s else None

    with ThreadPoolExecutor(process_count) as threads:
        for result in threads.map(run, mutants):
            if result is not None:
                yield result


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=COUNT_DEFAULT, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=SEED_DEFAULT, help="of the draw")
    parser.add_argument("--minutes", type=float, help="begin no mutant after so long")
    parser.add_argument(
        "--again", action="store_true", help="run what survived once more: the simulator changed"
    )
    parser.add_argument(
        "--only",
        type=_modules,
        default=MODULES,
        metavar="MODULE,...",
        help="of these modules alone",
    )
    parser.add_argument(
        "--part", type=_part, default=slice(None), metavar="N/M", help="the N-th of M parts alone"
    )
    parser.add_argument("--processes", type=int, default=1, help="how many run side by side")
    return parser.parse_args(argv)


def _modules(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = sorted(set(names) - set(MODULES))
    if unknown:
        known = ", ".join(sorted(MODULES))
        raise argparse.ArgumentTypeError(f"no mutants are drawn of {unknown}; of these: {known}")
    return names


def _part(text: str) -> slice:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part; the first of two is 1/2")
    return slice(int(number) - 1, None, int(count))


def _run(mutant: Mutant) -> Result:
    key = _key_of(mutant)
    path = KEPT / f"{mutant.module}_{key[:12]}_{os.getpid()}.py"
    path.write_bytes(mutant.apply(read_module(mutant.module)))
    began_s = time.monotonic()
    try:
        verdict = run_worlds(mutant.module, str(path), SEEDS_MAX)
    except subprocess.TimeoutExpired:
        verdict = Verdict("", None, "its time was over", 0)
    path.unlink()
    result = Result(key, mutant, verdict, round(time.monotonic() - began_s, 1))
    _keep(result)
    return result


def run_worlds(module: str, path: str, seed_count: int) -> Verdict:
    """Run worlds over a module's mutant, or over the sound engine, in a process of its own."""
    command = [sys.executable, "-B", str(ROOT / "benchmarks" / "mutant_worlds.py")]
    done = subprocess.run(  # noqa: S603 - our own program
        [*command, module, path, ",".join(_kinds_of(module)), str(seed_count)],
        capture_output=True,
        timeout=MUTANT_S_MAX,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0"},
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Verdict("", 0, f"crash: the process: {last}", 1)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Verdict)


def _kinds_of(module: str) -> tuple[str, ...]:
    """Choose the worlds that can notice, the cheapest first: no other kind runs the module."""
    if module in QUEUE_MODULES:
        return ("machines", "queues")
    if module in STREAM_MODULES:
        return ("machines", "streams")
    return ("machines", "queues", "streams")


def _key_of(mutant: Mutant) -> str:
    parts = (read_module(mutant.module), msgspec.json.encode(mutant))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _read_results() -> dict[str, Result]:
    path = KEPT / "results.jsonl"
    if not path.exists():
        return {}
    lines = path.read_bytes().splitlines()
    results = [msgspec.json.decode(line, type=Result) for line in lines]
    return {result.key: result for result in results}


def _keep(result: Result) -> None:
    # One write at the end of the file: others may run other parts.
    with (KEPT / "results.jsonl").open("ab", buffering=0) as file:
        file.write(msgspec.json.encode(result) + b"\n")


def _row(result: Result) -> str:
    verdict = result.verdict
    if not result.is_killed:
        return f"| {result.mutant.name} | survived | {verdict.seed_count} seeds {verdict.rule} |"
    rule = verdict.rule.replace("|", "/")
    return f"| {result.mutant.name} | {verdict.kind} {verdict.seed} | {rule[:150]} |"


def _table(results: Sequence[Result]) -> str:
    """Draw the table: the mutants in the order of the modules, and the rules that killed them."""
    rules = Counter(_rule_of(result) for result in results if result.is_killed)
    return "\n".join(
        [
            "| mutant | killed at seed | by |",
            "|---|---|---|",
            *(_row(result) for result in results),
            "",
            *(f"{count:4} {rule}" for rule, count in rules.most_common()),
        ]
    )


def _rule_of(result: Result) -> str:
    rule = result.verdict.rule
    return rule if rule.startswith("crash") else rule.split(": ")[1]


if __name__ == "__main__":
    sys.exit(main())
