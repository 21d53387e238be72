"""HTTP through a configured proxy: aiohttp's client, behind the same protocol."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
from yarl import URL

from penstock.aws.errors import (
    AnswerMalformedError,
    AnswerTooLargeError,
    ConnectFailedError,
    ConnectionLostError,
    Phase,
    PhaseTimeoutError,
    TransportError,
)
from penstock.aws.exchange import (
    SUCCESS_STATUSES,
    ExchangeRules,
    HttpRequest,
    HttpResponse,
    Origin,
    Timeouts,
)
from penstock.aws.transport import CONNECT_S_MAX, SHORT_CONNECTIONS_MAX, SslContextFactory


class ProxiedTransport:
    """Keeps ``Transport``: three times the CPU of a straight connection, every proxy's manners.

    Args:
        proxy: The proxy's URL, with its user and password where it wants them.
        open_ssl_context: Called before each exchange over TLS.
    """

    def __init__(self, proxy: str, open_ssl_context: SslContextFactory) -> None:
        self._proxy = proxy
        self._open_ssl_context = open_ssl_context
        self._session_by_is_long: dict[bool, aiohttp.ClientSession] = {}

    async def exchange(
        self, origin: Origin, request: HttpRequest, rules: ExchangeRules
    ) -> HttpResponse:
        """Send a request and give back the answer.

        Raises:
            TransportError: No complete answer came.
        """
        context = await self._open_ssl_context() if origin.scheme == "https" else False
        try:
            async with (
                asyncio.timeout(rules.timeouts.total_s) as limit,
                self._session(is_long=rules.is_long).request(
                    request.method,
                    URL(f"{origin}{request.target}", encoded=True),
                    headers=request.sent_headers(),
                    data=request.body,
                    proxy=self._proxy,
                    ssl=context,
                    timeout=_to_client_timeout(rules.timeouts),
                    allow_redirects=False,
                ) as answer,
            ):
                if rules.admit is not None and answer.status in SUCCESS_STATUSES:
                    await _wait_for_room(answer, rules.admit, rules.answer_bytes_max, limit)
                body = await _read_body(answer, rules.answer_bytes_max)
                return HttpResponse(answer.status, _write_head(answer), body)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise _translate(exc) from exc

    async def close(self) -> None:
        """Close every connection."""
        for session in self._session_by_is_long.values():
            await session.close()

    def _session(self, *, is_long: bool) -> aiohttp.ClientSession:
        if is_long not in self._session_by_is_long:
            self._session_by_is_long[is_long] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0 if is_long else SHORT_CONNECTIONS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            )
        return self._session_by_is_long[is_long]


def _to_client_timeout(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None,  # ours, which can stand still
        connect=timeouts.pool_s,
        sock_connect=CONNECT_S_MAX,
        sock_read=max(timeouts.first_byte_s, timeouts.body_s),
    )


async def _wait_for_room(
    answer: aiohttp.ClientResponse,
    admit: Callable[[int], Awaitable[None]],
    bytes_max: int,
    limit: asyncio.Timeout,
) -> None:
    """Wait until the answer is admitted, and count that time towards no limit.

    aiohttp reads on until its buffer is full, which it bounds; then it reads no more either.
    """
    length = answer.content_length
    if length is not None and length > bytes_max:
        raise _too_large(answer, bytes_max)
    loop = asyncio.get_running_loop()
    left_s = (limit.when() or 0.0) - loop.time()
    limit.reschedule(None)
    await admit(bytes_max if length is None else length)
    limit.reschedule(loop.time() + left_s)


def _write_head(answer: aiohttp.ClientResponse) -> bytes:
    lines = [b"HTTP/1.1 %d \r\n" % answer.status]
    lines += [b"%b: %b\r\n" % header for header in answer.raw_headers]
    return b"".join(lines) + b"\r\n"


async def _read_body(answer: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    pieces = bytearray()
    async for piece in answer.content.iter_any():
        pieces += piece
        if len(pieces) > bytes_max:
            raise _too_large(answer, bytes_max)
    return bytes(pieces)


def _too_large(answer: aiohttp.ClientResponse, bytes_max: int) -> AnswerTooLargeError:
    answer.close()
    message = f"the answer's body is larger than {bytes_max} bytes"
    return AnswerTooLargeError(message, written=True)


def _translate(exc: aiohttp.ClientError | TimeoutError) -> TransportError:
    """Translate; whatever is not certainly before the request counts as written."""
    match exc:
        case aiohttp.ConnectionTimeoutError():
            return PhaseTimeoutError(Phase.CONNECT, written=False)
        case TimeoutError():
            return PhaseTimeoutError(Phase.FIRST_BYTE, written=True)
        case aiohttp.ClientConnectorError():
            return ConnectFailedError(f"cannot connect through the proxy: {exc}")
        case aiohttp.ClientHttpProxyError():
            return ConnectFailedError(f"the proxy refuses with status {exc.status}")
        case aiohttp.ClientResponseError():
            return AnswerMalformedError(f"not an HTTP answer: {exc.message}", written=True)
        case _:
            answered = isinstance(exc, aiohttp.ClientPayloadError)
            return ConnectionLostError(
                f"the connection was lost: {exc}", written=True, answered=answered
            )
