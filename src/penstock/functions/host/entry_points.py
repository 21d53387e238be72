"""Finds what a function's code starts with, so that a wrong one is an error before the start."""

import os
import re
from pathlib import Path

from penstock.functions.host.handler_file import check_handler
from penstock.functions.host.runtimes import RuntimeFamily
from penstock.model.errors import ConfigurationError

BOOTSTRAP = "bootstrap"  # the file that a ``provided`` runtime runs

# A path without ``..``, then the module up to the first dot, then the export, which may be nested.
_NODE_HANDLER = re.compile(r"(?!.*\.\.)(?:[^\s]*/)?[^\s./]+\.[^\s/]+")
_NODE_SUFFIXES = ("", ".js", ".mjs", ".cjs")  # in the order of the runtime client


def check_entry_point(family: RuntimeFamily, handler: str, code: Path) -> None:
    """Refuse code that does not hold what its runtime begins with.

    Raises:
        ConfigurationError: The Handler's file or name, or ``bootstrap``.
    """
    match family:
        case RuntimeFamily.PYTHON:
            check_handler(handler, code)
        case RuntimeFamily.NODEJS:
            _check_node_handler(handler, code)
        case RuntimeFamily.PROVIDED:
            _check_bootstrap(code / BOOTSTRAP)


def _check_node_handler(handler: str, code: Path) -> None:
    """Look for the module's file; what it exports only running it would tell.

    Source: docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html
    """
    if _NODE_HANDLER.fullmatch(handler) is None:
        raise ConfigurationError(f"{handler!r} is not of the form file.export")
    folder, _, last = handler.rpartition("/")
    stem = code / folder.lstrip("/") / last.partition(".")[0]
    candidates = [stem.with_name(stem.name + suffix) for suffix in _NODE_SUFFIXES]
    installed = code / "node_modules" / stem.relative_to(code)
    if any(path.exists() for path in (*candidates, installed)):
        return
    source = stem.with_name(f"{stem.name}.ts")
    hint = f"; compile {source.name} first" if source.is_file() else ""
    raise ConfigurationError(
        f"{handler!r} needs the file {candidates[1]} (or .mjs, .cjs), which does not exist{hint}"
    )


def _check_bootstrap(bootstrap: Path) -> None:
    """Want an executable file.

    Source: docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html
    """
    if not bootstrap.is_file():
        raise ConfigurationError(
            f"the file {bootstrap} does not exist; a provided runtime runs an executable file of"
            " that name"
        )
    if not os.access(bootstrap, os.X_OK):
        raise ConfigurationError(
            f"the file {bootstrap} is not executable; run chmod +x {bootstrap}"
        )
