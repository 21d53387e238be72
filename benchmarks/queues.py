"""What queues cost and how fast they are: ``penstock serve`` against queues in memory.

Run: python benchmarks/queues.py [cost|idle|throughput|overpull|fairness|isolation ...]; all by
default, about six minutes. The queues and the functions live in a process of their own
(``queue_endpoint.py``), the service in another.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "acceptance"))

from endpoint_process import EndpointProcess
from idle import cpu_s, pause
from serve_harness import Penstock, wait_for

ISOLATION_MAPPINGS = 200
ISOLATION_ROUNDS = 5
ISOLATION_ROUND_S = 10
TRICKLE = 400
SHARED = 300
POLLERS_OF_100 = "ProvisionedPollerConfig = { MinimumPollers = 10, MaximumPollers = 10 }"


class Endpoint(EndpointProcess):
    """The process with the queues and the functions."""

    def __init__(self, **options: int) -> None:
        super().__init__("queue_endpoint.py", **options)

    def send(self, queues: Iterable[str], count: int = 1) -> None:
        """Send messages to each queue."""
        self.ask("PUT", f"/send?queues={','.join(queues)}&count={count}")

    def queue(self, name: str) -> dict[str, Any]:
        """Give what is known of a queue."""
        found: dict[str, Any] = self.account()["queues"][name]
        return found

    def wait_until_deleted(self, name: str, count: int) -> None:
        """Wait until so many messages of a queue are done."""
        wait_for("all", lambda: self.queue(name)["deleted"] >= count)

    def wait_until_done(self, count: int) -> None:
        """Wait until the functions have done so many messages."""
        wait_for("some", lambda: self.account()["messages_done"] >= count)


def mapping_table(name: str, function: str, parameters: str = "") -> str:
    """Declare a mapping of the queue of that name."""
    return f"""
[[mappings]]
name = "{name}"
EventSourceArn = "arn:aws:sqs:us-east-1:000000000000:{name}"
FunctionName = "{function}"
{parameters}
"""


def function_table(endpoint: Endpoint, name: str, concurrency: int) -> str:
    """Declare a function of the endpoint."""
    return f"""
[functions.{name}]
url = "{endpoint.url}/{name}"
concurrency = {concurrency}
Timeout = 4
"""


@contextmanager
def serving(endpoint: Endpoint, project: str) -> Iterator[Penstock]:
    """Run the service until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        service = Penstock(Path(folder), endpoint.url, project)
        try:
            service.start()
            yield service
        finally:
            service.end()


def requests_per_message(queue: dict[str, Any]) -> str:
    """Say what a message cost."""
    asked = {name: count for name, count in queue["requests"].items() if count}
    total = sum(asked.values())
    listed = ", ".join(f"{name} {count}" for name, count in sorted(asked.items()))
    return f"{total / max(1, queue['deleted']):.3f} requests/message ({listed})"


def measure_cost() -> None:
    """Requests per message: of a backlog, and of a trickle."""
    count = 5_000
    for batch_size in (10, 1):
        endpoint = Endpoint(work_ms=20)
        endpoint.send(["orders"], count)
        project = function_table(endpoint, "count", 20)
        project += mapping_table("orders", "count", f"BatchSize = {batch_size}")
        project += "\n[service]\nqueue_ramp = { initial = 20 }\n"
        with serving(endpoint, project):
            endpoint.wait_until_deleted("orders", count)
            told = requests_per_message(endpoint.queue("orders"))
        endpoint.end()
        print(f"backlog of {count}, BatchSize {batch_size}, 20 slots: {told}", flush=True)
    for window_s in (0, 1):
        endpoint = Endpoint(work_ms=20)
        project = function_table(endpoint, "count", 20)
        project += mapping_table("orders", "count", f"MaximumBatchingWindowInSeconds = {window_s}")
        with serving(endpoint, project):
            for _ in range(TRICKLE):
                endpoint.send(["orders"])
                threading.Event().wait(0.05)
            endpoint.wait_until_deleted("orders", TRICKLE)
            told = requests_per_message(endpoint.queue("orders"))
        endpoint.end()
        print(f"trickle of 20 messages/s, window {window_s} s: {told}", flush=True)


def measure_idle() -> None:
    """Receives of an idle mapping."""
    endpoint = Endpoint()
    project = function_table(endpoint, "count", 10) + mapping_table("orders", "count")
    with serving(endpoint, project):
        pause(5)
        endpoint.account("?reset")
        pause(80)
        receives = endpoint.queue("orders")["requests"].get("ReceiveMessage", 0)
    endpoint.end()
    print(f"idle mapping: {receives} receives in 80 s, {receives * 45} per hour", flush=True)


