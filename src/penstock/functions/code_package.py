"""What may be in a zip file of code, and how it is unpacked.

A zip file is a caller's, so nothing in it is believed:

1. Names stay below the folder: no absolute one, no ``..``, no backslash, none twice.
2. Only files and folders: a link could lead out of the folder once it is there.
3. Sizes are AWS's quotas; what an entry unpacks to is never more than it says, and that is counted
   before anything is unpacked.
4. Of an entry's mode the permission bits are kept, so that a ``bootstrap`` stays executable.

Source: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import io
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from penstock.model.errors import ConfigurationError

UNZIPPED_BYTES_MAX = 262_144_000  # AWS quota: 250 MB
ENTRIES_MAX = 50_000  # ours; a fingerprint of the code looks at no more
DIRECTORY_BYTES_MAX = 16 * 1024 * 1024  # ours: the list of entries is read whole

EMPTY_ZIP = "Uploaded file must be a non-empty zip"
_NOT_A_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
_END_BYTES = 22
_COMMENT_BYTES_MAX = 65_535
_END_SIGNATURE = b"PK\x05\x06"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
    struct.error,
    ValueError,
)


def check_package(package: bytes) -> None:
    """Refuse a zip file that cannot be unpacked, or should not be; nothing is unpacked.

    Raises:
        ConfigurationError: In AWS's words where AWS has some.
    """
    if len(package) > UNZIPPED_BYTES_MAX:
        raise _too_large()
    _check_directory_size(package)
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            entries = archive.infolist()
    except _UNREADABLE as exc:
        raise ConfigurationError(_NOT_A_ZIP) from exc
    if not entries:
        raise ConfigurationError(EMPTY_ZIP)
    if len(entries) > ENTRIES_MAX:
        raise ConfigurationError(
            f"The zip file has {len(entries)} entries; the most is {ENTRIES_MAX}"
        )
    if sum(entry.file_size for entry in entries) >= UNZIPPED_BYTES_MAX:
        raise _too_large()
    _check_names(entries)
    for entry in entries:
        _check_entry(entry)


def unpack(package: Path, folder: Path) -> None:
    """Unpack a zip file that was checked into a folder that does not exist yet.

    Raises:
        ConfigurationError: Its content is damaged.
        OSError: There is no room, or no permission.
    """
    folder.mkdir(mode=0o700)
    try:
        with zipfile.ZipFile(package) as archive:
            for entry in archive.infolist():
                _unpack_entry(archive, entry, folder / entry.filename)
    except _UNREADABLE as exc:
        raise ConfigurationError(f"{_NOT_A_ZIP} ({exc})") from exc


def is_unpacked(package: Path, folder: Path) -> bool:
    """Tell whether every file is there in its size: a power cut may lose what was not flushed."""
    try:
        with zipfile.ZipFile(package) as archive:
            return all(_is_there(entry, folder / entry.filename) for entry in archive.infolist())
    except _UNREADABLE:
        return False


def _is_there(entry: zipfile.ZipInfo, path: Path) -> bool:
    if entry.is_dir():
        return path.is_dir()
    return path.is_file() and path.stat().st_size == entry.file_size


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    mode = (entry.external_attr >> 16) & 0o777
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod((mode or _FOLDER_MODE) | stat.S_IRWXU)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as packed, path.open("xb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    path.chmod((mode or _FILE_MODE) | stat.S_IRUSR | stat.S_IWUSR)


def _check_directory_size(package: bytes) -> None:
    """Refuse a list of entries that is too long to be read, before it is read."""
    at = package.rfind(_END_SIGNATURE, max(0, len(package) - _END_BYTES - _COMMENT_BYTES_MAX))
    if at < 0 or len(package) - at < _END_BYTES:
        raise ConfigurationError(_NOT_A_ZIP)
    (directory_bytes,) = struct.unpack_from("<L", package, at + 12)
    if directory_bytes > DIRECTORY_BYTES_MAX:
        raise ConfigurationError(
            f"The zip file's list of entries has {directory_bytes} bytes; the most is "
            f"{DIRECTORY_BYTES_MAX}"
        )


def _check_names(entries: list[zipfile.ZipInfo]) -> None:
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for entry in entries:
        path = PurePosixPath(entry.filename)
        # orig_filename is what the zip file says, before a NUL ends it.
        unsafe = "\\" in entry.orig_filename or "\0" in entry.orig_filename
        if unsafe or path.is_absolute() or ".." in path.parts or not path.parts:
            raise _refused(entry, "its name leads out of the function's folder, or is no file name")
        if path in files or (path in folders and not entry.is_dir()):
            raise _refused(entry, "there are two of that name")
        folders.update(_parents(path))
        (folders if entry.is_dir() else files).add(path)
    for path in files & folders:
        raise ConfigurationError(f"The zip file's entry {str(path)!r} is a file and a folder")


def _parents(path: PurePosixPath) -> Iterator[PurePosixPath]:
    yield from (parent for parent in path.parents if parent.parts)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise _refused(entry, "it is a link or a device; only files and folders are unpacked")
    if entry.flag_bits & _ENCRYPTED:
        raise _refused(entry, "it is encrypted")
    if entry.compress_type not in _METHODS:
        raise _refused(entry, "it is compressed in another way than deflate")


def _refused(entry: zipfile.ZipInfo, why: str) -> ConfigurationError:
    return ConfigurationError(f"The zip file's entry {entry.orig_filename!r} is refused: {why}")


def _too_large() -> ConfigurationError:
    return ConfigurationError(f"Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes")
