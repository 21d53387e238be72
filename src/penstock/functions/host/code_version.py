"""Whether a function's code on disk is still what it was."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from penstock.functions.host.entry_points import BOOTSTRAP
from penstock.functions.host.runtimes import RuntimeFamily
from penstock.ports import Clock

_PYTHON = (".py", ".so")
_NODEJS = (".js", ".mjs", ".cjs", ".json", ".node")
# What an import reads; handlers write other files beside them.
CODE_SUFFIXES = {
    RuntimeFamily.PYTHON: _PYTHON,
    RuntimeFamily.NODEJS: _NODEJS,
    RuntimeFamily.PROVIDED: (BOOTSTRAP, ".sh", *_PYTHON, *_NODEJS),
}
_SKIPPED = frozenset({"__pycache__", "node_modules"})
SCAN_INTERVAL_MS = 1000
ENTRIES_MAX = 50_000  # beyond it a change goes unseen: a scan must stay far below its interval


class CodeVersion:
    """Identifies the code of one folder; scans it in a thread, at most once per second."""

    def __init__(self, folder: str, family: RuntimeFamily, clock: Clock) -> None:
        self._folder = folder
        self._family = family
        self._clock = clock
        self._version = ""
        self._scanned_ms: int | None = None
        self._scan: asyncio.Future[str] | None = None

    async def read(self) -> str:
        """Give a value that differs whenever the code differs; valid in this process only."""
        now_ms = self._clock.now().monotonic_ms
        if self._scanned_ms is None or now_ms - self._scanned_ms >= SCAN_INTERVAL_MS:
            self._scanned_ms = now_ms
            loop = asyncio.get_running_loop()
            self._scan = loop.run_in_executor(None, fingerprint, self._folder, self._family)
        scan = self._scan
        if scan is not None:
            # Shielded: others may wait for the same scan.
            self._version = await asyncio.shield(scan)
            if self._scan is scan:
                self._scan = None
        return self._version


def fingerprint(folder: str, family: RuntimeFamily) -> str:
    """Condense path, time and size of every code file under the folder."""
    suffixes = CODE_SUFFIXES[family]
    seen: set[tuple[str, int, int]] = set()
    for entry in itertools.islice(_entries(folder), ENTRIES_MAX):
        if entry.name.endswith(suffixes):
            with contextlib.suppress(OSError):  # It went away; the next scan will tell.
                status = entry.stat()
                seen.add((entry.path, status.st_mtime_ns, status.st_size))
    return f"{hash(frozenset(seen)):x}"


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Walk the folder; not into linked folders, nor those that ``_may_hold_code`` leaves out."""
    pending = [folder]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False) and _may_hold_code(entry):
                    pending.append(entry.path)


def _may_hold_code(entry: os.DirEntry[str]) -> bool:
    """Leave out hidden folders, caches, virtual environments, and what npm has installed.

    An install by npm changes ``package-lock.json`` as well, which stands beside it.
    """
    is_skipped = entry.name.startswith(".") or entry.name in _SKIPPED
    return not is_skipped and not Path(entry.path, "pyvenv.cfg").exists()
