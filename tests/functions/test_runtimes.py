"""Which runtimes there are here, and what runs each of Lambda's names."""

import sys
from pathlib import Path

import pytest

from penstock.functions.host.runtimes import (
    ChosenRuntime,
    RuntimeFamily,
    available_runtimes,
    choose_runtime,
)
from penstock.model.errors import ConfigurationError

OWN = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def interpreter(folder: Path, name: str, version: str) -> str:
    """Make a program that tells a version."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a node of version 22 on the PATH, and nothing else but the shell's folder."""
    path = interpreter(tmp_path / "bin", "node", "22 3")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/nowhere")
    return path


@pytest.fixture
def without_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no node on the PATH."""
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("node")
def test_what_there_is_is_named_as_lambda_names_it() -> None:
    assert available_runtimes() == (
        *(OWN, "nodejs22.x"),
        *("provided", "provided.al2", "provided.al2023"),
    )


@pytest.mark.usefixtures("without_node")
def test_without_node_there_is_no_node_runtime() -> None:
    assert available_runtimes() == (OWN, "provided", "provided.al2", "provided.al2023")


def test_node_that_does_not_run_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter(tmp_path, "node", "no version")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "nodejs" not in str(available_runtimes())


def test_node_of_the_path_runs_its_runtime(node: str) -> None:
    assert choose_runtime("nodejs22.x") == ChosenRuntime(
        family=RuntimeFamily.NODEJS, name="nodejs22.x", version=(22, 3), interpreter=node
    )


@pytest.mark.usefixtures("node")
def test_another_version_of_node_is_warned_of() -> None:
    chosen = choose_runtime("nodejs20.x")

    assert chosen.name == "nodejs22.x"
    assert chosen.warning == (
        'Runtime nodejs20.x runs here under Node.js 22; set node = "/path/to/node" to run it under'
        " its own"
    )


@pytest.mark.usefixtures("node")
def test_node_that_the_function_names_comes_first(tmp_path: Path) -> None:
    named = interpreter(tmp_path / "other", "node", "20 1")

    assert choose_runtime("nodejs20.x", named) == ChosenRuntime(
        family=RuntimeFamily.NODEJS, name="nodejs20.x", version=(20, 1), interpreter=named
    )


def test_python_runs_under_the_services_own() -> None:
    chosen = choose_runtime("python3")

    assert (chosen.name, chosen.interpreter, chosen.warning) == (OWN, sys.executable, None)


@pytest.mark.parametrize("runtime", ["provided", "provided.al2", "provided.al2023"])
def test_provided_needs_no_interpreter(runtime: str) -> None:
    assert choose_runtime(runtime) == ChosenRuntime(family=RuntimeFamily.PROVIDED, name=runtime)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    "runtime",
    ["java21", "python2.7", "python", "nodejs", "nodejs4.3", "provided.al", "", "python3."],
)
def test_other_runtime_is_refused_with_what_there_is(runtime: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        choose_runtime(runtime)

    assert str(raised.value) == (
        f"Runtime {runtime} does not run here; this machine has {OWN}, nodejs22.x and provided.*"
    )


@pytest.mark.usefixtures("without_node")
def test_missing_node_is_said() -> None:
    with pytest.raises(ConfigurationError) as raised:
        choose_runtime("nodejs20.x")

    assert str(raised.value) == (
        "Runtime nodejs20.x does not run here: there is no node on the PATH; this machine has"
        f' {OWN} and provided.*; install Node.js, or set node = "/path/to/node"'
    )


def test_old_node_is_refused(tmp_path: Path) -> None:
    old = interpreter(tmp_path, "node", "16 20")

    with pytest.raises(ConfigurationError, match=r"is Node\.js 16; 18 or newer is needed"):
        choose_runtime("nodejs16.x", old)


def test_interpreter_of_a_provided_runtime_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="runs the code's own bootstrap"):
        choose_runtime("provided.al2023", sys.executable)
