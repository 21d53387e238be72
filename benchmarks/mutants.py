"""Does the swarm alone see a defect of the core? ``make mutants`` answers with a table.

Each mutant is run in a process of its own, one after another, until a world notices or its seeds
end. What was found is kept in ``build/mutants``: a run that was cut off goes on where it stood, and
what has changed since (the module or the simulator) is run again.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from mutant_worlds import Verdict
from mutations import (
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
    mutants = draw_mutants(options.seed, options.count)
    began_s = time.monotonic()
    KEPT.mkdir(parents=True, exist_ok=True)
    known = _read_results()
    results: list[Result] = []
    for number, mutant in enumerate(mutants, 1):
        result = known.get(_key_of(mutant))
        if result is None or (options.again and not result.is_killed):
            if options.minutes and time.monotonic() - began_s > options.minutes * 60:
                continue
            result = _run(mutant)
            _keep(result)
            print(f"{number}/{len(mutants)} {_row(result)}", flush=True)
        results.append(result)
    print(_table(results))
    killed = sum(result.is_killed for result in results)
    print(f"{killed} of {len(results)} killed; drawn: {len(mutants)}, by seed {options.seed}")
    is_whole = len(results) == len(mutants)
    return 0 if is_whole and killed >= ENOUGH * len(mutants) else 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=COUNT_DEFAULT, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=SEED_DEFAULT, help="of the draw")
    parser.add_argument("--minutes", type=float, help="begin no mutant after so long")
    parser.add_argument(
        "--again", action="store_true", help="run what survived once more: the simulator changed"
    )
    return parser.parse_args(argv)


def _run(mutant: Mutant) -> Result:
    key = _key_of(mutant)
    path = KEPT / f"{mutant.module}_{key[:12]}.py"
    path.write_bytes(mutant.apply(read_module(mutant.module)))
    began_s = time.monotonic()
    try:
        verdict = run_worlds(mutant.module, str(path), SEEDS_MAX)
    except subprocess.TimeoutExpired:
        verdict = Verdict("", None, "its time was over", 0)
    path.unlink()
    return Result(key, mutant, verdict, round(time.monotonic() - began_s, 1))


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
        return ("streams",)
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
    with (KEPT / "results.jsonl").open("ab") as file:
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
    return rule if rule.startswith("crash") else rule.partition(":")[0]


if __name__ == "__main__":
    sys.exit(main())
