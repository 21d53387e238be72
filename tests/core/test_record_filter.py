"""Which records pass: the format table, metadata, and that records are handed on untouched."""

import base64
import json

import pytest
from builders import message
from filter_strategies import EVENTS, PATTERNS
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.function_event import queue_event
from penstock.core.record_filter import RecordFilter, check_patterns, foreign_data_key
from penstock.model.errors import FilterPatternError
from penstock.model.filtering import FilterSource
from penstock.model.stream import StreamRecord

SQS, KINESIS, DYNAMODB = FilterSource


def stream_record(number: int, event: object) -> StreamRecord:
    return StreamRecord(str(number), b"k", 0, json.dumps(event).encode())


def kinesis(number: int, payload: bytes) -> StreamRecord:
    text = base64.b64encode(payload).decode()
    return stream_record(number, {"kinesis": {"partitionKey": f"k{number}", "data": text}})


def passes_body(pattern: str, body: str) -> bool:
    kept, excluded = RecordFilter([pattern], SQS).part_messages([message(body=body)])
    assert len(kept) + len(excluded) == 1
    return bool(kept)


@pytest.mark.parametrize(
    ("body", "pattern", "verdict"),
    [
        pytest.param("ok", '{"body":["ok",{"prefix":"err"}]}', True, id="plain, plain"),
        pytest.param("error", '{"body":["ok",{"prefix":"err"}]}', True, id="plain, plain prefix"),
        pytest.param("bad", '{"body":["ok"]}', False, id="plain, other plain"),
        pytest.param("5", '{"body":["5"]}', True, id="a lone number is plain"),
        pytest.param("ok", '{"body":{"a":[1]}}', False, id="plain, JSON"),
        pytest.param("ok", '{"body":{"a":[{"exists":false}]}}', False, id="plain, JSON absent"),
        pytest.param('{"a":1}', '{"body":["ok"]}', False, id="JSON, plain"),
        pytest.param('{"a":1}', '{"body":[{"anything-but":"x"}]}', False, id="JSON, plain other"),
        pytest.param('{"a":1}', '{"body":[{"exists":false}]}', False, id="JSON, plain absent"),
        pytest.param('["ok"]', '{"body":["ok"]}', False, id="a JSON array, plain"),
        pytest.param('{"a":1}', '{"body":{"a":[1]}}', True, id="JSON, JSON"),
        pytest.param('[{"a":1}]', '{"body":{"a":[1]}}', True, id="a JSON array, JSON"),
        pytest.param('{"a":2}', '{"body":{"a":[1]}}', False, id="JSON, other JSON"),
        pytest.param("ok", '{"messageId":["m1"]}', True, id="plain, none"),
        pytest.param('{"a":1}', '{"messageId":["m1"]}', True, id="JSON, none"),
        pytest.param('{"a":1}', '{"body":["x"],"body":{"a":[1]}}', False, id="both"),
        pytest.param("ok", '{"$or":[{"body":["ok"]},{"body":{"a":[1]}}]}', True, id="either"),
    ],
)
def test_message_s_body_and_pattern_must_be_of_one_format(
    body: str, pattern: str, *, verdict: bool
) -> None:
    assert passes_body(pattern, body) is verdict


@pytest.mark.parametrize("source", [KINESIS, DYNAMODB])
def test_stream_s_data_key_takes_no_plain_pattern(source: FilterSource) -> None:
    key = {KINESIS: "data", DYNAMODB: "dynamodb"}[source]

    with pytest.raises(FilterPatternError, match=key):
        check_patterns([f'{{"$or":[{{"{key}":["x"]}},{{"eventName":["x"]}}]}}'], source)


@pytest.mark.parametrize("source", FilterSource)
def test_patterns_are_checked_before_they_are_compiled(source: FilterSource) -> None:
    for pattern in ('{"body":"text"}', '{"data":"text"}', "{"):
        with pytest.raises(FilterPatternError):
            RecordFilter(['{"messageId":["x"]}', pattern], source)


