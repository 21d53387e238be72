"""What can be known of a local function before it is invoked."""

import os
from pathlib import Path

from penstock.functions.host.entry_points import BOOTSTRAP, check_entry_point
from penstock.functions.host.node_client import check_node_client
from penstock.functions.host.runtimes import ChosenRuntime, RuntimeFamily, choose_runtime
from penstock.functions.host.variables import RESERVED
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function, LocalProcess


def check_function(function: Function, nodejs_client: str | None = None) -> str | None:
    """Refuse a local function that cannot run; other hostings are not looked at.

    It starts the function's interpreter once, and waits for it.

    Args:
        function: What is to run.
        nodejs_client: The folder that the service names for the Node.js runtime client.

    Returns:
        What to warn of: the function runs under another version than its Runtime names.

    Raises:
        ConfigurationError: The code folder, the Runtime, its interpreter or runtime client, the
            handler or a variable.
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
    _check_variables(name, hosting)
    try:
        runtime = choose_runtime(hosting.runtime, hosting.interpreter)
        if runtime.family is RuntimeFamily.NODEJS:
            check_node_client(hosting.code, nodejs_client, runtime.version[0])
    except ConfigurationError as exc:
        raise ConfigurationError(f"function {name}: {exc}") from exc
    _check_entry_point(name, hosting, runtime)
    return None if runtime.warning is None else f"function {name}: {runtime.warning}"


def check_code(runtime: str, code: str, *, nodejs_client: str | None) -> str | None:
    """Refuse code whose Runtime this machine does not have; what else it holds is not judged.

    The runtime of ``provided`` is the code's own ``bootstrap``.

    Args:
        runtime: Lambda's Runtime.
        code: The folder of the code.
        nodejs_client: The folder that the service names for the Node.js runtime client.

    Returns:
        What to warn of: it runs under another version than it names.

    Raises:
        ConfigurationError: It does not run here; the text names what does.
    """
    chosen = choose_runtime(runtime)
    if chosen.family is RuntimeFamily.NODEJS:
        check_node_client(code, nodejs_client, chosen.version[0])
    if chosen.family is RuntimeFamily.PROVIDED:
        _check_packed_bootstrap(runtime, Path(code, BOOTSTRAP))
    return chosen.warning and f"Runtime {runtime} runs here as {chosen.name}"


def _check_packed_bootstrap(runtime: str, bootstrap: Path) -> None:
    """Want an executable file; the text speaks of the zip file, which is what its user has."""
    if not bootstrap.is_file():
        raise ConfigurationError(
            f"Runtime {runtime} runs the file {BOOTSTRAP}, which the zip file does not have at its"
            " top level"
        )
    if not os.access(bootstrap, os.X_OK):
        raise ConfigurationError(
            f"Runtime {runtime} runs the file {BOOTSTRAP}, which is not executable in the zip"
            f" file; run chmod +x {BOOTSTRAP} and zip it again"
        )


def _check_entry_point(name: str, hosting: LocalProcess, runtime: ChosenRuntime) -> None:
    try:
        check_entry_point(runtime.family, hosting.handler, Path(hosting.code))
    except ConfigurationError as exc:
        what = "code" if runtime.family is RuntimeFamily.PROVIDED else "Handler"
        raise ConfigurationError(f"function {name}: {what}: {exc}") from exc


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
