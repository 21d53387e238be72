"""One-line defects of ``penstock.core``: found in the syntax tree, drawn by a seed.

What is drawn changes what the code does: operators and comparisons, boundaries by one, conditions
negated or dropped, a call or a returned command left out, constants. Not drawn: texts, docstrings,
annotations, assertions, which say what must hold and decide nothing, what compiles to the same
code, and bounds that only something far larger than a world reaches.
"""

import ast
import enum
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType

import msgspec

CORE = Path(__file__).parents[1] / "src" / "penstock" / "core"

# What queues' worlds reach, what streams' worlds reach, and what both do.
QUEUE_MODULES = (
    "deletions",
    "discards",
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
    "slot_demand",
    "waiting_batches",
    "window",
)
STREAM_MODULES = (
    "batch_forming",
    "byte_budget",
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
# They bound memory, or an error's text, far above what any world holds: no run can tell them apart.
_FAR_BOUNDS = {
    "COMPILED_MAX",
    "FACTORS_MARKED_MAX",
    "JOURNAL_BYTES_PENDING_MAX",
    "PENDING_MAX",
    "RECEIVED_BYTES_MAX",
    "SHARD_BYTES_MAX",
    "SKIPS_MAX",
    "_SECONDS_END",
    "_SHARDS_NAMED_MAX",
}
_SILENT = ast.Raise | ast.Assert | ast.Import | ast.ImportFrom
_TEXT_METHODS = {"__repr__", "__str__"}


class Operator(enum.StrEnum):
    """What a mutant does to a line."""

    COMPARISON = enum.auto()  # a comparison is another
    ARITHMETIC = enum.auto()  # a sum is a difference, a product a quotient, min is max
    LOGIC = enum.auto()  # and is or
    CONDITION = enum.auto()  # a condition is negated, always true, or never
    CONSTANT = enum.auto()  # one more, one less; a large one halved or doubled
    OMISSION = enum.auto()  # a call, or what is added to a list, is left out


class Mutant(msgspec.Struct, frozen=True):
    """One defect.

    Attributes:
        module: Of ``penstock.core``.
        start: The first byte that is replaced, of the module's source.
        end: The byte after the last one.
        becomes: What stands there instead.
    """

    module: str
    operator: Operator
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


def draw_mutants(seed: int, count: int, modules: Sequence[str] = MODULES) -> list[Mutant]:
    """Draw defects that differ: of each module by its length, and of each operator alike.

    Each is drawn by its own text: what changes elsewhere in the core, or above it in its module,
    leaves the others as they were.
    """
    found = {module: find_mutants(module) for module in modules}
    shares = _shares({module: len(mutants) for module, mutants in found.items()}, count)
    drawn: list[Mutant] = []
    for module, mutants in found.items():
        chosen = _in_turn(mutants, seed)[: shares[module]]
        drawn += sorted(chosen, key=lambda mutant: (mutant.start, mutant.becomes))
    return drawn


def _shares(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Share a count out by size, to each that has any at least one."""
    shares = {name: min(1, size) for name, size in sizes.items()}
    total = sum(sizes.values())
    for _ in range(min(count, total) - sum(shares.values())):
        behind = max(sizes, key=lambda name: sizes[name] * count / total - shares[name])
        shares[behind] += 1
    return shares


def _in_turn(mutants: Sequence[Mutant], seed: int) -> list[Mutant]:
    """Order mutants by chance, one of each operator in turn."""
    seen: Counter[tuple[str, str]] = Counter()
    ranked: list[tuple[bytes, Mutant]] = []
    for mutant in mutants:
        change = (mutant.was, mutant.becomes)
        seen[change] += 1
        text = f"{seed} {mutant.module} {mutant.operator} {change} {seen[change]}"
        ranked.append((hashlib.sha256(text.encode()).digest(), mutant))
    ranked.sort(key=lambda each: each[0])
    turns: Counter[Operator] = Counter()
    in_turn: list[tuple[int, bytes, Mutant]] = []
    for rank, mutant in ranked:
        in_turn.append((turns[mutant.operator], rank, mutant))
        turns[mutant.operator] += 1
    return [mutant for _, _, mutant in sorted(in_turn, key=lambda each: each[:2])]


def read_module(module: str) -> bytes:
    """Read a module of the core."""
    return (CORE / f"{module}.py").read_bytes()


def find_mutants(module: str) -> list[Mutant]:
    """Find every defect that can be drawn in a module."""
    return find_mutants_of(module, read_module(module))


def find_mutants_of(module: str, source: bytes) -> list[Mutant]:
    """Find every defect that can be drawn in a module's source."""
    sound = _compiled(source)
    sites = _Sites(module, source)
    return [each for each in sites.walk(ast.parse(source)) if _differs(each, source, sound)]


def _differs(mutant: Mutant, source: bytes, sound: object) -> bool:
    try:
        return _compiled(mutant.apply(source)) != sound
    except SyntaxError:
        return False


def _compiled(source: bytes) -> object:
    """Give what a module's code does, wherever it stands: without assertions and docstrings."""
    return _parts_of(compile(source, "a module of the core", "exec", optimize=2))


def _parts_of(code: CodeType) -> object:
    constants = tuple(
        _parts_of(each) if isinstance(each, CodeType) else (type(each), each)
        for each in code.co_consts
    )
    return code.co_code, constants, code.co_names, code.co_varnames


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
                yield from self._between(Operator.COMPARISON, left, right, _COMPARISONS[type(op)])
            case ast.BinOp(left=left, op=ast.Add()) if _is_list(left):
                yield self._replaced(Operator.OMISSION, node, self._text(left))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                yield from self._between(Operator.ARITHMETIC, left, right, _ARITHMETIC[type(op)])
            case ast.BoolOp(op=op, values=[first, second, *_]):
                becomes = "or" if isinstance(op, ast.And) else "and"
                yield from self._between(Operator.LOGIC, first, second, becomes)
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield self._replaced(Operator.CONDITION, test, f"not ({self._text(test)})")
                if isinstance(node, ast.If):
                    yield self._replaced(Operator.CONDITION, test, "False")
                    yield self._replaced(Operator.CONDITION, test, "True")
            case ast.Constant(value=int() as value):
                yield from self._of_number(node, value)
            case ast.Call(func=ast.Name(id="min" | "max" as name) as func):
                becomes = "max" if name == "min" else "min"
                yield self._replaced(Operator.ARITHMETIC, func, becomes)
            case ast.AugAssign(target=target, op=ast.Add(), value=value) if (
                _is_list(target) or _is_list(value) or isinstance(value, ast.Call)
            ):
                yield self._replaced(Operator.OMISSION, node, "pass")
            case ast.AugAssign(op=ast.Add() | ast.Sub() as op):
                now = "-=" if isinstance(op, ast.Add) else "+="
                yield from self._between(Operator.ARITHMETIC, node.target, node.value, now)
            case ast.Expr(value=ast.Call()):
                yield self._replaced(Operator.OMISSION, node, "pass")
            case ast.Return(value=ast.List(elts=[_, *_]) as commands):
                yield self._replaced(Operator.OMISSION, commands, "[]")

    def _of_number(self, node: ast.expr, value: int) -> Iterator[Mutant]:
        """Change a constant to its neighbours; a large one to its half and its double."""
        if isinstance(value, bool):
            yield self._replaced(Operator.CONSTANT, node, str(not value))
            return
        more, less = (value + 1, value - 1) if value <= _SMALL else (value * 2, value // 2)
        yield self._replaced(Operator.CONSTANT, node, str(more))
        if value:
            yield self._replaced(Operator.CONSTANT, node, str(less))

    def _replaced(self, operator: Operator, node: ast.expr | ast.stmt, becomes: str) -> Mutant:
        start, end = self._span(node)
        return self._mutant(operator, start, end, becomes)

    def _between(
        self, operator: Operator, left: ast.expr, right: ast.expr, becomes: str
    ) -> Iterator[Mutant]:
        """Replace the sign between two operands, when nothing else stands there."""
        start, end = self._span(left)[1], self._span(right)[0]
        text = self._source[start:end].decode()
        sign = text.strip()
        if sign and not set(sign) & set("()#\n"):
            first = start + len(text[: text.index(sign)].encode())
            yield self._mutant(operator, first, first + len(sign.encode()), becomes)

    def _mutant(self, operator: Operator, start: int, end: int, becomes: str) -> Mutant:
        line = self._source.count(b"\n", 0, start) + 1
        was = self._source[start:end].decode()
        return Mutant(self._module, operator, line, start, end, was, becomes)

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
    """Tell what decides nothing: texts, assertions, annotations, far bounds, a struct's making."""
    match node:
        case ast.FunctionDef(name=name):
            return name in _TEXT_METHODS
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in _FAR_BOUNDS
        case ast.AnnAssign(value=None) | ast.JoinedStr() | ast.arg():
            return True
        case ast.keyword():
            return isinstance(parent, ast.ClassDef)
        case _:
            return isinstance(node, _SILENT)
