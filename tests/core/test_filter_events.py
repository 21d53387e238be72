"""The records that patterns are tried on."""

import base64

import pytest

from penstock.core.filter_events import (
    AS_IT_IS,
    EXPLAINED_MAX,
    TriedRecord,
    read_tried_records,
    try_patterns,
)
from penstock.model.errors import ConfigurationError
from penstock.model.filtering import FilterSource

SQS, KINESIS, DYNAMODB = FilterSource.SQS, FilterSource.KINESIS, FilterSource.DYNAMODB


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        pytest.param(b' {"a": 1.0}\n', None, [(b'{"a": 1.0}', AS_IT_IS)], id="plain document"),
        pytest.param(
            b'{"a":1}\n\n{"b":2}',
            None,
            [(b'{"a":1}', AS_IT_IS), (b'{"b":2}', AS_IT_IS)],
            id="lines",
        ),
        pytest.param(
            b'{"Records": [{"eventSource":"aws:sqs","body":"x"}, {"eventSource":"aws:kinesis"}]}',
            None,
            [
                (b'{"eventSource":"aws:sqs","body":"x"}', SQS),
                (b'{"eventSource":"aws:kinesis"}', KINESIS),
            ],
            id="event",
        ),
        pytest.param(
            b'{"eventSource":"aws:dynamodb"}',
            None,
            [(b'{"eventSource":"aws:dynamodb"}', DYNAMODB)],
            id="record",
        ),
        pytest.param(
            b'{"eventSource":"aws:s3"}',
            None,
            [(b'{"eventSource":"aws:s3"}', AS_IT_IS)],
            id="foreign",
        ),
        pytest.param(b'{"eventSource":7}', None, [(b'{"eventSource":7}', AS_IT_IS)], id="odd"),
        pytest.param(b'{"Records":7}', None, [(b'{"Records":7}', AS_IT_IS)], id="no list"),
        pytest.param(
            b'{"eventSource":"aws:s3","kinesis":{}}',
            KINESIS,
            [(b'{"eventSource":"aws:s3","kinesis":{}}', KINESIS)],
            id="told",
        ),
        pytest.param(
            b'{"body":{"a": 1}}', SQS, [(b'{"body":"{\\"a\\": 1}"}', SQS)], id="unpacked body"
        ),
        pytest.param(b'{"messageId":"m"}', SQS, [(b'{"messageId":"m"}', SQS)], id="no body"),
    ],
)
def test_records_are_read(
    text: bytes, source: FilterSource | None, expected: list[tuple[bytes, FilterSource]]
) -> None:
    assert read_tried_records(text, source) == [TriedRecord(*each) for each in expected]


@pytest.mark.parametrize(("given", "carried"), [(b'{"a": 1}', b'{"a": 1}'), (b'"text"', b"text")])
def test_data_at_the_top_is_packed_as_kinesis_does(given: bytes, carried: bytes) -> None:
    (tried,) = read_tried_records(b'{"data":%b}' % given, KINESIS)

    packed = base64.b64encode(carried)
    assert tried.record == b'{"data":%b,"kinesis":{"data":"%b"}}' % (given, packed)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(b"", "there are no events", id="nothing"),
        pytest.param(b'{"a":1}\n[', "line 2 of the events is no JSON object", id="line"),
        pytest.param(b"7", "the event is no JSON object", id="number"),
        pytest.param(b'{"Records":[7]}', "record 1 of the event is no JSON object", id="record"),
    ],
)
def test_what_is_no_record_is_named(text: bytes, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_tried_records(text, None)


@pytest.mark.parametrize(
    ("text", "source", "told"),
    [
        pytest.param(
            b'{"eventSource":"aws:kinesis","body":"x"}',
            SQS,
            "the event has the eventSource aws:kinesis, not aws:sqs",
            id="eventSource",
        ),
        pytest.param(
            b'{"Records":[{"body":"x"}]}',
            KINESIS,
            "record 1 of the event is no record of kinesis: it has body, and not kinesis or data",
            id="body",
        ),
        pytest.param(
            b'{"body":"x"}\n{"dynamodb":{}}',
            SQS,
            "line 2 of the events is no record of sqs: it has dynamodb, and not body",
            id="dynamodb",
        ),
        pytest.param(b'{"data":"x"}', DYNAMODB, "it has data, and not dynamodb", id="data"),
    ],
)
def test_record_of_another_source_is_refused(text: bytes, source: FilterSource, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_tried_records(text, source)


def test_records_are_held_against_the_patterns_of_their_source() -> None:
    message = TriedRecord(b'{"body":"{\\"a\\":1}"}', SQS)
    document = TriedRecord(b'{"body":{"a":1}}', AS_IT_IS)
    other = TriedRecord(b'{"body":{"a":2}}', AS_IT_IS)

    tried = try_patterns(['{"body":{"a":[1]}}'], [message, document, other])

    assert [(each.source, each.matches) for each in tried] == [
        (SQS, True),
        (AS_IT_IS, True),
        (AS_IT_IS, False),
    ]


@pytest.mark.parametrize(
    ("count", "explained"),
    [pytest.param(EXPLAINED_MAX, 1, id="few"), pytest.param(EXPLAINED_MAX + 1, 0, id="many")],
)
def test_few_records_are_explained_and_of_many_only_the_verdicts_told(
    count: int, explained: int
) -> None:
    record = TriedRecord(b'{"a":1}', AS_IT_IS)

    tried = try_patterns(['{"a":[1]}'], [record] * count)

    assert {(each.matches, len(each.filters)) for each in tried} == {(True, explained)}
