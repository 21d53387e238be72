"""One HTTP/1.1 connection: at most one exchange at a time, a limit on every phase.

Each connection has one timer. It is armed late and rarely: a phase that starts only notes its
deadline, and a timer that fires early looks again. So an exchange costs no timer at all.

Where the caller must find room for an answer first, the connection is not read on between the
answer's head and the caller's word; so a server that sends on is held back by TCP.
"""

import asyncio
import enum
from collections.abc import Awaitable, Callable
from typing import cast

import httptools

from penstock.aws.errors import (
    AnswerMalformedError,
    AnswerTooLargeError,
    ConnectionLostError,
    Phase,
    PhaseTimeoutError,
)
from penstock.aws.exchange import (
    SUCCESS_STATUSES,
    ExchangeRules,
    HttpRequest,
    HttpResponse,
    Timeouts,
)

IDLE_S_MAX = 30.0  # shorter than the idle limit of AWS's endpoints, so that we close first
HEAD_BYTES_MAX = 64 * 1024  # of an answer; AWS's are below 2 KiB
PIECE_BYTES = 256 * 1024  # of a request, between two looks at the server's pace
STATUS_INFORMATIONAL_MAX = 199


class _Stage(enum.Enum):
    IDLE = enum.auto()
    WRITING = enum.auto()
    WAITING = enum.auto()  # for the first byte
    READING = enum.auto()
    PAUSED = enum.auto()  # until there is room for the body; no limit holds


