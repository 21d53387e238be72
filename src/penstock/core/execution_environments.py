"""One function's execution environments: start, dispatch, keep warm, stop.

::

                 EnvironmentReady            Dispatch             InvocationEnded
    (start) STARTING ---------> IDLE -------------------> BUSY ------------------> FINISHING
               |                 | ^                        |                        |  |
               | init failed,    | |     EnvironmentReady   | timed out              |  |
               | init too long   | +------------------------|------------------------+  |
               v                 v  idle, older code        v        never ready again  |
            STOPPING <----------------------------------------------------------------+
               |  EnvironmentExited, or it outlived its kill
               v
             (gone)

1. An environment runs one invocation at a time and takes the next only after it said it is ready.
2. An environment that timed out or reported a failed init is never used again.
3. Environments that are not gone, stopping ones included, are at most ``concurrency``.
4. Invocations that run or wait are at most ``concurrency``; one more is rejected as a throttle.
5. Every accepted invocation is completed or failed exactly once.
6. An init that fails answers exactly one waiting invocation, so failing inits never spin.
7. The code of the latest request counts: environments of other code take no further invocation.
   (Code stands for all that a process cannot change while it runs: its credentials, too.)
8. The environment used last is used first, so that the surplus becomes idle and is reaped.
"""

import enum
from typing import assert_never

import msgspec

from penstock.core.environment_contract import (
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
    StopReason,
    StopRequested,
    TimedOut,
)
from penstock.model.instant import Instant

FINISHING_MS_MAX = 10_000  # between an answer and the next poll the client runs none of our code
STOPPING_MS_MAX = 10_000  # a killed process that is still there hangs in the kernel: give it up


