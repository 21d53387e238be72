"""Rules of docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html."""

import msgspec
import pytest
from builders import message

from penstock.core.record_filter import RecordFilter, check_patterns
from penstock.model.errors import FilterPatternError
from penstock.model.filtering import FilterSource
from penstock.model.message import Message

JSON_BODY, PLAIN_BODY = '{"RequestCode":"BBBB"}', "BBBB"
JSON_PATTERN, PLAIN_PATTERN = '{"body":{"RequestCode":["BBBB"]}}', '{"body":["BBBB"]}'


def kept(pattern: str, *messages: Message) -> list[Message]:
    return RecordFilter([pattern], FilterSource.SQS).part_messages(messages)[0]


@pytest.mark.parametrize(
    ("body", "pattern", "passes"),
    [
        pytest.param(PLAIN_BODY, PLAIN_PATTERN, True, id="plain, plain: evaluated"),
        pytest.param(PLAIN_BODY, JSON_PATTERN, False, id="plain, JSON: dropped"),
        pytest.param(JSON_BODY, PLAIN_PATTERN, False, id="JSON, plain: dropped"),
        pytest.param(JSON_BODY, JSON_PATTERN, True, id="JSON, JSON: evaluated"),
        pytest.param(PLAIN_BODY, '{"messageId":["m1"]}', True, id="plain, none: other fields"),
        pytest.param(JSON_BODY, '{"messageId":["m2"]}', False, id="JSON, none: other fields"),
    ],
)
def test_formats_of_body_and_pattern(body: str, pattern: str, *, passes: bool) -> None:
    """The table of a message's body and a pattern's body: the formats must be the same."""
    assert bool(kept(pattern, message(body=body))) is passes


def test_body_may_not_be_a_string_in_a_pattern() -> None:
    """A pattern's body is an object or an array of rules."""
    with pytest.raises(FilterPatternError):
        check_patterns(['{"body":"text"}'], FilterSource.SQS)


def test_plain_body_is_matched_by_any_string_rule() -> None:
    """A plain string body takes all rules of strings."""
    bodies = [message(text, text) for text in ("ok", "error 5", "warning")]

    assert kept('{"body":["ok",{"prefix":"err"}]}', *bodies) == bodies[:2]


def test_message_is_handed_on_as_it_was() -> None:
    """The function gets the original body; filtering changes nothing."""
    original = message(body='{ "RequestCode" : "BBBB", "a":1.0e2 }')

    (passed,) = kept(JSON_PATTERN, original)

    assert passed is original


def test_messages_that_do_not_match_are_told_apart_to_be_deleted() -> None:
    """What no filter matches is deleted from the queue."""
    first, second = message("m1", JSON_BODY), message("m2", "{}")

    assert RecordFilter([JSON_PATTERN], FilterSource.SQS).part_messages([first, second]) == (
        [first],
        [second],
    )


def test_metadata_can_be_matched() -> None:
    """Fields beside the body are matched in the spelling of the event."""
    attribute = msgspec.Raw(b'{"kind":{"StringValue":"x","DataType":"String"}}')
    received = message(
        attributes=msgspec.Raw(b'{"ApproximateReceiveCount":"2"}'), message_attributes=attribute
    )

    assert kept('{"attributes":{"ApproximateReceiveCount":["2"]}}', received)
    assert kept('{"messageAttributes":{"kind":{"stringValue":["x"]}}}', received)
    assert not kept('{"messageAttributes":{"kind":{"stringValue":["y"]}}}', received)
