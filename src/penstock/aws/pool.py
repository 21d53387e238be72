"""Connections to one origin for one kind of call, kept while they are fresh."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from penstock.aws.connection import HttpConnection
from penstock.aws.errors import Phase, PhaseTimeoutError


class ConnectionPool:
    """Lends connections; those who wait are served in order of arrival.

    The connection used last is lent first, so that superfluous ones grow old and expire.

    Args:
        connect: Opens a connection, given the function that it calls when it is gone.
        connections_max: How many are lent at once; None: no bound, nobody waits.
    """

    def __init__(
        self,
        connect: Callable[[Callable[[HttpConnection], None]], Awaitable[HttpConnection]],
        connections_max: int | None,
    ) -> None:
        self._connect = connect
        self._connections_max = connections_max
        self._lent_count = 0
        self._idle: list[HttpConnection] = []
        self._open: set[HttpConnection] = set()
        self._waiters: deque[asyncio.Future[None]] = deque()

    def borrow_idle(self) -> HttpConnection | None:
        """Lend a connection that is kept and has no other use, as ``borrow`` does; None: wait."""
        if not self._idle or not self._idle[-1].is_usable:
            return None
        if self._connections_max is not None and self._lent_count >= self._connections_max:
            return None
        self._lent_count += 1
        return self._idle.pop()

    async def borrow(self, *, patience_s: float, fresh: bool = False) -> HttpConnection:
        """Lend a connection; every one borrowed is given back by ``give_back``.

        Args:
            patience_s: How long to wait for one that others use.
            fresh: Open a new connection even where an idle one is kept.

        Raises:
            TransportError: None was free in time, or the server is not reached.
        """
        if self._connections_max is not None and self._lent_count >= self._connections_max:
            await self._wait_for_turn(patience_s)
        else:
            self._lent_count += 1
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
        try:
            connection = await self._connect(self._forget)
        except BaseException:
            self._pass_turn_on()
            raise
        self._open.add(connection)
        return connection

    def give_back(self, connection: HttpConnection) -> None:
        """Take a connection back; it is kept if another exchange can use it."""
        if connection.release():
            self._idle.append(connection)
        if self._waiters:
            self._pass_turn_on()
        else:
            self._lent_count -= 1

    def close(self) -> None:
        """Close every connection, the lent ones too."""
        for connection in tuple(self._open):
            connection.abort()

    async def _wait_for_turn(self, patience_s: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            async with asyncio.timeout(patience_s):
                await turn
        except BaseException as exc:
            if turn.done() and not turn.cancelled():
                self._pass_turn_on()  # it came at the very moment we gave up
            elif turn in self._waiters:
                self._waiters.remove(turn)
            if isinstance(exc, TimeoutError):
                raise PhaseTimeoutError(Phase.POOL, written=False) from exc
            raise

    def _pass_turn_on(self) -> None:
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._lent_count -= 1

    def _forget(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
