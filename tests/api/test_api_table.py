"""docs/api.md cannot lie: it names all that the model has, and each of its cells is tried."""

from collections.abc import Iterator

import pytest
from api_cells import Bench
from api_server import running_server
from api_table import PAGE, Cell, members_of, read_cells, read_offered
from fuzz_model import Operation, modelled_operations, routed_operations

TEXT = PAGE.read_text()
CELLS = read_cells(TEXT)


@pytest.fixture(name="operations", scope="module")
def fixture_operations() -> Iterator[dict[str, Operation]]:
    with running_server() as server:
        yield {each.name: each for each in routed_operations(server.application)}


@pytest.fixture(name="bench", scope="module")
def fixture_bench(operations: dict[str, Operation]) -> Iterator[Bench]:
    with running_server() as server:
        yield Bench(server, operations)


def test_page_names_every_operation_of_the_model(operations: dict[str, Operation]) -> None:
    expected = {
        each.name: "done" if each.name in operations else "not offered"
        for each in modelled_operations()
    }

    assert read_offered(TEXT) == expected


def test_page_names_every_member_of_what_is_offered(operations: dict[str, Operation]) -> None:
    missing = [
        f"### {operation.name}: | `{path}` | done |"
        for operation in operations.values()
        for path in members_of(operation)
        if not any(_is_about(cell, operation, path) for cell in CELLS)
    ]

    assert missing == []


def test_page_names_no_member_that_the_model_lacks(operations: dict[str, Operation]) -> None:
    superfluous = [
        str(cell)
        for cell in CELLS
        if cell.operation not in operations
        or not any(
            _is_about(cell, operations[cell.operation], path)
            for path in members_of(operations[cell.operation])
        )
    ]

    assert superfluous == []


def _is_about(cell: Cell, operation: Operation, path: str) -> bool:
    """Tell whether a cell says what becomes of a member; only a refusal is of a whole structure."""
    is_within = cell.words is not None and path.startswith(f"{cell.path}.")
    return cell.operation == operation.name and (cell.path == path or is_within)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_member_is_taken_or_refused_as_the_page_says(bench: Bench, cell: Cell) -> None:
    answer = bench.send_cell(cell)

    if cell.words is None:
        assert answer.status < 300, answer.body
    else:
        assert (answer.status, answer.code) == (400, "InvalidParameterValueException")
        assert cell.words in answer.json["message"]
