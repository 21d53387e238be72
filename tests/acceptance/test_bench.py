"""The comparison of ``make bench`` counts right; how fast anything is is not looked at."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench.py"
CASES = (
    "sqs_batch10",
    "sqs_batch1",
    "sqs_fifo_100_groups",
    "sqs_batch100_window1",
    "kinesis_1_shard",
    "kinesis_filter_json",
    "kinesis_100_shards",
    "dynamodb_stream",
    "invoke_20ms_concurrency_50",
)
ONE_RUN = ["--rounds", "1", "--seconds", "0.2", "--latency-seconds", "0"]
MEASURES = {"records_per_cpu_s", "records_per_s", "cpu_us_per_record", "p50_ms", "p99_ms"}


def bench(out: Path, *arguments: str) -> dict[str, Any]:
    """Run it; it fails where what was handed out is not all invoked and deleted."""
    command = [sys.executable, str(BENCH), *ONE_RUN, "--out", str(out), *arguments]
    subprocess.run(command, check=True)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.mark.parametrize("case", CASES)
def test_counts_add_up(tmp_path: Path, case: str) -> None:
    told = bench(tmp_path / "bench.json", "--cases", case, "--contenders", "penstock,bare")

    measured = told["cases"][case]
    assert measured.keys() == {"penstock", "bare"}
    assert all(row.keys() == MEASURES for row in measured.values())
    assert all(row["records_per_s"] > 0 for row in measured.values())


def test_counts_add_up_over_tls(tmp_path: Path) -> None:
    contenders = ["--contenders", "penstock,bare", "--tls"]

    told = bench(tmp_path / "bench.json", "--cases", "sqs_batch10", *contenders)

    assert all(row["records_per_s"] > 0 for row in told["cases"]["sqs_batch10"].values())


def test_a_run_says_whether_its_floor_is_one(tmp_path: Path) -> None:
    told = bench(tmp_path / "bench.json", "--cases", "sqs_batch10", "--contenders", "bare,boto3")

    assert told["void"] == (told["bare_of_boto3"] < 25)
