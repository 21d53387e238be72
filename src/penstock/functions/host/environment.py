"""One execution environment: a process group, its Runtime API, its output."""

import asyncio
import contextlib
import datetime as dt
import math
import os
import signal
from collections.abc import Mapping
from typing import Protocol

import msgspec

from penstock.core.environment_contract import (
    Exited,
    InitErrorReported,
    NotStarted,
    StopReason,
)
from penstock.functions.host.entry_points import BOOTSTRAP
from penstock.functions.host.failures import exit_text, status_of
from penstock.functions.host.launch import ProcessSettings, plan_launch
from penstock.functions.host.log_capture import LogCapture
from penstock.functions.host.memory import MemoryWatch
from penstock.functions.host.runtime_api import RuntimeApi
from penstock.model.errors import ConfigurationError
from penstock.model.function import FunctionErrorKind, FunctionResult
from penstock.ports import PreciseClock

READ_BYTES = 64 * 1024  # a pipe's capacity on Linux
DRAIN_READS_MAX = 16  # an end of output is not awaited while others still write


class Invocation(msgspec.Struct, frozen=True):
    """What a runtime is given."""

    id: str
    function_arn: str
    payload: bytes
    deadline_wall_ms: int


class EnvironmentListener(Protocol):
    """Hears what happens in an environment."""

    def environment_ready(self, environment_id: int) -> None:
        """It asks for an invocation."""
        ...

    def init_failed(self, environment_id: int, failure: InitErrorReported) -> None:
        """The runtime reported that its init failed."""
        ...

    def invocation_answered(self, environment_id: int, result: FunctionResult) -> None:
        """The function answered; ``result.request_id`` is the invocation's id."""
        ...


