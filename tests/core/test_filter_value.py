"""Tests of one value: against a naive reading, and AWS's corner cases."""

import json

import pytest
from filter_strategies import RULES, SCALARS, naive_value
from hypothesis import given

from penstock.core.filter_pattern import Matcher, parse_pattern
from penstock.core.filter_value import allows_absence, any_of, value_test


def read(rules: object) -> tuple[Matcher, ...]:
    return parse_pattern(json.dumps({"a": rules})).branches[0].fields[0].matchers


@given(RULES, SCALARS)
def test_value_test_decides_as_a_naive_reading_does(rules: object, held: object) -> None:
    matchers = read(rules)

    assert bool(value_test(matchers)(held)) is any(naive_value(m, held) for m in matchers)


@pytest.mark.parametrize(
    ("rule", "matching", "others"),
    [
        pytest.param(1, [1, 1.0], [True, "1", None], id="number is no boolean"),
        pytest.param(True, [True], [1, "true"], id="boolean is no number"),
        pytest.param({"equals-ignore-case": "k"}, ["k", "K"], ["\u212a"], id="no Kelvin"),
        pytest.param({"equals-ignore-case": "ß"}, ["ß", "SS"], ["ss", "Ss"], id="sharp s"),
        pytest.param({"anything-but": [1]}, [True, None, "1", 2], [1, 1.0], id="anything-but"),
        pytest.param({"anything-but": "a"}, [True, None, 1, "b"], ["a"], id="anything-but text"),
        pytest.param(
            {"numeric": [">", 0]}, [1, 0.5, 1e308], [0, True, "1", 2**53 + 1, 10**400], id="numeric"
        ),
        pytest.param({"suffix": {"equals-ignore-case": "ß"}}, ["aSS", "ß"], ["s", ""], id="suffix"),
    ],
)
def test_value_test_knows_corner_cases(
    rule: object, matching: list[object], others: list[object]
) -> None:
    test = value_test(read([rule]))

    assert [bool(test(held)) for held in matching] == [True] * len(matching)
    assert [bool(test(held)) for held in others] == [False] * len(others)


def test_absence_is_allowed_by_one_of_the_alternatives() -> None:
    assert allows_absence(read(["x", {"exists": False}]))
    assert not allows_absence(read(["x", {"exists": True}]))


def test_any_of_nothing_is_never_true() -> None:
    assert any_of([])({}) is False
