"""The queue consumer under any sequence of inputs that its commands permit.

Hypothesis plays the world: it holds every command that waits for a completion and chooses which one
ends next, how, and how much later. The invariants are checked after every step.
"""

import msgspec
from builders import FUNCTION_ARN, OTHER_FUNCTION_ARN, QUEUE_ARN, at, message, queue_policy
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from penstock.core import queue_contract as q
from penstock.core.deletions import PENDING_MAX
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.receives import RECEIVES_MAX
from penstock.core.scaling import RampPolicy
from penstock.model.mapping import ProvisionedPollers
from penstock.model.message import (
    BATCH_ENTRIES_MAX,
    DeleteReport,
    Message,
    MessageBatch,
    QueueAttributes,
)
from penstock.model.queue_options import QueueOptions, RetryBackoff

TURNS_MAX = 100  # more inputs at one moment, each leading to the next, would be a loop

FIFO_ARN = f"{QUEUE_ARN}.fifo"
RECEIVES_BEFORE_LAST = 2

options = st.builds(
    QueueOptions,
    fifo_one_group=st.booleans(),
    fifo_strict=st.booleans(),
    heartbeat_s=st.none() | st.integers(10, 60),
    backoff=st.none() | st.builds(RetryBackoff, st.integers(1, 5), st.integers(5, 60)),
    on_failure_arn=st.none() | st.just("arn:aws:sqs:us-east-2:123456789012:failed"),
    max_receive_count=st.none() | st.just(RECEIVES_BEFORE_LAST),
)
policies = st.builds(
    queue_policy,
    function_arn=st.sampled_from([FUNCTION_ARN, OTHER_FUNCTION_ARN]),
    batch_size=st.integers(1, 10),
    maximum_concurrency=st.none() | st.integers(1, 5),
    function_timeout_s=st.none() | st.integers(1, 30),
    report_batch_item_failures=st.booleans(),
    pollers=st.none() | st.just(ProvisionedPollers(2, 3)),
    filters=st.sampled_from([(), (), ('{"body":{"kind":["order"]}}',)]),
    options=options,
)
# Few values, drawn alike: Hypothesis prefers the edges of a range, and most would come to nothing.
shares = st.sampled_from([0.99, 0.75, 0.5, 0.35, 0.1, 0.0])
choices = st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 0.99])
mostly = st.sampled_from([True, True, True, False])


