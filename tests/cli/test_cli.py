"""The command line: what it teaches, and how it refuses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from penstock import __version__
from penstock.cli.main import cli


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="penstock")


def test_help_names_every_command() -> None:
    result = call("--help")

    assert result.exit_code == 0
    commands = (
        "demo  ",
        "dev  ",
        "serve --config FILE",
        "status ",
        "check ",
        "position show NAME",
        "failures list",
    )
    for command in commands:
        assert f"penstock {command}" in result.output


@pytest.mark.parametrize(
    "command", ["dev", "serve", "demo", "status", "check", "position", "failures"]
)
def test_each_command_has_help(command: str) -> None:
    result = call(command, "--help")

    assert result.exit_code == 0
    assert f"Usage: penstock {command}" in result.output


def test_version() -> None:
    assert call("--version").output == f"penstock, version {__version__}\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param("run", "the commands are dev, plan,", id="near to none"),
        pytest.param("dve", "did you mean dev? The commands are dev, plan,", id="near"),
    ],
)
def test_unknown_command_is_refused(given: str, told: str) -> None:
    result = call(given)

    assert result.exit_code == 2
    assert f"No such command {given!r}; {told}" in result.output


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from penstock.cli.main import cli; cli(['--help'], standalone_mode=False);"
        "print({'aiohttp', 'botocore', 'sqlalchemy', 'asyncio', 'moto'} & set(sys.modules))"
    )

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert ended.stdout.splitlines()[-1] == b"set()"


@pytest.mark.parametrize(
    "arguments", [("dev", "absent.toml"), ("serve", "--config", "absent.toml")]
)
def test_missing_file_is_one_line_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    result = call(*arguments)

    assert result.exit_code == 2
    assert result.stderr == ("penstock: absent.toml: cannot be read: No such file or directory\n")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param("A=1 'B 2'", "--parameter 'B 2' is not of the form KEY=VALUE", id="quoted"),
        pytest.param("'A=1", '"\'A=1": no closing quotation', id="not closed"),
    ],
)
def test_parameters_in_the_environment_are_words_of_a_shell(
    given: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_DEV_PARAMETER", given)

    result = call("dev", "absent.yaml")

    assert result.exit_code == 2
    assert told in result.stderr


def test_options_have_environment_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SERVE_CONFIG", "absent.toml")

    assert call("serve").stderr.startswith("penstock: absent.toml: ")


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (
            "dev",
            [
                "DEV_HOST",
                "DEV_PORT",
                "DEV_DATA",
                "DEV_PARAMETER",
                "DEV_WATCH",
                "LOG_FORMAT",
                "LOG_LEVEL",
            ],
        ),
        (
            "serve",
            [
                f"SERVE_{name}"
                for name in ("CONFIG", "HOST", "PORT", "STORE", "CALLERS", "UPSTREAM", "FUNCTIONS")
            ]
            + ["LOG_FORMAT", "LOG_LEVEL"],
        ),
    ],
)
def test_help_names_the_variable_of_each_option(command: str, names: list[str]) -> None:
    output = call(command, "--help").output

    assert re.findall(r"env\s+var:\s+PENSTOCK_(\w+)", output) == names


@pytest.mark.parametrize("command", ["dev", "serve"])
def test_value_that_is_refused_names_its_variable(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"PENSTOCK_{command.upper()}_PORT"
    monkeypatch.setenv("PENSTOCK_SERVE_CONFIG", "absent.toml")
    monkeypatch.setenv(variable, "abc")

    result = call(command)

    assert result.exit_code == 2
    assert f"Invalid value for '--port' (env var: '{variable}'): 'abc'" in result.stderr


def test_serve_refuses_to_make_resources(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text('[[queues]]\nname = "orders"\n')

    result = call("serve", "--config", str(path))

    assert result.exit_code == 2
    assert "serve makes no queues, streams, tables, topics or buckets ('orders')" in result.stderr


def test_module_is_the_command() -> None:
    command = [sys.executable, "-m", "penstock", "--version"]

    ended = subprocess.run(command, capture_output=True, check=True, text=True)

    assert ended.stdout == f"penstock, version {__version__}\n"


def test_dev_refuses_a_store_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text('[service]\nstore = "sqlite:///penstock.db"\n')

    result = call("dev", str(path))

    assert result.exit_code == 2
    assert "service.store: dev keeps its store in the folder --data names" in result.stderr


def test_profile_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")
    monkeypatch.delenv("AWS_REGION", raising=False)
    (tmp_path / "penstock.toml").write_text("")

    result = call("serve", "--config", str(tmp_path / "penstock.toml"))

    assert result.exit_code == 2
    assert "The config profile (absent) could not be found" in result.stderr


def test_streams_that_were_closed_are_open_for_children() -> None:
    script = (
        "import os, sys; from penstock.cli.main import open_standard_streams;"
        "open_standard_streams();"
        "sys.exit([os.get_inheritable(fd) for fd in range(3)] != [True] * 3)"
    )
    command = ["/bin/sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, script]

    assert subprocess.run(command, check=False, timeout=60).returncode == 0
