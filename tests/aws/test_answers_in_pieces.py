"""Answers however they are cut, and whatever they hold: the same outcome, or a clear error."""

import asyncio
from typing import NamedTuple

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.aws.connection import HttpConnection
from penstock.aws.errors import TransportError
from penstock.aws.exchange import ExchangeRules, HttpRequest, HttpResponse, WantedHeaders

GET = HttpRequest("GET", "/", (("Host", "test"),))
OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "length": OK + b"Content-Length: 5\r\nX-Amzn-RequestId: 42\r\n\r\nhello",
    "nothing": OK + b"content-length:0\r\n\r\n",
    "chunked": OK
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX: y\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
    + OK
    + b"Content-Length: 2\r\nX-A:  b \t\r\n\r\nhi",
    "blank-lines-before": b"\r\n\r\n" + OK + b"Content-Length: 2\r\nDate: x\r\n\r\nhi",
    "closing": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "error": b"HTTP/1.1 503 Slow Down\r\nx-amzn-errortype: X:\r\nContent-Length: 2\r\n\r\n{}",
    "no-content": b"HTTP/1.1 204 No Content\r\nA:\r\n\r\n",
    "until-the-end": OK + b"Connection: close\r\n\r\nall that comes",
}
WANTED = WantedHeaders("date", "x-amzn-requestid")
UNTIL_THE_END = {"until-the-end"}


class Wire(asyncio.Transport):
    """What a connection writes to; it notes whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a request."""

    def abort(self) -> None:
        """Note it."""
        self.is_closed = True


class Outcome(NamedTuple):
    """How an exchange ended: with an answer or an error, if it did; and if the wire was kept."""

    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    error: str = ""
    is_kept: bool = False


def receive(*pieces: bytes, ends: bool = False) -> Outcome:
    """Feed a connection of its own with an answer's pieces."""

    async def scenario() -> Outcome:
        wire, connection = Wire(), HttpConnection(asyncio.get_running_loop(), lambda _: None)
        connection.connection_made(wire)
        answer = asyncio.ensure_future(connection.exchange(GET, ExchangeRules()))
        for piece in filter(None, pieces):
            connection.data_received(piece)
        if ends:
            connection.eof_received()
            wire.is_closed = True  # as every transport is then
        if not answer.done():
            connection.connection_lost(None)
        try:
            response = await answer
        except TransportError as error:
            assert not connection.release()
            return Outcome(error=type(error).__name__)
        is_kept = connection.release()
        connection.connection_lost(None)  # its timer would live on
        assert is_kept != wire.is_closed
        return Outcome(response.status, response.headers, response.body, is_kept=is_kept)

    return asyncio.run(scenario())


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_is_the_same_wherever_it_is_cut(name: str) -> None:
    answer, ends = ANSWERS[name], name in UNTIL_THE_END
    whole = receive(answer, ends=ends)

    outcomes = {receive(answer[:at], answer[at:], ends=ends) for at in range(1, len(answer))}
    outcomes.add(receive(*[answer[at : at + 1] for at in range(len(answer))], ends=ends))

    assert outcomes == {whole}
    assert not whole.error


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_that_is_not_whole_is_an_error(name: str) -> None:
    answer = ANSWERS[name]

    outcomes = {receive(answer[:at]).error for at in range(len(answer))}

    assert outcomes == {"ConnectionLostError"}


@pytest.mark.parametrize("rest", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\x00"])
def test_connection_with_more_than_was_asked_for_is_closed(rest: bytes) -> None:
    together = receive(ANSWERS["length"] + rest)

    assert (together.body, together.is_kept) == (b"hello", False)


def test_connection_is_kept_after_a_whole_answer_alone() -> None:
    kept = {name for name, answer in ANSWERS.items() if receive(answer, ends=False).is_kept}

    assert kept == {
        "length",
        "nothing",
        "chunked",
        "interim",
        "error",
        "no-content",
        "blank-lines-before",
    }


def read_as_httptools(head: bytes) -> tuple[tuple[bytes, bytes], ...] | None:
    """Read a head by the parser's own callbacks; None: it refuses it."""
    headers: list[tuple[bytes, bytes]] = []

    class Listener:
        def on_header(self, name: bytes, text: bytes) -> None:
            headers.append((name, text.strip(b" \t")))

    try:
        httptools.HttpResponseParser(Listener()).feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    return tuple(headers)


_NAME = st.sampled_from([b"Date", b"x-amzn-RequestId", b"X-Amz-Function-Error", b"a", b"A~!#$%&"])
_TEXT = st.text("ab0 \t:;,=\"'\xe9/%", max_size=12).map(lambda text: text.encode("latin-1"))
_LINE = st.builds(lambda name, blank, text: name + b":" + blank + text, _NAME, _TEXT, _TEXT)
_ODD = st.sampled_from([b"", b"no colon", b" folded", b"a : b", b"a: b\x00", b"a:\rb", b"a:\nb"])


@given(lines=st.lists(st.one_of(_LINE, _LINE, _LINE, _ODD), max_size=5))
def test_headers_are_those_that_the_parser_sees(lines: list[bytes]) -> None:
    head = OK + b"".join(line + b"\r\n" for line in lines if line) + b"\r\n"
    seen = read_as_httptools(head)

    if seen is not None:
        response = HttpResponse(200, head + b"Date: body\r\n\r\n", b"")
        assert response.headers == seen
        first = {name.lower(): text for name, text in reversed(seen)}
        assert response.find_headers(WANTED) == {
            name: text for name, text in first.items() if name in {b"date", b"x-amzn-requestid"}
        }


@given(
    name=st.sampled_from(sorted(ANSWERS)),
    at=st.integers(0, 120),
    length=st.integers(0, 3),
    put=st.binary(max_size=4),
    cut=st.integers(0, 200),
)
def test_garbled_answer_is_an_answer_or_a_transport_error(
    name: str, at: int, length: int, put: bytes, cut: int
) -> None:
    answer = ANSWERS[name]
    garbled = answer[:at] + put + answer[at + length :]

    outcome = receive(garbled[:cut], garbled[cut:], ends=True)

    assert outcome.error or outcome.status >= 200
    assert receive(garbled, ends=True) == outcome


@pytest.mark.parametrize("name", ["interim", "blank-lines-before"])
def test_what_stands_before_an_answer_is_none_of_its_headers(name: str) -> None:
    headers = receive(ANSWERS[name]).headers

    assert headers[0] == (b"Content-Length", b"2")
    assert len(headers) == 2


def test_many_interim_answers_have_a_bound() -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"

    assert receive(*[interim] * 4000, ANSWERS["length"]).error == "AnswerTooLargeError"
    assert receive(*[interim] * 2000, ANSWERS["length"]).body == b"hello"
