"""Code that does not hold what its runtime begins with is refused before anything runs."""

from pathlib import Path

import pytest

from penstock.functions.host.entry_points import check_entry_point
from penstock.functions.host.runtimes import RuntimeFamily
from penstock.model.errors import ConfigurationError


@pytest.mark.parametrize(
    ("path", "handler"),
    [
        pytest.param("index.js", "index.handler", id="js"),
        pytest.param("index.mjs", "index.handler", id="mjs"),
        pytest.param("index.cjs", "index.handler", id="cjs"),
        pytest.param("index", "index.handler", id="no-suffix"),
        pytest.param("src/lib/app.js", "src/lib/app.handler", id="folders"),
        pytest.param("app.js", "app.api.v1.handler", id="nested-export"),
        pytest.param("shop/index.js", "shop.handler", id="folder-module"),
        pytest.param("node_modules/shop/index.js", "shop.handler", id="installed"),
        pytest.param("my.app/index.js", "my.app/index.handler", id="dot-in-a-folder"),
    ],
)
def test_node_handler_whose_file_is_there_is_taken(tmp_path: Path, path: str, handler: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    check_entry_point(RuntimeFamily.NODEJS, handler, tmp_path)


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        pytest.param("index", "is not of the form file.export", id="no-export"),
        pytest.param("../index.handler", "is not of the form file.export", id="outside"),
        pytest.param(
            "src/../../index.handler", "is not of the form file.export", id="outside-later"
        ),
        pytest.param("", "is not of the form file.export", id="empty"),
        pytest.param("other.handler", "/other.js (or .mjs, .cjs), which does not exist", id="file"),
        pytest.param("typed.handler", "; compile typed.ts first", id="typescript"),
    ],
)
def test_node_handler_that_cannot_be_is_refused(tmp_path: Path, handler: str, message: str) -> None:
    (tmp_path / "index.js").touch()
    (tmp_path / "typed.ts").touch()

    with pytest.raises(ConfigurationError) as raised:
        check_entry_point(RuntimeFamily.NODEJS, handler, tmp_path)

    assert message in str(raised.value)


def test_missing_bootstrap_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").mkdir()

    with pytest.raises(ConfigurationError, match="/bootstrap does not exist; a provided runtime"):
        check_entry_point(RuntimeFamily.PROVIDED, "any", tmp_path)


def test_bootstrap_that_is_not_executable_is_refused_with_the_command(tmp_path: Path) -> None:
    bootstrap = tmp_path / "bootstrap"
    bootstrap.touch(0o644)

    with pytest.raises(ConfigurationError, match=f"not executable; run chmod \\+x {bootstrap}$"):
        check_entry_point(RuntimeFamily.PROVIDED, "any", tmp_path)
