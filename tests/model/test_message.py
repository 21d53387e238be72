"""A message as it comes over the wire."""

import msgspec
import pytest

from penstock.model.message import Message


def wire_message(members: bytes = b"") -> Message:
    """Read a message with further members."""
    text = b'{"MessageId":"m1","ReceiptHandle":"h1","Body":"b"%b}' % members
    return msgspec.json.decode(text, type=Message)


def test_message_is_read_without_decoding_what_is_passed_on() -> None:
    message = msgspec.json.decode(
        rb'{"MessageId":"m1","ReceiptHandle":"h1","MD5OfBody":"d41d","Body":"caf\u00e9",'
        rb'"Attributes":{"SenderId":"me"},"MD5OfMessageAttributes":"d25a",'
        rb'"MessageAttributes":{"A":{"StringValue":"1","DataType":"Number"}}}',
        type=Message,
    )

    assert message == Message(
        "m1",
        "h1",
        msgspec.Raw(rb'"caf\u00e9"'),
        "d41d",
        msgspec.Raw(b'{"SenderId":"me"}'),
        msgspec.Raw(b'{"A":{"StringValue":"1","DataType":"Number"}}'),
        "d25a",
    )


def test_message_needs_only_what_every_server_sends() -> None:
    assert wire_message() == Message("m1", "h1", msgspec.Raw(b'"b"'))


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param(b',"Attributes":{"ApproximateReceiveCount":"3"}', 3, id="text"),
        pytest.param(b',"Attributes":{"ApproximateReceiveCount":3}', 3, id="number"),
        pytest.param(b',"Attributes":{"SenderId":"me"}', 0, id="not-among-them"),
        pytest.param(b',"Attributes":null', 0, id="null"),
        pytest.param(b"", 0, id="no-attributes"),
        pytest.param(b',"Attributes":{"ApproximateReceiveCount":null}', 0, id="count-null"),
        pytest.param(b',"Attributes":[]', 0, id="no-object"),
    ],
)
def test_message_receive_count_is_read_from_what_a_server_sends(
    members: bytes, expected: int
) -> None:
    assert wire_message(members).receive_count == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param(b',"Attributes":{"MessageGroupId":"a"}', "a", id="there"),
        pytest.param(b',"Attributes":{"SenderId":"me"}', "", id="not-among-them"),
        pytest.param(b',"Attributes":{"MessageGroupId":null}', "", id="null"),
        pytest.param(b"", "", id="no-attributes"),
        pytest.param(b',"Attributes":[]', "", id="no-object"),
    ],
)
def test_message_group_is_read_from_what_a_server_sends(members: bytes, expected: str) -> None:
    assert wire_message(members).group == expected
