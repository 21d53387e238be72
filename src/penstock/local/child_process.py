"""One child of ``penstock dev``: started, watched, started again, stopped."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog

from penstock.local.lifeline import READY
from penstock.model.errors import PenstockError

EXIT_CONFIGURATION = 2  # the child said on stderr what to mend; starting it again cannot help
STARTS_MAX = 5
_RESTART_DELAY_S = 0.2
_RESTART_DELAY_S_MAX = 5.0
_SETTLED_S = 10.0  # a child that lived this long starts again without delay
_READY_S_MAX = 60.0  # a slow, shared machine; the usual start takes a second
_LINE_BYTES_MAX = 1024 * 1024  # of a log line that is passed on

_log = structlog.get_logger("penstock.dev")


class ChildStartError(PenstockError):
    """A child ended, or stayed silent, before it was ready.

    Attributes:
        exit_code: Negative for a signal, as ``subprocess`` counts.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ChildProcess:
    """A Python module of ours in a process of its own, tied to this one by a lifeline.

    The child leads a process group: Ctrl-C in the terminal reaches only the parent, which then
    stops its children in order, and a kill takes the child's own children along.

    Args:
        name: For logs, for example ``embedded AWS``.
        module: Run with ``-m``; its arguments are the lifeline's file descriptor and ``settings``.
        settings: Told to the child as JSON.
        environment: All of the child's environment.
        on_line: Takes every line the child prints; None leaves the child our own stdout.
    """

    def __init__(
        self,
        name: str,
        module: str,
        *,
        settings: msgspec.Struct,
        environment: Mapping[str, str],
        on_line: Callable[[bytes], None] | None = None,
    ) -> None:
        self.name = name
        self._module = module
        self._settings = msgspec.json.encode(settings).decode()
        self._environment = environment
        self._on_line = on_line
        self._running: asyncio.subprocess.Process | None = None
        self._lifeline: socket.socket | None = None
        self._relay: asyncio.Task[None] | None = None

    async def keep_running(
        self, on_ready: Callable[[], Awaitable[None]], *, loss: str | None = None
    ) -> None:
        """Start the child, and again whenever it ends, until cancelled.

        Args:
            on_ready: Called after each start.
            loss: What is lost when it ends, for the log.

        Raises:
            ChildStartError: It cannot start: a configuration error, or five starts in a row.
        """
        failures = 0
        delay_s = 0.0
        was_ready = False
        ended = f"the {self.name} ended, starting it again"
        loop = asyncio.get_running_loop()
        while True:
            started_s = loop.time()
            try:
                await self.start()
                await on_ready()
                if was_ready:
                    _log.info(f"the {self.name} is back")
                was_ready = True
                failures = 0
                code = await self.wait()
                tell = _log.warning if code or loss else _log.info  # 0: it was asked to end
                tell(f"{ended}; {loss}" if loss else ended, exit_code=code)
            except ChildStartError as exc:
                failures += 1
                if exc.exit_code == EXIT_CONFIGURATION or failures == STARTS_MAX:
                    raise
                _log.warning(f"the {self.name} did not start", exit_code=exc.exit_code)
            if loop.time() - started_s > _SETTLED_S:
                delay_s = 0.0
            await pause(delay_s)
            delay_s = min(max(delay_s * 2, _RESTART_DELAY_S), _RESTART_DELAY_S_MAX)

    async def start(self) -> None:
        """Start the process and wait until it says that it is ready.

        Raises:
            ChildStartError: It ended first, or said nothing for a minute.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._running = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                str(theirs.fileno()),
                self._settings,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=None if self._on_line is None else asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                process_group=0,
                limit=_LINE_BYTES_MAX,
            )
        self.drop_lifeline()
        self._lifeline = ours
        if self._on_line is not None and self._running.stdout is not None:
            self._relay = asyncio.create_task(self._pass_on(self._running.stdout, self._on_line))
        if not await self._is_ready(ours):
            self.kill()
            code = await self.wait()
            self.drop_lifeline()
            raise ChildStartError(f"the {self.name} did not start (exit code {code})", code)

    async def wait(self) -> int:
        """Wait for the end of the process and of what it printed; give its exit code."""
        if self._running is None:
            raise RuntimeError("start() comes first")
        code = await self._running.wait()
        if self._relay is not None:
            await asyncio.wait([self._relay])
        return code

    async def stop(self, limit_s: float) -> None:
        """Ask the process to end (SIGTERM), and kill its group after ``limit_s``."""
        if self._running is None:
            return
        if self._running.returncode is None:
            self._running.terminate()
        try:
            async with asyncio.timeout(limit_s):
                await self.wait()
        except TimeoutError:
            _log.warning(f"the {self.name} did not stop in time, killing it", limit_s=limit_s)
        finally:
            self.kill()
            await self.wait()
            self.drop_lifeline()

    def end(self) -> None:
        """Ask the process to end (SIGTERM) and do not wait; ``keep_running`` starts it again."""
        if self._running is not None and self._running.returncode is None:
            self._running.terminate()

    def kill(self) -> None:
        """End the process and its group at once."""
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._running.pid, signal.SIGKILL)

    async def _is_ready(self, ours: socket.socket) -> bool:
        """Wait for the child's word; False when it ends, or is silent for too long."""
        ours.setblocking(False)  # noqa: FBT003  the standard library's own signature
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_READY_S_MAX):
                word = await asyncio.get_running_loop().sock_recv(ours, len(READY))
                return word == READY
        return False

    async def _pass_on(self, output: asyncio.StreamReader, take: Callable[[bytes], None]) -> None:
        while line := await output.readline():
            take(line.rstrip(b"\n"))

    def drop_lifeline(self) -> None:
        """Let the child believe that its parent is gone."""
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None


async def pause(delay_s: float) -> None:
    """Let time pass; a cancellation ends it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(delay_s):
            await asyncio.Event().wait()
