"""Runs worlds over one module of the core that has a defect, in a process of its own.

    python benchmarks/mutant_worlds.py MODULE FILE KINDS SEEDS

Prints one line of JSON, the ``Verdict``. The source tree stays as it is: an import hook reads the
module from FILE.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import signal
import sys
import types
from collections.abc import Sequence

import msgspec

WORLD_CPU_S_MAX = 30  # the slowest world of a sound engine takes some 3
NO_FILE = "-"


class Verdict(msgspec.Struct, frozen=True):
    """What the worlds said.

    Attributes:
        seed: Of the first world that noticed; None: none did.
        rule: Which it broke, or how it crashed.
        seed_count: How many seeds were run.
    """

    kind: str
    seed: int | None
    rule: str
    seed_count: int


class _OneModule(importlib.abc.MetaPathFinder):
    """Finds one module of ``penstock.core`` in another file."""

    def __init__(self, module: str, path: str) -> None:
        self._name = f"penstock.core.{module}"
        self._path = path

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Give the place of that module; of every other, none."""
        del path, target
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path)


class _EndlessError(BaseException):
    """A world has used up its processor time: it turns without an end."""


def main(module: str, path: str, kinds: str, seed_count: int) -> Verdict:
    """Run seeds until a world notices."""
    if path != NO_FILE:
        sys.meta_path.insert(0, _OneModule(module, path))
    signal.signal(signal.SIGVTALRM, _end_world)
    for kind in kinds.split(","):  # the cheapest first
        for seed in range(seed_count):
            rule = _judge(kind, seed)
            if rule:
                return Verdict(kind, seed, rule, seed + 1)
    return Verdict("", None, "", seed_count)


def _judge(kind: str, seed: int) -> str:
    """Run one world; give the rule it breaks, or how it crashes."""
    signal.setitimer(signal.ITIMER_VIRTUAL, WORLD_CPU_S_MAX)
    try:
        # Imported here: a defect may be one that already the import notices.
        from penstock.simulation.outcome import WorldKind  # noqa: PLC0415
        from penstock.simulation.swarm import run_one  # noqa: PLC0415

        outcome = run_one(WorldKind(kind), seed)
    except BaseException as error:  # noqa: BLE001 - any end but a good one is noticed
        return f"crash: {_name_of(error)}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return outcome.violation


def _name_of(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__


def _end_world(_signal: int, _frame: types.FrameType | None) -> None:
    raise _EndlessError


if __name__ == "__main__":
    found = main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