class QueueConsumerWorld(RuleBasedStateMachine):
    """The world of one consumer; ``running`` are the commands that wait for their completion."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.running: list[q.Command] = []
        self.wanted: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.arriving: list[q.SlotsGranted] = []
        self.succeeded: set[str] = set()
        self.message_count = 0
        self.visible_ms: dict[str, int] = {}
        self.asked_ms: dict[int, int] = {}
        self.last_of_group: dict[str, tuple[int, int]] = {}
        self.excluded: set[str] = set()
        self.filtered_out = 0
        self.asked_to_delete: set[str] = set()
        self.is_stopping = False

    @initialize(
        policy=policies,
        initial=st.integers(1, 20),
        timeout_s=st.integers(0, 60),
        queue_arn=st.sampled_from([QUEUE_ARN, FIFO_ARN]),
        window_s=st.sampled_from([0, 0, 1, 60]),
    )
    def start(
        self, policy: q.QueuePolicy, initial: int, timeout_s: int, queue_arn: str, window_s: int
    ) -> None:
        self.queue_arn = queue_arn
        self.window_s = 0 if queue_arn == FIFO_ARN else window_s
        self.policy = policy = self.fitting(policy)
        self.timeout_s = timeout_s
        self.machine = QueueConsumer(policy, RampPolicy(initial=initial))
        self.feed(q.Started())
        self.feed(self.completion(self.running.pop(), 0.0, is_well=True))
        self.feed(self.completion(self.running.pop(), 0.99, is_well=True))

    def fitting(self, policy: q.QueuePolicy) -> q.QueuePolicy:
        """Fit a policy to the queue; a window has larger batches."""
        batch_size = policy.batch_size * (5 if self.window_s else 1)
        return msgspec.structs.replace(
            policy,
            queue_arn=self.queue_arn,
            batching_window_s=self.window_s,
            batch_size=batch_size,
        )

    def feed(self, inp: q.Input) -> None:
        """Feed an input and take the commands in."""
        if isinstance(inp, q.MessagesReceived) and self.policy.filters:
            left_out = {each.message_id for each in inp.messages if not is_order(each)}
            self.excluded |= left_out
            self.succeeded |= left_out
        for command in self.machine.handle(inp, at(self.now_ms)):
            self.take(command)
        assert self.filtered_out == len(self.excluded)
        deadline_ms = self.machine.deadline_ms()
        assert deadline_ms is None or deadline_ms > self.now_ms, "the driver would spin"

    def take(self, command: q.Command) -> None:
        """Check a command and keep what it starts."""
        match command:
            case q.RequestSlots(function_arn, count):
                self.wanted[function_arn] = count
            case q.ReturnSlots(function_arn, count):
                assert 0 < count <= self.held.get(function_arn, 0), "slots returned twice"
                self.held[function_arn] -= count
            case q.ReportFilteredOut(count):
                self.filtered_out += count
            case q.AbandonReceives() | q.Forget():
                pass
            case _:
                self.check(command)
                self.running.append(command)

    def check(self, command: q.Command) -> None:
        """Check what the contract says of a command."""
        match command:
            case q.Invoke(batch):
                assert not self.is_stopping
                assert 1 <= len(batch.messages) <= (50 if self.window_s else 10)
                for each in batch.messages:
                    assert self.now_ms < self.visible_ms[each.message_id], "it may be elsewhere"
                    assert each.message_id not in self.excluded, "no filter lets it through"
                self.check_groups(batch)
            case q.DeleteMessages(messages):
                assert 1 <= len(messages) <= BATCH_ENTRIES_MAX
                assert {each.message_id for each in messages} <= self.succeeded
                self.asked_to_delete |= {each.message_id for each in messages}
            case q.Receive(_, max_messages, wait_s):
                assert not self.is_stopping
                assert 1 <= max_messages <= BATCH_ENTRIES_MAX
                assert 0 <= wait_s <= 20
            case q.ExtendVisibility(renewal_id, messages):
                assert 1 <= len(messages) <= BATCH_ENTRIES_MAX
                self.check_not_extended(messages)
                self.asked_ms[renewal_id] = self.now_ms
            case q.ChangeVisibility(changes):
                assert 1 <= len(changes) <= BATCH_ENTRIES_MAX
                self.check_not_extended(tuple(change.message for change in changes))
            case _:
                pass

    def check_groups(self, invoked: MessageBatch) -> None:
        """A message group of a FIFO queue has one batch in flight, and keeps its order."""
        if self.queue_arn != FIFO_ARN:
            return
        running = [each.batch for each in self.running if isinstance(each, q.Invoke)]
        busy = {each.group for batch in running for each in batch.messages}
        assert busy.isdisjoint({each.group for each in invoked.messages})
        for each in invoked.messages:
            number = int(each.message_id[1:])
            batch_id, last = self.last_of_group.get(each.group, (0, -1))
            assert number > last or batch_id == invoked.id, "it overtakes"
            self.last_of_group[each.group] = (invoked.id, max(number, last))

    def check_not_extended(self, messages: tuple[Message, ...]) -> None:
        """No extension of these is under way: which of two calls lands last is not known."""
        calls = [each for each in self.running if isinstance(each, q.ExtendVisibility)]
        extended = {each.message_id for call in calls for each in call.messages}
        assert extended.isdisjoint({each.message_id for each in messages})

    @rule(delay_ms=st.integers(0, 40_000))
    def wait(self, delay_ms: int) -> None:
        """Let time pass; every deadline on the way is met."""
        until_ms = self.now_ms + delay_ms
        while (deadline_ms := self.machine.deadline_ms()) is not None and deadline_ms <= until_ms:
            self.now_ms = deadline_ms
            self.feed(q.DeadlineReached())
        self.now_ms = until_ms

    @precondition(lambda self: self.running)
    @rule(choice=choices, is_well=mostly, share=shares)
    def complete(self, choice: float, share: float, *, is_well: bool) -> None:
        """End one running command, well or not."""
        command = self.running.pop(int(choice * len(self.running)))
        self.feed(self.completion(command, share, is_well=is_well))

    def completion(self, command: q.Command, share: float, *, is_well: bool) -> q.Input:
        """Make the completion of a command; ``share`` says how much of it went well."""
        match command:
            case q.DeleteMessages(messages, attempt):
                cut = round(share * len(messages)) if is_well else 0
                return q.DeleteEnded(DeleteReport(messages[:cut], messages[cut:]), attempt)
            case q.ChangeVisibility(changes):
                return q.VisibilityChanged(len(changes))
            case q.SendToDestination(_, discard):
                if not is_well:
                    return q.DestinationFailed(discard.id, "no answer", is_final=share < 0.3)
                self.succeeded.add(discard.message.message_id)
                return q.DestinationAccepted(discard.id)
            case q.Invoke():
                return self.invocation_end(command, share, is_well=is_well)
        return self.success(command, share) if is_well else failure(command)

    def success(self, command: q.Command, share: float) -> q.Input:
        """Let a call of the source succeed."""
        match command:
            case q.Receive(receive_id, max_messages):
                received = self.draw(round(share * max_messages))
                # The server hid them a while before its answer was read.
                hidden_ms = max(1, command.visibility_timeout_s or self.timeout_s) * 950
                self.hide(received, self.now_ms + hidden_ms)
                return q.MessagesReceived(receive_id, received)
            case q.ExtendVisibility(renewal_id, messages, timeout_s):
                self.hide(messages, self.asked_ms[renewal_id] + timeout_s * 1_000)
                return q.VisibilityExtended(renewal_id)
        return q.QueueDescribed(QueueAttributes(self.timeout_s))

    def hide(self, messages: tuple[Message, ...], until_ms: int) -> None:
        """Hide messages until then."""
        self.visible_ms.update((each.message_id, until_ms) for each in messages)

    def invocation_end(self, command: q.Invoke, share: float, *, is_well: bool) -> q.Input:
        """Draw how an invocation ends."""
        batch, ids = command.batch, [each.message_id for each in command.batch.messages]
        if not is_well:
            if share < 0.3:
                return q.InvocationFailed(batch, "raised")
            if share < 0.4:
                return q.InvocationOutcomeUnknown(batch, "cut")
            return q.InvocationRejected(batch, "busy", is_throttle=share < 0.8)
        failed = frozenset(ids[: int(share * len(ids))])
        self.succeeded |= set(ids) - failed
        if failed:
            return q.InvocationPartiallyFailed(batch, failed)
        return q.InvocationSucceeded(batch)

    def draw(self, count: int) -> tuple[Message, ...]:
        """Make messages that nobody has seen."""
        first = self.message_count
        self.message_count += count
        return tuple(
            message(f"m{number}", body_of(number), attributes=attributes_of(number))
            for number in range(first, first + count)
        )

    @precondition(lambda self: any(self.wanted.values()))
    @rule(share=shares, choice=choices)
    def grant(self, share: float, choice: float) -> None:
        """Grant some of the slots that are wanted."""
        wanted = [function_arn for function_arn, count in self.wanted.items() if count]
        function_arn = wanted[int(choice * len(wanted))]
        count = 1 + int(share * self.wanted[function_arn])
        count = min(count, self.wanted[function_arn])
        self.wanted[function_arn] -= count
        self.held[function_arn] = self.held.get(function_arn, 0) + count
        self.arriving.append(q.SlotsGranted(function_arn, count))

    @precondition(lambda self: self.arriving)
    @rule()
    def arrive(self) -> None:
        """Let the oldest grant reach the consumer: its policy may have changed meanwhile."""
        self.feed(self.arriving.pop(0))

    @rule(policy=policies)
    def change_policy(self, policy: q.QueuePolicy) -> None:
        """Update the mapping."""
        self.policy = self.fitting(policy)
        self.feed(q.PolicyChanged(self.policy))

    @precondition(lambda self: not self.is_stopping)
    @rule(is_abandoning=st.booleans(), is_spared=mostly)
    def stop(self, *, is_abandoning: bool, is_spared: bool) -> None:
        """Ask for a stop, now and then."""
        if not is_spared:
            self.is_stopping = True
            self.feed(q.StopRequested(is_abandoning))

    @invariant()
    def keeps_within_limits(self) -> None:
        """In flight, receiving and deleting stay within their bounds."""
        receiving = [each for each in self.running if isinstance(each, q.Receive)]
        assert len(receiving) <= RECEIVES_MAX
        described = [each for each in self.running if isinstance(each, q.DescribeQueue)]
        assert len(described) <= 1
        deleting = [each for each in self.running if isinstance(each, q.DeleteMessages)]
        assert sum(len(each.messages) for each in deleting) <= PENDING_MAX + 10_000

    @invariant()
    def invokes_with_slots_only(self) -> None:
        """Every invocation in flight holds a slot of its own function."""
        for function_arn in (FUNCTION_ARN, OTHER_FUNCTION_ARN):
            running = [
                each
                for each in self.running
                if isinstance(each, q.Invoke) and each.function_arn == function_arn
            ]
            assert len(running) <= self.held.get(function_arn, 0)

    def teardown(self) -> None:
        """Everything ends: after a stop, when every command has ended, nothing is left."""
        if not hasattr(self, "machine"):
            return
        if not self.is_stopping:
            self.is_stopping = True
            self.feed(q.StopRequested())
        while self.arriving:
            self.arrive()
        for _ in range(TURNS_MAX):
            while self.running:
                self.feed(self.completion(self.running.pop(), 0.999, is_well=True))
            if self.machine.is_finished():
                break
            self.wait(10_000)
        assert self.machine.is_finished()
        assert not any(self.held.values()), "slots are left"
        assert self.excluded <= self.asked_to_delete


def attributes_of(number: int) -> msgspec.Raw:
    """Draw a message's group and receive count by its number."""
    counts = {
        "MessageGroupId": f"g{number % 4}",
        "ApproximateReceiveCount": str(1 + number % (RECEIVES_BEFORE_LAST + 1)),
    }
    return msgspec.Raw(msgspec.json.encode(counts))


def body_of(number: int) -> str:
    """Draw a message's body by its number: every third is an order's."""
    return '{"kind":"%s"}' % ("order" if number % 3 == 0 else "offer")


def is_order(received: Message) -> bool:
    """Tell whether a message is an order's, by its id alone."""
    return int(received.message_id[1:]) % 3 == 0


def failure(command: q.Command) -> q.Input:
    """Let a call of the source fail."""
    match command:
        case q.Receive(receive_id):
            return q.ReceiveFailed(receive_id, "no answer")
        case q.ExtendVisibility(renewal_id):
            return q.ExtendVisibilityFailed(renewal_id, "no answer")
    return q.DescribeFailed("no answer")


def test_consumer_keeps_its_invariants_whatever_the_world_does() -> None:
    run_state_machine_as_test(
        QueueConsumerWorld, settings=settings(max_examples=150, stateful_step_count=60)
    )
