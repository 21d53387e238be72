"""Explanations: they agree with the verdicts, and say what stood where."""

import base64
import json

import pytest
from filter_strategies import ANY_JSON, EVENTS, PATTERNS, RULES
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import filter_explain as x
from penstock.core.filter_pattern import parse_pattern
from penstock.core.record_filter import RecordFilter
from penstock.model.errors import FilterPatternError
from penstock.model.filtering import FilterSource

SQS, KINESIS, DYNAMODB = FilterSource


def sqs(body: object) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    return json.dumps({"messageId": "m1", "body": text}).encode()


@given(
    st.lists(PATTERNS.map(lambda pattern: f'{{"body":{pattern}}}'), max_size=3),
    EVENTS | st.text(),
)
def test_explanation_of_a_message_agrees_with_the_filter(patterns: list[str], body: object) -> None:
    verdict = RecordFilter(patterns, SQS).passes_event(sqs(body))

    assert x.explain(patterns, sqs(body), SQS).matches is verdict


@given(st.lists(PATTERNS, max_size=3), ANY_JSON, st.sampled_from(FilterSource))
def test_explanation_of_anything_agrees_with_the_filter(
    patterns: list[str], record: object, source: FilterSource
) -> None:
    event = json.dumps(record).encode()

    assert x.explain(patterns, event, source).matches is RecordFilter(
        patterns, source
    ).passes_event(event)


@given(st.binary(), st.sampled_from(FilterSource))
def test_explanation_of_any_bytes_has_a_verdict(record: bytes, source: FilterSource) -> None:
    pattern = '{"eventName":[{"exists":false}]}'

    assert x.explain([pattern], record, source).matches is RecordFilter(
        [pattern], source
    ).passes_event(record)


@given(RULES)
def test_explanation_writes_rules_as_they_were_read(rules: object) -> None:
    text = json.dumps({"a": rules})
    matchers = parse_pattern(text).branches[0].fields[0].matchers

    again = parse_pattern(f'{{"a":[{",".join(map(x.written_rule, matchers))}]}}')

    assert again == parse_pattern(text)


def test_explanation_says_what_stood_there_and_what_was_wanted() -> None:
    pattern = '{"body":{"kind":["a",{"prefix":"b"}],"total":[{"numeric":[">",5]}],"by":["me"]}}'

    explained = x.explain([pattern], sqs({"kind": ["bc", 1], "total": 3}), SQS)

    paths = (
        x.PathExplanation("body.by", (), ('"me"',), matches=False, reason="no value is there"),
        x.PathExplanation("body.kind", ('"bc"', "1"), ('"a"', '{"prefix": "b"}'), matches=True),
        x.PathExplanation("body.total", ("3",), ('{"numeric": [">", 5]}',), matches=False),
    )
    branch = x.BranchExplanation(matches=False, paths=paths)
    only = x.FilterExplanation(pattern, matches=False, branches=(branch,))
    assert explained == x.Explanation(matches=False, filters=(only,))


@pytest.mark.parametrize(
    ("pattern", "body", "reason"),
    [
        pytest.param('{"body":["x"]}', {"a": 1}, "plain text", id="JSON, plain"),
        pytest.param('{"body":{"a":[1]}}', "text", "wants one", id="plain, JSON"),
        pytest.param(
            '{"body":{"a":{"b":[1],"c":[1]}}}',
            {"a": [{"b": 1}, {"c": 1}]},
            "not in one array element",
            id="other elements",
        ),
    ],
)
def test_explanation_says_why_though_paths_match(pattern: str, body: object, reason: str) -> None:
    explained = x.explain([pattern], sqs(body), SQS)

    assert not explained.matches
    assert reason in explained.filters[0].branches[0].reason


def test_explanation_shows_few_values_and_their_beginnings() -> None:
    explained = x.explain(['{"body":{"a":["x"]}}'], sqs({"a": ["y" * 1000] * 50}), SQS)

    held = explained.filters[0].branches[0].paths[0].held
    assert len(held) == x.HELD_MAX
    assert {len(each) for each in held} == {x.HELD_CHARS_MAX + len("...")}


def test_explanation_of_a_stream_s_record_shows_its_data() -> None:
    blob = base64.b64encode(b'{"a":1}').decode()
    record = json.dumps({"kinesis": {"data": blob}}).encode()

    explained = x.explain(['{"data":{"a":[1]}}'], record, KINESIS)

    assert explained.matches
    assert explained.filters[0].branches[0].paths[0].held == ("1",)


def test_explanation_of_a_bad_pattern_is_refused() -> None:
    with pytest.raises(FilterPatternError):
        x.explain(['{"dynamodb":["x"]}'], b"{}", DYNAMODB)
