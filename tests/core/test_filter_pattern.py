"""The reading of patterns: what they flatten to, and what is refused."""

import contextlib
import json

import pytest
from filter_strategies import ANY_JSON, PATTERNS
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import filter_pattern as p
from penstock.model.errors import FilterPatternError


def paths(text: str) -> list[list[str]]:
    return [[field.path for field in branch.fields] for branch in p.parse_pattern(text).branches]


def matchers(rule: object) -> tuple[p.Matcher, ...]:
    return p.parse_pattern(json.dumps({"a": [rule]})).branches[0].fields[0].matchers


def reason(text: str) -> str:
    with pytest.raises(FilterPatternError) as refused:
        p.parse_pattern(text)
    assert refused.value.reason == str(refused.value)
    return refused.value.reason


@pytest.mark.parametrize(
    ("rule", "matcher"),
    [
        pytest.param("x", p.Equals("x"), id="string"),
        pytest.param("", p.Equals(""), id="empty"),
        pytest.param(None, p.Equals(None), id="null"),
        pytest.param(True, p.Equals(value=True), id="boolean"),
        pytest.param(3, p.Equals(3), id="number"),
        pytest.param({"exists": False}, p.Exists(is_wanted=False), id="exists"),
        pytest.param({"prefix": "x"}, p.Prefix("x"), id="prefix"),
        pytest.param(
            {"prefix": {"equals-ignore-case": "x"}}, p.Prefix("x", ignore_case=True), id="prefix i"
        ),
        pytest.param({"suffix": "x"}, p.Suffix("x"), id="suffix"),
        pytest.param(
            {"suffix": {"equals-ignore-case": "x"}}, p.Suffix("x", ignore_case=True), id="suffix i"
        ),
        pytest.param({"equals-ignore-case": "x"}, p.EqualsIgnoreCase("x"), id="ignore case"),
        pytest.param({"anything-but": "x"}, p.AnythingBut(("x",)), id="anything-but"),
        pytest.param({"anything-but": [1, 2.5]}, p.AnythingBut((1, 2.5)), id="anything-but list"),
        pytest.param({"numeric": ["=", 5]}, p.Numeric(5, True, 5, True), id="="),  # noqa: FBT003
        pytest.param({"numeric": ["<", 5]}, p.Numeric(high=5), id="<"),
        pytest.param({"numeric": ["<=", 5]}, p.Numeric(high=5, includes_high=True), id="<="),
        pytest.param({"numeric": [">", 5]}, p.Numeric(5), id=">"),
        pytest.param(
            {"numeric": [">=", 0, "<", 5]}, p.Numeric(0, includes_low=True, high=5), id="range"
        ),
    ],
)
def test_pattern_rule_is_read(rule: object, matcher: p.Matcher) -> None:
    assert matchers(rule) == (matcher,)


@pytest.mark.parametrize(
    ("text", "flattened"),
    [
        pytest.param('{"b":[1],"a":{"c":[1]}}', [["a.c", "b"]], id="nested"),
        pytest.param('{"a.c":[1]}', [["a.c"]], id="dotted"),
        pytest.param('{"a":{"b":[1]},"a":{"c":[1]}}', [["a.b", "a.c"]], id="a name twice"),
        pytest.param('{"a":[1],"$or":[{"b":[1]},{"c":[1]}]}', [["a", "b"], ["a", "c"]], id="or"),
        pytest.param('{"a":{"$or":[{"b":[1]},{"c":[1]}]}}', [["a.b"], ["a.c"]], id="or below"),
        pytest.param(
            '{"$or":[{"a":[1],"$or":[{"b":[1]},{"c":[1]}]},{"d":[1]}]}',
            [["a", "b"], ["a", "c"], ["d"]],
            id="or in or",
        ),
        pytest.param(
            '{"$or":[{"a":[1]},{"b":[1]}],"$or":[{"c":[1]},{"d":[1]}]}',
            [["a", "c"], ["b", "c"], ["a", "d"], ["b", "d"]],
            id="or twice",
        ),
        pytest.param('{"$or":["x","y"]}', [["$or"]], id="or as a name"),
        pytest.param('{"$or":{"a":[1]}}', [["$or.a"]], id="or as an object's name"),
        pytest.param('{"$or":[{"prefix":"x"},{"prefix":"y"}]}', [["$or"]], id="or of rules"),
    ],
)
def test_pattern_is_flattened(text: str, flattened: list[list[str]]) -> None:
    assert paths(text) == flattened


