"""Code on the disk: whole or not there, and there as long as somebody needs it."""

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from code_builders import zipped

from penstock.functions.code_store import CodeStore, open_code_store
from penstock.model.errors import ConfigurationError, StoreUnavailableError

Run = Callable[[Coroutine[Any, Any, None]], None]

# Keeps and unpacks one package after another, and prints the SHA-256 of each.
KEEPER = """
import asyncio, sys
from pathlib import Path
from code_builders import zipped
from penstock.functions.code_store import CodeStore, open_code_store

async def main():
    store = CodeStore(Path(sys.argv[1]))
    for number in range(1_000_000):
        files = {f"file{each}.py": f"x = {number}" for each in range(20)}
        async with store.keep(zipped(files)) as code:
            await store.unpack(code.sha256)
            print(code.sha256, flush=True)

asyncio.run(main())
"""


def text_in(folder: str) -> str:
    return Path(folder, "app.py").read_text()


def inode(folder: str) -> int:
    return Path(folder).stat().st_ino


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_package_is_kept_and_unpacked_by_its_digest(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        store, package = CodeStore(tmp_path / "code"), zipped({"app.py": "x = 1"})

        async with store.keep(package) as code:
            await store.unpack(code.sha256)

        assert code.sha256 == hashlib.sha256(package).hexdigest()
        assert code.size_bytes == len(package)
        assert store.package_path(code.sha256).read_bytes() == package
        assert text_in(store.code_folder(code.sha256)) == "x = 1"
        assert names(tmp_path / "code") == {code.sha256}
        assert (tmp_path / "code").stat().st_mode & 0o777 == 0o700

    run(main())


def test_sweep_leaves_what_is_wanted_and_what_is_being_kept(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        store = CodeStore(tmp_path)
        async with store.keep(zipped({"a": ""})) as wanted:
            pass
        async with store.keep(zipped({"b": ""})) as gone:
            pass
        (tmp_path / ".half.1.1").mkdir()

        async with store.keep(zipped({"c": ""})) as held:
            await store.sweep(lambda: {wanted.sha256})
            assert names(tmp_path) == {wanted.sha256, held.sha256}
        await store.sweep(set)

        assert gone.sha256 not in names(tmp_path)
        assert names(tmp_path) == set()

    run(main())


def test_sweep_of_a_folder_that_was_never_made_does_nothing(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        await CodeStore(tmp_path / "code").sweep(set)
        assert not (tmp_path / "code").exists()

    run(main())


def test_code_that_lost_a_file_is_unpacked_again(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        store = CodeStore(tmp_path)
        async with store.keep(zipped({"app.py": "x = 1"})) as code:
            await store.unpack(code.sha256)
        folder = store.code_folder(code.sha256)
        os.truncate(f"{folder}/app.py", 0)

        await store.unpack(code.sha256)

        assert text_in(folder) == "x = 1"

    run(main())


def test_package_that_was_damaged_is_replaced_by_the_same_upload(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        store, package = CodeStore(tmp_path), zipped({"app.py": "x = 1"})
        async with store.keep(package) as code:
            await store.unpack(code.sha256)
        running = inode(store.code_folder(code.sha256))
        os.truncate(store.package_path(code.sha256), len(package) // 2)

        async with store.keep(package):
            await store.unpack(code.sha256)

        assert store.package_path(code.sha256).read_bytes() == package
        assert inode(store.code_folder(code.sha256)) == running
        assert names(tmp_path) == {code.sha256}

    run(main())


def test_code_that_lost_its_package_is_kept_anew(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        store, package = CodeStore(tmp_path), zipped({"app.py": "x = 1"})
        async with store.keep(package) as code:
            await store.unpack(code.sha256)
        store.package_path(code.sha256).unlink()

        async with store.keep(package):
            await store.unpack(code.sha256)

        assert store.package_path(code.sha256).read_bytes() == package
        assert text_in(store.code_folder(code.sha256)) == "x = 1"

    run(main())


def test_package_that_is_gone_is_an_error(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        store = CodeStore(tmp_path)
        with pytest.raises(OSError, match="No such file"):
            await store.unpack("0" * 64)

    run(main())


def test_damaged_package_leaves_nothing_half(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        store = CodeStore(tmp_path)
        async with store.keep(zipped({"app.py": "x = 1"})) as code:
            store.package_path(code.sha256).write_bytes(b"no zip file")
            with pytest.raises(ConfigurationError, match="Could not unzip"):
                await store.unpack(code.sha256)
        assert names(tmp_path / code.sha256) == {"package.zip"}
        assert names(tmp_path) == {code.sha256}

    run(main())


def test_disk_without_room_is_told_and_nothing_stays(run: Run, tmp_path: Path) -> None:
    package = zipped({"a.bin": os.urandom(100_000)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def main() -> None:
        store = CodeStore(tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        try:
            with pytest.raises(StoreUnavailableError, match=r"cannot be kept in .*; make room"):
                async with store.keep(package):
                    pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert names(tmp_path) == set()

        async with store.keep(package):
            pass
        await store.sweep(set)
        assert names(tmp_path) == set()

    run(main())


def test_kill_in_the_middle_leaves_every_folder_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KEEPER, str(tmp_path)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent) as keeper:
            assert keeper.stdout is not None
            for _ in range(5):
                keeper.stdout.readline()
            keeper.kill()

    for folder in tmp_path.iterdir():
        if folder.name.startswith("."):
            continue
        package = (folder / "package.zip").read_bytes()
        assert hashlib.sha256(package).hexdigest() == folder.name
        unpacked = folder / "unpacked"
        assert not unpacked.exists() or len(names(unpacked)) == 20


def test_code_is_beside_its_database(tmp_path: Path) -> None:
    with open_code_store(tmp_path / "penstock.db") as store:
        assert store.code_folder("aa") == f"{tmp_path}/penstock.db.code/aa/unpacked"


def test_code_of_a_store_in_memory_ends_with_it(run: Run) -> None:
    async def keep(store: CodeStore) -> Path:
        async with store.keep(zipped()) as code:
            return store.package_path(code.sha256)

    async def main() -> None:
        with open_code_store(None) as store:
            path = await keep(store)
            assert path.exists()
        assert not path.exists()

    run(main())
