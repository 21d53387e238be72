"""One HTTP/1.1 connection: at most one exchange at a time, a limit on every phase.

Each connection has one timer. It is armed late and rarely: a phase that starts only notes its
deadline, and a timer that fires early looks again. So an exchange costs no timer at all.

Where the caller must find room for an answer first, the connection is not read on between the
answer's head and the caller's word; so a server that sends on is held back by TCP.
"""

import asyncio
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


# Stages of an exchange; bare numbers, since each exchange passes through most of them.
_IDLE, _WRITING, _WAITING, _READING, _PAUSED = range(5)
# _WAITING is for the first byte, _PAUSED until there is room for the body: no limit holds then.
_PHASES = {_WRITING: Phase.WRITE, _WAITING: Phase.FIRST_BYTE, _READING: Phase.BODY}


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
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._stage = _IDLE
        self._answer: asyncio.Future[HttpResponse] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._announced: asyncio.Future[int | None] | None = None  # see _admit
        self._head = b""  # and all else of the chunks that it came in
        self._pieces: list[bytes] = []
        self._body_bytes = self._body_bytes_max = 0
        self._is_begun = self._is_head_complete = False
        self._timeouts = Timeouts()
        self._deadline_s = self._total_deadline_s = self._armed_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def exchange(self, request: HttpRequest, rules: ExchangeRules) -> Awaitable[HttpResponse]:
        """Send a request; give what its answer is awaited by, after which ``release`` is due.

        Raises:
            TransportError: No complete answer came, or none can come.
            Exception: When it is awaited: whatever ``rules.admit`` raises.
        """
        if not self.is_usable:  # lost in the very turn in which it was made
            raise ConnectionLostError("closed by the server", written=False, answered=False)
        loop, timeouts = self._loop, rules.timeouts
        answer = self._answer = loop.create_future()
        now_s = loop.time()
        self._timeouts = timeouts
        self._body_bytes_max = rules.answer_bytes_max
        self._total_deadline_s = now_s + timeouts.total_s
        if rules.admit is not None:
            self._announced = loop.create_future()
        if len(request.body) > PIECE_BYTES:
            return self._exchange_in_pieces(answer, request, rules.admit)
        self._transport.write(request.encode_head() + request.body)
        self._stage = _WAITING
        self._set_deadline(now_s + min(timeouts.first_byte_s, timeouts.total_s))
        return answer if rules.admit is None else self._admit(answer, rules.admit)

    def release(self) -> bool:
        """End an exchange, at whatever point it is; tell whether another may follow.

        The connection is closed where the answer is not complete.
        """
        answer, self._answer, self._announced = self._answer, None, None
        if self._stage != _IDLE:
            self.abort()
            # Read here, since a cancelled caller does not: asyncio reports unread exceptions.
            if answer is not None and answer.done() and not answer.cancelled():
                answer.exception()
        return self.is_usable

    async def _exchange_in_pieces(
        self,
        answer: asyncio.Future[HttpResponse],
        request: HttpRequest,
        admit: Callable[[int], Awaitable[None]] | None,
    ) -> HttpResponse:
        """Send a large request at the server's pace."""
        self._enter(_WRITING, self._timeouts.write_s)
        await self._write_pieces(answer, request)
        if not answer.done():
            self._enter(_WAITING, self._timeouts.first_byte_s)
        return await (answer if admit is None else self._admit(answer, admit))

    def abort(self) -> None:
        """Close at once, whatever is in flight."""
        self.is_usable = False
        self._transport.abort()

    async def _write_pieces(
        self, answer: asyncio.Future[HttpResponse], request: HttpRequest
    ) -> None:
        transport = self._transport
        transport.write(request.encode_head())
        body = memoryview(request.body)
        for start in range(0, len(body), PIECE_BYTES):
            while self._drained is not None:
                await self._drained
            if answer.done():  # answered early, as a 413 is, or lost
                return
            self._deadline_s = self._limit(self._timeouts.write_s)
            transport.write(body[start : start + PIECE_BYTES])

    async def _admit(
        self, answer: asyncio.Future[HttpResponse], admit: Callable[[int], Awaitable[None]]
    ) -> HttpResponse:
        """Wait for the answer's head, for room for its body, and for the body."""
        announced = cast("asyncio.Future[int | None]", self._announced)
        body_bytes = await announced  # None: it needs no room
        if body_bytes is None or (answer.done() and answer.exception() is not None):
            return await answer
        paused_s = self._loop.time()
        await admit(body_bytes)
        if self._stage == _PAUSED and not answer.done():
            self._total_deadline_s += self._loop.time() - paused_s
            self._enter(_READING, self._timeouts.body_s)
            self._transport.resume_reading()
        return await answer

    def _pause(self) -> None:
        """Read no more, and say how large the answer will be."""
        length = self._content_length()
        if length is not None and length > self._body_bytes_max:
            self._fail_too_large("body", self._body_bytes_max)
            return
        self._stage = _PAUSED
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.pause_reading()
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
        answer = self._answer
        if answer is None or answer.done():
            self.abort()  # nobody asked
            return
        if not self._is_head_complete:
            self._head = self._head + chunk if self._head else chunk
        try:
            self._parser.feed_data(chunk)
        except httptools.HttpParserCallbackError as exc:
            self._fail(exc.__context__ or exc)  # not the server's fault: a defect of our callbacks
            return
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._fail(AnswerMalformedError(f"not an HTTP answer: {exc}", written=self._written))
            return
        if not answer.done():
            self._await_more()

    def _await_more(self) -> None:
        """Say for what the connection waits, now that the answer is not complete."""
        if not self._is_head_complete and len(self._head) > HEAD_BYTES_MAX:
            self._fail_too_large("head", HEAD_BYTES_MAX)
        elif self._stage in {_WRITING, _PAUSED}:
            pass
        elif self._is_head_complete and self._needs_room():
            self._pause()
        elif self._is_begun:
            self._enter(_READING, self._timeouts.body_s)
        else:  # an interim answer has ended
            self._enter(_WAITING, self._timeouts.first_byte_s)

    def eof_received(self) -> None:
        """Complete a body that ends with its connection."""
        self.is_usable = False
        if self._answer is not None and self._is_head_complete and self._ends_with_connection():
            self._complete(self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is in flight."""
        self.is_usable = False
        if self._timer is not None:
            self._timer.cancel()
        self._fail_answer(
            ConnectionLostError(
                f"the connection was lost: {exc or 'closed by the server'}",
                written=self._written,
                answered=self._is_begun,
            )
        )
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
        self._is_begun = True

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
        status: int = self._parser.get_status_code()
        if status > STATUS_INFORMATIONAL_MAX:
            self._complete(status)
        else:
            self._is_begun = self._is_head_complete = False

    def _complete(self, status: int) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        answer.set_result(HttpResponse(status, self._head, body))
        if self._announced is not None:
            self._announce(len(body) if status in SUCCESS_STATUSES else None)
        is_kept = self._stage != _WRITING and self.is_usable and self._parser.should_keep_alive()
        self._head, self._pieces, self._body_bytes = b"", [], 0
        self._is_begun = self._is_head_complete = False
        if is_kept:
            self.exchange_count += 1
            self._stage = _IDLE
            self._set_deadline(self._loop.time() + IDLE_S_MAX)
        else:
            self.abort()
        if self._drained is not None:
            self.resume_writing()

    def _ends_with_connection(self) -> bool:
        """Tell whether the body has neither a length nor chunks (RFC 9112, section 6.3)."""
        return not any(
            name.lower() == b"content-length"
            or (name.lower() == b"transfer-encoding" and text.lower().endswith(b"chunked"))
            for name, text in HttpResponse(0, self._head, b"").headers
        )

    def _content_length(self) -> int | None:
        length = HttpResponse(0, self._head, b"").header("content-length")
        return None if length is None else int(length)

    @property
    def _written(self) -> bool:
        return self._stage != _WRITING

    def _fail_too_large(self, part: str, bytes_max: int) -> None:
        message = f"the answer's {part} is larger than {bytes_max} bytes"
        self._fail(AnswerTooLargeError(message, written=self._written))

    def _fail(self, error: BaseException) -> None:
        self._fail_answer(error)
        self.abort()

    def _fail_answer(self, error: BaseException) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
            self._announce(None)
        self.resume_writing()

    # The timer.

    def _enter(self, stage: int, limit_s: float) -> None:
        self._stage = stage
        self._set_deadline(self._limit(limit_s))

    def _set_deadline(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        if self._timer is None or self._armed_s > deadline_s:
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
        elif self._stage is _IDLE:
            self.abort()
        else:
            self._fail(PhaseTimeoutError(_PHASES[self._stage], written=self._written))
