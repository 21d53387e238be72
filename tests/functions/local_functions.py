"""Local functions with real processes, for tests: write a handler, host it, watch it die."""

import asyncio
import os
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from penstock.engine.clock import SystemClock
from penstock.engine.identity import draw_uuid
from penstock.functions.host.host import FunctionHost, HostSettings
from penstock.functions.host.role import HostRole
from penstock.model.arn import Scope
from penstock.model.function import Function, FunctionResult, LocalProcess
from penstock.model.instant import Instant

TEST_S_MAX = 30
SCOPE = Scope("000000000000", "eu-west-1")


class ShiftedClock:
    """The system's clock, and what the test adds to it."""

    def __init__(self) -> None:
        self.shift_ms = 0
        self._clock = SystemClock()

    def now(self) -> Instant:
        """Read both clocks."""
        return self._clock.now().plus_ms(self.shift_ms)

    def precise_ms(self) -> float:
        """Keep ``PreciseClock``."""
        return self._clock.precise_ms() + self.shift_ms


class LogLines:
    """A function's log, line by line, and a way to wait for a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._written = asyncio.Event()

    def __call__(self, name: str, line: str) -> None:
        """Take a line in."""
        assert name == "orders"
        self.lines.append(line)
        self._written.set()

    async def wait_for(self, start: str) -> None:
        """Wait until there is a line that starts so."""
        while not any(line.startswith(start) for line in self.lines):
            self._written.clear()
            await self._written.wait()


def local_function(folder: Path, body: str, **changes: Any) -> Function:
    """Write ``app.py`` and declare it as a function; hosting fields may be among the changes."""
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(textwrap.dedent(body))
    hosting = LocalProcess(code=str(folder), handler="app.handler")
    of_hosting = {key: changes.pop(key) for key in hosting.__struct_fields__ if key in changes}
    hosting = msgspec.structs.replace(hosting, **of_hosting)
    return Function(
        **{"scope": SCOPE, "name": "orders", "hosting": hosting, "timeout_s": 20, **changes}
    )


def install_client(folder: Path, version: str = "3.3.0", source: str = "") -> Path:
    """Put a runtime client for Node.js where npm would; gives its package's folder."""
    package = folder / "node_modules" / "aws-lambda-ric"
    package.mkdir(parents=True)
    (package / "package.json").write_text(f'{{"version": "{version}", "main": "index.mjs"}}')
    (package / "index.mjs").write_text(source)
    return package


@asynccontextmanager
async def hosted(
    function: Function,
    *,
    log: LogLines | None = None,
    clock: ShiftedClock | None = None,
    role: HostRole | None = None,
    **settings: Any,
) -> AsyncIterator[FunctionHost]:
    """Host a function for the length of a test, with changes of the ``HostSettings``."""
    of_test = {
        "inherited_environment": os.environ,
        "extra_environment": {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
    }
    host = FunctionHost(
        function,
        clock=clock or SystemClock(),
        draw_request_id=draw_uuid,
        log=log or LogLines(),
        settings=HostSettings(**{**of_test, **settings}),
        role=role,
    )
    try:
        async with asyncio.timeout(TEST_S_MAX):
            yield host
    finally:
        await host.stop(0)


async def call(host: FunctionHost, event: object = None) -> FunctionResult:
    """Invoke with an event."""
    return await host.invoke(local_arn(), msgspec.json.encode(event))


async def value_of(host: FunctionHost, event: object = None) -> Any:
    """Invoke with an event and expect a result without an error."""
    result = await call(host, event)
    assert result.function_error is None, result
    return msgspec.json.decode(result.payload)


async def error_of(host: FunctionHost, event: object = None) -> dict[str, Any]:
    """Invoke with an event and expect an error object."""
    result = await call(host, event)
    assert result.function_error == "Unhandled", result
    error: dict[str, Any] = msgspec.json.decode(result.payload)
    return error


def local_arn() -> str:
    """Give the ARN of every function here."""
    return "arn:aws:lambda:eu-west-1:000000000000:function:orders"


class Lifeline:
    """A pipe that a handler, and all it forks, holds open until they are dead.

    The handler's part: ``os.open(PATH, os.O_WRONLY)``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lifeline"
        os.mkfifo(self.path)
        self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def wait_until_all_are_dead(self) -> None:
        """Block until the last holder is gone; to be called once there was one."""
        os.set_blocking(self._end, True)
        assert os.read(self._end, 1) == b""
        os.close(self._end)