class Environment:
    """Runs one process from its start to its end; single use.

    Attributes:
        log_tail: The last 4 KB printed in the invocation, or the init, that ended last.
        is_over: Its process is gone.
    """

    def __init__(
        self,
        environment_id: int,
        settings: ProcessSettings,
        *,
        log: LogCapture,
        clock: PreciseClock,
        listener: EnvironmentListener,
    ) -> None:
        self.log_tail = b""
        self.is_over = False
        self._id = environment_id
        self._settings = settings
        self._log = log
        self._clock = clock
        self._listener = listener
        self._api = RuntimeApi(self)
        self._process: asyncio.subprocess.Process | None = None
        self._output: int | None = None
        self._is_stopping = False
        self._invocation: Invocation | None = None
        self._started_ms = 0.0
        self._dispatched_ms = 0.0
        self._init_ms: float | None = None
        self._init_report = ""
        self._memory = MemoryWatch(settings.memory_mb, self._memory_exceeded)

    async def run(self, variables: Mapping[str, str]) -> Exited | NotStarted:
        """Start the process and wait for its end; cancelling kills it.

        Args:
            variables: Of this environment alone; they win over those of all.
        """
        self._started_ms = self._clock.precise_ms()
        try:
            address = await self._api.start()
            self._process = await self._spawn(address, variables)
            if self._is_stopping:
                self._kill()
            self._memory.begin(self._process.pid)
            failure = Exited(status_of(await self._process.wait()))
            self._write_exit(failure)
        except (OSError, ValueError, ConfigurationError) as error:
            what, code = self._settings.interpreter or BOOTSTRAP, self._settings.code
            return NotStarted(f"cannot start {what!r} in {code!r}: {error}")
        else:
            return failure
        finally:
            await self._clean_up()

    def dispatch(self, invocation: Invocation) -> None:
        """Hand an invocation to the ready runtime."""
        self._invocation = invocation
        self._dispatched_ms = self._clock.precise_ms()
        self._log.write(f"START RequestId: {invocation.id} Version: {self._settings.version}")
        if self._process is not None:
            self._memory.begin(self._process.pid)
        digits = invocation.id.replace("-", "")
        seconds = self._clock.now().wall_ms // 1000
        trace = f"Root=1-{seconds:08x}-{digits[8:]};Parent={digits[:16]};Sampled=0"
        headers = {
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_wall_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            "Lambda-Runtime-Trace-Id": trace,
        }
        self._api.hand_over(invocation.id, headers, invocation.payload)

    def stop(self, reason: StopReason) -> None:
        """Kill the process and all it started in its group; the log says what was cut off."""
        self._is_stopping = True
        self._api.revoke()
        self._drain()
        match reason:
            case StopReason.TIMED_OUT if self._invocation is not None:
                text = f"Task timed out after {self._settings.timeout_s:.2f} seconds"
                self._log.write(f"{self._timestamp()} {self._invocation.id} {text}")
                self._write_end(self._invocation.id, "\tStatus: timeout")
            case StopReason.HOST_STOPPED if self._invocation is not None:
                self._write_end(self._invocation.id, "\tStatus: error")
            case StopReason.INIT_TIMED_OUT:
                self._write_init_report("timeout")
            case _:
                self._log.cut()
        self._kill()

    def runtime_ready(self) -> None:
        """Keep ``RuntimeListener``."""
        if self._init_ms is None:
            self._init_ms = self._clock.precise_ms() - self._started_ms
            self._init_report = f"\tInit Duration: {self._init_ms:.2f} ms"
            self._memory.pause()
        self._listener.environment_ready(self._id)

    def runtime_init_failed(self, error: bytes) -> None:
        """Keep ``RuntimeListener``."""
        self._drain()
        self._write_init_report("error")
        self._listener.init_failed(self._id, InitErrorReported(error))

    def runtime_answered(self, invocation_id: str, payload: bytes, *, is_error: bool) -> None:
        """Keep ``RuntimeListener``."""
        # What the handler printed before it answered is in the pipe by now.
        self._drain()
        self._write_end(invocation_id, "")
        result = FunctionResult(
            payload=payload,
            function_error=FunctionErrorKind.UNHANDLED if is_error else None,
            executed_version=self._settings.version,
            log_tail=self.log_tail,
            request_id=invocation_id,
        )
        self._listener.invocation_answered(self._id, result)

    async def _spawn(
        self, address: str, variables: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        self._output, write_end = os.pipe()
        try:
            os.set_blocking(self._output, False)
            asyncio.get_running_loop().add_reader(self._output, self._read)
            settings = self._settings
            launch = plan_launch(settings)
            return await asyncio.create_subprocess_exec(
                *launch.command,
                cwd=settings.code,
                env={
                    **launch.variables,
                    **settings.variables,
                    **variables,
                    "AWS_LAMBDA_RUNTIME_API": address,
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        finally:
            os.close(write_end)

    async def _clean_up(self) -> None:
        self._kill()
        self._memory.close()
        if self._process is not None:
            await self._process.wait()
        self._close_output()
        self._api.close()
        self.is_over = True

    def _kill(self) -> None:
        """Kill the process group; what is gone already is no error."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> bool:
        """Take one chunk of output; False when there is none now, or never again."""
        if self._output is None:
            return False
        try:
            chunk = os.read(self._output, READ_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._close_output()
            return False
        self._log.feed(chunk)
        return True

    def _drain(self) -> None:
        for _ in range(DRAIN_READS_MAX):
            if not self._read():
                return

    def _close_output(self) -> None:
        if self._output is not None:
            asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
            self._output = None

    def _write_exit(self, failure: Exited) -> None:
        """End the log of a process that ended by itself."""
        self._drain()
        if self._invocation is not None:
            text = f"Runtime {exit_text(failure.status)}"
            self._log.write(f"RequestId: {self._invocation.id} Error: {text}")
            self._write_end(self._invocation.id, "\tStatus: error\tError Type: Runtime.ExitError")
        elif self._init_ms is None and not self._is_stopping:
            self._write_init_report("error")
        else:
            self._log.cut()

    def _write_init_report(self, status: str) -> None:
        duration_ms = self._clock.precise_ms() - self._started_ms
        self._log.write(
            f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: init\tStatus: {status}"
        )
        self.log_tail = self._log.cut()

    def _write_end(self, invocation_id: str, status: str) -> None:
        """Write Lambda's END and REPORT lines."""
        self._invocation = None
        duration_ms = self._clock.precise_ms() - self._dispatched_ms
        used_mb = self._memory.end()
        used = f"\tMax Memory Used: {used_mb} MB" if used_mb is not None else ""
        self._log.write(f"END RequestId: {invocation_id}")
        self._log.write(
            f"REPORT RequestId: {invocation_id}\tDuration: {duration_ms:.2f} ms"
            f"\tBilled Duration: {max(1, math.ceil(duration_ms))} ms"
            f"\tMemory Size: {self._settings.memory_mb} MB{used}{self._init_report}{status}"
        )
        self._init_report = ""
        self.log_tail = self._log.cut()

    def _memory_exceeded(self, used_mb: int) -> None:
        """Kill the processes; what follows is what follows any end of theirs."""
        self._drain()
        limit = f"MemorySize is {self._settings.memory_mb} MB"
        self._log.write(f"[penstock] killed: {used_mb} MB of memory in use, {limit}")
        self._kill()

    def _timestamp(self) -> str:
        moment = dt.datetime.fromtimestamp(self._clock.now().wall_ms / 1000, dt.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
