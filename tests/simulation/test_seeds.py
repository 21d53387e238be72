"""Worlds from seeds: as many as fit in a minute, the same each time, and replayable."""

import itertools
import os
import subprocess
import sys

import planted
import pytest

from penstock.simulation.__main__ import main
from penstock.simulation.outcome import WorldKind
from penstock.simulation.run import run_world
from penstock.simulation.swarm import describe_failure, run_seeds

# Worlds of streams and whole ones have a third each, too.
LIMIT_S = float(os.environ.get("PENSTOCK_SIMULATION_SECONDS", "60")) / 3
DIGEST = (
    "from penstock.simulation.run import run_world; print(run_world({}, keeps_trace=True).digest)"
)


@pytest.mark.timeout(LIMIT_S + 60)
def test_seeds_keep_every_rule(capfd: pytest.CaptureFixture[str]) -> None:
    tally = run_seeds(WorldKind.QUEUES, itertools.count(), limit_s=LIMIT_S, show=lambda _: None)

    with capfd.disabled():  # On the terminal whichever process of the test run this is.
        sys.stderr.write(f"\nsimulation: {tally}\n")
    assert tally.broken is None, describe_failure(tally.broken)
    assert tally.seed_count > 0


@pytest.mark.parametrize("seed", [1, 3520, 17])
def test_seed_gives_the_same_trace_each_time(seed: int) -> None:
    first, second = (run_world(seed, keeps_trace=True) for _ in range(2))

    assert first.lines == second.lines
    assert len(first.lines) > 20
    assert first.digest == second.digest


def test_seed_gives_the_same_trace_in_another_process() -> None:
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", DIGEST.format(17)]
    other = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

    assert other.stdout.strip() == run_world(17, keeps_trace=True).digest


def test_seeds_give_different_worlds() -> None:
    digests = {run_world(seed, keeps_trace=True).digest for seed in range(20)}

    assert len(digests) == 20


def test_replay_prints_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--worlds", "queues", "--seed", "17", "--trace"]) == 0

    printed = capsys.readouterr().out
    assert "node         starts" in printed
    assert "seed 17: " in printed.splitlines()[-1]
    assert "every rule held" in printed.splitlines()[-1]


def test_swarm_prints_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3", "--first", "5"]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("all: 3 seeds in ")


def test_failure_prints_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.consumer(planted.TakesFailureForSuccess)(monkeypatch)

    assert main(["--worlds", "queues", "--seeds", "100"]) == 1

    printed = capsys.readouterr().out
    assert "plan: {" in printed
    assert "broke a rule" in printed
    assert "replay: python -m penstock.simulation --worlds queues --seed " in printed


@pytest.mark.parametrize("option", [["--seeds", "3"], ["--first", "5"], ["--minutes", "1"]])
def test_many_seeds_beside_one_are_refused(option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--seed", "17", *option])


def test_trace_without_seed_is_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--trace"])
