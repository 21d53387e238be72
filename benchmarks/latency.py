"""Latency from SendMessage's return to the handler's first line, one message at a time.

Run: python benchmarks/latency.py [count]. It starts a moto server and ``penstock serve``.
"""

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "acceptance"))

from serve_harness import Moto, Queues, project_text, running, wait_for

HANDLER = """
import os, time


def handler(event, context):
    entered = time.time()
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(f"{event['Records'][0]['body']} {entered}\\n")
"""


def main() -> None:
    """Measure and print percentiles."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    moto = Moto()
    try:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), moto, count)
    finally:
        moto.kill()


def measure(folder: Path, moto: Moto, count: int) -> None:
    """Send one message, wait until it is handled, and so on."""
    sqs = moto.client("sqs")
    queues = Queues(sqs, visibility_s=30)
    latencies_ms: list[float] = []
    with running(folder, moto.url, project_text()) as service:
        (folder / "app.py").write_text(HANDLER)
        for number in range(count + 1):
            sqs.send_message(QueueUrl=queues.url, MessageBody=str(number))
            sent = time.time()
            entered = wait_for("the handler", partial(_entered, service.ledger, number))
            # The first one starts the process.
            if number:
                latencies_ms.append((entered - sent) * 1000)
    hundredths = statistics.quantiles(latencies_ms, n=100)
    print(
        f"{count} messages: p50 {hundredths[49]:.1f} ms, p90 {hundredths[89]:.1f} ms, "
        f"p99 {hundredths[98]:.1f} ms"
    )


def _entered(ledger: Path, number: int) -> float | None:
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    if len(lines) <= number:
        return None
    return float(lines[number].split()[1])


if __name__ == "__main__":
    main()
