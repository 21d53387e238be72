"""Functions that cannot run are refused at start."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from local_functions import install_client, local_function

from penstock.functions.host.check import check_code, check_function
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function, InvokeEndpoint

SOURCE = "def handler(event, context): ..."


@pytest.mark.parametrize(
    "handler",
    ["app.handler", "package.handler", "package.module.handler", "package/module.handler"],
)
def test_function_that_can_run_is_taken(tmp_path: Path, handler: str) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(SOURCE)
    (tmp_path / "package" / "module.py").write_text(SOURCE)

    check_function(local_function(tmp_path, SOURCE, handler=handler))


def test_function_may_declare_its_region_and_its_credentials(tmp_path: Path) -> None:
    names = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    declared = dict.fromkeys((*names, "AWS_SESSION_TOKEN", "TZ", "PATH"), "x")

    check_function(local_function(tmp_path, SOURCE, environment=declared))


def test_native_module_is_a_module(tmp_path: Path) -> None:
    (tmp_path / "native.cpython-311.so").touch()

    check_function(local_function(tmp_path, "", handler="native.handler"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"code": "/nowhere"}, "code '/nowhere' is not a folder", id="code"),
        pytest.param({"handler": "app"}, "not of the form module.function", id="no-function"),
        pytest.param({"handler": "../app.h"}, "not of the form module.function", id="outside"),
        pytest.param(
            {"handler": "other.handler"}, "/other.py, which does not exist", id="no-module"
        ),
        pytest.param(
            {"handler": "a/b.handler"}, "/a/b.py, which does not exist", id="no-module-in-a-folder"
        ),
        pytest.param({"interpreter": "/nowhere/python"}, "not an executable file", id="no-python"),
        pytest.param({"interpreter": "/bin/true"}, "does not run as a Python", id="not-python"),
        pytest.param({"runtime": "java21"}, "Runtime java21 does not run here", id="runtime"),
        pytest.param({"runtime": "provided.al2023"}, "code: the file", id="bootstrap"),
        pytest.param({"environment": {"A=B": "x"}}, "variable 'A=B' cannot be set", id="equals"),
        pytest.param({"environment": {"A": "\0"}}, "variable 'A' cannot be set", id="nul"),
        pytest.param(
            {"environment": {"_HANDLER": "x"}}, "variable '_HANDLER' is reserved", id="reserved"
        ),
    ],
)
def test_function_that_cannot_run_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match="function orders: ") as raised:
        check_function(local_function(tmp_path, SOURCE, **changes))

    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("version", "is_taken"), [("3 9", False), ("3 10", True), ("no number", False)]
)
def test_interpreter_must_be_new_enough(tmp_path: Path, version: str, *, is_taken: bool) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {version}\n")
    python.chmod(0o755)
    function = local_function(tmp_path, SOURCE, interpreter=str(python))

    if is_taken:
        check_function(function)
    else:
        with pytest.raises(ConfigurationError, match="python"):
            check_function(function)


OWN_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize("runtime", ["python3", f"python{OWN_VERSION}"])
def test_runtime_that_is_kept_needs_no_word(tmp_path: Path, runtime: str) -> None:
    assert check_function(local_function(tmp_path, SOURCE, runtime=runtime)) is None


def test_runtime_that_is_not_kept_is_said(tmp_path: Path) -> None:
    assert check_function(local_function(tmp_path, SOURCE, runtime="python3.99")) == (
        f"function orders: Runtime python3.99 runs here under Python {OWN_VERSION}; set python ="
        ' "/path/to/python3.99" to run it under its own'
    )


def test_runtime_is_compared_with_the_function_s_interpreter(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 3 99\n")
    python.chmod(0o755)
    kept = local_function(tmp_path, SOURCE, interpreter=str(python), runtime="python3.99")
    other = local_function(tmp_path, SOURCE, interpreter=str(python), runtime="python3.12")

    assert check_function(kept) is None
    assert "Runtime python3.12 runs here under Python 3.99" in (check_function(other) or "")


def node_function(folder: Path, **changes: Any) -> Function:
    """Declare a function whose node tells version 22."""
    node = folder / "node"
    node.write_text("#!/bin/sh\necho 22 1\n")
    node.chmod(0o755)
    of_node = {"runtime": "nodejs22.x", "handler": "index.handler", "interpreter": str(node)}
    return local_function(folder, "", **{**of_node, **changes})


def test_node_function_needs_the_runtime_client(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"function orders: Node\.js functions need AWS's"):
        check_function(node_function(tmp_path))


def test_node_function_needs_its_file(tmp_path: Path) -> None:
    install_client(tmp_path / "client")

    with pytest.raises(
        ConfigurationError, match=r"orders: Handler: 'index.handler' needs the file"
    ):
        check_function(node_function(tmp_path), nodejs_client=str(tmp_path / "client"))


@pytest.mark.parametrize(
    ("runtime", "warning"),
    [("nodejs22.x", None), ("nodejs20.x", "function orders: Runtime nodejs20.x runs here under")],
)
def test_node_function_runs_under_what_there_is(
    tmp_path: Path, runtime: str, warning: str | None
) -> None:
    install_client(tmp_path / "client")
    (tmp_path / "index.mjs").touch()
    function = node_function(tmp_path, runtime=runtime)

    said = check_function(function, nodejs_client=str(tmp_path / "client"))

    assert (said or "").startswith(warning or "")
    assert (said is None) == (warning is None)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("boot", "which the zip file does not have at its top level", id="missing"),
        pytest.param("bootstrap", "run chmod [+]x bootstrap and zip it again", id="no program"),
    ],
)
def test_code_of_a_provided_runtime_needs_its_bootstrap(
    tmp_path: Path, name: str, told: str
) -> None:
    (tmp_path / name).touch(0o644)

    with pytest.raises(
        ConfigurationError, match=f"provided.al2023 runs the file bootstrap.*{told}"
    ):
        check_code("provided.al2023", str(tmp_path), nodejs_client=None)


def test_code_of_a_provided_runtime_is_not_judged_beyond_its_bootstrap(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").touch(0o755)

    assert check_code("provided", str(tmp_path), nodejs_client=None) is None


def test_function_that_runs_elsewhere_is_not_looked_at(tmp_path: Path) -> None:
    function = local_function(tmp_path, "")

    check_function(
        msgspec.structs.replace(function, hosting=InvokeEndpoint(url="http://127.0.0.1:1"))
    )
