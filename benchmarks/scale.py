"""What mappings and shards cost, by their number: the curve of ``penstock serve``.

Run: python benchmarks/scale.py [--mappings 100,300,1000,3000,10000] [--shards 10,100,1000]
[--created 200] [--seconds 20].

The queues and streams are those of ``bench_endpoint.py``, where nothing flows. A mapping waits with
one long poll of 20 s; a shard is read once per second. Mappings are started twice: as a project
file declares them, to an empty store, and again after a kill -9. While they start and while they
idle the API is asked, and at last some messages are sent.
"""

import argparse
import http.client
import math
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import bench
import serve_harness
from bench_cases import ACCOUNT, REGION
from idle import resident_mb
from serve_harness import Penstock, wait_for

SETTLE_S = 3.0
ASK_EVERY_S = 0.1
MESSAGES_S = 4.0
PAGES_PER_S = 25
START_S_MAX = 600.0
LIST_PATH = "/2015-03-31/event-source-mappings"


class Asked(NamedTuple):
    """How long answers took, in ms, by what was asked."""

    by_path: dict[str, list[float]]

    def shown(self) -> str:
        """Give the median and the 99th percentile of each."""
        return ", ".join(f"{name} {of(found)}" for name, found in self.by_path.items())


class Started(NamedTuple):
    """One start: until it was healthy, until all was polled, and its CPU time until then."""

    healthy_s: float
    polled_s: float
    used_s: float
    asked: Asked


def of(found: list[float]) -> str:
    """Show a median and a 99th percentile."""
    if not found:
        return "-"
    ordered = sorted(found)
    return f"{statistics.median(ordered):.1f}/{ordered[math.ceil(0.99 * len(ordered)) - 1]:.1f} ms"


def service_text(url: str) -> str:
    """Write what all runs have in common."""
    return f"""
[service]
account_id = "{ACCOUNT}"
[functions.bench]
url = "{url}"
"""


def queue_arn(number: int) -> str:
    """Give the ARN of a queue of its own."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:bench-{number}"


def queue_mapping(number: int) -> str:
    """Declare one mapping."""
    return f"""
[[mappings]]
name = "m{number}"
EventSourceArn = "{queue_arn(number)}"
FunctionName = "bench"
"""


class Load:
    """The service with its mappings or shards, and the endpoint that it polls."""

    def __init__(self, endpoint: bench.Endpoint, folder: Path, text: str, count: int) -> None:
        self.endpoint = endpoint
        self.count = count
        self.service = Penstock(folder, endpoint.url, text)
        self._operation = "ReceiveMessage" if endpoint.case.is_queue else "GetRecords"

    def polled(self) -> int:
        """Count the polls so far."""
        calls: dict[str, int] = self.endpoint.account()["calls"]
        return calls.get(self._operation, 0)

    def start(self) -> Started:
        """Start the service, and wait until everything is polled."""
        before, began_s = self.polled(), time.perf_counter()
        self.service.start()
        healthy_s = time.perf_counter() - began_s
        with asking(self.service) as asked:
            wait_for("all to be polled", lambda: self.polled() - before >= self.count)
            polled_s = time.perf_counter() - began_s
        return Started(healthy_s, polled_s, bench.cpu_s(self.service.pid), asked)

    def idle(self, seconds: float) -> str:
        """Watch it do nothing; give a line."""
        bench.pause(SETTLE_S)
        calls, used_s, began_s = self.polled(), bench.cpu_s(self.service.pid), time.perf_counter()
        bench.pause(seconds)
        used_s, taken_s = bench.cpu_s(self.service.pid) - used_s, time.perf_counter() - began_s
        calls = self.polled() - calls
        return (
            f"{100 * used_s / taken_s:.2f}% of a core, {calls / taken_s:.1f} calls/s, "
            f"{resident_mb(self.service.pid):.0f} MB, {1e6 * used_s / taken_s / self.count:.1f} "
            "us/s each"
        )

    def message_latency(self) -> str:
        """Send messages to queues; give the time from the answer's write to the invocation."""
        self.endpoint.account("?reset")
        self.endpoint.ask("PUT", f"/flow?pages_per_s={PAGES_PER_S}")
        bench.pause(MESSAGES_S)
        self.endpoint.ask("DELETE", "/flow")
        return of(self.endpoint.account()["latencies_ms"])


