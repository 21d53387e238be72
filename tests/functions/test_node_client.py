"""Where the runtime client of Node.js functions is found, and which one is refused."""

import sys
from pathlib import Path

import pytest
from local_functions import install_client

from penstock.functions.host.node_client import NodeClient, check_node_client, find_node_client
from penstock.model.errors import ConfigurationError


def install(folder: Path, version: str = "3.3.0") -> NodeClient:
    """Put a client where npm would."""
    package = install_client(folder, version)
    return NodeClient(package, version, package / "index.mjs")


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder in which what is beside the service is installed."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    return tmp_path / "prefix" / "lib"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Make a function's code folder, in a project's."""
    folder = tmp_path / "project" / "src"
    folder.mkdir(parents=True)
    return folder


def test_functions_own_comes_first_and_the_services_last(
    tmp_path: Path, beside: Path, code: Path
) -> None:
    expected = [install(beside)]
    found = [find_node_client(str(code), str(tmp_path / "named"))]
    for folder in (tmp_path / "named", code):
        expected.append(install(folder))
        found.append(find_node_client(str(code), str(tmp_path / "named")))

    assert found == expected


@pytest.mark.usefixtures("beside")
def test_folders_above_the_code_are_not_looked_into(code: Path) -> None:
    install(code.parent)

    assert find_node_client(str(code), None) is None


@pytest.mark.usefixtures("beside")
def test_missing_client_is_refused_with_the_command(code: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_node_client(str(code), None, 20)

    assert str(raised.value) == (
        "Node.js functions need AWS's runtime client, the npm package aws-lambda-ric; install it"
        f" once: npm install --global --prefix {sys.prefix} --ignore-scripts aws-lambda-ric@3"
    )


@pytest.mark.parametrize(
    ("version", "node", "is_taken"),
    [
        ("3.0.0", 18, True),
        ("3.3.0", 24, True),
        ("4.0.2", 22, True),
        ("4.0.2", 20, False),
        ("2.1.0", 20, False),
        ("5.0.0", 24, False),
        ("", 24, False),
    ],
)
def test_client_must_go_with_the_node(
    code: Path, version: str, node: int, *, is_taken: bool
) -> None:
    install(code, version)

    if is_taken:
        check_node_client(str(code), None, node)
    else:
        with pytest.raises(ConfigurationError, match="which does not run here under"):
            check_node_client(str(code), None, node)


@pytest.mark.parametrize("manifest", ["", "[]", '{"version": "3.3.0"}', '{"version": 3}'])
def test_broken_client_is_refused(code: Path, manifest: str) -> None:
    client = install(code)
    (client.package / "package.json").write_text(manifest)

    with pytest.raises(ConfigurationError, match="is not a package that npm installed"):
        find_node_client(str(code), None)


def test_client_without_its_main_module_is_refused(code: Path) -> None:
    install(code).main.unlink()

    with pytest.raises(ConfigurationError, match=r"is not whole: .*index.mjs is missing"):
        find_node_client(str(code), None)