class Phase(enum.Enum):
    """Where an environment stands; the module's diagram has the transitions."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    FINISHING = "finishing"
    STOPPING = "stopping"


class _Environment(msgspec.Struct):
    """State of one environment; ``invocation_id`` is set while BUSY."""

    id: int
    code: str
    phase: Phase
    deadline_ms: int
    invocation_id: str | None = None


class ExecutionEnvironments:
    """Decides for all environments of one function."""

    def __init__(self, policy: EnvironmentPolicy) -> None:
        assert policy.concurrency >= 1
        self._policy = policy
        self._code = ""
        self._waiting: list[str] = []
        self._started_count = 0
        self._stop_at_ms: int | None = None
        # Each phase's time limit is constant, so each of these is ordered by deadline.
        self._by_phase: dict[Phase, dict[int, _Environment]] = {phase: {} for phase in Phase}
        self._environments: dict[int, _Environment] = {}

    def handle(self, inp: Input, now: Instant) -> list[Command]:
        """Take one input in; give back what must be done."""
        commands: list[Command] = []
        match inp:
            case InvocationRequested(invocation_id, code):
                commands += self._accept(invocation_id, code, now)
            case EnvironmentReady(environment_id):
                self._make_idle(environment_id, now)
            case InvocationEnded(environment_id, invocation_id):
                commands += self._complete(environment_id, invocation_id, now)
            case InitFailed(environment_id, failure):
                commands += self._fail_init(environment_id, failure, now)
            case EnvironmentExited(environment_id, exit_failure):
                commands += self._remove(environment_id, exit_failure)
            case StopRequested(drain_ms):
                self._stop_at_ms = now.monotonic_ms + drain_ms
            case DeadlineReached():
                commands += self._end_overdue(now)
            case _ as never:
                assert_never(never)
        commands += self._advance(now)
        self._check_invariants()
        return commands

    def deadline_ms(self) -> int | None:
        """Monotonic time at which the earliest phase of an environment has lasted too long."""
        first = [next(iter(of.values())).deadline_ms for of in self._by_phase.values() if of]
        if self._stop_at_ms is not None:
            first.append(self._stop_at_ms)
        return min(first, default=None)

    def is_finished(self) -> bool:
        """Tell whether the host was stopped and nothing is left."""
        return self._stop_at_ms is not None and not self._environments and not self._waiting

    def _accept(self, invocation_id: str, code: str, now: Instant) -> list[Command]:
        is_stopping = self._stop_at_ms is not None
        in_flight = len(self._waiting) + len(self._by_phase[Phase.BUSY])
        if is_stopping or in_flight >= self._policy.concurrency:
            return [RejectInvocation(invocation_id, is_stopping=is_stopping)]
        self._code = code
        self._waiting.append(invocation_id)
        return [
            self._stop(environment, StopReason.CODE_CHANGED, now)
            for phase in (Phase.STARTING, Phase.IDLE)
            for environment in list(self._by_phase[phase].values())
            if environment.code != code
        ]

    def _make_idle(self, environment_id: int, now: Instant) -> None:
        environment = self._environments.get(environment_id)
        if environment is not None and environment.phase in (Phase.STARTING, Phase.FINISHING):
            self._move(environment, Phase.IDLE, now.monotonic_ms + self._policy.idle_ms_max)

    def _complete(self, environment_id: int, invocation_id: str, now: Instant) -> list[Command]:
        environment = self._environments.get(environment_id)
        if environment is None or environment.invocation_id != invocation_id:
            return []  # It answered after its timeout; the invocation has failed already.
        environment.invocation_id = None
        self._move(environment, Phase.FINISHING, now.monotonic_ms + FINISHING_MS_MAX)
        return [CompleteInvocation(invocation_id)]

    def _fail_init(
        self, environment_id: int, failure: InitErrorReported, now: Instant
    ) -> list[Command]:
        environment = self._environments.get(environment_id)
        if environment is None or environment.phase is not Phase.STARTING:
            return []
        stop = self._stop(environment, StopReason.INIT_FAILED, now)
        return [stop, *self._fail_first_waiting(environment_id, failure)]

    def _remove(self, environment_id: int, failure: Exited | NotStarted) -> list[Command]:
        environment = self._environments.pop(environment_id, None)
        if environment is None:
            return []
        del self._by_phase[environment.phase][environment_id]
        if environment.invocation_id is not None:
            return [FailInvocation(environment.invocation_id, failure, environment_id)]
        if environment.phase is Phase.STARTING:
            return self._fail_first_waiting(environment_id, failure)
        return []

    def _fail_first_waiting(self, environment_id: int, failure: Failure) -> list[Command]:
        if not self._waiting:
            return []
        return [FailInvocation(self._waiting.pop(0), failure, environment_id)]

    def _end_overdue(self, now: Instant) -> list[Command]:
        commands: list[Command] = []
        for of_phase in self._by_phase.values():
            for environment in list(of_phase.values()):
                if environment.deadline_ms > now.monotonic_ms:
                    break
                commands += self._end_phase(environment, now)
        if self._stop_at_ms is not None and now.monotonic_ms >= self._stop_at_ms:
            commands += self._end_drain(now)
        return commands

    def _end_phase(self, environment: _Environment, now: Instant) -> list[Command]:
        match environment.phase:
            case Phase.STARTING:
                stop = self._stop(environment, StopReason.INIT_TIMED_OUT, now)
                return [stop, *self._fail_first_waiting(environment.id, TimedOut())]
            case Phase.IDLE:
                return [self._stop(environment, StopReason.IDLE, now)]
            case Phase.BUSY:
                return self._abort(environment, StopReason.TIMED_OUT, TimedOut(), now)
            case Phase.FINISHING:
                return [self._stop(environment, StopReason.NOT_READY_AGAIN, now)]
            case Phase.STOPPING:
                del self._by_phase[Phase.STOPPING][environment.id]
                del self._environments[environment.id]
                return []
            case _ as never:
                assert_never(never)

    def _end_drain(self, now: Instant) -> list[Command]:
        """Stop what the drain limit left over."""
        self._stop_at_ms = now.monotonic_ms + STOPPING_MS_MAX
        commands: list[Command] = []
        for environment in list(self._by_phase[Phase.BUSY].values()):
            failure = HostStopped(dispatched=True)
            commands += self._abort(environment, StopReason.HOST_STOPPED, failure, now)
        commands += [
            FailInvocation(invocation_id, HostStopped(dispatched=False))
            for invocation_id in self._waiting
        ]
        self._waiting.clear()
        return commands

    def _abort(
        self, environment: _Environment, reason: StopReason, failure: Failure, now: Instant
    ) -> list[Command]:
        invocation_id = environment.invocation_id
        assert invocation_id is not None
        stop = self._stop(environment, reason, now)
        return [stop, FailInvocation(invocation_id, failure, environment.id)]

    def _stop(self, environment: _Environment, reason: StopReason, now: Instant) -> StopEnvironment:
        environment.invocation_id = None
        self._move(environment, Phase.STOPPING, now.monotonic_ms + STOPPING_MS_MAX)
        return StopEnvironment(environment.id, reason)

    def _advance(self, now: Instant) -> list[Command]:
        """Start all new work, and stop what no work is left for."""
        commands: list[Command] = []
        idle = self._by_phase[Phase.IDLE]
        while self._waiting and idle:
            environment = self._environments[next(reversed(idle))]
            if environment.code == self._code:
                commands.append(self._dispatch(environment, self._waiting.pop(0), now))
            else:
                commands.append(self._stop(environment, StopReason.CODE_CHANGED, now))
        commands += self._start_missing(now)
        if self._stop_at_ms is not None and not self._waiting:
            commands += [
                self._stop(environment, StopReason.HOST_STOPPED, now)
                for phase in (Phase.STARTING, Phase.IDLE, Phase.FINISHING)
                for environment in list(self._by_phase[phase].values())
            ]
        return commands

    def _dispatch(self, environment: _Environment, invocation_id: str, now: Instant) -> Dispatch:
        environment.invocation_id = invocation_id
        deadline = now.plus_ms(self._policy.timeout_ms)
        self._move(environment, Phase.BUSY, deadline.monotonic_ms)
        return Dispatch(environment.id, invocation_id, deadline.wall_ms)

    def _start_missing(self, now: Instant) -> list[Command]:
        coming = len(self._by_phase[Phase.STARTING]) + len(self._by_phase[Phase.FINISHING])
        free = self._policy.concurrency - len(self._environments)
        commands: list[Command] = []
        for _ in range(min(len(self._waiting) - coming, free)):
            self._started_count += 1
            environment = _Environment(
                id=self._started_count,
                code=self._code,
                phase=Phase.STARTING,
                deadline_ms=now.monotonic_ms + self._policy.init_ms_max,
            )
            self._environments[environment.id] = environment
            self._by_phase[Phase.STARTING][environment.id] = environment
            commands.append(StartEnvironment(environment.id))
        return commands

    def _move(self, environment: _Environment, phase: Phase, deadline_ms: int) -> None:
        del self._by_phase[environment.phase][environment.id]
        environment.phase = phase
        environment.deadline_ms = deadline_ms
        self._by_phase[phase][environment.id] = environment

    def _check_invariants(self) -> None:
        concurrency = self._policy.concurrency
        assert len(self._environments) <= concurrency
        assert len(self._waiting) + len(self._by_phase[Phase.BUSY]) <= concurrency
        assert not (self._waiting and self._by_phase[Phase.IDLE])
