"""What streams cost and how fast they are: ``penstock serve`` against a made-up stream.

Run: python benchmarks/streams.py [latency|throughput|memory ...]; all three by default. The stream
and the function live in a process of their own (``stream_endpoint.py``), the service in another.
"""

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
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "acceptance"))

from endpoint_process import EndpointProcess
from idle import cpu_s, pause, resident_mb
from serve_harness import CREDENTIALS, Penstock, free_port, wait_for

STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
RECORDS = 200_000
SLOW_RECORDS = 100_000  # of 1 KB: 100 MB
MIB = 1_048_576


class Endpoint(EndpointProcess):
    """The process with the stream and the function."""

    def __init__(self, **options: int) -> None:
        super().__init__("stream_endpoint.py", **options)

    def put(self) -> None:
        """Append a record."""
        self.ask("PUT", "/put")


@contextmanager
def running(mapping: str, *, pace: str = "aws", **options: int) -> Iterator[Any]:
    """Run an endpoint and a service that reads it."""
    endpoint = Endpoint(**options)
    project = f"""
[service]
stream_pace = "{pace}"
[functions.count]
url = "{endpoint.url}"
concurrency = 10
Timeout = 900
[[mappings]]
name = "clicks"
EventSourceArn = "{STREAM_ARN}"
FunctionName = "count"
{mapping}
"""
    with tempfile.TemporaryDirectory() as folder:
        service = Penstock(Path(folder), endpoint.url, project)
        try:
            service.start()
            yield endpoint, service
        finally:
            service.end()
            endpoint.end()


IDLE_PACE_SERVICE = """
import asyncio, sys
from penstock.core.shard_contract import ReadPace
from penstock.declared_mappings import DeclaredMapping
from penstock.engine.surroundings import StreamSettings
from penstock.local.service_run import run_on_uvloop, run_until_signalled
from penstock.model.arn import Scope
from penstock.model.function import Function, InvokeEndpoint
from penstock.service import Service, ServiceSettings

url, stream_arn, folder, port = sys.argv[1:]
settings = ServiceSettings(
    port=int(port),
    store_url=f"sqlite:///{folder}/penstock.db",
    streams=StreamSettings(kinesis_pace=ReadPace(hot_for_ms=0)),
)
function = Function(
    scope=Scope("000000000000", "us-east-1"), name="count", hosting=InvokeEndpoint(url=url)
)
parameters = {
    "EventSourceArn": stream_arn, "FunctionName": "count", "StartingPosition": "LATEST"
}
mapping = DeclaredMapping(name="clicks", parameters=parameters)
service = Service(settings, functions=[function], mappings=[mapping])
run_on_uvloop(run_until_signalled(service, lambda: print("ready", flush=True)))
"""


@contextmanager
def running_at_idle_pace() -> Iterator[Endpoint]:
    """Run an endpoint and a service that never reads at the hot pace: a setting of no file."""
    endpoint = Endpoint()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", IDLE_PACE_SERVICE, endpoint.url, STREAM_ARN, folder]
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": endpoint.url,
            "AWS_REGION": "us-east-1",
            **CREDENTIALS,
        }
        service = subprocess.Popen(  # noqa: S603 - the text above
            [*command, str(free_port())], env=environment, stdout=subprocess.PIPE
        )
        try:
            assert service.stdout is not None
            service.stdout.readline()
            yield endpoint
        finally:
            service.kill()
            service.wait()
            endpoint.end()


def measure_latency() -> None:
    """From PutRecord's call to the function's entry, one record at a time."""
    with running('StartingPosition = "LATEST"') as (endpoint, _):
        tell_latency(endpoint, "hot pace (4 reads/s)")
    with running_at_idle_pace() as endpoint:
        tell_latency(endpoint, "idle pace (1 read/s)")


def tell_latency(endpoint: Endpoint, pace: str) -> None:
    """Put records one at a time, and print how long each took."""
    pause(2)
    latencies_ms = []
    for number in range(201):
        put_s = time.time()
        endpoint.put()
        wait_for("the function", lambda: endpoint.account()["invocations"] > number)  # noqa: B023
        if number:  # the first one connects
            latencies_ms.append((endpoint.account()["entered"][-1] - put_s) * 1000)
        threading.Event().wait(0.01 * (number % 13))  # so that reads and writes do not lock
    hundredths = statistics.quantiles(latencies_ms, n=100)
    print(
        f"PutRecord -> function, {pace}: p50 {hundredths[49]:.0f} ms, "
        f"p99 {hundredths[98]:.0f} ms ({len(latencies_ms)} records)"
    )


def measure_throughput() -> None:
    """Records per second through one shard."""
    for lanes in (1, 4):
        for work_ms in (0, 20):
            mapping = (
                f'StartingPosition = "TRIM_HORIZON"\nBatchSize = 100\n'
                f"ParallelizationFactor = {lanes}"
            )
            count = RECORDS if work_ms == 0 else RECORDS // 20
            with running(mapping, pace="local", records=count, work_ms=work_ms) as (
                endpoint,
                service,
            ):
                started_s, started_cpu_s = time.perf_counter(), cpu_s(service.pid)
                begun = endpoint.account()["records"]
                wait_for("all", lambda: endpoint.account()["records"] >= count)  # noqa: B023
                elapsed_s = time.perf_counter() - started_s
                used_s = cpu_s(service.pid) - started_cpu_s
                records = count - begun
                print(
                    f"1 shard, {lanes} lane(s), function of {work_ms} ms: "
                    f"{records / elapsed_s:,.0f} records/s, "
                    f"{records / used_s:,.0f} records per CPU-second"
                )


def measure_memory() -> None:
    """Resident memory with idle shards, and behind a function that is slow."""
    mapping = 'StartingPosition = "TRIM_HORIZON"'
    for shards in (1, 100):
        with running(mapping, shards=shards) as (_, service):
            pause(20)
            before_s = cpu_s(service.pid)
            pause(30)
            used = 100 * (cpu_s(service.pid) - before_s) / 30
            print(
                f"{shards} idle shard(s): {resident_mb(service.pid):.0f} MB resident, "
                f"{used:.1f}% of a core"
            )
    with running(mapping, records=SLOW_RECORDS, work_ms=600_000) as (endpoint, service):
        wait_for("the invocation", lambda: endpoint.account()["invocations"])
        pause(20)
        held = SLOW_RECORDS * 1024 / MIB
        print(
            f"a function that hangs before {held:.0f} MB of stream: "
            f"{resident_mb(service.pid):.0f} MB resident"
        )


MEASURES = {
    "latency": measure_latency,
    "throughput": measure_throughput,
    "memory": measure_memory,
}


def main() -> None:
    """Measure what the command line names."""
    for name in sys.argv[1:] or MEASURES:
        MEASURES[name]()


if __name__ == "__main__":
    main()
