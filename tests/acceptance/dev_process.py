"""``penstock dev`` as a user starts it, and what is left of it afterwards."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.local.resources import create_client, isolated_session

LIMIT_S = 40.0  # for one thing to happen on a slow, shared machine


class DevProcess:
    """A running ``penstock dev --port 0`` with JSON logs, and the lines it printed.

    Args:
        project_file: What it runs.
        arguments: More of its command line.
        last_event: Nobody reads what it prints after that, as behind ``| head``.
    """

    def __init__(self, project_file: Path, *arguments: str, last_event: str | None = None) -> None:
        # A killed process leaves its temporary folder; this one is collected with the test's own.
        environment = {
            **os.environ,
            "PENSTOCK_LOG_FORMAT": "json",
            "TMPDIR": str(project_file.parent),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "penstock", "dev", str(project_file), "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            process_group=0,
        )
        self._last_event = last_event
        self.lines: list[dict[str, Any]] = []
        self._grown = threading.Condition()
        self._is_over = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until the log has that event for the ``count``-th time."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines if event in line["event"]][count - 1 :]

        with self._grown:
            self._grown.wait_for(lambda: found() or self._is_over, LIMIT_S)
        assert found(), f"no {event!r} in {self.lines}"
        return found()[0]

    def client(self, service: str) -> Any:
        """Make an AWS client for the endpoint of the ready line."""
        endpoint = self.wait_for("ready")["endpoint"]
        return create_client(isolated_session(), service, endpoint=endpoint, region="us-east-1")

    def interrupt(self) -> int:
        """Press Ctrl-C and give the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT_S)

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": line.decode().rstrip()}
            with self._grown:
                self.lines.append(entry)
                self._grown.notify_all()
            if entry["event"] == self._last_event:
                self.process.stdout.close()
                break
        with self._grown:
            self._is_over = True
            self._grown.notify_all()


@contextlib.contextmanager
def running_dev(
    project_file: Path, *arguments: str, last_event: str | None = None
) -> Iterator[DevProcess]:
    """Run ``dev`` until the block ends."""
    dev = DevProcess(project_file, *arguments, last_event=last_event)
    try:
        yield dev
    finally:
        dev.end()


def descendants(pid: int) -> list[int]:
    """List the processes below one, deepest last."""
    children = [int(child) for child in _read_children(pid)]
    return children + [below for child in children for below in descendants(child)]


def _read_children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}
