"""HTTP/1.1 straight to a server: pools per origin, one transparent retry of a stale connection.

Long exchanges (long polls, invocations) and short ones have pools of their own, so that a hundred
idle long polls never delay another call.
"""

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

from penstock.aws.connection import HttpConnection
from penstock.aws.errors import (
    ConnectFailedError,
    ConnectionLostError,
    Phase,
    PhaseTimeoutError,
)
from penstock.aws.exchange import ExchangeRules, HttpRequest, HttpResponse, Origin
from penstock.aws.pool import ConnectionPool

CONNECT_S_MAX = 5.0  # name look-up and TCP
TLS_S_MAX = 5.0  # the handshake
SHORT_CONNECTIONS_MAX = 64  # per origin; short calls beyond it wait their turn
KEEPALIVE_IDLE_S = 60  # below the 350 s after which AWS's NAT gateways forget a silent connection

SslContextFactory = Callable[[], Awaitable[ssl.SSLContext]]


class Transport(Protocol):
    """Carries exchanges to any origin."""

    async def exchange(
        self, origin: Origin, request: HttpRequest, rules: ExchangeRules
    ) -> HttpResponse:
        """Send a request and give back the answer, whatever its status.

        Raises:
            TransportError: No complete answer came.
        """
        ...

    async def close(self) -> None:
        """Close every connection; exchanges in flight fail."""
        ...


class DirectTransport:
    """Keeps ``Transport`` over its own connections.

    Args:
        open_ssl_context: Called before each TLS connection.
        connect_s: Limit of the name look-up and TCP together.
        tls_s: Limit of the TLS handshake.
    """

    def __init__(
        self,
        open_ssl_context: SslContextFactory,
        *,
        short_connections_max: int = SHORT_CONNECTIONS_MAX,
        connect_s: float = CONNECT_S_MAX,
        tls_s: float = TLS_S_MAX,
    ) -> None:
        self._connect_s = connect_s
        self._tls_s = tls_s
        self._open_ssl_context = open_ssl_context
        self._short_connections_max = short_connections_max
        self._pools: dict[tuple[Origin, bool], ConnectionPool] = {}

    async def exchange(
        self, origin: Origin, request: HttpRequest, rules: ExchangeRules
    ) -> HttpResponse:
        """Send a request and give back the answer.

        A kept connection that the server closed before the answer's first byte is replaced by a
        new one, where the request may be sent twice or was not sent.

        Raises:
            TransportError: No complete answer came.
        """
        pool = self._pools.get((origin, rules.is_long)) or self._make_pool(
            origin, is_long=rules.is_long
        )
        connection = pool.borrow_idle() or await pool.borrow(patience_s=rules.timeouts.pool_s)
        is_kept = connection.exchange_count > 0
        try:
            return await connection.exchange(request, rules)
        except ConnectionLostError as exc:
            if not is_kept or exc.answered or (exc.written and not rules.is_idempotent):
                raise
        finally:
            pool.give_back(connection)
        connection = await pool.borrow(patience_s=rules.timeouts.pool_s, fresh=True)
        try:
            return await connection.exchange(request, rules)
        finally:
            pool.give_back(connection)

    async def close(self) -> None:
        """Close every connection; exchanges in flight fail."""
        for pool in self._pools.values():
            pool.close()

    def _make_pool(self, origin: Origin, *, is_long: bool) -> ConnectionPool:
        pool = ConnectionPool(
            functools.partial(self._connect, origin),
            None if is_long else self._short_connections_max,
        )
        self._pools[origin, is_long] = pool
        return pool

    async def _connect(
        self, origin: Origin, forget: Callable[[HttpConnection], None]
    ) -> HttpConnection:
        loop = asyncio.get_running_loop()
        context = await self._open_ssl_context() if origin.scheme == "https" else None
        try:
            async with asyncio.timeout(self._connect_s + (self._tls_s if context else 0)):
                transport, connection = await loop.create_connection(
                    lambda: HttpConnection(loop, forget),
                    origin.host,
                    origin.port,
                    ssl=context,
                    ssl_handshake_timeout=self._tls_s if context else None,
                )
        except TimeoutError as exc:
            raise PhaseTimeoutError(Phase.CONNECT, written=False) from exc
        except (OSError, UnicodeError) as exc:
            raise ConnectFailedError(f"cannot connect to {origin}: {exc}") from exc
        _keep_alive(transport.get_extra_info("socket"))
        return connection


def _keep_alive(sock: socket.socket) -> None:
    """Probe silent connections, so that a dead peer or a forgetful NAT is noticed."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
