"""Worlds of each kind from seeds: as many as fit, the same each time, and replayable."""

import itertools
import os
import subprocess
import sys

import planted
import planted_streams
import pytest

from penstock.simulation.__main__ import main
from penstock.simulation.outcome import WorldKind
from penstock.simulation.swarm import describe_failure, run_one, run_seeds

LIMIT_S = float(os.environ.get("PENSTOCK_SIMULATION_SECONDS", "60"))
MACHINES_SHARE = 1 / 12  # its worlds are cheap; the other kinds share the rest alike
DIGEST = (
    "from penstock.simulation.outcome import WorldKind; "
    "from penstock.simulation.swarm import run_one; "
    "print(run_one(WorldKind({!r}), 17, keeps_trace=True).digest)"
)
OF_EACH_KIND = pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in WorldKind])


def share_of(kind: WorldKind) -> float:
    """Say for how many seconds worlds of a kind are run."""
    if kind is WorldKind.MACHINES:
        return LIMIT_S * MACHINES_SHARE
    return LIMIT_S * (1 - MACHINES_SHARE) / (len(WorldKind) - 1)


@pytest.mark.timeout(LIMIT_S + 60)
@OF_EACH_KIND
def test_seeds_keep_every_rule(kind: WorldKind, capfd: pytest.CaptureFixture[str]) -> None:
    tally = run_seeds(kind, itertools.count(), limit_s=share_of(kind), show=lambda _: None)

    with capfd.disabled():  # On the terminal whichever process of the test run this is.
        sys.stderr.write(f"\nsimulation: {tally}\n")
    assert tally.broken is None, describe_failure(tally.broken)
    assert tally.seed_count > 0


@pytest.mark.parametrize("seed", [2, 17, 22, 33, 366, 3520])
@OF_EACH_KIND
def test_seed_gives_the_same_trace_each_time(kind: WorldKind, seed: int) -> None:
    first, second = (run_one(kind, seed, keeps_trace=True) for _ in range(2))

    assert first.lines == second.lines
    assert len(first.lines) > 20
    assert first.digest == second.digest


@OF_EACH_KIND
def test_seed_gives_the_same_trace_in_another_process(kind: WorldKind) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", DIGEST.format(kind.value)]
    other = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

    assert other.stdout.strip() == run_one(kind, 17, keeps_trace=True).digest


@pytest.mark.parametrize("kind", [WorldKind.QUEUES, WorldKind.STREAMS])
def test_seeds_give_different_worlds(kind: WorldKind) -> None:
    digests = {run_one(kind, seed, keeps_trace=True).digest for seed in range(20)}

    assert len(digests) == 20


@pytest.mark.parametrize(("worlds", "sent"), [("queues", " messages, "), ("streams", " records, ")])
def test_replay_prints_every_event(
    worlds: str, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--worlds", worlds, "--seed", "17", "--trace"]) == 0

    printed = capsys.readouterr().out
    assert "node         starts" in printed
    assert "seed 17: " in printed.splitlines()[-1]
    assert sent in printed.splitlines()[-1]
    assert "every rule held" in printed.splitlines()[-1]


def test_swarm_prints_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3", "--first", "5"]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("all: 3 seeds in ")


def test_failure_of_a_queue_prints_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.consumer(planted.TakesFailureForSuccess)(monkeypatch)

    assert main(["--worlds", "queues", "--seeds", "100"]) == 1

    printed = capsys.readouterr().out
    assert "plan: {" in printed
    assert "broke a rule" in printed
    assert "replay: python -m penstock.simulation --worlds queues --seed " in printed


def test_failure_of_a_stream_prints_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted_streams.work(planted_streams.JournalsNothing)(monkeypatch)

    assert main(["--worlds", "streams", "--seeds", "100"]) == 1

    printed = capsys.readouterr().out
    assert "plan: {" in printed
    assert "a checkpoint never passes an unsettled record" in printed
    assert "replay: python -m penstock.simulation --worlds streams --seed " in printed


@pytest.mark.parametrize("option", [["--seeds", "3"], ["--first", "5"], ["--minutes", "1"]])
def test_many_seeds_beside_one_are_refused(option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--seed", "17", *option])


@pytest.mark.parametrize(
    "option", ["--seeds=0", "--seeds=-1", "--minutes=0", "--minutes=-1", "--processes=0"]
)
def test_no_seeds_at_all_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([option])

    assert "--seeds, --minutes and --processes are above 0" in capsys.readouterr().err


def test_trace_without_seed_is_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--trace"])
