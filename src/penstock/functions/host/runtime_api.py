"""Our side of Lambda's Runtime API: one server, on a loopback port, per execution environment.

A browser must not reach it (a page could take an invocation away): requests that carry ``Origin``
or ``Sec-Fetch-Site`` are refused, and so is a foreign ``Host``.

Source: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html; the wording of refusals is that of
AWS's runtime interface emulator (github.com/aws/aws-lambda-runtime-interface-emulator).
"""

import asyncio
import base64
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol, cast

import httptools
import msgspec

RESPONSE_BYTES_MAX = 6_291_556  # Lambda's quota of 6 MB and the 100 bytes it allows on top
HEADER_BYTES_MAX = 2 * 1024 * 1024  # the client sends a trace of up to 1 MB as a header
LOOPBACK = "127.0.0.1"

_PREFIX = "/2018-06-01/runtime/"


class RuntimeListener(Protocol):
    """Hears what the runtime says."""

    def runtime_ready(self) -> None:
        """The runtime asks for an invocation."""
        ...

    def runtime_init_failed(self, error: bytes) -> None:
        """The runtime reported that its init failed, with Lambda's JSON error object."""
        ...

    def runtime_answered(self, invocation_id: str, payload: bytes, *, is_error: bool) -> None:
        """The invocation handed over last has ended."""
        ...


class Refusal(msgspec.Struct, frozen=True):
    """An answer that says why a request is not taken."""

    status: HTTPStatus
    error_type: str
    message: str


NOT_FOUND = Refusal(HTTPStatus.NOT_FOUND, "NotFound", "No such operation of the Runtime API")
FOREIGN = Refusal(HTTPStatus.FORBIDDEN, "Forbidden", "The Runtime API serves its runtime only")
MALFORMED = Refusal(HTTPStatus.BAD_REQUEST, "BadRequest", "Not a well-formed HTTP request")
INVALID_REQUEST_ID = Refusal(HTTPStatus.BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
INVALID_STATE = Refusal(
    HTTPStatus.FORBIDDEN, "InvalidStateTransition", "State transition is not allowed"
)
TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "RequestEntityTooLarge",
    f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).",
)

RESPONSE_TOO_LARGE = msgspec.json.encode(
    {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": (
            "Response payload size exceeded maximum allowed payload size "
            f"({RESPONSE_BYTES_MAX} bytes)."
        ),
    }
)