def test_pattern_s_same_path_is_overridden_by_the_last() -> None:
    text = '{"a":{"b":[1]},"a.b":[2],"$or":[{"a":{"b":[3]}},{"c":[1]}]}'

    branches = p.parse_pattern(text).branches

    held = [field.matchers for branch in branches for field in branch.fields]
    assert held == [(p.Equals(3),), (p.Equals(2),), (p.Equals(1),)]


def test_pattern_s_paths_are_ordered_as_java_orders_them() -> None:
    assert paths('{"\uffee":[1],"\U0001f600":[1]}') == [["\U0001f600", "\uffee"]]


REFUSED = [
    ("[]", "object"),
    ("{}", "empty object"),
    ('{"a":{}}', "empty object"),
    ('{"a":[]}', "empty"),
    ('{"a":"text"}', '"a" must be an object or an array'),
    ('{"a":{"b":5}}', '"a.b" must be'),
    ('{"a":[["x"]]}', "array within"),
    ('{"a":[{}]}', "one operator"),
    ('{"a":[{"prefix":"x","suffix":"y"}]}', "one operator"),
    ('{"a":[{"wildcard":"x*"}]}', "wildcard"),
    ('{"a":[{"cidr":"10.0.0.0/8"}]}', "cidr"),
    ('{"a":[{"exactly":"x"}]}', "exactly"),
    ('{"a":[{"exists":"true"}]}', "true or false"),
    ('{"a":[{"equals-ignore-case":5}]}', "string"),
    ('{"a":[{"prefix":5}]}', "string"),
    ('{"a":[{"prefix":{"suffix":"x"}}]}', "equals-ignore-case"),
    ('{"a":[{"prefix":{"equals-ignore-case":5}}]}', "string"),
    ('{"a":[{"anything-but":{"prefix":"x"}}]}', "no operator within"),
    ('{"a":[{"anything-but":[1,"x"]}]}', "only strings"),
    ('{"a":[{"anything-but":[]}]}', "only strings"),
    ('{"a":[{"anything-but":null}]}', "only strings"),
    ('{"a":[{"anything-but":12345678901234567890}]}', "digits"),
    ('{"a":[{"numeric":5}]}', "array"),
    ('{"a":[{"numeric":["~",5]}]}', "numeric"),
    ('{"a":[{"numeric":["<",5,">",1]}]}', "numeric"),
    ('{"a":[{"numeric":[">","5"]}]}', "numeric"),
    ('{"a":[{"numeric":[">",5,"<",5]}]}', "not below"),
    ('{"a":[{"numeric":["=",1e400]}]}', "digits"),
    ('{"a":[1e400]}', "larger"),
    ('{"$or":[{"a":[1]}]}', "two objects"),
    ('{"$or":[{"a":[1]},5]}', "nothing but objects"),
    ('{"$or":[{"a":[1]},{"b":"x"}]}', '"b" must be'),
    ('{"$or":[{"prefix":["x"]},{"b":["x"]}]}', "reserved"),
    ('{"$or":5}', "$or must be an array"),
    ('{"a":[NaN]}', "JSON"),
    ("{", "JSON"),
    ('{"a":[1]} x', "JSON"),
    ("x" * 4097, "4096"),
    ('{"a":' * 101 + "[1]" + "}" * 101, "levels"),
    ("[" * 4000, "levels"),
    ('{"' + ".".join("a" * 102) + '":[1]}', "levels"),
    ("{" + ",".join(['"$or":[{"a":[1]},{"b":[1]}]'] * 10) + "}", "combinations"),
    (
        '{"a":' * 60 + "{" + ",".join(['"$or":[{"a":[1]},{"b":[1]}]'] * 9) + "}" * 61,
        "multiplied out",
    ),
]


@pytest.mark.parametrize(("text", "why"), REFUSED, ids=[text[:40] for text, _ in REFUSED])
def test_pattern_is_refused_with_a_reason(text: str, why: str) -> None:
    assert why in reason(text)


def read(text: str) -> None:
    """Read it, or have it refused; whatever else is raised fails the test."""
    with contextlib.suppress(FilterPatternError):
        p.parse_pattern(text)


@given(st.text(alphabet='{}[]",:$or.axe-0195 \\'))
def test_pattern_of_any_text_is_read_or_refused(text: str) -> None:
    read(text)


@given(ANY_JSON)
def test_pattern_of_any_json_is_read_or_refused(value: object) -> None:
    read(json.dumps(value))


@given(PATTERNS, st.data())
def test_pattern_with_a_fault_is_read_or_refused(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))

    read(text[:at] + data.draw(st.text(max_size=3)) + text[at + 1 :])
