"""One function's environments: what is started, dispatched, kept warm and stopped."""

import pytest

from penstock.core.environment_contract import (
    INIT_MS_MIN,
    Command,
    CompleteInvocation,
    DeadlineReached,
    Dispatch,
    EnvironmentExited,
    EnvironmentPolicy,
    EnvironmentReady,
    Exited,
    FailInvocation,
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
from penstock.core.execution_environments import (
    FINISHING_MS_MAX,
    STOPPING_MS_MAX,
    ExecutionEnvironments,
)
from penstock.model.instant import Instant

WALL_MS = 1_700_000_000_000
TIMEOUT_MS = 3_000
IDLE_MS = 60_000
EXIT = Exited("exit status 1")


def at(monotonic_ms: int) -> Instant:
    return Instant(monotonic_ms, WALL_MS + monotonic_ms)


class Function:
    """A machine, and the time that its inputs are given at."""

    def __init__(self, concurrency: int = 1) -> None:
        self.now_ms = 0
        self.machine = ExecutionEnvironments(
            EnvironmentPolicy(concurrency, TIMEOUT_MS, idle_ms_max=IDLE_MS)
        )

    def feed(self, *inputs: Input) -> list[Command]:
        """Give inputs one after another; the commands of the last are the answer."""
        commands: list[Command] = []
        for inp in inputs:
            commands = self.machine.handle(inp, at(self.now_ms))
        return commands

    def wait(self) -> list[Command]:
        """Let time pass until the machine's deadline."""
        deadline_ms = self.machine.deadline_ms()
        assert deadline_ms is not None
        self.now_ms = deadline_ms
        return self.feed(DeadlineReached())

    def warm(self, *environment_ids: int) -> "Function":
        """Have these environments started, and left idle after one invocation each."""
        for i in environment_ids:
            self.feed(InvocationRequested(f"warm-{i}", "v1"))
        for i in environment_ids:
            self.feed(EnvironmentReady(i))
        for i in environment_ids:
            self.feed(InvocationEnded(i, f"warm-{i}"), EnvironmentReady(i))
        return self


def request(invocation_id: str, code: str = "v1") -> InvocationRequested:
    return InvocationRequested(invocation_id, code)


def dispatch(environment_id: int, invocation_id: str, now_ms: int = 0) -> Dispatch:
    return Dispatch(environment_id, invocation_id, WALL_MS + now_ms + TIMEOUT_MS)


def test_first_invocation_starts_an_environment_and_waits_until_it_is_ready() -> None:
    function = Function()

    assert function.feed(request("a")) == [StartEnvironment(1)]
    assert function.feed(EnvironmentReady(1)) == [dispatch(1, "a")]
    assert function.feed(InvocationEnded(1, "a")) == [CompleteInvocation("a")]
    assert function.feed(EnvironmentReady(1)) == []
    assert not function.machine.is_finished()


def test_warm_environment_is_used_again() -> None:
    function = Function().warm(1)

    assert function.feed(request("b")) == [dispatch(1, "b")]


def test_invocation_waits_for_an_environment_that_is_about_to_be_ready() -> None:
    function = Function(concurrency=2)
    function.feed(request("a"), EnvironmentReady(1), InvocationEnded(1, "a"))

    assert function.feed(request("b")) == []
    assert function.feed(EnvironmentReady(1)) == [dispatch(1, "b")]


def test_environments_start_up_to_the_concurrency_and_one_more_invocation_is_rejected() -> None:
    function = Function(concurrency=2)

    assert function.feed(request("a")) == [StartEnvironment(1)]
    assert function.feed(request("b")) == [StartEnvironment(2)]
    assert function.feed(request("c")) == [RejectInvocation("c", is_stopping=False)]


def test_environment_used_last_is_used_first() -> None:
    function = Function(concurrency=2).warm(1, 2)

    assert function.feed(request("b")) == [dispatch(2, "b")]


def test_idle_environment_is_stopped_at_its_limit() -> None:
    function = Function().warm(1)

    assert function.machine.deadline_ms() == IDLE_MS
    assert function.wait() == [StopEnvironment(1, StopReason.IDLE)]
    assert function.feed(EnvironmentExited(1, EXIT)) == []
    assert function.machine.deadline_ms() is None


def test_timed_out_environment_is_stopped_and_never_used_again() -> None:
    function = Function()
    function.feed(request("a"), EnvironmentReady(1))

    assert function.wait() == [
        StopEnvironment(1, StopReason.TIMED_OUT),
        FailInvocation("a", TimedOut(), 1),
    ]
    assert function.feed(InvocationEnded(1, "a"), EnvironmentReady(1)) == []
    assert function.feed(request("b")) == []
    assert function.feed(EnvironmentExited(1, EXIT)) == [StartEnvironment(2)]


def test_deadline_ends_only_what_is_overdue() -> None:
    function = Function(concurrency=2).warm(1, 2)
    function.feed(request("a"))
    function.now_ms = 1
    function.feed(request("b"))

    commands = function.wait()

    assert function.now_ms == TIMEOUT_MS
    assert commands == [
        StopEnvironment(2, StopReason.TIMED_OUT),
        FailInvocation("a", TimedOut(), 2),
    ]


def test_exit_while_busy_fails_the_invocation() -> None:
    function = Function()
    function.feed(request("a"), EnvironmentReady(1))

    assert function.feed(EnvironmentExited(1, EXIT)) == [FailInvocation("a", EXIT, 1)]


@pytest.mark.parametrize("ready_again", [True, False])
def test_exit_between_invocations_harms_none(*, ready_again: bool) -> None:
    function = Function()
    function.feed(request("a"), EnvironmentReady(1), InvocationEnded(1, "a"))
    if ready_again:
        function.feed(EnvironmentReady(1))

    assert function.feed(EnvironmentExited(1, EXIT)) == []
    assert function.feed(request("b")) == [StartEnvironment(2)]


def test_environment_that_never_asks_again_is_stopped() -> None:
    function = Function()
    function.feed(request("a"), EnvironmentReady(1), InvocationEnded(1, "a"))

    assert function.wait() == [StopEnvironment(1, StopReason.NOT_READY_AGAIN)]
    assert function.now_ms == FINISHING_MS_MAX


def test_failed_init_answers_one_invocation_and_the_next_gets_its_own_environment() -> None:
    function = Function(concurrency=2)
    function.feed(request("a"), request("b"))
    error = InitErrorReported(b"{}")

    assert function.feed(InitFailed(1, error)) == [
        StopEnvironment(1, StopReason.INIT_FAILED),
        FailInvocation("a", error, 1),
    ]
    assert function.feed(EnvironmentExited(1, EXIT)) == []
    assert function.feed(EnvironmentExited(2, EXIT)) == [FailInvocation("b", EXIT, 2)]


def test_failing_inits_do_not_spin() -> None:
    function = Function()
    function.feed(request("a"))

    assert function.feed(EnvironmentExited(1, EXIT)) == [FailInvocation("a", EXIT, 1)]
    assert function.machine.deadline_ms() is None


def test_process_that_cannot_be_started_fails_the_invocation() -> None:
    function = Function()
    function.feed(request("a"))
    failure = NotStarted("no such file")

    assert function.feed(EnvironmentExited(1, failure)) == [FailInvocation("a", failure, 1)]


def test_init_that_hangs_ends_at_the_limit_of_lambdas_init_phase() -> None:
    function = Function()
    function.feed(request("a"))

    assert function.wait() == [
        StopEnvironment(1, StopReason.INIT_TIMED_OUT),
        FailInvocation("a", TimedOut(), 1),
    ]
    assert function.now_ms == INIT_MS_MIN


def test_init_failure_without_a_waiting_invocation_only_stops_the_environment() -> None:
    function = Function(concurrency=2).warm(1)
    function.feed(request("b"), request("c"), InvocationEnded(1, "b"), EnvironmentReady(1))

    assert function.feed(InitFailed(2, InitErrorReported(b"{}"))) == [
        StopEnvironment(2, StopReason.INIT_FAILED)
    ]


def test_changed_code_stops_idle_environments_and_starts_one_of_the_new_code() -> None:
    function = Function(concurrency=3).warm(1, 2)

    assert function.feed(request("b", "v2")) == [
        StopEnvironment(1, StopReason.CODE_CHANGED),
        StopEnvironment(2, StopReason.CODE_CHANGED),
        StartEnvironment(3),
    ]


def test_changed_code_stops_a_starting_environment_and_keeps_its_invocation() -> None:
    two = Function(concurrency=2)
    two.feed(request("a"))

    assert two.feed(request("b", "v2")) == [
        StopEnvironment(1, StopReason.CODE_CHANGED),
        StartEnvironment(2),
    ]
    assert two.feed(EnvironmentExited(1, EXIT)) == [StartEnvironment(3)]


def test_busy_environment_of_older_code_ends_its_invocation_and_takes_no_other() -> None:
    function = Function(concurrency=2)
    function.feed(request("a"), EnvironmentReady(1), request("b", "v2"))

    assert function.feed(InvocationEnded(1, "a")) == [CompleteInvocation("a")]
    assert function.feed(EnvironmentReady(1)) == [StopEnvironment(1, StopReason.CODE_CHANGED)]
    assert function.feed(EnvironmentReady(2)) == [dispatch(2, "b")]


def test_late_words_of_a_stopped_environment_are_passed_over() -> None:
    function = Function().warm(1)
    function.wait()

    assert function.feed(InitFailed(1, InitErrorReported(b"{}"))) == []
    assert function.feed(InitFailed(9, InitErrorReported(b"{}"))) == []
    assert function.feed(InvocationEnded(9, "a")) == []
    assert function.feed(EnvironmentReady(9)) == []


def test_process_that_outlives_its_kill_is_given_up() -> None:
    function = Function()
    function.feed(request("a"), EnvironmentReady(1))
    function.wait()
    function.feed(request("b"))

    assert function.wait() == [StartEnvironment(2)]
    assert function.now_ms == TIMEOUT_MS + STOPPING_MS_MAX
    assert function.feed(EnvironmentExited(1, EXIT)) == []


def test_stop_ends_idle_environments_at_once() -> None:
    function = Function().warm(1)

    assert function.feed(StopRequested(1_000)) == [StopEnvironment(1, StopReason.HOST_STOPPED)]
    assert not function.machine.is_finished()
    assert function.feed(EnvironmentExited(1, EXIT)) == []
    assert function.machine.is_finished()


def test_stop_lets_accepted_invocations_end_and_rejects_others() -> None:
    function = Function(concurrency=2)
    function.feed(request("a"), StopRequested(1_000))

    assert function.feed(request("b")) == [RejectInvocation("b", is_stopping=True)]
    assert function.feed(EnvironmentReady(1)) == [dispatch(1, "a")]
    assert function.feed(InvocationEnded(1, "a")) == [
        CompleteInvocation("a"),
        StopEnvironment(1, StopReason.HOST_STOPPED),
    ]


def test_stop_fails_what_is_left_at_the_end_of_the_drain() -> None:
    function = Function(concurrency=2)
    function.feed(request("a"), EnvironmentReady(1), request("b"), StopRequested(1_000))

    assert function.wait() == [
        StopEnvironment(1, StopReason.HOST_STOPPED),
        FailInvocation("a", HostStopped(dispatched=True), 1),
        FailInvocation("b", HostStopped(dispatched=False)),
        StopEnvironment(2, StopReason.HOST_STOPPED),
    ]
