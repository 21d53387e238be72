"""What idle mappings and shards cost, by their number: the curve of ``penstock serve``.

Run: python benchmarks/scale.py [--mappings 100,1000,10000] [--shards 10,100,1000] [--seconds 20].
The queues and streams are those of ``bench_endpoint.py``, where nothing flows. A mapping waits with
one long poll of 20 s; a shard is read once per second.
"""

import argparse
import tempfile
import time
from pathlib import Path

from bench import Endpoint, cpu_s, pause
from bench_cases import ACCOUNT, REGION
from idle import resident_mb
from serve_harness import Penstock, wait_for

SETTLE_S = 3.0
ASKED = 20  # requests of the API, for its latency


def service_text(url: str) -> str:
    """Write what all runs have in common."""
    return f"""
[service]
account_id = "{ACCOUNT}"
[functions.bench]
url = "{url}"
"""


def queue_mapping(number: int) -> str:
    """Declare one mapping of a queue of its own."""
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:bench-{number}"
    return f"""
[[mappings]]
name = "m{number}"
EventSourceArn = "{arn}"
FunctionName = "bench"
"""


def measure_mappings(count: int, seconds: float) -> None:
    """Run so many idle mappings of queues."""
    endpoint = Endpoint("idle_queues")
    text = service_text(endpoint.url) + "".join([queue_mapping(n) for n in range(count)])
    measure(endpoint, text, count, seconds)


def measure_shards(count: int, seconds: float) -> None:
    """Run a mapping of a stream with so many idle shards."""
    endpoint = Endpoint(f"idle_{count}_shards")
    text = f"""{service_text(endpoint.url)}
[[mappings]]
name = "m"
EventSourceArn = "{endpoint.case.arn}"
FunctionName = "bench"
StartingPosition = "TRIM_HORIZON"
"""
    measure(endpoint, text, count, seconds)


def measure(endpoint: Endpoint, text: str, count: int, seconds: float) -> None:
    """Start the service, wait until all is polled, and watch it do nothing; print one line."""
    operation = "ReceiveMessage" if endpoint.case.is_queue else "GetRecords"
    what = f"{count} {'mappings' if endpoint.case.is_queue else 'shards'}"

    def polled() -> int:
        calls: dict[str, int] = endpoint.account()["calls"]
        return calls.get(operation, 0)

    with tempfile.TemporaryDirectory() as folder:
        service = Penstock(Path(folder), endpoint.url, text)
        try:
            started_s = time.perf_counter()
            service.start()
            healthy_s = time.perf_counter() - started_s
            wait_for(f"{what} to be polled", lambda: polled() >= count)
            polled_s = time.perf_counter() - started_s
            pause(SETTLE_S)
            calls, used_s, begun_s = polled(), cpu_s(service.pid), time.perf_counter()
            pause(seconds)
            used_s, taken_s = cpu_s(service.pid) - used_s, time.perf_counter() - begun_s
            calls = polled() - calls
            api_ms = slowest_answer_ms(service)
            print(
                f"{what:<16} healthy {healthy_s:5.1f} s, all polled {polled_s:5.1f} s; idle: "
                f"{100 * used_s / taken_s:6.2f}% of a core, {calls / taken_s:7.1f} calls/s, "
                f"{resident_mb(service.pid):6.0f} MB, {1e6 * used_s / taken_s / count:6.1f} us/s "
                f"each; API {api_ms:.0f} ms at most",
                flush=True,
            )
        finally:
            service.end()
            endpoint.end()


def slowest_answer_ms(service: Penstock) -> float:
    """Ask the service for a page of its mappings a few times."""
    client = service.client()
    slowest_s = 0.0
    for _ in range(ASKED):
        started_s = time.perf_counter()
        client.list_event_source_mappings(MaxItems=10)
        slowest_s = max(slowest_s, time.perf_counter() - started_s)
    return 1000 * slowest_s


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mappings", default="100,1000,10000")
    parser.add_argument("--shards", default="10,100,1000")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    for count in filter(None, options.mappings.split(",")):
        measure_mappings(int(count), options.seconds)
    for count in filter(None, options.shards.split(",")):
        measure_shards(int(count), options.seconds)


if __name__ == "__main__":
    main()
