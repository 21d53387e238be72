"""Compiled patterns: against a naive reading, and on events that nobody would send."""

import json
from typing import Any

import pytest
from filter_strategies import ANY_JSON, EVENTS, PATTERNS, RULES, naive_match
from hypothesis import example, given, settings

from penstock.core.filter_compile import compile_pattern
from penstock.core.filter_pattern import parse_pattern


def matches(pattern: object, event: object) -> bool:
    text = pattern if isinstance(pattern, str) else json.dumps(pattern)
    return compile_pattern(parse_pattern(text))(event)


@settings(max_examples=400)
@given(PATTERNS, EVENTS)
@example('{"a":[{"exists":false}],"a.b":[{"exists":false},1]}', {"a": [{"b": 2}, {"b": 1}]})
@example('{"a.b":[{"exists":false}],"a.c":[1]}', {"a": [{"c": 1}, {"b": 1}]})
@example('{"a.b":[1],"a.c":[{"exists":false}]}', {"a": [{"b": 1}, {"c": 1}]})
def test_compiled_pattern_decides_as_a_naive_reading_does(pattern: str, event: Any) -> None:
    parsed = parse_pattern(pattern)

    assert compile_pattern(parsed)(event) is naive_match(parsed, event)


@given(PATTERNS, ANY_JSON)
def test_compiled_pattern_has_a_verdict_on_any_json(pattern: str, event: object) -> None:
    assert compile_pattern(parse_pattern(pattern))(event) in {True, False}


@given(EVENTS)
def test_exists_false_is_the_negation_of_exists_true(event: Any) -> None:
    there = matches({"a": {"b": [{"exists": True}]}}, event)

    assert matches({"a": {"b": [{"exists": False}]}}, event) is not there


@given(RULES, EVENTS)
def test_anything_but_what_a_lone_value_equals_does_not_match(rules: list[Any], event: Any) -> None:
    for value in rules:
        if isinstance(value, str):
            lone = {"a": event.get("a") if isinstance(event.get("a"), str) else value}
            assert matches({"a": [value]}, lone) is not matches(
                {"a": [{"anything-but": value}]}, lone
            )


@pytest.mark.parametrize("event", [None, True, 5, "a", [], [{"a": 1}]])
def test_only_an_object_can_match(event: object) -> None:
    assert matches({"a": [{"exists": False}]}, event) is False


def test_lists_in_lists_are_looked_into() -> None:
    assert matches({"a": [1]}, {"a": [[[1]]]})
    assert matches({"a": [{"exists": False}]}, {"a": [[], [{}]]})
    assert matches({"a": {"b": [1]}}, {"a": [[{"b": 2}], [{"b": 1}]]})
    assert not matches({"a": {"b": [1], "c": [1]}}, {"a": [[{"b": 1}, {"c": 1}]]})
    assert matches({"a": {"b": [1], "c": [{"exists": False}]}}, {"a": [[{"b": 1}, {"c": 1}]]})


def test_objects_in_a_list_are_no_values_of_it() -> None:
    assert matches({"a": ["x"]}, {"a": [{}, "x"]})
    assert not matches({"a": ["x"]}, {"a": [{"a": "x"}]})
    assert matches({"a": [{"exists": False}]}, {"a": [{"a": "x"}]})


def test_a_list_s_own_values_do_not_choose_an_element() -> None:
    pattern = '{"a":["x"],"a.b":[1]}'

    assert matches(pattern, {"a": ["x", {"b": 1}]})
    assert not matches(pattern, {"a": ["y", {"b": 1}]})
    assert not matches(pattern, {"a": "x"})
    assert not matches(pattern, {"a": {"b": 1}})
    assert matches('{"a":["x"],"a.b":[{"exists":false}]}', {"a": "x"})
    assert not matches('{"a":["x"],"a.b":[{"exists":false}]}', {})
    assert matches('{"a":["x",{"exists":false}],"a.b":[{"exists":false}]}', {})


def test_what_may_be_absent_and_is_not_chooses_the_element_of_the_fields_after_it() -> None:
    pattern = {"a": {"x": [{"exists": False}, 1], "y": [2]}}

    assert matches(pattern, {"a": [{"x": 1, "y": 3}, {"x": 1, "y": 2}]})
    assert not matches(pattern, {"a": [{"x": 1, "y": 3}]})
    assert not matches(pattern, {"a": [{"x": 1}, {"y": 2}]})
    assert matches(pattern, {"a": [{"y": 2}]})


def nested_lists(depth: int) -> object:
    nested: object = 1
    for _ in range(depth):
        nested = [nested]
    return nested


@pytest.mark.timeout(30)  # milliseconds, on a machine that is not busy
@pytest.mark.parametrize(
    ("pattern", "event"),
    [
        pytest.param({"a": {"x": [1], "y": [2]}}, {"a": [{"x": 1, "y": 1}] * 100_000}, id="list"),
        pytest.param({"a": ["y"]}, {"a": ["x"] * 100_000}, id="texts"),
        pytest.param({"a": ["y"]}, {"a": [["x"]] * 100_000}, id="lists in lists"),
        pytest.param({"a": ["y"]}, {"a": nested_lists(50_000)}, id="deep"),
        pytest.param({"a": {"x": [1], "y": [2]}}, {"a": nested_lists(50_000)}, id="deep fields"),
        pytest.param(
            {"a": [{"suffix": {"equals-ignore-case": "ß" * 500}}]}, {"a": "S" * 10**6 + "t"}, id="ß"
        ),
        pytest.param(
            {n: {"x": [1]} for n in "abcdef"} | {"z": [1]},
            {n: [[{"x": 1}, {"x": 1}] * 30] for n in "abcdef"},
            id="choices",
        ),
        pytest.param({"a": [{"numeric": [">", 0]}]}, {"a": [10**400, float("inf")]}, id="huge"),
    ],
)
def test_pathological_event_is_decided_in_time(pattern: object, event: object) -> None:
    assert matches(pattern, event) is False


def test_a_path_of_all_levels_is_compiled_and_decided() -> None:
    path = ".".join("a" * 100)
    event: object = 1
    for _ in range(100):
        event = {"a": [event, {}]} if event != 1 else {"a": 1}

    assert matches({path: [1]}, event)
    assert not matches({path: [2], "b": [{"exists": False}]}, event)
