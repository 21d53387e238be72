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
import os
import re
import sys
from collections.abc import Callable

WATCH_INTERVAL_S = 0.1  # a read costs some 70 us for each process
EXACT_INTERVAL_S = 1.0
PROCESSES_MAX = 256  # of one environment; more are not counted
READ_BYTES = 16 * 1024  # of a file of /proc: far more than what is used of it

_FIELD = re.compile(rb"^(\w+):\s+(\d+) kB$", re.MULTILINE)
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
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._ended_s = -math.inf
        self._exact_s = -math.inf
        self._peak_kb = 0

    def begin(self, pid: int) -> None:
        """An init or an invocation begins in the process; not after ``close``."""
        if self._is_closed:
            return  # It has ended meanwhile, and its number may be another's.
        self._pid = pid
        self._is_running = sys.platform == "linux"
        if self._is_running and self._timer is None:
            self._arm()

    def pause(self) -> None:
        """It ended; nothing is read before the next one begins."""
        self._is_running = False

    def end(self) -> int | None:
        """It ended; gives the most that was ever used, in MB; None where the system does not tell.

        Of short invocations one after another it is read once in ``WATCH_INTERVAL_S``.
        """
        self.pause()
        now_s = asyncio.get_running_loop().time()
        if self._pid is not None and now_s - self._ended_s >= WATCH_INTERVAL_S:
            self._ended_s = now_s
            self._read(self._pid, now_s)
        return math.ceil(self._peak_kb / 1024) if self._peak_kb else None

    def close(self) -> None:
        """Read nothing any more: the process has ended."""
        self._is_closed = True
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
        own = _read_fields(f"/proc/{pid}/status")
        used_kb = sum(own.get(name, 0) for name in _COUNTED)
        # The high-water mark has what was used between two reads too, if with mapped files.
        own_peak_kb = own.get(b"VmHWM", 0) - own.get(b"RssFile", 0)
        descendants = _list_descendants(pid)
        for process in descendants:
            fields = _read_fields(f"/proc/{process}/status")
            used_kb += sum(fields.get(name, 0) for name in _COUNTED)
        if descendants and used_kb > self._limit_kb:
            if now_s - self._exact_s < EXACT_INTERVAL_S:
                return 0
            self._exact_s = now_s
            used_kb = sum(_exactly_used_kb(process) for process in (pid, *descendants))
        self._peak_kb = max(self._peak_kb, used_kb, own_peak_kb)
        return used_kb


def _list_descendants(pid: int) -> list[int]:
    """List the processes that descend from one; those whose parents are gone do not any more."""
    found: list[int] = []
    pending = [pid]
    while pending and len(found) < PROCESSES_MAX:
        folder = f"/proc/{pending.pop()}/task"
        with contextlib.suppress(OSError):  # It ends meanwhile, and has no children any more.
            for thread in os.listdir(folder):  # noqa: PTH208  pathlib takes five times as long
                listed = _read_file(f"{folder}/{thread}/children").split()
                children = [int(child) for child in listed[:PROCESSES_MAX]]
                pending += children
                found += children
    return found


def _exactly_used_kb(pid: int) -> int:
    fields = _read_fields(f"/proc/{pid}/smaps_rollup")
    return sum(fields.get(name, 0) for name in _COUNTED_EXACTLY)


def _read_fields(path: str) -> dict[bytes, int]:
    """Read lines ``Name:  123 kB``; nothing of a process that is gone."""
    return {name: int(number) for name, number in _FIELD.findall(_read_file(path))}


def _read_file(path: str) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, READ_BYTES)
    except OSError:
        return b""
    finally:
        os.close(file)
