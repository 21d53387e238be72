"""When code on disk counts as changed."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from local_functions import ShiftedClock

from penstock.functions.host.code_version import SCAN_INTERVAL_MS, CodeVersion, fingerprint
from penstock.functions.host.runtimes import RuntimeFamily

Run = Callable[[Coroutine[Any, Any, None]], None]

PYTHON = RuntimeFamily.PYTHON
NODEJS = RuntimeFamily.NODEJS
PROVIDED = RuntimeFamily.PROVIDED


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
    before = fingerprint(str(tmp_path), PYTHON)

    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("12")

    assert (fingerprint(str(tmp_path), PYTHON) != before) == is_code


@pytest.mark.parametrize(
    ("family", "path", "is_code"),
    [
        pytest.param(NODEJS, "lib/app.mjs", True, id="module"),
        pytest.param(NODEJS, "config.json", True, id="required-json"),
        pytest.param(NODEJS, "app.py", False, id="other-language"),
        pytest.param(NODEJS, "node_modules/x/index.js", False, id="installed"),
        pytest.param(PROVIDED, "bootstrap", True, id="bootstrap"),
        pytest.param(PROVIDED, "function.sh", True, id="sourced-script"),
        pytest.param(PROVIDED, "notes.txt", False, id="text"),
    ],
)
def test_code_is_what_the_runtime_reads(
    tmp_path: Path, family: RuntimeFamily, path: str, *, is_code: bool
) -> None:
    before = fingerprint(str(tmp_path), family)

    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    assert (fingerprint(str(tmp_path), family) != before) == is_code


def test_removed_module_changes_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    before = fingerprint(str(tmp_path), PYTHON)

    (tmp_path / "app.py").unlink()

    assert fingerprint(str(tmp_path), PYTHON) != before


def test_link_to_nowhere_and_link_to_itself_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)

    assert fingerprint(str(tmp_path), PYTHON) == fingerprint(str(tmp_path), PYTHON)


def test_folder_that_is_gone_has_a_fingerprint(tmp_path: Path) -> None:
    assert fingerprint(str(tmp_path / "gone"), PYTHON) == fingerprint(str(tmp_path), PYTHON)


def test_folder_is_scanned_at_most_once_per_second(tmp_path: Path, run: Run) -> None:
    clock = ShiftedClock()

    async def main() -> None:
        code = CodeVersion(str(tmp_path), PYTHON, clock)
        first, again = await asyncio.gather(code.read(), code.read())
        (tmp_path / "app.py").write_text("1")
        assert first == again == await code.read()
        clock.shift_ms += SCAN_INTERVAL_MS
        assert await code.read() != first

    run(main())
