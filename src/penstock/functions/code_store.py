"""Where the code of deployed functions is kept: a folder per zip file, named by its SHA-256.

::

    FOLDER/SHA256/package.zip      as it came; GetFunction's Location gives it back
    FOLDER/SHA256/unpacked/        what runs
    FOLDER/.SHA256.PID.N/          being made; a kill leaves it, the next start removes it

1. A folder is made whole beside its place and renamed into it: it is whole or not there.
2. A package is flushed to the disk before it is renamed: rows refer to it.
3. What no row refers to, nobody runs and nobody is about to refer to is removed (``sweep``).
"""

import asyncio
import contextlib
import hashlib
import itertools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path

from penstock.functions.code_package import is_unpacked, unpack
from penstock.model.deployed_function import CodePackage
from penstock.model.errors import StoreUnavailableError

_PACKAGE = "package.zip"
_UNPACKED = "unpacked"


class CodeStore:
    """Keeps zip files and what they unpack to; all file work is done in threads.

    Args:
        folder: Made when the first package comes, for this user's eyes only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._held: Counter[str] = Counter()
        self._lock = asyncio.Lock()  # a package is not saved while others are removed

    @contextlib.asynccontextmanager
    async def keep(self, package: bytes) -> AsyncIterator[CodePackage]:
        """Keep a checked zip file, at least until the block has ended; by then a row refers to it.

        Raises:
            StoreUnavailableError: It cannot be written.
        """
        sha256 = await asyncio.to_thread(_digest, package)
        self._held[sha256] += 1
        try:
            async with self._lock:
                await asyncio.to_thread(self._save, sha256, package)
            yield CodePackage(sha256, len(package))
        finally:
            self._held -= Counter((sha256,))

    def code_folder(self, sha256: str) -> str:
        """Give the folder that holds the unpacked code."""
        return str(self._folder / sha256 / _UNPACKED)

    def sha256_of(self, code_folder: str) -> str:
        """Give whose code a folder holds."""
        return Path(code_folder).parent.name

    def package_path(self, sha256: str) -> Path:
        """Give the zip file's place."""
        return self._folder / sha256 / _PACKAGE

    async def unpack(self, sha256: str) -> None:
        """Unpack a package, unless it is unpacked.

        Raises:
            ConfigurationError: The zip file is damaged.
            OSError: It is not there, or there is no room.
        """
        async with self._lock:
            await asyncio.to_thread(self._unpack, sha256)

    async def sweep(self, wanted: Callable[[], Collection[str]]) -> None:
        """Remove every package but those that are wanted, and those that a block keeps.

        Args:
            wanted: Gives them by SHA-256; it is asked while nothing can be added.

        Raises:
            OSError: The folder cannot be read.
        """
        async with self._lock:
            kept = {*wanted(), *self._held}
            await asyncio.to_thread(self._sweep, kept)

    def _save(self, sha256: str, package: bytes) -> None:
        """Write a package, unless it is there, and whole."""
        try:
            if not self._has_whole(sha256):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._write(sha256, package)
        except OSError as exc:
            raise StoreUnavailableError(
                f"code cannot be kept in {self._folder}: {exc.strerror}; make room for it there"
            ) from exc

    def _has_whole(self, sha256: str) -> bool:
        try:
            with self.package_path(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def _write(self, sha256: str, package: bytes) -> None:
        place = self._folder / sha256
        making = self._make_folder(sha256)
        try:
            with (making / _PACKAGE).open("xb") as file:
                file.write(package)
                file.flush()
                os.fsync(file.fileno())
            _flush_folder(making)
            if place.is_dir():  # its package was lost or damaged; what is unpacked may be running
                (making / _PACKAGE).replace(place / _PACKAGE)
                _flush_folder(place)
            else:
                making.rename(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        _flush_folder(self._folder)

    def _unpack(self, sha256: str) -> None:
        package, place = self.package_path(sha256), self._folder / sha256 / _UNPACKED
        if place.exists():
            if is_unpacked(package, place):
                return
            shutil.rmtree(place)
        making = self._make_folder(sha256)
        try:
            unpack(package, making / _UNPACKED)
            (making / _UNPACKED).rename(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _make_folder(self, sha256: str) -> Path:
        making = self._folder / f".{sha256}.{os.getpid()}.{next(self._numbers)}"
        making.mkdir(mode=0o700)
        return making

    def _sweep(self, kept: Collection[str]) -> None:
        if not self._folder.is_dir():
            return
        for entry in self._folder.iterdir():
            if entry.name not in kept:
                shutil.rmtree(entry, ignore_errors=True)


@contextlib.contextmanager
def open_code_store(database: Path | None) -> Iterator[CodeStore]:
    """Give the code store beside a database; None: one that ends with the block, as its rows do."""
    if database is not None:
        yield CodeStore(Path(f"{database.resolve()}.code"))
        return
    with tempfile.TemporaryDirectory(prefix="penstock-code-") as folder:
        yield CodeStore(Path(folder))


def _digest(package: bytes) -> str:
    return hashlib.sha256(package).hexdigest()


def _flush_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
