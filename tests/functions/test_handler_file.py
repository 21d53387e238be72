"""A Handler is checked by reading its file, never by running it."""

import re
from pathlib import Path

import pytest

from penstock.functions.host.handler_file import check_handler
from penstock.model.errors import ConfigurationError


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("def handler(event, context): ...", id="function"),
        pytest.param("async def handler(event, context): ...", id="coroutine"),
        pytest.param("from shop import handler", id="import"),
        pytest.param("import shop as handler", id="alias"),
        pytest.param("handler = make()", id="assignment"),
        pytest.param("if 1:\n    handler = other = make()", id="nested"),
        pytest.param("from shop import *", id="star"),
        pytest.param("globals()['handler'] = print", id="globals"),
        pytest.param("def __getattr__(name): ...", id="getattr"),
        pytest.param("def handler(:", id="broken"),
    ],
)
def test_name_that_may_be_bound_is_accepted(tmp_path: Path, source: str) -> None:
    (tmp_path / "app.py").write_text(source)

    check_handler("app.handler", tmp_path)


@pytest.mark.parametrize("handler", ["shop.orders.handler", "shop/orders.handler"])
def test_module_in_a_package_is_found(tmp_path: Path, handler: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.py").write_text("def handler(event, context): ...")

    check_handler(handler, tmp_path)


def test_package_is_a_module(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("def handler(event, context): ...")

    check_handler("shop.handler", tmp_path)


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        pytest.param("handler", "'handler' is not of the form module.function", id="form"),
        pytest.param("main.handler", "main.py, which does not exist", id="file"),
        pytest.param("app.hander", "has no 'hander'; did you mean handler?", id="name"),
    ],
)
def test_wrong_handler_is_refused(tmp_path: Path, handler: str, expected: str) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): raise SystemExit")

    with pytest.raises(ConfigurationError, match=re.escape(expected)):
        check_handler(handler, tmp_path)
