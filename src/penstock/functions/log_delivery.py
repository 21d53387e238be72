"""Delivers functions' log lines in the background; whoever writes one never waits.

What is sent when, and what is dropped, ``core/log_buffer.py`` decides.
"""

import asyncio
from typing import Protocol

from penstock.aws.errors import AnswerError, Fault, WireError
from penstock.core.log_buffer import LogBatch, LogBuffer
from penstock.model.errors import ConfigurationError
from penstock.model.function_log import FunctionLogStream
from penstock.ports import Clock

TELL_EVERY_MS = 60_000

# Another request is making the same group.
_PASSING_CODES = frozenset({"OperationAbortedException"})


class LogServer(Protocol):
    """Where batches go; ``cloudwatch_logs.py`` keeps it."""

    async def put(self, batch: LogBatch) -> int:
        """Write a batch.

        Returns:
            How many of its events the server has not taken, and would never take.

        Raises:
            WireError: The server does not have it, or its answer was lost.
            ConfigurationError: It cannot be reached as configured.
        """
        ...


class TroubleLog(Protocol):
    """Where it is told that lines are not delivered."""

    def warning(self, event: str, **fields: object) -> object:
        """Tell of trouble."""
        ...


class LogDelivery:
    """Takes the lines of all functions of a node."""

    def __init__(self, server: LogServer, clock: Clock, log: TroubleLog) -> None:
        self._server = server
        self._clock = clock
        self._log = log
        self._buffer = LogBuffer()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._trouble = ""  # not told yet
        self._told_ms: int | None = None
        self._told_lost_count = 0

    def lost_count(self) -> int:
        """Give how many lines no server has."""
        return self._buffer.lost_count

    def write(self, stream: FunctionLogStream, line: str) -> None:
        """Take a line without its end; Lambda's events have it."""
        if self._buffer.add(stream, f"{line}\n", self._clock.now()):
            self._arm()

    def end(self, stream: FunctionLogStream) -> None:
        """The environment is gone: deliver what it printed now."""
        self._buffer.end(stream)
        self._arm()

    async def stop(self, limit_s: float) -> None:
        """Deliver what there is, once, within a time; the rest is counted as lost, and told."""
        self._buffer.stop()
        deadline_s = asyncio.get_running_loop().time() + limit_s
        self._send_due()
        while self._tasks:
            left_s = deadline_s - asyncio.get_running_loop().time()
            ended, _ = await asyncio.wait(
                self._tasks, timeout=max(0.0, left_s), return_when=asyncio.FIRST_COMPLETED
            )
            if not ended:
                break
        await self._give_up()

    async def _give_up(self) -> None:
        late = set(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        if not self._buffer.is_empty:
            self._trouble = self._trouble or "the service stopped before the server had taken them"
            self._buffer.lose_all()
        if self._timer is not None:
            self._timer.cancel()
        if self._has_trouble:
            self._tell()

    @property
    def _has_trouble(self) -> bool:
        """Tell whether something went wrong that has not been told."""
        return bool(self._trouble) or self._buffer.lost_count > self._told_lost_count

    def _arm(self) -> None:
        """Look again when the next batch is due, or when it may be told what went wrong."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [self._buffer.deadline_ms()]
        if self._has_trouble and self._told_ms is not None:
            due.append(self._told_ms + TELL_EVERY_MS)
        next_ms = min((due_ms for due_ms in due if due_ms is not None), default=None)
        if next_ms is not None:
            loop = asyncio.get_running_loop()
            delay_s = (next_ms - self._clock.now().monotonic_ms) / 1000
            self._timer = loop.call_later(max(0.0, delay_s), self._send_due)

    def _send_due(self) -> None:
        now = self._clock.now()
        for batch in self._buffer.take(now):
            task = asyncio.create_task(self._send(batch), name=f"log {batch.stream.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._has_trouble and self._may_tell(now.monotonic_ms):
            self._tell()
        self._arm()

    async def _send(self, batch: LogBatch) -> None:
        try:
            rejected_count = await self._server.put(batch)
        except (WireError, ConfigurationError) as error:
            self._trouble = f"{batch.stream.group}: {error}"
            self._buffer.failed(batch, self._clock.now(), is_final=_is_final(error))
        else:
            if rejected_count:
                self._trouble = f"{batch.stream.group}: the server found lines too old or too new"
            self._buffer.sent(batch, rejected_count=rejected_count)
        self._send_due()

    def _may_tell(self, now_ms: int) -> bool:
        return self._told_ms is None or now_ms >= self._told_ms + TELL_EVERY_MS

    def _tell(self) -> None:
        lost_count = self._buffer.lost_count
        self._log.warning(
            "function logs not delivered",
            reason=self._trouble or "the server takes them more slowly than they come",
            lost_lines=lost_count - self._told_lost_count,
        )
        self._told_ms = self._clock.now().monotonic_ms
        self._told_lost_count = lost_count
        self._trouble = ""


def _is_final(error: WireError | ConfigurationError) -> bool:
    """Tell whether the server would never take the batch: it refused it, or is no such server."""
    if isinstance(error, AnswerError):
        return error.fault is Fault.REFUSED and error.code not in _PASSING_CODES
    return isinstance(error, ConfigurationError)
