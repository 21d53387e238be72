"""Which of Lambda's runtimes this machine has, and what runs a function of each.

1. ``python3.x`` is run by the interpreter that the function names, else by the service's own.
2. ``nodejsN.x`` is run by the ``node`` that the function names, else by that of the PATH.
3. ``provided`` (``.al2``, ``.al2023``) is the executable file ``bootstrap`` in the function's code.
4. An interpreter of another version than the Runtime names runs the function, with a warning.

Source: docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

import contextlib
import enum
import functools
import os
import re
import shutil
import subprocess
import sys

import msgspec

from penstock.model.errors import ConfigurationError
from penstock.model.function import ANY_PYTHON

PYTHON_VERSION_MIN = (3, 10)  # of the official runtime client
NODE_VERSION_MIN = (18, 0)  # likewise
INTERPRETER_CHECK_S_MAX = 20  # a first start from a cold disk

PROVIDED = ("provided", "provided.al2", "provided.al2023")

_PYTHON = re.compile(r"python3(\.\d+)?")
_NODEJS = re.compile(r"nodejs\d+\.x")


class RuntimeFamily(enum.StrEnum):
    """What kind of program runs a function."""

    PYTHON = "python"
    NODEJS = "nodejs"
    PROVIDED = "provided"


class ChosenRuntime(msgspec.Struct, frozen=True, kw_only=True):
    """What runs a function here.

    Attributes:
        name: What there is, in Lambda's words; it may be of another version than was asked for.
        version: Major and minor, of an interpreter.
        interpreter: Absolute path; None where the code's own ``bootstrap`` runs.
        warning: That it is of another version; what the function should be told.
    """

    family: RuntimeFamily
    name: str
    version: tuple[int, int] = (0, 0)
    interpreter: str | None = None
    warning: str | None = None


class _Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of program that runs handlers.

    Attributes:
        setting: The function's setting that names one.
        version_command: The arguments that make it print major and minor, apart by a blank.
    """

    setting: str
    title: str
    version_command: tuple[str, str]
    version_min: tuple[int, int]

    def spell(self, version: tuple[int, int]) -> str:
        """Give a version as its users name it: ``3.12``, ``22``."""
        major, minor = version
        return f"{major}.{minor}" if self.setting == "python" else str(major)

    def runtime(self, version: tuple[int, int]) -> str:
        """Give Lambda's name of a version."""
        spelled = self.spell(version)
        return f"python{spelled}" if self.setting == "python" else f"nodejs{spelled}.x"


_KINDS = {
    RuntimeFamily.PYTHON: _Interpreter(
        setting="python",
        title="Python",
        version_command=("-c", "import sys; print(*sys.version_info[:2])"),
        version_min=PYTHON_VERSION_MIN,
    ),
    RuntimeFamily.NODEJS: _Interpreter(
        setting="node",
        title="Node.js",
        version_command=("-p", "process.versions.node.split('.').slice(0, 2).join(' ')"),
        version_min=NODE_VERSION_MIN,
    ),
}


def runtime_family(runtime: str) -> RuntimeFamily:
    """Tell which kind of program runs a Runtime, whether there is one here or not.

    Args:
        runtime: In Lambda's words, for example ``nodejs22.x``.

    Raises:
        ConfigurationError: Of no kind that runs here; the text names what does.
    """
    if _PYTHON.fullmatch(runtime):
        return RuntimeFamily.PYTHON
    if _NODEJS.fullmatch(runtime):
        return RuntimeFamily.NODEJS
    if runtime in PROVIDED:
        return RuntimeFamily.PROVIDED
    raise ConfigurationError(f"Runtime {runtime} does not run here; {_what_there_is()}")


def choose_runtime(runtime: str, interpreter: str | None = None) -> ChosenRuntime:
    """Find what runs a function of this Runtime here.

    It starts the interpreter once in the service's life, and waits for it: not for an event loop.

    Args:
        runtime: Lambda's Runtime, for example ``nodejs22.x``.
        interpreter: Absolute path of the one that the function names; None takes this machine's.

    Raises:
        ConfigurationError: It does not run here; the text names what does.
    """
    family = runtime_family(runtime)
    if family is RuntimeFamily.PROVIDED:
        if interpreter is not None:
            raise ConfigurationError(
                f"Runtime {runtime} runs the code's own bootstrap; {interpreter!r} has no part"
                " in it"
            )
        return ChosenRuntime(family=family, name=runtime)
    kind = _KINDS[family]
    path = interpreter or default_interpreter(family)
    if path is None:
        raise ConfigurationError(
            f"Runtime {runtime} does not run here: there is no node on the PATH;"
            f' {_what_there_is()}; install Node.js, or set node = "/path/to/node"'
        )
    version = _read_version(kind, path)
    its_own = runtime if family is RuntimeFamily.PYTHON else kind.setting
    warning = (
        f"Runtime {runtime} runs here under {kind.title} {kind.spell(version)}; set"
        f' {kind.setting} = "/path/to/{its_own}" to run it under its own'
    )
    name = kind.runtime(version)
    return ChosenRuntime(
        family=family,
        name=name,
        version=version,
        interpreter=path,
        warning=None if runtime in (name, ANY_PYTHON) else warning,
    )


def available_runtimes() -> tuple[str, ...]:
    """Name every runtime that functions get here without naming an interpreter.

    It starts ``node`` once in the service's life, as ``choose_runtime`` does.
    """
    found: list[str] = []
    for family, kind in _KINDS.items():
        path = default_interpreter(family)
        if path is not None:
            with contextlib.suppress(ConfigurationError):  # one that cannot be used is as none
                found.append(kind.runtime(_read_version(kind, path)))
    return (*found, *PROVIDED)


def default_interpreter(family: RuntimeFamily) -> str | None:
    """Give what runs functions that name no interpreter; None when there is none."""
    match family:
        case RuntimeFamily.PYTHON:
            return sys.executable
        case RuntimeFamily.NODEJS:
            return shutil.which("node")
        case RuntimeFamily.PROVIDED:
            return None


def _what_there_is() -> str:
    *interpreters, _, _, _ = available_runtimes()
    return f"this machine has {', '.join(interpreters)} and provided.*"


@functools.lru_cache(maxsize=64)
def _read_version(kind: _Interpreter, path: str) -> tuple[int, int]:
    """Ask an interpreter for its version, major and minor."""
    if not os.access(path, os.X_OK):
        raise ConfigurationError(
            f"{kind.setting} {path!r} is not an executable file; name an interpreter, for example"
            f" {shutil.which(kind.setting) or sys.executable!r}"
        )
    try:
        ended = subprocess.run(  # noqa: S603  # running the user's interpreter is what is asked
            [path, *kind.version_command],
            capture_output=True,
            text=True,
            check=True,
            timeout=INTERPRETER_CHECK_S_MAX,
        )
        major, minor = (int(part) for part in ended.stdout.split())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigurationError(
            f"{kind.setting} {path!r} does not run as a {kind.title} interpreter: {error}"
        ) from error
    if (major, minor) < kind.version_min:
        raise ConfigurationError(
            f"{kind.setting} {path!r} is {kind.title} {kind.spell((major, minor))};"
            f" {kind.spell(kind.version_min)} or newer is needed"
        )
    return major, minor
