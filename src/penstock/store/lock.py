"""One service per store: an advisory lock beside the database, which ends with its process.

Two services on one store would each believe in their own state of a mapping: what one has disabled,
the other goes on polling.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from penstock.model.errors import ConfigurationError, StoreError
from penstock.store.sqlite import create_file, database_path, parse_url

_PID_BYTES_MAX = 20


@contextlib.contextmanager
def hold_store(url: str) -> Iterator[None]:
    """Keep every other service from a store; one in memory is nobody else's anyway.

    The lock is on ``DATABASE.lock``, which stays when the lock ends: a file that is removed and
    made again can be locked twice. The kernel gives the lock back however the process dies.

    Raises:
        ConfigurationError: Another service uses the store, or the URL cannot be read.
        StoreError: The lock cannot be had: the folder is not writable, or has no locks.
    """
    database = database_path(parse_url(url))
    if database is None:
        yield
        return
    path = Path(f"{database.resolve()}.lock")  # through whatever links the store is named
    create_file(path)
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError as exc:
        raise StoreError(f"the store's lock {path} cannot be opened: {exc.strerror}") from exc
    try:
        _lock(fd, path, database)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, path: Path, database: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = os.pread(fd, _PID_BYTES_MAX, 0).decode(errors="replace").strip() or "unknown"
        raise ConfigurationError(
            f"the store {database} is in use by another service (process {holder}): stop that one,"
            " or give this one a store of its own (--store of serve, --data of dev)"
        ) from exc
    except OSError as exc:
        raise StoreError(f"the store's lock {path} cannot be had: {exc.strerror}") from exc
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