def measure_throughput() -> None:
    """Invocations per second of a function of 50 ms, against the ideal."""
    for concurrency in (1, 10, 100):
        endpoint = Endpoint(work_ms=50)
        ideal = concurrency / 0.05
        count = int(min(ideal * 8, 12_000))
        endpoint.send(["orders"], count)
        project = function_table(endpoint, "count", concurrency)
        project += mapping_table("orders", "count", f"BatchSize = 1\n{POLLERS_OF_100}")
        with serving(endpoint, project) as service:
            endpoint.wait_until_done(1)
            started_s, used_s = time.perf_counter(), cpu_s(service.pid)
            begun = endpoint.account()["messages_done"]
            endpoint.wait_until_done(count)
            rate = (count - begun) / (time.perf_counter() - started_s)
            per_cpu_s = (count - begun) / (cpu_s(service.pid) - used_s)
        endpoint.end()
        print(
            f"BatchSize 1, concurrency {concurrency}, function of 50 ms: {rate:,.0f} messages/s, "
            f"{100 * rate / ideal:.0f}% of the ideal {ideal:,.0f}; {per_cpu_s:,.0f} per CPU-second",
            flush=True,
        )


def measure_overpull() -> None:
    """A slow function with few slots, a short visibility timeout, a redrive policy."""
    for batch_size, count in ((1, 400), (10, 1_000)):
        endpoint = Endpoint(work_ms=200, visibility_s=5, receives_max=3)
        endpoint.send(["orders"], count)
        project = function_table(endpoint, "count", 2)
        project += mapping_table("orders", "count", f"BatchSize = {batch_size}")
        with serving(endpoint, project):
            endpoint.wait_until_deleted("orders", count)
            queue, account = endpoint.queue("orders"), endpoint.account()
        endpoint.end()
        print(
            f"{queue['sent']} messages, concurrency 2, 200 ms, visibility 5 s, maxReceiveCount 3, "
            f"BatchSize {batch_size}: {queue['deleted']} deleted, {queue['dead_lettered']} "
            f"dead-lettered, highest receive count {queue['count_highest']}, most at once "
            f"{account['running_highest']}",
            flush=True,
        )


def measure_fairness() -> None:
    """Two mappings on one function of concurrency 1."""
    endpoint = Endpoint(work_ms=50)
    endpoint.send(["red", "blue"], 2_000)
    project = function_table(endpoint, "count", 1)
    for name in ("red", "blue"):
        project += mapping_table(name, "count", "BatchSize = 1")
    with serving(endpoint, project):
        endpoint.wait_until_done(SHARED)
        queues = endpoint.account()["queues"]
    endpoint.end()
    shares = " and ".join(f"{name} {queues[name]['deleted']}" for name in ("red", "blue"))
    print(f"two mappings, one slot, {SHARED} messages: {shares}", flush=True)


def measure_isolation() -> None:
    """200 mappings, with and without three that are broken; interleaved rounds."""
    medians: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * ISOLATION_ROUNDS):
        is_broken = number % 2 == 1
        medians[is_broken].append(isolation_round(is_broken=is_broken))
    well, broken = (statistics.median(medians[is_broken]) for is_broken in (False, True))
    print(
        f"{ISOLATION_MAPPINGS} mappings, send -> function, p50 of {ISOLATION_ROUNDS} rounds each: "
        f"{well:.2f} ms with all well, {broken:.2f} ms beside three broken ones "
        f"({broken / well:.2f}x)",
        flush=True,
    )


def isolation_round(*, is_broken: bool) -> float:
    """Give the median latency of the healthy mappings in one round."""
    endpoint = Endpoint(visibility_s=30)
    healthy = [f"q{number}" for number in range(ISOLATION_MAPPINGS - 3)]
    project = function_table(endpoint, "count", 1_000)
    project += function_table(endpoint, "hangs", 10) + function_table(endpoint, "throttled", 10)
    others = ("hangs", "throttled", "count") if is_broken else ("count",) * 3
    for name in healthy:
        project += mapping_table(name, "count")
    for name, function in zip(("stuck", "refused", "gone"), others, strict=True):
        project += mapping_table(name, function)
    with serving(endpoint, project):
        if is_broken:
            endpoint.ask("DELETE", "/queue?queue=gone")
            endpoint.send(["stuck", "refused"], 500)
        pause(2)
        endpoint.account("?reset")
        for _ in range(ISOLATION_ROUND_S):
            for start in range(0, len(healthy), 20):
                endpoint.send(healthy[start : start + 20])
                threading.Event().wait(0.1)
        pause(1)
        latencies_ms = endpoint.account()["latencies_ms"]["count"]
    endpoint.end()
    return statistics.median(latencies_ms)


MEASURES = {
    "cost": measure_cost,
    "idle": measure_idle,
    "throughput": measure_throughput,
    "overpull": measure_overpull,
    "fairness": measure_fairness,
    "isolation": measure_isolation,
}


def main() -> None:
    """Measure what the command line names."""
    for name in sys.argv[1:] or MEASURES:
        MEASURES[name]()


if __name__ == "__main__":
    main()
