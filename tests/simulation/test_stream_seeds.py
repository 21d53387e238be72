"""Worlds of streams from seeds: as many as fit, the same each time, and replayable."""

import itertools
import os
import subprocess
import sys

import planted_streams as planted
import pytest

from penstock.simulation.__main__ import main
from penstock.simulation.outcome import WorldKind
from penstock.simulation.streams.run import run_stream_world
from penstock.simulation.swarm import describe_failure, run_seeds

# Worlds of queues and whole ones have a third each, too.
LIMIT_S = float(os.environ.get("PENSTOCK_SIMULATION_SECONDS", "60")) / 3
DIGEST = (
    "from penstock.simulation.streams.run import run_stream_world; "
    "print(run_stream_world({}, keeps_trace=True).digest)"
)


@pytest.mark.timeout(LIMIT_S + 60)
def test_seeds_keep_every_rule(capfd: pytest.CaptureFixture[str]) -> None:
    tally = run_seeds(WorldKind.STREAMS, itertools.count(), limit_s=LIMIT_S, show=lambda _: None)

    with capfd.disabled():  # On the terminal whichever process of the test run this is.
        sys.stderr.write(f"\nsimulation: {tally}\n")
    assert tally.broken is None, describe_failure(tally.broken)
    assert tally.seed_count > 0


@pytest.mark.parametrize("seed", [1, 17, 366])
def test_seed_gives_the_same_trace_each_time(seed: int) -> None:
    first, second = (run_stream_world(seed, keeps_trace=True) for _ in range(2))

    assert first.lines == second.lines
    assert len(first.lines) > 20
    assert first.digest == second.digest


def test_seed_gives_the_same_trace_in_another_process() -> None:
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", DIGEST.format(17)]
    other = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

    assert other.stdout.strip() == run_stream_world(17, keeps_trace=True).digest


def test_seeds_give_different_worlds() -> None:
    digests = {run_stream_world(seed, keeps_trace=True).digest for seed in range(20)}

    assert len(digests) == 20


def test_replay_prints_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--worlds", "streams", "--seed", "17", "--trace"]) == 0

    printed = capsys.readouterr().out
    assert "node         starts" in printed
    assert " records, " in printed.splitlines()[-1]
    assert "every rule held" in printed.splitlines()[-1]


def test_failure_prints_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.work(planted.JournalsNothing)(monkeypatch)

    assert main(["--worlds", "streams", "--seeds", "100"]) == 1

    printed = capsys.readouterr().out
    assert "plan: {" in printed
    assert "a checkpoint never passes an unsettled record" in printed
    assert "replay: python -m penstock.simulation --worlds streams --seed " in printed
