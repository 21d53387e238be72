"""Rules of docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html.

Which of EventBridge's operators Pipes, and so event source mappings, have is a table of
docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html.
"""

import json

import pytest

from penstock.core.filter_compile import compile_pattern
from penstock.core.filter_pattern import parse_pattern
from penstock.model.errors import FilterPatternError


def matches(pattern: object, event: object) -> bool:
    text = pattern if isinstance(pattern, str) else json.dumps(pattern)
    return compile_pattern(parse_pattern(text))(event)


def test_null_is_no_missing_field() -> None:
    """Null: UserID is null."""
    assert matches({"UserID": [None]}, {"UserID": None})
    assert not matches({"UserID": [None]}, {})
    assert not matches({"UserID": [None]}, {"UserID": "null"})


def test_empty_is_the_empty_string() -> None:
    """Empty: LastName is empty."""
    assert matches({"LastName": [""]}, {"LastName": ""})
    assert not matches({"LastName": [""]}, {"LastName": None})


def test_equals_is_exact() -> None:
    """Equals: names and values are case-sensitive, and compared character by character."""
    assert matches({"Name": ["Alice"]}, {"Name": "Alice"})
    assert not matches({"Name": ["Alice"]}, {"Name": "alice"})
    assert not matches({"name": ["Alice"]}, {"Name": "Alice"})
    assert not matches({"Name": ["é"]}, {"Name": "e\u0301"})


def test_numbers_are_compared_by_value() -> None:
    """The page compares numbers by their text; AWS's engine, which we follow, by value."""
    assert matches({"Price": [300]}, {"Price": 300.0})
    assert matches('{"Price":[3.0e2]}', {"Price": 300})
    assert not matches({"Price": [300]}, {"Price": "300"})


@pytest.mark.parametrize("value", [True, False])
def test_booleans_equal_themselves(*, value: bool) -> None:
    """True, false and null are compared as they are, and are no numbers."""
    assert matches({"Paid": [value]}, {"Paid": value})
    assert not matches({"Paid": [value]}, {"Paid": int(value)})
    assert not matches({"Paid": [int(value)]}, {"Paid": value})


def test_equals_may_ignore_case() -> None:
    """Equals (ignore case): Name is Alice, in any case."""
    assert matches({"Name": [{"equals-ignore-case": "alice"}]}, {"Name": "ALICE"})
    assert not matches({"Name": [{"equals-ignore-case": "alice"}]}, {"Name": "Alices"})


def test_fields_must_all_match() -> None:
    """And: Location is New York and Day is Monday."""
    pattern = {"Location": ["New York"], "Day": ["Monday"]}

    assert matches(pattern, {"Location": "New York", "Day": "Monday"})
    assert not matches(pattern, {"Location": "New York", "Day": "Tuesday"})


def test_one_of_an_array_s_alternatives_must_match() -> None:
    """Or: PaymentType is Credit or Debit."""
    pattern = {"PaymentType": ["Credit", "Debit"]}

    assert matches(pattern, {"PaymentType": "Debit"})
    assert not matches(pattern, {"PaymentType": "Cash"})


