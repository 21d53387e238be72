"""Penstock beside hand-written consumers and beside the floor: ``make bench``.

Each contender runs alone, in a process of its own, against an endpoint of canned answers in another
one; contenders take turns within a case, cases within a round. What is compared is CPU time: user
and system of the contender's process. First the flow is as fast as it is asked for; then, when what
had piled up is done with, at half of that, for the latency. When a flow ends, everything that was
handed out must have been invoked and deleted: a run whose counts do not add up is an error.

Run: python benchmarks/bench.py [--cases a,b] [--contenders a,b] [--rounds 3] [--seconds 0.8]
[--tls].
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench_cases import ACCOUNT, CASES, IDLE_CASES, Case
from endpoint_process import EndpointProcess
from serve_harness import free_port, wait_for

FOLDER = Path(__file__).parent
BUILD = FOLDER.parent / "build"
OTHER_PYTHON = (
    BUILD / "bench" / "venv" / "bin" / "python"
)  # aiobotocore wants a botocore of its own
COMMANDS = {
    "bare": [sys.executable, str(FOLDER / "contend_bare.py")],
    "boto3": [sys.executable, str(FOLDER / "contend_boto3.py")],
    "aiobotocore": [str(OTHER_PYTHON), str(FOLDER / "contend_aiobotocore.py")],
}
CONTENDERS = ("penstock", "bare", "boto3", "aiobotocore")
WARM_S = 0.3
LATENCY_WARM_S = 0.2
BARE_OF_BOTO3_MIN = 25  # below it the floor is none, or the machine was too busy to measure
SERVE = [sys.executable, "-m", "penstock", "serve", "--config", "penstock.toml"]


class Measured(NamedTuple):
    """One run of one contender."""

    records_per_cpu_s: float
    records_per_s: float
    p50_ms: float
    p99_ms: float
    calls: dict[str, int]
    served: int


class Endpoint(EndpointProcess):
    """The process with the canned answers."""

    def __init__(self, case_name: str, *, tls: bool = False) -> None:
        super().__init__("bench_endpoint.py", tls=tls, case=case_name)
        self.case_name = case_name
        self.case = {**CASES, **IDLE_CASES}[case_name]

    def records(self, account: dict[str, Any]) -> float:
        """Count the records that are done with."""
        done: int = account["deleted"] if self.case.is_queue else account["invoked"]
        return done / self.case.share

    def adds_up(self) -> bool:
        """Tell whether all that was handed out came back."""
        account = self.account()
        done = account["invoked"] == account["due"]
        return done and (not self.case.is_queue or account["deleted"] == account["served"])


def project_text(case: Case, url: str) -> str:
    """Write the project file of a case."""
    lines = [
        "[service]",
        f'account_id = "{ACCOUNT}"',
        'stream_pace = "local"',
        f"queue_ramp = {{ initial = {case.workers} }}",
        "[functions.bench]",
        f'url = "{url}"',
        f"concurrency = {case.workers}",
        "[[mappings]]",
        'name = "bench"',
        f'EventSourceArn = "{case.arn}"',
        'FunctionName = "bench"',
        f"BatchSize = {case.batch_size}",
    ]
    if case.window_s:
        lines.append(f"MaximumBatchingWindowInSeconds = {case.window_s}")
    if not case.is_queue:
        lines.append('StartingPosition = "TRIM_HORIZON"')
    if case.is_json:
        pattern = json.dumps(json.dumps({"data": {"kind": ["order.created"]}}))
        lines.append(f"FilterCriteria = {{ Filters = [{{ Pattern = {pattern} }}] }}")
    return "\n".join(lines)


@contextmanager
def contending(contender: str, endpoint: Endpoint) -> Iterator[int]:
    """Run a contender; give its process's id."""
    case, url = endpoint.case, endpoint.url
    with tempfile.TemporaryDirectory() as name, (Path(name) / "log").open("w+b") as log:
        if contender == "penstock":
            (Path(name) / "penstock.toml").write_text(project_text(case, url))
            command = [*SERVE, "--port", str(free_port())]
        else:
            command = [*COMMANDS[contender], endpoint.case_name, url]
        environment = {
            **os.environ,
            "HOME": name,
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **endpoint.environment,
        }
        process = subprocess.Popen(  # noqa: S603 - our own contenders
            command, cwd=name, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield process.pid
        except AssertionError:
            log.seek(0)
            print(log.read().decode()[-2000:], file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()


def cpu_s(pid: int) -> float:
    """Read the CPU time that a process's threads have used."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum([int((task / "schedstat").read_text().split()[0]) for task in tasks]) / 1e9


def measure(
    contender: str, case_name: str, seconds: float, latency_s: float, *, tls: bool = False
) -> Measured:
    """Run one contender once.

    Raises:
        AssertionError: Its counts do not add up.
    """
    endpoint = Endpoint(case_name, tls=tls)
    try:
        with contending(contender, endpoint) as pid:
            endpoint.ask("PUT", "/flow?pages_per_s=0")
            wait_for(f"{contender}'s first invocation", lambda: endpoint.account()["invoked"])
            pause(WARM_S)
            before, used_s, begun_s = endpoint.account(), cpu_s(pid), time.perf_counter()
            pause(seconds)
            after, used_s = endpoint.account(), cpu_s(pid) - used_s
            taken_s = time.perf_counter() - begun_s
            done = endpoint.records(after) - endpoint.records(before)
            pages = (after["served"] - before["served"]) / endpoint.case.page
            end_flow(endpoint, contender)
            p50_ms, p99_ms = latencies(endpoint, pages / taken_s / 2, latency_s)
            end_flow(endpoint, contender)
            account = endpoint.account()
    finally:
        endpoint.end()
    rates = done / used_s, done / taken_s
    return Measured(*rates, p50_ms, p99_ms, account["calls"], account["served"])


def end_flow(endpoint: Endpoint, contender: str) -> None:
    """Hand out nothing more, and wait until what was handed out has come back.

    At full speed each shard has an answer waiting its turn: 100 of them are 0.2 to 0.5 s of work,
    which the latencies at half speed would be measured behind.
    """
    endpoint.ask("DELETE", "/flow")
    wait_for(f"the counts of {contender} to add up in {endpoint.case_name}", endpoint.adds_up)


def latencies(endpoint: Endpoint, pages_per_s: float, seconds: float) -> tuple[float, float]:
    """Give the median and the 99th percentile at a pace; zeros where none were asked for."""
    if not seconds:
        return 0.0, 0.0
    endpoint.ask("PUT", f"/flow?pages_per_s={pages_per_s:.3f}")
    pause(LATENCY_WARM_S)
    endpoint.account("?reset")
    pause(seconds)
    found = endpoint.account("?reset")["latencies_ms"]
    hundredths = statistics.quantiles(found, n=100) if len(found) > 1 else [0.0] * 99
    return hundredths[49], hundredths[98]


def pause(seconds: float) -> None:
    """Let time pass."""
    threading.Event().wait(seconds)


def median_of(runs: list[Measured]) -> dict[str, float]:
    """Give the medians of a contender's rounds."""
    rate = statistics.median([run.records_per_cpu_s for run in runs])
    return {
        "records_per_cpu_s": round(rate),
        "records_per_s": round(statistics.median([run.records_per_s for run in runs])),
        "cpu_us_per_record": round(1e6 / rate, 3),
        "p50_ms": round(statistics.median([run.p50_ms for run in runs]), 3),
        "p99_ms": round(statistics.median([run.p99_ms for run in runs]), 3),
    }


def ratio_of(runs: dict[str, list[Measured]], over: str, under: str) -> float | None:
    """Give the median of the rounds' ratios: each of two contenders that ran side by side."""
    if not runs.get(over) or not runs.get(under):
        return None
    pairs = zip(runs[over], runs[under], strict=True)
    return statistics.median(
        [one.records_per_cpu_s / other.records_per_cpu_s for one, other in pairs]
    )


def print_case(case_name: str, runs: dict[str, list[Measured]]) -> None:
    """Print a case's rows."""
    for contender, measured in runs.items():
        row = median_of(measured)
        ratios = "".join(
            f"{ratio:>9.2f}x" if (ratio := ratio_of(runs, contender, other)) else " " * 10
            for other in ("bare", "boto3")
        )
        print(
            f"{case_name:<27}{contender:<13}{row['records_per_cpu_s']:>11,}"
            f"{row['cpu_us_per_record']:>10.2f}{ratios}{row['records_per_s']:>11,}"
            f"{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}",
            flush=True,
        )


def main() -> None:
    """Run what the command line names, print a table, write ``build/bench.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.8, help="of each run at full speed")
    parser.add_argument("--latency-seconds", type=float, default=0.5, help="0: no latencies")
    parser.add_argument("--tls", action="store_true", help="over HTTPS")
    parser.add_argument("--out", type=Path, default=BUILD / "bench.json")
    options = parser.parse_args()
    contenders, names = options.contenders.split(","), options.cases.split(",")
    if unknown := {*names} - {*CASES} | {*contenders} - {*CONTENDERS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; cases: {', '.join(CASES)}")
    if "aiobotocore" in contenders and not OTHER_PYTHON.exists():
        parser.error("aiobotocore has an environment of its own: run `make bench`, or leave it out")
    runs: dict[str, dict[str, list[Measured]]] = {
        name: {contender: [] for contender in contenders} for name in names
    }
    for number in range(options.rounds):
        for name in names:
            for contender in contenders:
                print(f"\rround {number + 1}: {name}, {contender}".ljust(70), end="", flush=True)
                measured = measure(
                    contender, name, options.seconds, options.latency_seconds, tls=options.tls
                )
                runs[name][contender].append(measured)
    print("\r" + " " * 70)
    report(runs, options.out)


def report(runs: dict[str, dict[str, list[Measured]]], out: Path) -> None:
    """Print the table and write the file."""
    print(
        f"{'case':<27}{'contender':<13}{'rec/CPU-s':>11}{'CPU us':>10}{'of bare':>10}"
        f"{'of boto3':>10}{'rec/s':>11}{'p50 ms':>9}{'p99 ms':>9}"
    )
    for name, of_case in runs.items():
        print_case(name, of_case)
    told: dict[str, Any] = {
        "cases": {
            name: {contender: median_of(measured) for contender, measured in of_case.items()}
            for name, of_case in runs.items()
        }
    }
    floor = ratio_of(runs.get("sqs_batch10", {}), "bare", "boto3")
    if floor is not None:
        told["bare_of_boto3"], told["void"] = round(floor, 1), floor < BARE_OF_BOTO3_MIN
        if told["void"]:
            print(f"VOID: bare is {floor:.1f}x boto3 on sqs_batch10; {BARE_OF_BOTO3_MIN}x at least")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
