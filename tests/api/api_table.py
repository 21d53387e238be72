"""docs/api.md, read as what it claims: which operations there are, and what of each is taken.

Its tables have a row per member of an operation's input, named by its path (``A.B`` for a member of
a structure, or of the structures of a list), and a column per kind of source where that matters.
A cell says ``done``, or ``refused: `WORDS` `` with words of the error; a refused row may name a
whole structure. More may follow after a semicolon.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from botocore.model import Shape
from fuzz_model import Operation
from fuzz_values import ABSENT, ValueMaker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
DRAWS_MAX = 200
_HEADING = re.compile(r"^### (\w+)$")
_REFUSED = re.compile(r"refused: `(.+?)`")


class Cell(msgspec.Struct, frozen=True):
    """What becomes of a member.

    Attributes:
        column: ``here``, or a kind of source.
        words: Of the error that refuses it; None: it is taken.
    """

    operation: str
    path: str
    column: str
    words: str | None

    def __str__(self) -> str:
        return f"{self.operation} {self.path} {self.column}"


def read_offered(text: str) -> dict[str, str]:
    """Give what the page says of each operation: ``done`` or ``not offered``."""
    table = text.partition("\n## Members\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (done|not offered) \|$", table, flags=re.MULTILINE))


def read_cells(text: str) -> list[Cell]:
    """Give every cell of the tables of members."""
    return list(_cells(text))


def _cells(text: str) -> Iterator[Cell]:
    operation = ""
    columns: list[str] = []
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading is not None:
            operation, columns = heading[1], []
        elif line.startswith("|") and operation:
            name, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if name == "member":
                columns = cells
            elif name.startswith("`"):
                for column, cell in zip(columns, cells, strict=True):
                    yield Cell(operation, name.strip("`"), column, _words_of(cell, line))


def _words_of(cell: str, line: str) -> str | None:
    if cell.partition(";")[0].strip() == "done":
        return None
    refused = _REFUSED.match(cell)
    assert refused is not None, f"neither done nor refused: {line}"
    return refused[1]


def members_of(operation: Operation) -> Iterator[str]:
    """Give the paths of an operation's members, down to what is no structure."""
    for name, shape in operation.inputs.items():
        yield from _paths(shape, name)


def _paths(shape: Shape, path: str) -> Iterator[str]:
    while shape.type_name == "list":
        shape = shape.member
    if shape.type_name != "structure":
        yield path
        return
    for name, member in shape.members.items():
        yield from _paths(member, f"{path}.{name}")


def make_members(operation: Operation, path: str, values: ValueMaker, known: Any) -> dict[str, Any]:
    """Give a request's members that ask for what stands at a path, and for nothing else.

    Args:
        operation: Has the member.
        path: Of the member.
        values: Draws what the model allows.
        known: The value, if it is not to be drawn.
    """
    first, *rest = path.split(".")
    return {first: _holding(operation.inputs[first], rest, first, (values, known))}


def _holding(shape: Shape, rest: list[str], name: str, given: tuple[ValueMaker, Any]) -> Any:
    if shape.type_name == "list" and rest:
        return [_holding(shape.member, rest, name, given)]
    if rest:
        return {rest[0]: _holding(shape.members[rest[0]], rest[1:], rest[0], given)}
    values, known = given
    if known is not None:
        return known
    drawn = (values.fitting(shape, name) for _ in range(DRAWS_MAX))
    return next((each for each in drawn if each is not ABSENT and each), "x")
