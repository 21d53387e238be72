"""How an execution environment's process is started."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from penstock.functions.host.entry_points import BOOTSTRAP
from penstock.functions.host.node_client import NODE_CLIENT, find_node_client, install_command
from penstock.functions.host.runtimes import RuntimeFamily

_PYTHON_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_EXEC_PROGRAM = Path(__file__).with_name("exec_program.py")
_NODE_BOOTSTRAP = Path(__file__).with_name("bootstrap.mjs")

# What V8 may use for its old objects and for its new ones, of a function's memory: as on Lambda,
# see docs/semantics.md#runtimes.
_OLD_SPACE_PERCENT = 90
_SEMI_SPACE_PERCENT = 5


class ProcessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a function's processes are started.

    Attributes:
        interpreter: Absolute path; None where the code's own ``bootstrap`` runs, or none was found.
        nodejs_client: The folder that the service names for the Node.js runtime client.
        variables: Every environment variable but those that differ between environments.
    """

    function_name: str
    version: str
    family: RuntimeFamily
    interpreter: str | None
    nodejs_client: str | None
    handler: str
    code: str
    memory_mb: int
    timeout_s: int
    variables: Mapping[str, str]


class Launch(msgspec.Struct, frozen=True):
    """How one process is started; its working directory is the code folder.

    Attributes:
        variables: Added to the environment, below everything else.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str] = {}


def plan_launch(settings: ProcessSettings) -> Launch:
    """Say how to start one process.

    Raises:
        OSError: Something that it needs is gone.
        ConfigurationError: The Node.js runtime client is broken.
    """
    if settings.family is RuntimeFamily.PROVIDED:
        return Launch((*_tied_to_us(), str(Path(settings.code, BOOTSTRAP))))
    if settings.interpreter is None:
        raise FileNotFoundError(f"there is no interpreter for {settings.family} here")
    if settings.family is RuntimeFamily.NODEJS:
        return _node_launch(settings, settings.interpreter)
    arguments = (settings.handler, _python_client_folder(), str(os.getpid()))
    return Launch((settings.interpreter, str(_PYTHON_BOOTSTRAP), *arguments))


def _tied_to_us() -> tuple[str, ...]:
    """Give what makes the command that follows die with this process."""
    # -I and -S: nothing of the function's environment has a say in it.
    return (sys.executable, "-I", "-S", str(_EXEC_PROGRAM), str(os.getpid()))


def _node_launch(settings: ProcessSettings, node: str) -> Launch:
    client = find_node_client(settings.code, settings.nodejs_client)
    if client is None:
        raise FileNotFoundError(
            f"AWS's runtime client, the npm package {NODE_CLIENT}, is not installed; install it"
            f" once: {install_command()}"
        )
    command = (
        *_tied_to_us(),
        node,
        f"--max-old-space-size={settings.memory_mb * _OLD_SPACE_PERCENT // 100}",
        f"--max-semi-space-size={settings.memory_mb * _SEMI_SPACE_PERCENT // 100}",
        str(_NODE_BOOTSTRAP),
        str(client.main),
    )
    # What is installed beside the client is there for every function, as AWS's SDK is on Lambda.
    return Launch(command, {"NODE_PATH": str(client.package.parent)})


def _python_client_folder() -> str:
    """Find the folder that holds our own installed runtime client, without importing it."""
    spec = importlib.util.find_spec("awslambdaric")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package awslambdaric is not installed beside Penstock")
    return str(Path(spec.origin).parent.parent)
