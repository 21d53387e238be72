"""What idle mappings cost: CPU and memory of ``penstock serve`` that polls empty queues.

Run: python benchmarks/idle.py [mappings] [seconds]. It starts a moto server and the service.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "acceptance"))

from serve_harness import ACCOUNT, REGION, Moto, Penstock, project_text

SETTLE_S = 5.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure one number of mappings."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0  # noqa: PLR2004
    moto = Moto()
    try:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), moto, count, seconds)
    finally:
        moto.kill()


def measure(folder: Path, moto: Moto, count: int, seconds: float) -> None:
    """Start the service with that many mappings and watch it do nothing."""
    sqs = moto.client("sqs")
    project = project_text(mappings=False).replace("long_poll_s = 2", "")
    for number in range(count):
        sqs.create_queue(QueueName=f"queue-{number}")
        project += (
            f'[[mappings]]\nname = "m{number}"\nFunctionName = "charge"\n'
            f'EventSourceArn = "arn:aws:sqs:{REGION}:{ACCOUNT}:queue-{number}"\n'
        )
    service = Penstock(folder, moto.url, project)
    try:
        started = time.perf_counter()
        service.start()
        ready_s = time.perf_counter() - started
        pause(SETTLE_S)
        before = cpu_s(service.pid)
        pause(seconds)
        used_s = cpu_s(service.pid) - before
        print(
            f"{count} mappings: ready in {ready_s:.2f} s; idle for {seconds:.0f} s: "
            f"{100 * used_s / seconds:.2f}% of a core, {resident_mb(service.pid):.0f} MB resident"
        )
    finally:
        service.end()


def pause(seconds: float) -> None:
    """Let time pass."""
    threading.Event().wait(seconds)


def cpu_s(pid: int) -> float:
    """Read the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident_mb(pid: int) -> float:
    """Read a process's resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_048_576


if __name__ == "__main__":
    main()
