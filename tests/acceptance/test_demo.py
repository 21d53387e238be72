"""``penstock demo`` is the main job, for real: it adds up, and it leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dev_process import LIMIT_S, descendants, is_alive
from serve_harness import wait_for

from penstock.local.demo import make_orders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

COMMAND = (sys.executable, "-m", "penstock", "demo")


def test_demo_adds_up_within_a_minute() -> None:
    ended = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60, check=False)

    assert ended.stdout.splitlines()[-3:] == [
        "stream clicks: sent=60 succeeded=59 discarded=1 keys_in_order=6/6",
        "table customers: sent=20 succeeded=20 keys_in_order=5/5",
        "queue orders: sent=60 succeeded=55 dead_lettered=5 left=0",
    ]
    assert ended.returncode == 0
    assert ended.stderr == ""
    words = {line.split()[0] for line in ended.stdout.splitlines()[:-3]}
    shown = {"received", "invoked", "failed", "succeeded", "redelivered", "dead-letter", "function"}
    shown |= {"read", "discarded"}
    assert words >= shown


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_that_is_interrupted_leaves_nothing(signal_number: signal.Signals) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, process_group=0) as demo:
        try:
            assert demo.stdout is not None
            next(line for line in demo.stdout if line.startswith(b"invoked"))
            processes = descendants(demo.pid)
            demo.send_signal(signal_number)

            assert demo.wait(LIMIT_S) != 0
            assert not any(is_alive(pid) for pid in processes)
        finally:
            if demo.poll() is None:
                os.killpg(demo.pid, signal.SIGKILL)


def test_killed_demo_leaves_no_process(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # its folder stays: nobody is left to ask
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, process_group=0, env=environment
    ) as demo:
        assert demo.stdout is not None
        next(line for line in demo.stdout if line.startswith(b"invoked"))
        processes = descendants(demo.pid)

        demo.kill()

        wait_for("the processes to end", lambda: not any(is_alive(pid) for pid in processes))


def test_one_order_in_twelve_is_poison() -> None:
    orders = make_orders()

    poison = [order["id"] for order in orders if "quantity" not in order]
    assert (len(orders), poison) == (60, [12, 24, 36, 48, 60])
