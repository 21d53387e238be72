"""One-line defects of ``penstock.core``: found in the syntax tree, drawn by a seed.

What is drawn changes what the code does: operators and comparisons, boundaries by one, conditions
negated or dropped, a call or a returned command left out, constants. Not drawn: texts, docstrings,
annotations, and assertions, which say what must hold and decide nothing.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec

CORE = Path(__file__).parents[1] / "src" / "penstock" / "core"

# What queues' worlds reach, what streams' worlds reach, and what both do.
QUEUE_MODULES = (
    "deletions",
    "failed_messages",
    "held_batch",
    "in_flight",
    "mapping_capacity",
    "message_failure",
    "message_groups",
    "queue_consumer",
    "queue_contract",
    "queue_description",
    "queue_options",
    "queue_outcome",
    "receives",
    "renewals",
    "scaling",
    "waiting_batches",
    "window",
)
STREAM_MODULES = (
    "batch_forming",
    "byte_budget",
    "discards",
    "failure_record",
    "lane",
    "lane_failures",
    "lane_filling",
    "retry",
    "shard_consumer",
    "shard_lineage",
    "shard_positions",
    "shard_progress",
    "shard_reading",
    "stream_consumer",
    "stream_event",
    "stream_outcome",
    "tumbling_window",
)
SHARED_MODULES = (
    "function_event",
    "function_slots",
    "invocation_pace",
    "lifecycle",
    "mapping_slots",
    "policy_filter",
    "record_filter",
    "response",
)
MODULES = (*QUEUE_MODULES, *STREAM_MODULES, *SHARED_MODULES)

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Div: "*",
}
_SMALL = 10  # a constant above is halved or doubled: one more or less of 10,000 changes nothing
_SILENT = ast.Raise | ast.Assert | ast.Import | ast.ImportFrom
_TEXT_METHODS = {"__repr__", "__str__"}


class Mutant(msgspec.Struct, frozen=True):
    """One defect.

    Attributes:
        module: Of ``penstock.core``.
        start: The first byte that is replaced, of the module's source.
        end: The byte after the last one.
        becomes: What stands there instead.
    """

    module: str
    line: int
    start: int
    end: int
    was: str
    becomes: str

    @property
    def name(self) -> str:
        """Name it in one line."""
        was, becomes = (" ".join(each.split()) for each in (self.was, self.becomes))
        return f"{self.module}:{self.line}: `{was}` -> `{becomes}`"

    def apply(self, source: bytes) -> bytes:
        """Give the module with the defect in it."""
        assert source[self.start : self.end].decode() == self.was, "the module has changed"
        return source[: self.start] + self.becomes.encode() + source[self.end :]


def draw_mutants(seed: int, count: int, modules: tuple[str, ...] = MODULES) -> list[Mutant]:
    """Draw defects that differ, over all modules alike: a long one has more of them."""
    found = [mutant for module in modules for mutant in find_mutants(module)]
    return sorted(
        Random(seed).sample(  # noqa: S311 - a draw that can be made again
            found, min(count, len(found))
        ),
        key=lambda mutant: (MODULES.index(mutant.module), mutant.start),
    )


def read_module(module: str) -> bytes:
    """Read a module of the core."""
    return (CORE / f"{module}.py").read_bytes()


def find_mutants(module: str) -> list[Mutant]:
    """Find every defect that can be drawn in a module."""
    source = read_module(module)
    sites = _Sites(module, source)
    return [each for each in sites.walk(ast.parse(source)) if _compiles(each, source)]


def _compiles(mutant: Mutant, source: bytes) -> bool:
    try:
        compile(mutant.apply(source), mutant.module, "exec")
    except SyntaxError:
        return False
    return True


class _Sites:
    """The places of one module where something can be changed."""

    def __init__(self, module: str, source: bytes) -> None:
        self._module = module
        self._source = source
        self._line_starts = [0]
        for line in source.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))

    def walk(self, node: ast.AST) -> Iterator[Mutant]:
        """Find what can be changed below a node, in the order of the source."""
        for child in ast.iter_child_nodes(node):
            if not _is_passed_over(node, child):
                yield from self._of(child)
                yield from self.walk(child)

    def _of(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                yield from self._between(left, right, _COMPARISONS[type(op)])
            case ast.BinOp(left=left, op=ast.Add()) if _is_list(left):
                yield self._replaced(node, self._text(left))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                yield from self._between(left, right, _ARITHMETIC[type(op)])
            case ast.BoolOp(op=op, values=[first, second, *_]):
                yield from self._between(first, second, "or" if isinstance(op, ast.And) else "and")
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield self._replaced(test, f"not ({self._text(test)})")
                if isinstance(node, ast.If):
                    yield self._replaced(test, "False")
                    yield self._replaced(test, "True")
            case ast.Constant(value=int() as value):
                yield from self._of_number(node, value)
            case ast.Call(func=ast.Name(id="min" | "max" as name) as func):
                yield self._replaced(func, "max" if name == "min" else "min")
            case ast.AugAssign(target=target, op=ast.Add(), value=value) if (
                _is_list(target) or _is_list(value) or isinstance(value, ast.Call)
            ):
                yield self._replaced(node, "pass")
            case ast.AugAssign(op=ast.Add() | ast.Sub() as op):
                now = "-=" if isinstance(op, ast.Add) else "+="
                yield from self._between(node.target, node.value, now)
            case ast.Expr(value=ast.Call()):
                yield self._replaced(node, "pass")
            case ast.Return(value=ast.List(elts=[_, *_]) as commands):
                yield self._replaced(commands, "[]")

    def _of_number(self, node: ast.expr, value: int) -> Iterator[Mutant]:
        """Change a constant to its neighbours; a large one to its half and its double."""
        if isinstance(value, bool):
            yield self._replaced(node, str(not value))
            return
        yield self._replaced(node, str(value + 1 if value <= _SMALL else value * 2))
        if value:
            yield self._replaced(node, str(value - 1 if value <= _SMALL else value // 2))

    def _replaced(self, node: ast.expr | ast.stmt, becomes: str) -> Mutant:
        start, end = self._span(node)
        return self._mutant(start, end, becomes)

    def _between(self, left: ast.expr, right: ast.expr, becomes: str) -> Iterator[Mutant]:
        """Replace the operator between two operands, when nothing else stands there."""
        start, end = self._span(left)[1], self._span(right)[0]
        text = self._source[start:end].decode()
        operator = text.strip()
        if operator and not set(operator) & set("()#\n"):
            first = start + len(text[: text.index(operator)].encode())
            yield self._mutant(first, first + len(operator.encode()), becomes)

    def _mutant(self, start: int, end: int, becomes: str) -> Mutant:
        line = self._source.count(b"\n", 0, start) + 1
        was = self._source[start:end].decode()
        return Mutant(self._module, line, start, end, was, becomes)

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None, "ast.parse gives every node its place"
        assert node.end_col_offset is not None, "ast.parse gives every node its place"
        start = self._line_starts[node.lineno - 1] + node.col_offset
        return start, self._line_starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()


def _is_list(node: ast.expr) -> bool:
    """Tell whether an operand is a list for sure: commands are named so."""
    return isinstance(node, ast.List | ast.ListComp) or (
        isinstance(node, ast.Name) and node.id == "commands"
    )


def _is_passed_over(parent: ast.AST, node: ast.AST) -> bool:
    """Tell what decides nothing: texts, assertions, annotations, how a struct is made."""
    match node:
        case ast.FunctionDef(name=name):
            return name in _TEXT_METHODS
        case ast.AnnAssign(value=None) | ast.JoinedStr() | ast.arg():
            return True
        case ast.keyword():
            return isinstance(parent, ast.ClassDef)
        case _:
            return isinstance(node, _SILENT)
