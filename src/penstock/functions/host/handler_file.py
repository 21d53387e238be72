"""Finds a Python handler's source file, so that a wrong Handler is an error before the start."""

import ast
import re
from collections.abc import Iterator
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


_BINDING_CALLS = frozenset({"globals", "setattr", "exec"})
_OPEN_ENDED = frozenset({"*", "__getattr__"})


def _bound_names(source: Path) -> set[str] | None:
    """List the names a module's source binds; None when the source cannot tell."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in _BINDING_CALLS:
                return None
            case ast.Global(names=declared):  # a function that binds names of the module
                names.update(declared)
            case _:
                pass
    for node in _module_scope(tree):
        names.update(_names_bound_by(node))
    return None if names & _OPEN_ENDED else names


def _module_scope(tree: ast.Module) -> Iterator[ast.AST]:
    """Walk everything but what has a scope of its own: bodies of functions and classes."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                pass
            case ast.comprehension():
                nodes += [node.iter, *node.ifs]  # its target is its own
            case _:
                nodes += ast.iter_child_nodes(node)


def _names_bound_by(node: ast.AST) -> list[str]:
    match node:
        case (
            ast.FunctionDef(name=name)
            | ast.AsyncFunctionDef(name=name)
            | ast.ClassDef(name=name)
            | ast.Name(id=name, ctx=ast.Store())
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            return [name]
        case ast.alias(name=name, asname=asname):
            return [asname or name.partition(".")[0]]
        case _:
            return []
