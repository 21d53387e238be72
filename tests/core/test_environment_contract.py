"""What holds for every order of inputs: each invocation is answered once, within the limits."""

from hypothesis import given, settings
from hypothesis import strategies as st

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
    InitErrorReported,
    InitFailed,
    Input,
    InvocationEnded,
    InvocationRequested,
    RejectInvocation,
    StartEnvironment,
    StopEnvironment,
    StopRequested,
)
from penstock.core.execution_environments import ExecutionEnvironments
from penstock.model.instant import Instant


def test_init_may_take_as_long_as_the_functions_timeout() -> None:
    assert EnvironmentPolicy(1, timeout_ms=60_000).init_ms_max == 60_000


class World:
    """Processes that do anything at any time, and the account of every invocation."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.machine = ExecutionEnvironments(EnvironmentPolicy(concurrency, timeout_ms=3_000))
        self.now_ms = 0
        self.running: dict[int, str | None] = {}
        self.doomed: set[int] = set()
        self.open: set[str] = set()
        self.count = 0

    def feed(self, inp: Input) -> None:
        """Give an input and carry out what is commanded."""
        for command in self.machine.handle(inp, Instant(self.now_ms, self.now_ms)):
            self.carry_out(command)
        assert len(self.running) <= self.concurrency

    def carry_out(self, command: Command) -> None:
        """Check a command against what is so."""
        match command:
            case StartEnvironment(environment_id):
                assert environment_id not in self.running
                self.running[environment_id] = None
            case Dispatch(environment_id, invocation_id):
                assert self.running[environment_id] is None
                assert environment_id not in self.doomed
                self.running[environment_id] = invocation_id
            case StopEnvironment(environment_id):
                self.doomed.add(environment_id)
            case (
                CompleteInvocation(invocation_id)
                | FailInvocation(invocation_id)
                | RejectInvocation(invocation_id)
            ):
                self.open.remove(invocation_id)

    def act(self, action: str, pick: int) -> None:
        """Have something happen, where it can."""
        if action == "request":
            self.count += 1
            self.open.add(f"i{self.count}")
            self.feed(InvocationRequested(f"i{self.count}", f"v{pick % 2}"))
        elif action == "wait":
            self.now_ms = max(self.now_ms, self.machine.deadline_ms() or self.now_ms)
            if self.machine.deadline_ms() is not None:
                self.end_killed()
                self.feed(DeadlineReached())
        elif self.running:
            self.act_in(action, sorted(self.running)[pick % len(self.running)])

    def end_killed(self) -> None:
        """End what was killed."""
        # The machine gives up what outlives its kill; here every killed process is gone by then.
        for environment_id in sorted(self.doomed & set(self.running)):
            self.exit(environment_id)

    def exit(self, environment_id: int) -> None:
        """End a process."""
        del self.running[environment_id]
        self.feed(EnvironmentExited(environment_id, Exited("")))

    def act_in(self, action: str, environment_id: int) -> None:
        """Have a process do something."""
        invocation_id = self.running[environment_id]
        if action == "ready" and invocation_id is None:
            self.feed(EnvironmentReady(environment_id))
        elif action == "end" and invocation_id is not None:
            self.running[environment_id] = None
            self.feed(InvocationEnded(environment_id, invocation_id))
        elif action == "init_failed":
            self.feed(InitFailed(environment_id, InitErrorReported(b"{}")))
        elif action == "exit":
            self.exit(environment_id)


ACTIONS = st.tuples(
    st.sampled_from(["request", "ready", "end", "exit", "init_failed", "wait"]), st.integers(0, 7)
)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3), st.lists(ACTIONS, max_size=60))
def test_every_invocation_is_answered_once_whatever_processes_do(
    concurrency: int, actions: list[tuple[str, int]]
) -> None:
    world = World(concurrency)

    for action, pick in actions:
        world.act(action, pick)
    world.feed(StopRequested(0))
    for _ in range(2 * concurrency + 2):
        world.act("wait", 0)

    assert world.open == set()
    assert world.machine.is_finished()