def test_records_pass_by_any_of_the_filters_in_their_order() -> None:
    records = tuple(kinesis(n, json.dumps({"n": n}).encode()) for n in range(5))

    kept = RecordFilter(['{"data":{"n":[3]}}', '{"data":{"n":[1]}}'], KINESIS).keep_records(records)

    assert kept == (records[1], records[3])
    assert kept[0] is records[1]


def test_records_whose_data_is_no_json_pass_by_metadata_only() -> None:
    plain = (kinesis(1, b"hello"), kinesis(2, b"\xff\xfe"))

    def kept(*patterns: str) -> int:
        return len(RecordFilter(patterns, KINESIS).keep_records(plain))

    assert kept('{"data":{"n":[1]}}') == 0
    assert kept('{"data":{"n":[{"exists":false}]}}') == 0
    assert kept('{"data":{"n":[{"exists":false}]},"partitionKey":["k1"]}') == 0
    assert kept('{"data":{"n":[1]}}', '{"partitionKey":["k1"]}') == 1


def test_records_of_a_table_pass_by_what_changed_and_how() -> None:
    change = {"ApproximateCreationDateTime": 1.5, "NewImage": {"n": {"N": "42"}}}
    records = tuple(
        stream_record(n, {"eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change})
        for n, name in enumerate(["INSERT", "REMOVE"])
    )

    def kept(pattern: str) -> int:
        return len(RecordFilter([pattern], DYNAMODB).keep_records(records))

    assert kept('{"eventName":["INSERT"],"eventSource":["aws:dynamodb"]}') == 1
    assert kept('{"eventName":["INSERT"],"dynamodb":{"NewImage":{"n":{"N":["42"]}}}}') == 1
    assert kept('{"dynamodb":{"NewImage":{"n":{"N":[{"numeric":[">",1]}]}}}}') == 0
    assert kept('{"dynamodb":{"NewImage":{"n":{"N":[42]}}}}') == 0
    assert kept('{"dynamodb":{"ApproximateCreationDateTime":[{"numeric":[">",0]}]}}') == 2


def test_without_filters_everything_passes() -> None:
    records = (kinesis(1, b"x"),)
    unfiltered = RecordFilter([], KINESIS)

    assert unfiltered.keep_records(records) is records
    assert unfiltered.passes_event(b"whatever")
    assert RecordFilter([], SQS).part_messages([message()]) == ([message()], [])


BODY_PATTERNS = PATTERNS.map(lambda pattern: f'{{"body":{pattern}}}')


@given(st.lists(BODY_PATTERNS, min_size=1, max_size=3), EVENTS.map(json.dumps) | st.text())
def test_message_passes_as_its_record_in_the_event_does(patterns: list[str], body: str) -> None:
    received = message(body=body)
    event = json.loads(queue_event([received], "arn:aws:sqs:eu-west-1:000000000000:jobs"))
    record_filter = RecordFilter(patterns, SQS)

    kept, excluded = record_filter.part_messages([received])

    assert bool(kept) is record_filter.passes_event(json.dumps(event["Records"][0]).encode())
    assert kept + excluded == [received]


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        pytest.param('{"data":{"a":[1]}}', "data", id="foreign"),
        pytest.param('{"body":{"a":[1]},"dynamodb":{"a":[1]}}', "dynamodb", id="beside the own"),
        pytest.param('{"$or":[{"data":["x"]},{"dynamodb":["y"]}]}', "data", id="on every way"),
        pytest.param('{"$or":[{"data":["x"]},{"body":["y"]}]}', None, id="on one way"),
        pytest.param('{"data":[{"exists":false}]}', None, id="wanted absent"),
        pytest.param('{"body":{"data":["x"]}}', None, id="own"),
        pytest.param('{"messageId":["x"]}', None, id="metadata"),
    ],
)
def test_pattern_that_only_another_source_s_records_match(pattern: str, key: str | None) -> None:
    (parsed,) = check_patterns([pattern], FilterSource.SQS)

    assert foreign_data_key(parsed, FilterSource.SQS) == key
