"""When code on disk counts as changed."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from local_functions import ShiftedClock

from penstock.functions.host.code_version import SCAN_INTERVAL_MS, CodeVersion, fingerprint

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.mark.parametrize(
    ("path", "is_code"),
    [
        pytest.param("app.py", True, id="changed-module"),
        pytest.param("package/deep/module.py", True, id="module-in-a-package"),
        pytest.param("native.so", True, id="native-module"),
        pytest.param("output.json", False, id="file-that-a-handler-writes"),
        pytest.param("__pycache__/app.py", False, id="cache"),
        pytest.param(".venv/lib/a.py", False, id="hidden-folder"),
        pytest.param("environment/lib/a.py", False, id="virtual-environment"),
    ],
)
def test_only_code_changes_the_fingerprint(tmp_path: Path, path: str, *, is_code: bool) -> None:
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "pyvenv.cfg").touch()
    (tmp_path / "app.py").write_text("1")
    before = fingerprint(str(tmp_path))

    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("12")

    assert (fingerprint(str(tmp_path)) != before) == is_code


def test_removed_module_changes_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    before = fingerprint(str(tmp_path))

    (tmp_path / "app.py").unlink()

    assert fingerprint(str(tmp_path)) != before


def test_link_to_nowhere_and_link_to_itself_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)

    assert fingerprint(str(tmp_path)) == fingerprint(str(tmp_path))


def test_folder_that_is_gone_has_a_fingerprint(tmp_path: Path) -> None:
    assert fingerprint(str(tmp_path / "gone")) == fingerprint(str(tmp_path))


def test_folder_is_scanned_at_most_once_per_second(tmp_path: Path, run: Run) -> None:
    clock = ShiftedClock()

    async def main() -> None:
        code = CodeVersion(str(tmp_path), clock)
        first, again = await asyncio.gather(code.read(), code.read())
        (tmp_path / "app.py").write_text("1")
        assert first == again == await code.read()
        clock.shift_ms += SCAN_INTERVAL_MS
        assert await code.read() != first

    run(main())
