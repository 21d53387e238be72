"""Notices that a file has changed, and has then been left alone for a moment."""

from pathlib import Path

LOOK_INTERVAL_S = 1.0
Stamp = tuple[int, int, int]


class FileWatch:
    """Compares a file's stamp with the last one; no clock, no thread: its owner looks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._settled = self._seen = read_stamp(path)

    def has_changed(self) -> bool:
        """Tell, once for each change; a file that still changes, or is away, has not yet."""
        stamp = read_stamp(self._path)
        is_still = stamp is not None and stamp == self._seen
        self._seen = stamp
        if not is_still or stamp == self._settled:
            return False
        self._settled = stamp
        return True

    def tell_again(self) -> None:
        """Let the change that was told last be told once more."""
        self._settled = None


def read_stamp(path: Path) -> Stamp | None:
    """Give what another content of a file differs in; None: it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