@contextmanager
def asking(service: Penstock) -> Iterator[Asked]:
    """Ask the service's API all the while, by a thread."""
    stop, asked = threading.Event(), Asked({"list": [], "get": [], "metrics": []})
    asker = threading.Thread(target=ask, args=(service.port, asked, stop))
    asker.start()
    try:
        yield asked
    finally:
        stop.set()
        asker.join()


def ask(port: int, asked: Asked, stop: threading.Event) -> None:
    """Ask in turn for a page of mappings, for one of them, and now and then for the metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S_MAX)
    uuid = ""
    number = 0
    while number == 0 or not stop.wait(ASK_EVERY_S):
        page = timed(connection, f"{LIST_PATH}?MaxItems=100", asked.by_path["list"])
        uuid = uuid or page.partition(b'"UUID":"')[2].partition(b'"')[0].decode()
        timed(connection, f"{LIST_PATH}/{uuid}", asked.by_path["get"])
        if number % 10 == 0:
            timed(connection, "/metrics", asked.by_path["metrics"])
        number += 1
    connection.close()


def timed(connection: http.client.HTTPConnection, path: str, found: list[float]) -> bytes:
    """Ask once."""
    began_s = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    found.append(1000 * (time.perf_counter() - began_s))
    assert answer.status == http.client.OK, body[:500]
    return body


def measure_mappings(count: int, seconds: float) -> None:
    """Declare so many mappings of idle queues, kill the service, and start it again."""
    endpoint = bench.Endpoint("idle_queues")
    text = service_text(endpoint.url) + "".join([queue_mapping(n) for n in range(count)])
    with loaded(endpoint, text, count) as load:
        show(f"{count} mappings, declared", load.start())
        load.service.kill()
        show(f"{count} mappings, after kill -9", load.start())
        print(f"  idle: {load.idle(seconds)}", flush=True)
        with asking(load.service) as asked:
            bench.pause(MESSAGES_S)
        print(f"  idle, p50/p99: {asked.shown()}; messages {load.message_latency()}", flush=True)


def measure_shards(count: int, seconds: float) -> None:
    """Run a mapping of a stream with so many idle shards."""
    endpoint = bench.Endpoint(f"idle_{count}_shards")
    text = f"""{service_text(endpoint.url)}
[[mappings]]
name = "m"
EventSourceArn = "{endpoint.case.arn}"
FunctionName = "bench"
StartingPosition = "TRIM_HORIZON"
"""
    with loaded(endpoint, text, count) as load:
        show(f"{count} shards", load.start())
        print(f"  idle: {load.idle(seconds)}", flush=True)


def measure_created(count: int) -> None:
    """Create mappings through the API, one after the other, with boto3."""
    endpoint = bench.Endpoint("idle_queues")
    with loaded(endpoint, service_text(endpoint.url), count) as load:
        load.service.start()
        client, found = load.service.client(), []
        for number in range(count):
            began_s = time.perf_counter()
            client.create_event_source_mapping(
                EventSourceArn=queue_arn(number), FunctionName="bench"
            )
            found.append(1000 * (time.perf_counter() - began_s))
        print(f"{count} mappings created by boto3: {of(found)} each (p50/p99)", flush=True)


@contextmanager
def loaded(endpoint: bench.Endpoint, text: str, count: int) -> Iterator[Load]:
    """Give a load, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        load = Load(endpoint, Path(folder), text, count)
        try:
            yield load
        finally:
            load.service.end()
            endpoint.end()


def show(what: str, started: Started) -> None:
    """Print a start."""
    print(
        f"{what}: healthy {started.healthy_s:.1f} s, all polled {started.polled_s:.1f} s, "
        f"{started.used_s:.1f} s of CPU; p50/p99: {started.asked.shown()}",
        flush=True,
    )


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mappings", default="100,300,1000,3000,10000")
    parser.add_argument("--shards", default="10,100,1000")
    parser.add_argument("--created", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    serve_harness.WAIT_S_MAX = START_S_MAX
    for count in filter(None, options.mappings.split(",")):
        measure_mappings(int(count), options.seconds)
    if options.created:
        measure_created(options.created)
    for count in filter(None, options.shards.split(",")):
        measure_shards(int(count), options.seconds)


if __name__ == "__main__":
    main()
