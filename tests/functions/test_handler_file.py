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
        pytest.param("try:\n    import shop\nexcept ImportError:\n    handler = 1", id="try"),
        pytest.param("with lock as handler: ...", id="with"),
        pytest.param("for handler in choices: ...", id="for"),
        pytest.param("while 1:\n    def handler(e, c): ...", id="while"),
        pytest.param("match 1:\n    case _:\n        handler = 1", id="match"),
        pytest.param("match 1:\n    case [*handler]: ...", id="star-pattern"),
        pytest.param("match 1:\n    case {**handler}: ...", id="mapping-pattern"),
        pytest.param("match 1:\n    case str() as handler: ...", id="pattern"),
        pytest.param("print(handler := 1)", id="walrus"),
        pytest.param("[handler := x for x in y]", id="walrus-in-a-comprehension"),
        pytest.param("def f():\n    global handler\n    import handler", id="global"),
        pytest.param("def f():\n    globals()['handler'] = 1", id="globals-in-a-function"),
        pytest.param("from shop import *", id="star"),
        pytest.param("globals()['handler'] = print", id="globals"),
        pytest.param("def __getattr__(name): ...", id="getattr"),
        pytest.param("def handler(:", id="broken"),
    ],
)
def test_name_that_may_be_bound_is_accepted(tmp_path: Path, source: str) -> None:
    (tmp_path / "app.py").write_text(source)

    check_handler("app.handler", tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("def f():\n    handler = 1", id="local"),
        pytest.param("def f():\n    def handler(): ...", id="nested-function"),
        pytest.param("def f():\n    import handler", id="local-import"),
        pytest.param("def f():\n    if 1:\n        handler = 1", id="deeper-local"),
        pytest.param("class A:\n    def handler(self): ...", id="method"),
        pytest.param("class A:\n    def __getattr__(self, name): ...", id="getattr-of-a-class"),
        pytest.param("f = lambda: (handler := 1)", id="lambda"),
        pytest.param("a = [handler for handler in b]", id="comprehension"),
        pytest.param("def f(handler): ...", id="argument"),
    ],
)
def test_name_of_another_scope_is_none_of_the_module(tmp_path: Path, source: str) -> None:
    (tmp_path / "app.py").write_text(source)

    with pytest.raises(ConfigurationError, match="has no 'handler'"):
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
        pytest.param("app.o", "app.py has no 'o'; the names in it are handler", id="far"),
    ],
)
def test_wrong_handler_is_refused(tmp_path: Path, handler: str, expected: str) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): raise SystemExit")

    with pytest.raises(ConfigurationError, match=re.escape(expected)):
        check_handler(handler, tmp_path)
