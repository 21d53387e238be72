"""The defects that ``make mutants`` draws are what they say, and worlds tell them apart."""

from pathlib import Path

import pytest
from mutants import run_worlds
from mutations import Operator, draw_mutants, find_mutants, find_mutants_of, read_module

SOURCE = b'''
"""A text with a number: 7."""

PENDING_MAX = 2_000


def rule(held: list[int], now: int) -> list[int]:
    """Decide."""
    commands: list[int] = []
    assert now > 0, "said 1"
    if now < 40 and held:
        commands += [now + 1]
    held.append(min(now, 3))
    return commands
'''


@pytest.mark.parametrize(
    ("operator", "changes"),
    [
        (Operator.COMPARISON, {("<", "<=")}),
        (Operator.ARITHMETIC, {("+", "-"), ("min", "max")}),
        (Operator.LOGIC, {("and", "or")}),
        (
            Operator.CONDITION,
            {
                ("now < 40 and held", "not (now < 40 and held)"),
                ("now < 40 and held", "False"),
                ("now < 40 and held", "True"),
            },
        ),
        (
            Operator.CONSTANT,
            {("40", "20"), ("40", "80"), ("1", "0"), ("1", "2"), ("3", "2"), ("3", "4")},
        ),
        (
            Operator.OMISSION,
            {("commands += [now + 1]", "pass"), ("held.append(min(now, 3))", "pass")},
        ),
    ],
)
def test_operator_finds_its_places_and_no_others(
    operator: Operator, changes: set[tuple[str, str]]
) -> None:
    found = [each for each in find_mutants_of("rule", SOURCE) if each.operator is operator]

    assert {(each.was, each.becomes) for each in found} == changes
    assert all(each.apply(SOURCE) != SOURCE for each in found)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(b'raise ValueError("at most", 10)\n', id="an error's text"),
        pytest.param(b"class C(Struct, frozen=True):\n    x: int\n", id="how a struct is made"),
        pytest.param(b"COMPILED_MAX = 256\n", id="a bound far above any world"),
    ],
)
def test_what_changes_nothing_is_no_mutant(source: bytes) -> None:
    assert find_mutants_of("module", source) == []


def test_what_compiles_to_the_same_is_no_mutant() -> None:
    mutants = find_mutants_of("module", b"A_SECOND = 1_000 * 1\n")

    assert Operator.ARITHMETIC not in {each.operator for each in mutants}


def test_draw_is_the_same_each_time_and_has_every_module_and_operator() -> None:
    modules = ("in_flight", "message_groups")

    drawn = draw_mutants(7, 20, modules)

    assert drawn == draw_mutants(7, 20, modules)
    assert len(set(drawn)) == 20
    assert {each.module for each in drawn} == set(modules)
    assert {each.operator for each in drawn} == set(Operator)


@pytest.mark.parametrize(
    ("module", "was", "becomes", "is_killed"),
    [
        pytest.param("queue_outcome", "is not", "is", True, id="killed"),
        pytest.param("queue_options", "check_destination(arn)", "pass", False, id="survived"),
    ],
)
def test_worlds_tell_a_defect(
    module: str,
    was: str,
    becomes: str,
    is_killed: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
) -> None:
    mutants = [each for each in find_mutants(module) if (each.was, each.becomes) == (was, becomes)]
    path = tmp_path / f"{module}.py"
    path.write_bytes(mutants[0].apply(read_module(module)))

    verdict = run_worlds(module, str(path), 3)

    assert (verdict.seed is not None) is is_killed
