"""What an execution environment's process begins with.

It is a script that imports nothing of Penstock and works on every Python that the runtime client
supports. There are two ways to run it:

- ``python bootstrap.py client PARENT HANDLER FOLDER``, under the handler's own interpreter, becomes
  the official runtime client for Python.
- ``python bootstrap.py exec PARENT PROGRAM ARGUMENT...``, under any, becomes another program.

1. The process dies with its parent (Linux tells it; elsewhere its next poll fails).
2. Where the interpreter has no runtime client, the one in FOLDER is used, and nothing else there.
3. Where the client's native module cannot be loaded, ``pure_runtime_client`` stands in for it.
4. A program that cannot be run is told as Lambda tells it.
"""

import ctypes
import http.client
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

RUNTIME_CLIENT_PACKAGES = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_INIT_ERROR = "/2018-06-01/runtime/init/error"


class RuntimeClientFinder(importlib.abc.MetaPathFinder):
    """Finds the runtime client's own packages in a folder that is not on the path."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a top-level package of the runtime client; nothing else."""
        if path is not None or fullname not in RUNTIME_CLIENT_PACKAGES:
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, [self._folder], target)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` ends, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The parent process is gone.")


def import_native_module() -> None:
    """Import the client's native module, or put the stand-in in its place."""
    try:
        importlib.import_module("runtime_client")
    except ImportError:
        location = Path(__file__).with_name("pure_runtime_client.py")
        spec = importlib.util.spec_from_file_location("runtime_client", location)
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules["runtime_client"] = module
        spec.loader.exec_module(module)


def become_client(handler: str, folder: str) -> None:
    """Run the runtime client until this process is killed."""
    # The script's own folder would shadow names; the client is imported before the handler's
    # folder is on the path, so that a handler's module cannot shadow the client.
    del sys.path[0]
    sys.meta_path.append(RuntimeClientFinder(folder))
    import_native_module()
    # The client reads it when it is imported.
    os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python{}.{}".format(*sys.version_info)
    client = importlib.import_module("awslambdaric.__main__")
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    sys.argv = [sys.argv[0], handler]
    client.main(sys.argv)


def become_program(*command: str) -> None:
    """Run another program in this process; its parent's death stays its own."""
    try:
        os.execv(command[0], command)  # noqa: S606  # running the user's program is what is asked
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        report_init_error("Runtime.InvalidEntrypoint", f"fork/exec {command[0]}: {reason}")
        sys.exit(1)


def report_init_error(error_type: str, text: str) -> None:
    """Tell the Runtime API why nothing runs."""
    error = {"errorType": error_type, "errorMessage": f"Error: {text}"}
    body = json.dumps(error, separators=(",", ":"))
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request("POST", _INIT_ERROR, body, {"Content-Type": "application/json"})
    connection.getresponse().read()


def main(mode: str, parent: str, *arguments: str) -> None:
    """Tie the process to its parent, then become what is asked for."""
    die_with_parent(int(parent))
    if mode == "client":
        become_client(*arguments)
    else:
        become_program(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
