"""The examples, run as their READMEs say: ``penstock dev``, and a script that drives it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dev_process import DevProcess, running_dev

from penstock.local.dev import local_credentials

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPT_S_MAX = 100


def copy(name: str, folder: Path) -> Path:
    """Copy an example: what ``dev`` leaves beside its file must not be in the tree."""
    target = folder / name
    shutil.copytree(EXAMPLES / name, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def drive(dev: DevProcess, script: Path) -> list[str]:
    """Run an example's script against ``dev``; give the lines that it printed."""
    endpoint = dev.wait_for("ready")["endpoint"]
    ended = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **local_credentials(endpoint, "us-east-1")},
        capture_output=True,
        text=True,
        timeout=SCRIPT_S_MAX,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def numbers_of(line: str) -> list[int]:
    """Read the numbers behind a line's colon."""
    return [int(text) for text in line.partition(":")[2].split()]


def test_order_pipeline_ships_each_customers_orders_in_order(tmp_path: Path) -> None:
    example = copy("order-pipeline", tmp_path)
    with running_dev(example / "template.yaml") as dev:
        told = dev.wait_for("event Schedule Bill.Monthly")["event"]
        _, *shipped, billed, dead = drive(dev, example / "send_orders.py")

    orders = [numbers_of(line) for line in shipped]
    given_up = numbers_of(dead)
    assert told == "event Schedule Bill.Monthly: nothing invokes it on schedule"
    assert orders == [sorted(each) for each in orders]
    assert 12 in given_up
    assert sorted([number for each in orders for number in each] + given_up) == [*range(1, 31)]
    assert billed.startswith(f"billed: {30 - len(given_up)} orders, ")


def test_click_analytics_counts_every_click_once(tmp_path: Path) -> None:
    example = copy("click-analytics", tmp_path)
    with running_dev(example / "template.yaml", "--parameter", "WindowSeconds=3") as dev:
        first, *windows, total, verdict = drive(dev, example / "send_clicks.py")

    starts = [re.fullmatch(r"window \S+:(\d\d)Z \d: .*", line) for line in windows]
    assert first == "sent 120 clicks, 108 of them with a page"
    assert all(start is not None and int(start[1]) % 3 == 0 for start in starts)
    assert total == "in all windows: / 46, /cart 32, /help 30"
    assert verdict == "every click is counted once"


def test_stream_projector_follows_the_table(tmp_path: Path) -> None:
    example = copy("stream-projector", tmp_path)
    with running_dev(example / "Projector.template.json") as dev:
        lines = drive(dev, example / "change_customers.py")

    assert lines == [
        "4 customers, 1 of them moved, 1 renamed, and 1 more came and went",
        "lisbon: Bob",
        "oslo: Ada, Cleo",
        "rome: Dora B.",
    ]
