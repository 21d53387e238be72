"""Which zip files are refused, and what is unpacked."""

import io
import os
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
from code_builders import entry, zipped, zipped_entries

from penstock.functions import code_package
from penstock.functions.code_package import check_package, is_unpacked, unpack
from penstock.model.errors import ConfigurationError


def unpacked(package: bytes, folder: Path) -> Path:
    """Check a package and unpack it."""
    check_package(package)
    (folder / "package.zip").write_bytes(package)
    unpack(folder / "package.zip", folder / "code")
    return folder / "code"


def test_package_is_unpacked_with_its_folders_and_modes(tmp_path: Path) -> None:
    package = zipped_entries(
        (entry("bootstrap", stat.S_IFREG | 0o755), b"#!/bin/sh"),
        (entry("lib/", stat.S_IFDIR | 0o755), b""),
        (entry("lib/deep/app.py", stat.S_IFREG | 0o640), b"x = 1"),
    )

    code = unpacked(package, tmp_path)

    files = [path for path in code.rglob("*") if path.is_file()]
    modes = {str(path.relative_to(code)): stat.S_IMODE(path.stat().st_mode) for path in files}
    assert modes == {"bootstrap": 0o755, "lib/deep/app.py": 0o640}
    assert (code / "lib" / "deep" / "app.py").read_bytes() == b"x = 1"


def test_set_user_id_bit_is_not_kept(tmp_path: Path) -> None:
    package = zipped_entries((entry("tool", stat.S_IFREG | 0o4755), b""))

    code = unpacked(package, tmp_path)

    assert stat.S_IMODE((code / "tool").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    "name",
    [
        "../outside.py",
        "lib/../../outside.py",
        "/etc/passwd",
        "..",
        "a\\..\\b.py",
        "app.py\0.txt",
        "",
        ".",
    ],
)
def test_name_that_leads_out_is_refused(name: str) -> None:
    package = zipped_entries((entry("okay.py"), b""), (entry("X" * max(1, len(name))), b""))
    package = package.replace(b"X" * max(1, len(name)), name.encode().ljust(1, b"/"))

    with pytest.raises(ConfigurationError, match=r"its name leads out|Could not unzip"):
        check_package(package)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        pytest.param(["app.py", "app.py"], "two of that name", id="the same"),
        pytest.param(["lib/a.py", "lib/./a.py"], "two of that name", id="the same, otherwise"),
        pytest.param(["lib/a.py", "lib"], "two of that name", id="folder, then file"),
        pytest.param(["lib", "lib/a.py"], "is a file and a folder", id="file, then folder"),
        pytest.param(["lib", "lib/"], "two of that name", id="file, then empty folder"),
    ],
)
def test_names_that_meet_are_refused(names: list[str], text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile's own, of a name used twice
        package = zipped_entries(*[(entry(name), b"") for name in names])

    with pytest.raises(ConfigurationError, match=text):
        check_package(package)


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(stat.S_IFLNK | 0o777, id="link"),
        pytest.param(stat.S_IFIFO | 0o644, id="pipe"),
        pytest.param(stat.S_IFCHR | 0o644, id="device"),
    ],
)
def test_what_is_no_file_is_refused(mode: int) -> None:
    package = zipped_entries((entry("link", mode), b"/etc/passwd"))

    with pytest.raises(ConfigurationError, match="'link' is refused: it is a link or a device"):
        check_package(package)


@pytest.mark.parametrize(
    "package",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"def handler(): pass", id="source"),
        pytest.param(zipped()[:-30], id="cut"),
        pytest.param(zipped()[:-22], id="without its end"),
        pytest.param(b"PK\x05\x06" + b"\0" * 10, id="an end cut short"),
        pytest.param(b"PK\x05\x06" + b"\xff" * 8 + b"\1\0\0\0" * 2 + b"\0\0", id="an end alone"),
    ],
)
def test_what_is_no_zip_file_is_refused_in_aws_s_words(package: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"Could not unzip uploaded file\. Please check"):
        check_package(package)


def test_package_of_no_file_is_refused_in_aws_s_words() -> None:
    with pytest.raises(ConfigurationError, match="Uploaded file must be a non-empty zip"):
        check_package(zipped_entries())


def test_bomb_is_refused_before_it_is_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(3):
            with archive.open(f"zeros{number}", "w") as file:
                for _ in range(100):
                    file.write(b"\0" * 1024 * 1024)

    with pytest.raises(ConfigurationError, match="smaller than 262144000 bytes"):
        check_package(packed.getvalue())


def test_entry_that_is_larger_than_it_says_is_cut_and_refused(tmp_path: Path) -> None:
    package = bytearray(zipped({"app.py": b"\0" * 100_000}))
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", package, package.index(signature) + offset, 10)

    with pytest.raises(ConfigurationError, match="Could not unzip uploaded file"):
        unpacked(bytes(package), tmp_path)


def test_damaged_content_is_found_when_it_is_unpacked(tmp_path: Path) -> None:
    package = zipped_entries((entry("app.py"), b"x = 1111")).replace(b"x = 1111", b"x = 2222", 1)

    with pytest.raises(ConfigurationError, match=r"Could not unzip uploaded file.*CRC"):
        unpacked(package, tmp_path)


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_package, "ENTRIES_MAX", 2)

    with pytest.raises(ConfigurationError, match="has 3 entries; the most is 2"):
        check_package(zipped(dict.fromkeys("abc", "")))


def test_list_of_entries_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_package, "DIRECTORY_BYTES_MAX", 10)

    with pytest.raises(ConfigurationError, match="list of entries has"):
        check_package(zipped())


def test_encrypted_entry_is_refused() -> None:
    package = bytearray(zipped())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        package[package.index(signature) + offset] |= 1

    with pytest.raises(ConfigurationError, match="encrypted"):
        check_package(bytes(package))


def test_entry_of_another_compression_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("app.py", "x = 1")

    with pytest.raises(ConfigurationError, match="than deflate"):
        check_package(packed.getvalue())


def test_file_that_lost_its_content_is_noticed(tmp_path: Path) -> None:
    code = unpacked(zipped({"app.py": "x = 1", "lib/b.py": ""}), tmp_path)
    assert is_unpacked(tmp_path / "package.zip", code)

    os.truncate(code / "app.py", 0)

    assert not is_unpacked(tmp_path / "package.zip", code)
