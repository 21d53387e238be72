"""How much memory an execution environment uses, held against the function's MemorySize.

What counts is what a container's limit counts: the memory that the processes wrote to or share with
one another, in RAM or swapped out; not the programs and libraries that they only mapped.

1. While an init or an invocation runs, it is read every ``WATCH_INTERVAL_S``: the environment's
   process and all that descend from it, as far as their parents live.
2. Pages that a fork shares are counted in each process first. Only where that sum is above the
   limit the exact share of each is asked for, which costs far more, and not more often than every
   ``EXACT_INTERVAL_S``.
3. Only Linux tells; elsewhere there is no limit.

Source: docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html; what counts is ours,
docs/semantics.md#memory.
"""

import asyncio
import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

WATCH_INTERVAL_S = 0.1  # a read of one process costs some 30 us
EXACT_INTERVAL_S = 1.0
PROCESSES_MAX = 256  # of one environment; more are not counted

_COUNTED = (b"RssAnon", b"RssShmem", b"VmSwap")
_COUNTED_EXACTLY = (b"Pss_Anon", b"Pss_Shmem", b"SwapPss")


class MemoryWatch:
    """Watches the processes of one environment; at most one timer is armed.

    Args:
        limit_mb: Above it ``exceeded`` is called, once, with what was used.
    """

    def __init__(self, limit_mb: int, exceeded: Callable[[int], None]) -> None:
        self._limit_kb = limit_mb * 1024
        self._exceeded = exceeded
        self._pid: int | None = None
        self._is_running = False
        self._timer: asyncio.TimerHandle | None = None
        self._read_s = -math.inf
        self._exact_s = -math.inf
        self._peak_kb = 0

    def begin(self, pid: int) -> None:
        """An init or an invocation begins in the process."""
        self._pid = pid
        self._is_running = sys.platform == "linux"
        if self._is_running and self._timer is None:
            self._arm()

    def end(self) -> int | None:
        """It ended; gives the most that was ever used, in MB; None where the system does not tell.

        It may be a value of the last ``WATCH_INTERVAL_S``.
        """
        self._is_running = False
        now_s = asyncio.get_running_loop().time()
        if self._pid is not None and now_s - self._read_s >= WATCH_INTERVAL_S:
            self._read(self._pid, now_s)
        return math.ceil(self._peak_kb / 1024) if self._peak_kb else None

    def close(self) -> None:
        """Read nothing any more."""
        self._is_running = False
        self._pid = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(WATCH_INTERVAL_S, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._is_running or self._pid is None:
            return  # The next begin arms it again: an idle environment costs nothing.
        used_kb = self._read(self._pid, asyncio.get_running_loop().time())
        if used_kb > self._limit_kb:
            self._is_running = False
            self._exceeded(math.ceil(used_kb / 1024))
        else:
            self._arm()

    def _read(self, pid: int, now_s: float) -> int:
        """Read what is used now, in KB; 0 when the processes are gone."""
        self._read_s = now_s
        processes = list(_family(pid))
        used_kb = sum(_used_kb(process) for process in processes)
        if used_kb > self._limit_kb and len(processes) > 1:
            if now_s - self._exact_s < EXACT_INTERVAL_S:
                return 0
            self._exact_s = now_s
            used_kb = sum(_exactly_used_kb(process) for process in processes)
        self._peak_kb = max(self._peak_kb, used_kb, _own_peak_kb(pid))
        return used_kb


def _family(pid: int) -> Iterator[int]:
    """List a process and its descendants."""
    pending = [pid]
    for _ in range(PROCESSES_MAX):
        if not pending:
            return
        process = pending.pop()
        yield process
        # A process that ends meanwhile has no children any more.
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{process}/task").iterdir():
                pending += map(int, (thread / "children").read_bytes().split())


def _used_kb(pid: int) -> int:
    fields = _read_fields(Path(f"/proc/{pid}/status"))
    return sum(fields.get(name, 0) for name in _COUNTED)


def _exactly_used_kb(pid: int) -> int:
    fields = _read_fields(Path(f"/proc/{pid}/smaps_rollup"))
    return sum(fields.get(name, 0) for name in _COUNTED_EXACTLY)


def _own_peak_kb(pid: int) -> int:
    """Give the most that the process itself ever used: its high-water mark without mapped files."""
    fields = _read_fields(Path(f"/proc/{pid}/status"))
    return max(0, fields.get(b"VmHWM", 0) - fields.get(b"RssFile", 0))


def _read_fields(path: Path) -> dict[bytes, int]:
    """Read lines ``Name:  123 kB``; nothing of a process that is gone."""
    fields: dict[bytes, int] = {}
    with contextlib.suppress(OSError):
        for line in path.read_bytes().splitlines():
            name, _, rest = line.partition(b":")
            number, _, unit = rest.strip().partition(b" ")
            if unit == b"kB":
                fields[name] = int(number)
    return fields
