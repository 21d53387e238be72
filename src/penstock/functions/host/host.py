"""One function on this machine: its machine, its environments, its invokers."""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, assert_never

import msgspec

from penstock.aws.signer import Credentials
from penstock.core.environment_contract import (
    IDLE_MS_MAX,
    Command,
    CompleteInvocation,
    DeadlineReached,
    Dispatch,
    EnvironmentExited,
    EnvironmentPolicy,
    EnvironmentReady,
    Exited,
    FailInvocation,
    Failure,
    HostStopped,
    InitErrorReported,
    InitFailed,
    Input,
    InvocationEnded,
    InvocationRequested,
    NotStarted,
    RejectInvocation,
    StartEnvironment,
    StopEnvironment,
    StopRequested,
    TimedOut,
)
from penstock.core.execution_environments import ExecutionEnvironments
from penstock.driver import Driver
from penstock.functions.host.code_version import CodeVersion
from penstock.functions.host.environment import Environment, Invocation
from penstock.functions.host.failures import error_payload
from penstock.functions.host.launch import ProcessSettings
from penstock.functions.host.log_capture import LogCapture, LogSink, StreamLogs
from penstock.functions.host.role import HostRole, credential_variables
from penstock.functions.host.runtimes import default_interpreter, runtime_family
from penstock.functions.host.variables import environment_variables
from penstock.model.errors import (
    ConfigurationError,
    InvocationOutcomeUnknownError,
    InvokeError,
    InvokeRefusedError,
    InvokeThrottledError,
    InvokeUnavailableError,
)
from penstock.model.function import (
    PAYLOAD_BYTES_MAX,
    Function,
    FunctionErrorKind,
    FunctionResult,
    LocalProcess,
)
from penstock.model.function_log import FunctionLogStream, log_group
from penstock.ports import PreciseClock


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the service decides for all local functions.

    Attributes:
        inherited_environment: The service's own; only what a process needs to run is passed on.
        extra_environment: Added for every function, below what the function declares.
        nodejs_client: The folder in which npm installed the Node.js runtime client, if not beside
            the service.
        idle_ms_max: An environment unused for that long is stopped.
    """

    inherited_environment: Mapping[str, str] = {}
    extra_environment: Mapping[str, str] = {}
    nodejs_client: str | None = None
    idle_ms_max: int = IDLE_MS_MAX


class _Waiting(msgspec.Struct, frozen=True):
    """An invocation and its invoker."""

    function_arn: str
    payload: bytes
    result: asyncio.Future[FunctionResult]


class FunctionHost:
    """Runs one function of hosting ``LocalProcess``; its first invocation starts it.

    Args:
        function: The configuration; a changed one needs a host of its own.
        clock: Its monotonic time must be the running loop's.
        draw_request_id: Gives a fresh UUID.
        log: Takes the function's name and one line of its log; must not block.
        settings: What the service decides.
        role: Gives the credentials for its processes; None: they are given none.
        logs: Takes each line too, for its environment's log stream; must not block either.
    """

    def __init__(  # noqa: PLR0913 - a function, and what the service gives it
        self,
        function: Function,
        *,
        clock: PreciseClock,
        draw_request_id: Callable[[], str],
        log: LogSink,
        settings: HostSettings,
        role: HostRole | None = None,
        logs: StreamLogs | None = None,
    ) -> None:
        if not isinstance(function.hosting, LocalProcess):
            raise ConfigurationError(f"function {function.name} does not run on this machine")
        self._function = function
        self._clock = clock
        self._draw_id = draw_request_id
        self._log = log
        self._process_settings = _process_settings(function, function.hosting, settings)
        self._logs = logs
        self._role = role
        self._credentials: Credentials | None = None
        self._code = CodeVersion(function.hosting.code, self._process_settings.family, clock)
        self._invocations: dict[str, _Waiting] = {}
        self._answers: dict[str, FunctionResult] = {}
        self._environments: dict[int, Environment] = {}
        self._running: asyncio.Task[None] | None = None
        self._is_stopping = False
        policy = EnvironmentPolicy(
            concurrency=function.concurrency,
            timeout_ms=function.timeout_s * 1000,
            idle_ms_max=settings.idle_ms_max,
        )
        self._driver: Driver[Input, Command] = Driver(
            ExecutionEnvironments(policy),
            self._carry_out,
            clock=clock,
            deadline_reached=DeadlineReached(),
        )

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Run the function once; cancelling leaves it running to its end.

        Args:
            function_arn: What the handler sees as ``invoked_function_arn``.
            payload: The event, at most ``PAYLOAD_BYTES_MAX``.

        Raises:
            InvokeThrottledError: ``concurrency`` invocations are in flight.
            InvokeUnavailableError: The process cannot be started, or the host stopped before; or
                the role's credentials did not come.
            InvokeAccessDeniedError: The role cannot be assumed.
            InvokeRefusedError: The payload is too large.
            InvocationOutcomeUnknownError: The host stopped while the function ran.
        """
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise InvokeRefusedError(
                f"{len(payload)} bytes of payload; Lambda takes at most {PAYLOAD_BYTES_MAX}"
            )
        code = await self._read_version()
        if self._is_stopping or self.is_stopped:
            raise self._stopped_error()
        invocation_id = self._draw_id()
        result: asyncio.Future[FunctionResult] = asyncio.get_running_loop().create_future()
        self._invocations[invocation_id] = _Waiting(function_arn, payload, result)
        self._feed(InvocationRequested(invocation_id, code))
        return await result

    def request_stop(self, drain_s: float) -> None:
        """Take no invocation more; end by itself when those in flight ended, or ``drain_s`` on."""
        self._is_stopping = True
        if self._running is not None:
            self._driver.send(StopRequested(int(drain_s * 1000)))

    async def stop(self, drain_s: float) -> None:
        """Request the stop and wait for it; no process of the function is left."""
        self.request_stop(drain_s)
        if self._running is not None:
            await self._running

    @property
    def is_stopped(self) -> bool:
        """Tell whether this host takes no invocation any more, and runs nothing."""
        return self._is_stopping if self._running is None else self._running.done()

    def environment_ready(self, environment_id: int) -> None:
        """Keep ``EnvironmentListener``."""
        self._driver.send(EnvironmentReady(environment_id))

    def init_failed(self, environment_id: int, failure: InitErrorReported) -> None:
        """Keep ``EnvironmentListener``."""
        self._driver.send(InitFailed(environment_id, failure))

    def invocation_answered(self, environment_id: int, result: FunctionResult) -> None:
        """Keep ``EnvironmentListener``."""
        self._answers[result.request_id] = result
        self._driver.send(InvocationEnded(environment_id, result.request_id))

    async def _read_version(self) -> str:
        """Identify the code and the credentials that the next process gets.

        Processes with others are replaced between invocations.
        """
        code = await self._code.read()
        if self._role is None:
            return code
        self._credentials = await self._role.find()
        return f"{code}/{self._credentials.access_key}"

    def _feed(self, inp: InvocationRequested) -> None:
        if self._running is None:
            name = f"function {self._function.name}"
            self._running = asyncio.create_task(self._run(inp), name=name)
        else:
            self._driver.send(inp)

    async def _run(self, first: InvocationRequested) -> None:
        try:
            await self._driver.run(first)
        finally:
            for waiting in self._invocations.values():
                if not waiting.result.done():
                    waiting.result.set_exception(self._stopped_error())
            self._invocations.clear()

    def _carry_out(self, command: Command) -> Coroutine[Any, Any, Input | None] | None:
        match command:
            case StartEnvironment(environment_id):
                stream = self._name_log_stream()
                environment = self._start_environment(environment_id, stream)
                return self._run_environment(environment_id, environment, stream)
            case Dispatch(environment_id, invocation_id, deadline_wall_ms):
                waiting = self._invocations[invocation_id]
                self._environments[environment_id].dispatch(
                    Invocation(
                        invocation_id, waiting.function_arn, waiting.payload, deadline_wall_ms
                    )
                )
            case StopEnvironment(environment_id, reason):
                self._environments[environment_id].stop(reason)
            case CompleteInvocation(invocation_id):
                self._settle(invocation_id, self._answers[invocation_id])
            case FailInvocation(invocation_id, failure, environment_id):
                self._settle(invocation_id, self._outcome(invocation_id, failure, environment_id))
            case RejectInvocation(invocation_id, is_stopping):
                error = self._stopped_error() if is_stopping else self._throttled_error()
                self._settle(invocation_id, error)
            case _ as never:
                assert_never(never)
        return None

    def _start_environment(self, environment_id: int, stream: FunctionLogStream) -> Environment:
        # An ended environment is kept until the next one starts: the failure that its end causes
        # is given its log.
        self._environments = {i: e for i, e in self._environments.items() if not e.is_over}
        environment = Environment(
            environment_id,
            self._process_settings,
            log=LogCapture(self._function.name, self._sink_of(stream)),
            clock=self._clock,
            listener=self,
        )
        self._environments[environment_id] = environment
        return environment

    async def _run_environment(
        self, environment_id: int, environment: Environment, stream: FunctionLogStream
    ) -> EnvironmentExited:
        variables = credential_variables(self._credentials)
        try:
            ended = await environment.run({"AWS_LAMBDA_LOG_STREAM_NAME": stream.name, **variables})
        finally:
            if self._logs is not None:
                self._logs.end(stream)
        return EnvironmentExited(environment_id, ended)

    def _name_log_stream(self) -> FunctionLogStream:
        """Name the log stream of an environment that starts now."""
        function = self._function
        moment = dt.datetime.fromtimestamp(self._clock.now().wall_ms / 1000, dt.UTC)
        return FunctionLogStream(
            function_arn=f"{function.arn}:{function.version}",
            region=function.scope.region,
            group=log_group(function.name),
            name=f"{moment:%Y/%m/%d}/[{function.version}]{self._draw_id().replace('-', '')}",
        )

    def _sink_of(self, stream: FunctionLogStream) -> LogSink:
        logs = self._logs
        if logs is None:
            return self._log

        def take(function_name: str, line: str) -> None:
            self._log(function_name, line)
            logs.write(stream, line)

        return take

    def _outcome(
        self, invocation_id: str, failure: Failure, environment_id: int | None
    ) -> FunctionResult | InvokeError:
        name = self._function.name
        match failure:
            case TimedOut() | Exited():
                payload = error_payload(failure, invocation_id, self._function.timeout_s)
            case InitErrorReported(error):
                payload = error
            case NotStarted(message):
                return InvokeUnavailableError(f"function {name}: {message}")
            case HostStopped(dispatched):
                text = f"function {name} was stopped before it ended"
                return InvocationOutcomeUnknownError(text) if dispatched else self._stopped_error()
            case _ as never:
                assert_never(never)
        tail = self._environments[environment_id].log_tail if environment_id is not None else b""
        return FunctionResult(
            payload=payload,
            function_error=FunctionErrorKind.UNHANDLED,
            executed_version=self._function.version,
            log_tail=tail,
            request_id=invocation_id,
        )

    def _settle(self, invocation_id: str, outcome: FunctionResult | InvokeError) -> None:
        self._answers.pop(invocation_id, None)
        result = self._invocations.pop(invocation_id).result
        if result.done():
            return  # The invoker was cancelled.
        if isinstance(outcome, InvokeError):
            result.set_exception(outcome)
        else:
            result.set_result(outcome)

    def _stopped_error(self) -> InvokeUnavailableError:
        return InvokeUnavailableError(f"function {self._function.name} was stopped")

    def _throttled_error(self) -> InvokeThrottledError:
        name, concurrency = self._function.name, self._function.concurrency
        return InvokeThrottledError(
            f"function {name} runs {concurrency} invocations already; raise its concurrency"
        )


def _process_settings(
    function: Function, hosting: LocalProcess, settings: HostSettings
) -> ProcessSettings:
    family = runtime_family(hosting.runtime)
    interpreter = hosting.interpreter or default_interpreter(family)
    return ProcessSettings(
        function_name=function.name,
        version=function.version,
        family=family,
        interpreter=interpreter,
        nodejs_client=settings.nodejs_client,
        handler=hosting.handler,
        code=hosting.code,
        memory_mb=function.memory_mb,
        timeout_s=function.timeout_s,
        variables=environment_variables(
            function,
            hosting,
            interpreter=interpreter,
            inherited=settings.inherited_environment,
            extra=settings.extra_environment,
        ),
    )
