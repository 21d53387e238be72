"""What an execution environment's process runs: the official runtime client, made available.

It is a script, run by the handler's own interpreter: ``python bootstrap.py HANDLER FOLDER PARENT``.
It imports nothing of Penstock and works on every Python that the runtime client supports.

1. The process dies with its parent, as ``exec_program`` has it.
2. Where the interpreter has no runtime client, the one in FOLDER is used, and nothing else there.
3. Where the client's native module cannot be loaded, ``pure_runtime_client`` stands in for it.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

RUNTIME_CLIENT_PACKAGES = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")


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


def load_beside(file: str, name: str) -> ModuleType:
    """Load a script of this folder under a name, which no import finds yet."""
    location = Path(__file__).with_name(file)
    loader = importlib.machinery.SourceFileLoader(name, str(location))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None  # noqa: S101  # it has a loader
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def import_native_module() -> None:
    """Import the client's native module, or put the stand-in in its place."""
    name = "runtime_client"
    try:
        importlib.import_module(name)
    except ImportError:
        sys.modules[name] = load_beside("pure_runtime_client.py", name)


def main(handler: str, folder: str, parent: str) -> None:
    """Run the runtime client until this process is killed."""
    load_beside("exec_program.py", "exec_program").die_with_parent(int(parent))
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


if __name__ == "__main__":
    main(*sys.argv[1:])
