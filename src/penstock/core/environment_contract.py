"""What goes into and comes out of ``core/execution_environments.py``: limits, inputs, commands."""

import enum

import msgspec

IDLE_MS_MAX = 300_000  # AWS keeps environments warm for minutes and documents no number
INIT_MS_MIN = 10_000  # Lambda's init phase; a longer init goes on within the function's timeout


class EnvironmentPolicy(msgspec.Struct, frozen=True):
    """A function's limits.

    Attributes:
        concurrency: At least 1.
        timeout_ms: From dispatch to the answer.
        idle_ms_max: An environment unused for that long is stopped.
    """

    concurrency: int
    timeout_ms: int
    idle_ms_max: int = IDLE_MS_MAX

    @property
    def init_ms_max(self) -> int:
        """How long an environment may take until it is first ready.

        Source: docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
        """
        return max(INIT_MS_MIN, self.timeout_ms)


class StopReason(enum.Enum):
    """Why an environment is stopped."""

    TIMED_OUT = "timed out"
    INIT_FAILED = "init failed"
    INIT_TIMED_OUT = "init timed out"
    NOT_READY_AGAIN = "did not ask for its next invocation"
    IDLE = "idle"
    CODE_CHANGED = "code changed"
    HOST_STOPPED = "host stopped"


# How an invocation failed.


class TimedOut(msgspec.Struct, frozen=True):
    """The timeout passed, in the invocation or in the init that it waited for."""


class Exited(msgspec.Struct, frozen=True):
    """The process ended by itself.

    Attributes:
        status: ``exit status 1``, ``signal: killed``; empty for exit status 0.
    """

    status: str


class InitErrorReported(msgspec.Struct, frozen=True):
    """The runtime reported that init failed; ``error`` is its JSON error object."""

    error: bytes


class NotStarted(msgspec.Struct, frozen=True):
    """The process could not be started, so nothing ran."""

    message: str


class HostStopped(msgspec.Struct, frozen=True):
    """The host was stopped first; ``dispatched`` tells whether the function had begun."""

    dispatched: bool


Failure = TimedOut | Exited | InitErrorReported | NotStarted | HostStopped


# Inputs.


class InvocationRequested(msgspec.Struct, frozen=True):
    """Somebody invokes the function; ``code`` identifies the code as it is on disk now."""

    invocation_id: str
    code: str


class EnvironmentReady(msgspec.Struct, frozen=True):
    """The environment asks for an invocation: init is over, or the last one is."""

    environment_id: int


class InvocationEnded(msgspec.Struct, frozen=True):
    """The function answered, with a result or with its own error."""

    environment_id: int
    invocation_id: str


class InitFailed(msgspec.Struct, frozen=True):
    """The runtime reported a failed init; its process may still run."""

    environment_id: int
    failure: InitErrorReported


class EnvironmentExited(msgspec.Struct, frozen=True):
    """The environment's process is gone, or never was."""

    environment_id: int
    failure: Exited | NotStarted


class StopRequested(msgspec.Struct, frozen=True):
    """Take nothing more; end what runs or waits within ``drain_ms``, then stop it."""

    drain_ms: int


class DeadlineReached(msgspec.Struct, frozen=True):
    """The time of ``deadline_ms`` has come."""


Input = (
    InvocationRequested
    | EnvironmentReady
    | InvocationEnded
    | InitFailed
    | EnvironmentExited
    | StopRequested
    | DeadlineReached
)


# Commands.


class StartEnvironment(msgspec.Struct, frozen=True):
    """Start a process; it is followed by EnvironmentExited in every case."""

    environment_id: int


class Dispatch(msgspec.Struct, frozen=True):
    """Hand the invocation to a ready environment; ``deadline_wall_ms`` is what it is told."""

    environment_id: int
    invocation_id: str
    deadline_wall_ms: int


class StopEnvironment(msgspec.Struct, frozen=True):
    """Kill the environment's processes at once; followed by EnvironmentExited."""

    environment_id: int
    reason: StopReason


class CompleteInvocation(msgspec.Struct, frozen=True):
    """Give the invoker what the function answered."""

    invocation_id: str


class FailInvocation(msgspec.Struct, frozen=True):
    """Tell the invoker that the function gave no answer; the environment is that of the failure."""

    invocation_id: str
    failure: Failure
    environment_id: int | None = None


class RejectInvocation(msgspec.Struct, frozen=True):
    """Refuse the invocation: a throttle, or the host is stopping."""

    invocation_id: str
    is_stopping: bool


Command = (
    StartEnvironment
    | Dispatch
    | StopEnvironment
    | CompleteInvocation
    | FailInvocation
    | RejectInvocation
)
