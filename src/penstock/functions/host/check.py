"""What can be known of a local function before it is invoked."""

import os
import re
import subprocess
import sys
from pathlib import Path

from penstock.functions.host.handler_file import check_handler
from penstock.functions.host.variables import RESERVED
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function, LocalProcess

PYTHON_VERSION_MIN = (3, 10)  # of the official runtime client
_ANY_RUNTIME = "python3"  # of a function that names none
PYTHON_CHECK_S_MAX = 20  # a first start from a cold disk


def check_function(function: Function) -> str | None:
    """Refuse a local function that cannot run; other hostings are not looked at.

    It starts the function's interpreter once, and waits for it.

    Returns:
        What to warn of: the function runs under another Python than its Runtime names.

    Raises:
        ConfigurationError: The code folder, the handler, the interpreter or a variable.
    """
    hosting = function.hosting
    if not isinstance(hosting, LocalProcess):
        return None
    name = function.name
    if not Path(hosting.code).is_dir():
        raise ConfigurationError(
            f"function {name}: code {hosting.code!r} is not a folder; name the folder that holds"
            f" the module of {hosting.handler!r}"
        )
    _check_handler(name, hosting)
    _check_variables(name, hosting)
    python = sys.version_info[:2] if hosting.python is None else _check_python(name, hosting.python)
    version = ".".join(map(str, python))
    if hosting.runtime in (_ANY_RUNTIME, f"python{version}"):
        return None
    return (
        f"function {name}: Runtime {hosting.runtime} runs here under Python {version}; set python ="
        f' "/path/to/{hosting.runtime}" to run it under its own'
    )


def check_runtime(runtime: str) -> str | None:
    """Refuse a Runtime that this machine does not have.

    Returns:
        What to warn of: it runs under another Python than it names.

    Raises:
        ConfigurationError: It does not run here; the text names what does.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    if re.fullmatch(r"python3\.\d+", runtime) is None:
        raise ConfigurationError(
            f"Runtime {runtime} does not run here; this machine has python{version}"
        )
    if runtime == f"python{version}":
        return None
    return f"Runtime {runtime} runs here under Python {version}"


def _check_handler(name: str, hosting: LocalProcess) -> None:
    try:
        check_handler(hosting.handler, Path(hosting.code))
    except ConfigurationError as exc:
        raise ConfigurationError(f"function {name}: Handler: {exc}") from exc


def _check_variables(name: str, hosting: LocalProcess) -> None:
    for key, text in hosting.environment.items():
        if not key or "=" in key or "\0" in key + text:
            raise ConfigurationError(
                f"function {name}: Environment variable {key!r} cannot be set; a name holds no"
                " '=', and neither name nor value holds a NUL character"
            )
        if key in RESERVED:
            raise ConfigurationError(
                f"function {name}: Environment variable {key!r} is reserved: Lambda sets it itself;"
                " choose another name"
            )


def _check_python(name: str, python: str) -> tuple[int, int]:
    """Give the interpreter's version, major and minor."""
    command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    if not os.access(python, os.X_OK):
        raise ConfigurationError(
            f"function {name}: python {python!r} is not an executable file; name an interpreter,"
            f" for example {sys.executable!r}"
        )
    try:
        ended = subprocess.run(  # noqa: S603  # running the user's interpreter is what is asked
            command, capture_output=True, text=True, check=True, timeout=PYTHON_CHECK_S_MAX
        )
        major, minor = (int(part) for part in ended.stdout.split())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigurationError(
            f"function {name}: python {python!r} does not run as a Python interpreter: {error}"
        ) from error
    if (major, minor) < PYTHON_VERSION_MIN:
        least = ".".join(map(str, PYTHON_VERSION_MIN))
        raise ConfigurationError(
            f"function {name}: python {python!r} is Python {major}.{minor}; {least} or newer is"
            " needed"
        )
    return major, minor