class RuntimeApi:
    """The Runtime API of one environment, which runs one invocation at a time."""

    def __init__(self, listener: RuntimeListener) -> None:
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._connections: set[RuntimeConnection] = set()
        self._poll: RuntimeConnection | None = None
        self._undelivered: bytes | None = None
        self._invocation_id: str | None = None
        self._is_initialized = False
        self.address = ""

    async def start(self) -> str:
        """Listen; gives ``host:port``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: RuntimeConnection(self), LOOPBACK, 0)
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"{LOOPBACK}:{port}"
        return self.address

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()

    def hand_over(self, invocation_id: str, headers: Mapping[str, str], payload: bytes) -> None:
        """Give the runtime its invocation: as the answer to its poll."""
        self._invocation_id = invocation_id
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {invocation_id}\r\n{lines}"
            f"Content-Length: {len(payload)}\r\n\r\n"
        )
        self._undelivered = head.encode() + payload
        self._deliver()

    def revoke(self) -> None:
        """Refuse whatever the runtime still says about its invocation."""
        self._invocation_id = None
        self._undelivered = None

    def opened(self, connection: "RuntimeConnection") -> None:
        """Remember a connection."""
        self._connections.add(connection)

    def closed(self, connection: "RuntimeConnection") -> None:
        """Forget a connection; a poll that waited on it is gone with it."""
        self._connections.discard(connection)
        if self._poll is connection:
            self._poll = None

    def receive(
        self,
        connection: "RuntimeConnection",
        path: str,
        body: bytes | None,
        *,
        stream_error: bytes | None = None,
    ) -> None:
        """Take one request in and answer it, a poll later than the others.

        Args:
            connection: Where the answer goes.
            path: ``GET`` or ``POST``, a blank, and the request's path.
            body: None when it was larger than ``RESPONSE_BYTES_MAX``.
            stream_error: Why a response that was streamed broke off, as the trailer has it.
        """
        method, _, target = path.partition(" ")
        parts = target.removeprefix(_PREFIX).split("/") if target.startswith(_PREFIX) else []
        match method, parts:
            case "GET", ["invocation", "next"]:
                self._take_poll(connection)
            case "POST", ["init", "error"]:
                self._take_init_error(connection, body)
            case "POST", ["invocation", invocation_id, ("response" | "error") as kind]:
                if stream_error is not None:
                    kind, body = "error", _decode_trailer(stream_error)
                self._take_answer(connection, invocation_id, body, is_error=kind == "error")
            case _:
                connection.refuse(NOT_FOUND)

    def _take_poll(self, connection: "RuntimeConnection") -> None:
        is_running = self._invocation_id is not None and self._undelivered is None
        if is_running or self._poll is not None:
            connection.refuse(INVALID_STATE)
            return
        self._poll = connection
        self._is_initialized = True
        if self._undelivered is not None:
            self._deliver()
        else:
            self._listener.runtime_ready()

    def _take_init_error(self, connection: "RuntimeConnection", body: bytes | None) -> None:
        if self._is_initialized:
            connection.refuse(INVALID_STATE)
        elif body is None:
            connection.refuse(TOO_LARGE)
        else:
            connection.accept()
            self._listener.runtime_init_failed(body)

    def _take_answer(
        self,
        connection: "RuntimeConnection",
        invocation_id: str,
        body: bytes | None,
        *,
        is_error: bool,
    ) -> None:
        if invocation_id != self._invocation_id:
            connection.refuse(INVALID_REQUEST_ID)
            return
        self._invocation_id = None
        if body is None:
            connection.refuse(TOO_LARGE)
            self._listener.runtime_answered(invocation_id, RESPONSE_TOO_LARGE, is_error=True)
        else:
            connection.accept()
            self._listener.runtime_answered(invocation_id, body, is_error=is_error)

    def _deliver(self) -> None:
        """Write the invocation when there is a poll; else the next poll takes it."""
        if self._poll is not None and self._undelivered is not None:
            self._poll.write(self._undelivered)
            self._poll = None
            self._undelivered = None


def _decode_trailer(value: bytes) -> bytes:
    """Give the error object of a trailer, which has it in base64."""
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        return value


_ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    b'{"status":"OK"}\n'
)


class RuntimeConnection(asyncio.Protocol):
    """One connection from a runtime: parses requests, within bounds, and writes answers."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._in_header = True
        self._is_foreign = False
        self._stream_error: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._api.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the API forget this connection."""
        del exc
        self._transport = None
        self._api.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse; what cannot be parsed is refused and the connection closed.

        A defect of the listener goes to the event loop, which reports it and drops the connection.
        """
        if self._in_header:
            self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as exc:
            raise (exc.__context__ or exc) from None  # not the runtime's fault: the listener's
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.refuse(MALFORMED)
            self.close()
        if self._in_header and self._header_bytes > HEADER_BYTES_MAX:
            self.refuse(TOO_LARGE)
            self.close()

    def on_message_begin(self) -> None:
        """Start a request."""
        self._url = b""
        self._body = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._in_header = True
        self._is_foreign = False
        self._stream_error = None

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look for the marks of a browser, and after a body for those of a stream that broke off.

        Source: docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html (response streaming)
        """
        match name.lower():
            case b"origin" | b"sec-fetch-site":
                self._is_foreign = True
            case b"host" if value.decode("latin-1") != self._api.address:
                self._is_foreign = True
            case b"lambda-runtime-function-error-body" if not self._in_header:
                self._stream_error = value

    def on_headers_complete(self) -> None:
        """End the part that ``HEADER_BYTES_MAX`` bounds."""
        self._in_header = False

    def on_body(self, body: bytes) -> None:
        """Keep the body, as long as it is not too large to be kept."""
        self._body_bytes += len(body)
        if self._body_bytes <= RESPONSE_BYTES_MAX:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        """Pass the request on."""
        if self._is_foreign:
            self.refuse(FOREIGN)
            return
        is_whole = self._body_bytes <= RESPONSE_BYTES_MAX
        path = f"{self._parser.get_method().decode('latin-1')} {self._url.decode('latin-1')}"
        body = b"".join(self._body) if is_whole else None
        self._api.receive(self, path, body, stream_error=self._stream_error)
        self._body = []

    def accept(self) -> None:
        """Answer 202."""
        self.write(_ACCEPTED)

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error object."""
        body = msgspec.json.encode(
            {"errorMessage": refusal.message, "errorType": refusal.error_type}
        )
        head = (
            f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.write(head.encode() + body)

    def write(self, data: bytes) -> None:
        """Send an answer; a connection that is gone takes nothing."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close after what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()
