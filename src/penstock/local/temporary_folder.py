"""A temporary folder that does not stay for ever when its process is killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Make a folder, and remove it at the end together with those that killed processes left.

    Each is locked as long as its process lives; the kernel gives the lock back however that dies.
    """
    remove_abandoned(prefix)
    with contextlib.ExitStack() as closing:
        path = None
        while path is None or not path.exists():  # removed between its making and its locking
            path = Path(tempfile.mkdtemp(prefix=prefix))
            closing.callback(shutil.rmtree, path, ignore_errors=True)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            closing.callback(os.close, fd)
            with contextlib.suppress(OSError):  # no locks there: nobody can see it as abandoned
                fcntl.flock(fd, fcntl.LOCK_EX)
        yield path


def remove_abandoned(prefix: str) -> None:
    """Remove this user's temporary folders of that prefix that no living process has locked."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # locked, gone, or not a folder
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(fd).st_uid == os.getuid():
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(fd)