class HttpConnection(asyncio.Protocol):
    """Carries exchanges one after the other; made by ``loop.create_connection``.

    Args:
        forget: Called once when the connection is gone.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, forget: Callable[["HttpConnection"], None]
    ) -> None:
        self.is_usable = True
        self.exchange_count = 0
        self._loop = loop
        self._forget = forget
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._stage = _Stage.IDLE
        self._answer: asyncio.Future[HttpResponse] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._announced: asyncio.Future[int | None] | None = None  # see _wait_for_room
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._head_bytes = self._body_bytes = self._body_bytes_max = 0
        self._is_head_complete = False
        self._timeouts = Timeouts()
        self._deadline_s = self._total_deadline_s = self._armed_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def exchange(self, request: HttpRequest, rules: ExchangeRules) -> HttpResponse:
        """Send a request and wait for its answer; cancelling closes the connection.

        Raises:
            TransportError: No complete answer came; the connection is closed.
            Exception: Whatever ``rules.admit`` raises; the connection is closed where the answer
                was not complete.
        """
        if not self.is_usable:  # lost in the very turn in which it was made
            raise ConnectionLostError("closed by the server", written=False, answered=False)
        transport = cast("asyncio.Transport", self._transport)
        answer: asyncio.Future[HttpResponse] = self._loop.create_future()
        self._answer = answer
        self._announced = None if rules.admit is None else self._loop.create_future()
        self._timeouts = rules.timeouts
        self._body_bytes_max = rules.answer_bytes_max
        self._total_deadline_s = self._loop.time() + rules.timeouts.total_s
        try:
            if len(request.body) <= PIECE_BYTES:
                self._stage = _Stage.WRITING
                transport.writelines((request.encode_head(), request.body))
            else:
                self._enter(_Stage.WRITING, rules.timeouts.write_s)
                await self._write_pieces(transport, request)
            if not answer.done():
                self._enter(_Stage.WAITING, rules.timeouts.first_byte_s)
            if rules.admit is not None:
                await self._wait_for_room(rules.admit)
            return await answer
        finally:
            self._answer = self._announced = None
            if self._stage is not _Stage.IDLE:
                self.abort()
                # Read here, since a cancelled caller does not: asyncio reports unread exceptions.
                if answer.done() and not answer.cancelled():
                    answer.exception()

    def abort(self) -> None:
        """Close at once, whatever is in flight."""
        self.is_usable = False
        if self._transport is not None:
            self._transport.abort()

    async def _write_pieces(self, transport: asyncio.Transport, request: HttpRequest) -> None:
        answer = cast("asyncio.Future[HttpResponse]", self._answer)
        transport.write(request.encode_head())
        body = memoryview(request.body)
        for start in range(0, len(body), PIECE_BYTES):
            while self._drained is not None:
                await self._drained
            if answer.done():  # answered early, as a 413 is, or lost
                return
            self._deadline_s = self._limit(self._timeouts.write_s)
            transport.write(body[start : start + PIECE_BYTES])

    async def _wait_for_room(self, admit: Callable[[int], Awaitable[None]]) -> None:
        """Wait for the answer's bytes, and for room for them; None: it needs no room."""
        announced = cast("asyncio.Future[int | None]", self._announced)
        answer = cast("asyncio.Future[HttpResponse]", self._answer)
        body_bytes = await announced
        if body_bytes is None or (answer.done() and answer.exception() is not None):
            return
        paused_s = self._loop.time()
        await admit(body_bytes)
        if self._stage is _Stage.PAUSED and not answer.done():
            self._total_deadline_s += self._loop.time() - paused_s
            self._enter(_Stage.READING, self._timeouts.body_s)
            cast("asyncio.Transport", self._transport).resume_reading()

    def _pause(self) -> None:
        """Read no more, and say how large the answer will be."""
        length = self._content_length()
        if length is not None and length > self._body_bytes_max:
            self._fail_too_large("body", self._body_bytes_max)
            return
        self._stage = _Stage.PAUSED
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        cast("asyncio.Transport", self._transport).pause_reading()
        self._announce(self._body_bytes_max if length is None else length)

    def _needs_room(self) -> bool:
        is_success = self._parser.get_status_code() in SUCCESS_STATUSES
        return is_success and self._announced is not None and not self._announced.done()

    def _announce(self, body_bytes: int | None) -> None:
        if self._announced is not None and not self._announced.done():
            self._announced.set_result(body_bytes)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection into use."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, chunk: bytes) -> None:
        """Read a part of the answer."""
        if self._answer is None or self._answer.done():
            self.abort()  # nobody asked
            return
        if not self._is_head_complete:
            self._head_bytes += len(chunk)
        try:
            self._parser.feed_data(chunk)
        except httptools.HttpParserCallbackError as exc:
            self._fail(exc.__context__ or exc)  # not the server's fault: a defect of our callbacks
            return
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._fail(AnswerMalformedError(f"not an HTTP answer: {exc}", written=self._written))
            return
        if self._answer.done():
            return
        if not self._is_head_complete and self._head_bytes > HEAD_BYTES_MAX:
            self._fail_too_large("head", HEAD_BYTES_MAX)
        elif self._stage is _Stage.WRITING or self._stage is _Stage.PAUSED:
            pass
        elif self._is_head_complete and self._needs_room():
            self._pause()
        elif self._head_bytes:
            self._enter(_Stage.READING, self._timeouts.body_s)
        else:  # an interim answer has ended
            self._enter(_Stage.WAITING, self._timeouts.first_byte_s)

    def eof_received(self) -> None:
        """Complete a body that ends with its connection."""
        self.is_usable = False
        if self._answer is not None and self._is_head_complete and self._ends_with_connection():
            self._complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is in flight."""
        self.is_usable = False
        if self._timer is not None:
            self._timer.cancel()
        self._fail(
            ConnectionLostError(
                f"the connection was lost: {exc or 'closed by the server'}",
                written=self._written,
                answered=self._head_bytes > 0,
            )
        )
        self.resume_writing()
        self._forget(self)

    def pause_writing(self) -> None:
        """Note that the server is slower than we are."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let a large request go on."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Refuse an answer that nobody waits for: it would be taken for the next one's."""
        if self._answer is None or self._answer.done():
            self.abort()

    def on_header(self, name: bytes, text: bytes) -> None:
        """Keep a header; not a trailer, which says nothing here and would have no bound."""
        if not self._is_head_complete:
            self._headers.append((name, text))

    def on_headers_complete(self) -> None:
        """Note that the body begins."""
        self._is_head_complete = True

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body, within the bound."""
        self._body_bytes += len(piece)
        if self._body_bytes > self._body_bytes_max:
            self._pieces.clear()
            self._fail_too_large("body", self._body_bytes_max)
        elif self._answer is not None and not self._answer.done():
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Hand the answer over, unless it is an interim one (100 Continue)."""
        if self._parser.get_status_code() <= STATUS_INFORMATIONAL_MAX:
            self._clear_answer()
        else:
            self._complete()

    def _complete(self) -> None:
        answer = cast("asyncio.Future[HttpResponse]", self._answer)
        if answer.done():
            return
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        response = HttpResponse(self._parser.get_status_code(), tuple(self._headers), body)
        is_kept = self._written and self.is_usable and self._parser.should_keep_alive()
        self._clear_answer()
        answer.set_result(response)
        self._announce(len(body) if response.status in SUCCESS_STATUSES else None)
        if is_kept:
            self.exchange_count += 1
            self._total_deadline_s = float("inf")
            self._enter(_Stage.IDLE, IDLE_S_MAX)
        else:
            self.abort()
        self.resume_writing()

    def _clear_answer(self) -> None:
        self._headers = []
        self._pieces = []
        self._head_bytes = self._body_bytes = 0
        self._is_head_complete = False

    def _ends_with_connection(self) -> bool:
        """Tell whether the body has neither a length nor chunks (RFC 9112, section 6.3)."""
        return not any(
            name.lower() == b"content-length"
            or (name.lower() == b"transfer-encoding" and text.lower().endswith(b"chunked"))
            for name, text in self._headers
        )

    def _content_length(self) -> int | None:
        for name, text in self._headers:
            if name.lower() == b"content-length":
                return int(text)
        return None

    @property
    def _written(self) -> bool:
        return self._stage is not _Stage.WRITING

    def _fail_too_large(self, part: str, bytes_max: int) -> None:
        message = f"the answer's {part} is larger than {bytes_max} bytes"
        self._fail(AnswerTooLargeError(message, written=self._written))

    def _fail(self, error: BaseException) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
            self._announce(None)
        self.resume_writing()
        self.abort()

    # The timer.

    def _enter(self, stage: _Stage, limit_s: float) -> None:
        self._stage = stage
        self._deadline_s = self._limit(limit_s)
        if self._timer is None or self._armed_s > self._deadline_s:
            self._arm()

    def _limit(self, limit_s: float) -> float:
        return min(self._loop.time() + limit_s, self._total_deadline_s)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_s = self._deadline_s
        self._timer = self._loop.call_at(self._deadline_s, self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        if self._loop.time() < self._deadline_s:
            self._arm()
        elif self._stage is _Stage.IDLE:
            self.abort()
        else:
            self._fail(PhaseTimeoutError(_PHASES[self._stage], written=self._written))


_PHASES = {
    _Stage.WRITING: Phase.WRITE,
    _Stage.WAITING: Phase.FIRST_BYTE,
    _Stage.READING: Phase.BODY,
}
