"""AWS JSON: how operations are named, and what every kind of error answer means."""

import pytest

from penstock.aws.errors import Fault
from penstock.aws.exchange import HttpResponse
from penstock.aws.json_protocol import JsonDialect, check_answer, parse_error


def _head(line: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\n%b\r\n\r\n" % line


def test_operation_is_named_in_the_target_header() -> None:
    headers = dict(JsonDialect("AmazonSQS", "1.0").headers("ReceiveMessage"))

    assert headers["X-Amz-Target"] == "AmazonSQS.ReceiveMessage"
    assert headers["Content-Type"] == "application/x-amz-json-1.0"


def test_success_passes() -> None:
    response = HttpResponse(200, b"", b"{}")

    assert check_answer(response) is response


@pytest.mark.parametrize(
    ("response", "code", "message", "fault"),
    [
        pytest.param(
            HttpResponse(400, b"", b'{"__type":"com.amazonaws.sqs#InvalidAddress","message":"m"}'),
            "InvalidAddress",
            "m",
            Fault.REFUSED,
            id="type-with-namespace",
        ),
        pytest.param(
            HttpResponse(400, b"", b'{"__type":"ThrottlingException","Message":"slow"}'),
            "ThrottlingException",
            "slow",
            Fault.THROTTLED,
            id="upper-case-message",
        ),
        pytest.param(
            HttpResponse(403, _head(b"X-Amzn-ErrorType: AccessDeniedException:http://x/"), b"{}"),
            "AccessDeniedException",
            "",
            Fault.DENIED,
            id="header-with-address",
        ),
        pytest.param(
            HttpResponse(400, _head(b"x-amzn-query-error: AWS.Other;Sender"), b'{"message":null}'),
            "AWS.Other",
            "",
            Fault.REFUSED,
            id="query-error-header",
        ),
        pytest.param(
            HttpResponse(500, b"", b"<html>\n <h1>Internal  Error"),
            "HTTP 500",
            "<html> <h1>Internal Error",
            Fault.TRANSIENT,
            id="html",
        ),
        pytest.param(HttpResponse(503, b"", b""), "HTTP 503", "", Fault.TRANSIENT, id="empty"),
        pytest.param(HttpResponse(429, b"", b"[]"), "HTTP 429", "[]", Fault.THROTTLED, id="429"),
        pytest.param(HttpResponse(401, b"", b""), "HTTP 401", "", Fault.DENIED, id="401"),
        pytest.param(HttpResponse(301, b"", b""), "HTTP 301", "", Fault.REFUSED, id="redirect"),
        pytest.param(
            HttpResponse(400, b"", b'{"__type":"ExpiredToken"}'),
            "ExpiredToken",
            "",
            Fault.DENIED,
            id="expired-token",
        ),
        pytest.param(
            HttpResponse(500, b"", b"\xff"), "HTTP 500", "�", Fault.TRANSIENT, id="binary"
        ),
        pytest.param(
            HttpResponse(503, b"", b'{"message":"\xff"}'),
            "HTTP 503",
            '{"message":"�"}',
            Fault.TRANSIENT,
            id="not-utf-8",
        ),
        pytest.param(
            HttpResponse(503, b"", b'{"x":' + b"[" * 5_000),
            "HTTP 503",
            ('{"x":' + "[" * 5_000)[:200],
            Fault.TRANSIENT,
            id="nested-too-deeply",
        ),
    ],
)
def test_error_is_read_from_any_answer(
    response: HttpResponse, code: str, message: str, fault: Fault
) -> None:
    error = parse_error(response)

    assert (error.status, error.code, error.message, error.fault) == (
        response.status,
        code,
        message,
        fault,
    )


def test_error_message_of_a_page_is_bounded() -> None:
    assert len(parse_error(HttpResponse(500, b"", b"x" * 100_000)).message) == 200
