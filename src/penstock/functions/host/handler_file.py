"""Finds a Python handler's source file, so that a wrong Handler is an error before the start."""

import ast
import re
from pathlib import Path

from penstock.model.errors import ConfigurationError
from penstock.model.suggestion import suggest

# Names apart by dots or slashes, and none of them empty: a Handler cannot lead out of its folder.
_HANDLER = re.compile(r"[^\s./]+(?:[./][^\s./]+)*\.[^\s./]+")


def check_handler(handler: str, folder: Path) -> None:
    """Refuse a Handler whose file is not in ``folder``, or whose file binds no such name.

    Only the source is read, nothing is run: a file that cannot be parsed here, or that binds names
    in ways the source does not show, is left for the runtime to judge.

    Raises:
        ConfigurationError: Not ``module.function``, no such file, no such name.

    Source: docs.aws.amazon.com/lambda/latest/dg/python-handler.html
    """
    module, _, function = handler.rpartition(".")
    if _HANDLER.fullmatch(handler) is None:
        raise ConfigurationError(f"{handler!r} is not of the form module.function")
    stem = folder.joinpath(*module.replace("/", ".").split("."))
    candidates = [stem.with_name(stem.name + ".py"), stem / "__init__.py"]
    source = next((path for path in candidates if path.is_file()), None)
    if source is None:
        if any(stem.parent.glob(f"{stem.name}.*.so")):
            return
        raise ConfigurationError(
            f"{handler!r} needs the file {candidates[0]}, which does not exist"
        )
    names = _bound_names(source)
    if names is not None and function not in names:
        raise ConfigurationError(
            f"{source} has no {function!r}; {suggest(function, sorted(names), 'names in it')}"
        )


_HIDDEN_BINDING = frozenset({"globals", "setattr", "exec", "__getattr__"})


def _bound_names(source: Path) -> set[str] | None:
    """List the names a module's source binds; None when the source cannot tell."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name.partition(".")[0])
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Name(id=name) if name in _HIDDEN_BINDING:
                return None
            case _:
                pass
    return None if names & {"*", *_HIDDEN_BINDING} else names
