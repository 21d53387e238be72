"""Becomes another program, which dies with the process that started this one.

It is a script, run by any Python: ``python -I -S exec_program.py PARENT PROGRAM ARGUMENT...``. It
imports nothing of Penstock, and little else: a cold start waits for it.

1. The process dies with its parent (Linux tells it; elsewhere a runtime's next poll fails).
2. A program that cannot be run is told as Lambda tells it.
"""

import ctypes
import importlib
import os
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SIGKILL = 9
_INIT_ERROR = "/2018-06-01/runtime/init/error"


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` ends, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        sys.exit("The parent process is gone.")


def report_init_error(error_type: str, text: str) -> None:
    """Tell the Runtime API why nothing runs."""
    client, json = importlib.import_module("http.client"), importlib.import_module("json")
    error = {"errorType": error_type, "errorMessage": f"Error: {text}"}
    body = json.dumps(error, separators=(",", ":"))
    connection = client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request("POST", _INIT_ERROR, body, {"Content-Type": "application/json"})
    connection.getresponse().read()


def main(parent: str, *command: str) -> None:
    """Become the program; that it dies with its parent stays so."""
    die_with_parent(int(parent))
    try:
        os.execv(command[0], command)  # noqa: S606  # running the user's program is what is asked
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        report_init_error("Runtime.InvalidEntrypoint", f"fork/exec {command[0]}: {reason}")
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