def test_or_is_for_several_fields() -> None:
    """Or (multiple fields): Location is New York, or Day is Monday."""
    pattern = {"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]}

    assert matches(pattern, {"Location": "Boston", "Day": "Monday"})
    assert not matches(pattern, {"Location": "Boston", "Day": "Tuesday"})


def test_or_may_stand_in_another() -> None:
    """An alternative of $or may hold fields that must all match, and another $or."""
    pattern = {"$or": [{"a": [1], "$or": [{"b": [1]}, {"c": [1]}]}, {"d": {"e": [1]}}]}

    assert matches(pattern, {"a": 1, "c": 1})
    assert matches(pattern, {"d": {"e": 1}})
    assert not matches(pattern, {"a": 1, "d": 1})


def test_anything_but_takes_a_value_or_a_list() -> None:
    """Not: Weather is anything but Raining."""
    assert matches({"Weather": [{"anything-but": ["Raining"]}]}, {"Weather": "Sunny"})
    assert matches({"Weather": [{"anything-but": "Raining"}]}, {"Weather": None})
    assert not matches({"Weather": [{"anything-but": ["Raining", "Hail"]}]}, {"Weather": "Hail"})
    assert not matches({"Weather": [{"anything-but": ["Raining"]}]}, {})
    assert not matches({"Price": [{"anything-but": [1, 2]}]}, {"Price": 2.0})


def test_numeric_equals_compares_and_takes_ranges() -> None:
    """Numeric (equals): Price is 100. Numeric (range): Price is more than 10, at most 20."""
    within = {"Price": [{"numeric": [">", 10, "<=", 20]}]}

    assert matches({"Price": [{"numeric": ["=", 100]}]}, {"Price": 1e2})
    assert [price for price in (10, 10.5, 20, 21) if matches(within, {"Price": price})] == [
        10.5,
        20,
    ]
    assert not matches(within, {"Price": "15"})


def test_exists_looks_at_leaves_only() -> None:
    """Exists: ProductName exists. It works on leaves: what only has members does not exist."""
    there, absent = {"Product": [{"exists": True}]}, {"Product": [{"exists": False}]}

    assert matches(there, {"Product": None})
    assert not matches(there, {})
    assert not matches(there, {"Product": {"Name": "x"}})
    assert matches(absent, {"Product": {"Name": "x"}})
    assert matches(absent, {"Product": []})


def test_begins_with_and_ends_with() -> None:
    """Begins with: Region starts with us-. Ends with: FileName ends with a .png extension."""
    assert matches({"Region": [{"prefix": "us-"}]}, {"Region": "us-east-1"})
    assert not matches({"Region": [{"prefix": "us-"}]}, {"Region": "US-east-1"})
    assert matches({"FileName": [{"suffix": ".png"}]}, {"FileName": "a.png"})
    assert not matches({"FileName": [{"suffix": ".png"}]}, {"FileName": "a.PNG"})


def test_beginning_and_end_may_ignore_case() -> None:
    """Prefix and suffix with equals-ignore-case are in the column of Pipes."""
    assert matches({"Region": [{"prefix": {"equals-ignore-case": "us-"}}]}, {"Region": "US-east"})
    assert matches({"File": [{"suffix": {"equals-ignore-case": ".png"}}]}, {"File": "a.PNG"})


@pytest.mark.parametrize(
    "rule",
    [
        {"wildcard": "*.png"},
        {"cidr": "10.0.0.0/24"},
        {"anything-but": {"prefix": "a"}},
        {"anything-but": {"suffix": "a"}},
        {"anything-but": {"equals-ignore-case": "a"}},
        {"anything-but": {"wildcard": "a*"}},
    ],
    ids=str,
)
def test_operators_of_event_buses_are_refused(rule: object) -> None:
    """Wildcards, addresses and anything-but of an operator are not in the column of Pipes."""
    with pytest.raises(FilterPatternError):
        parse_pattern(json.dumps({"a": [rule]}))


def test_any_element_of_an_array_may_match() -> None:
    """A field that holds an array matches if one of its elements does."""
    assert matches({"Tags": ["b"]}, {"Tags": ["a", "b"]})
    assert not matches({"Tags": ["c"]}, {"Tags": ["a", "b"]})


def test_fields_match_in_one_element_of_an_array() -> None:
    """Fields of objects in an array must match in the same element."""
    pattern = {"Lines": {"Sku": ["x"], "Count": [1]}}

    assert matches(pattern, {"Lines": [{"Sku": "y", "Count": 2}, {"Sku": "x", "Count": 1}]})
    assert not matches(pattern, {"Lines": [{"Sku": "x", "Count": 2}, {"Sku": "y", "Count": 1}]})


def test_pattern_has_at_most_4096_characters() -> None:
    """A pattern has at most 4,096 characters, spaces included."""
    assert parse_pattern('{"a":[1]}'.ljust(4096)) == parse_pattern('{"a":[1]}')
    with pytest.raises(FilterPatternError):
        parse_pattern('{"a":[1]}'.ljust(4097))
