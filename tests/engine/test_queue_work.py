"""What each command of a queue consumer does, and which input it comes back as."""

import asyncio
from typing import Any

import msgspec
import pytest
from engine_fakes import FUNCTION, QUEUE_ARN, Engine, run

from penstock.core import queue_contract as q
from penstock.engine.queue_work import QueueWork
from penstock.model.errors import (
    DestinationUnavailableError,
    FunctionNotFoundError,
    InvocationOutcomeUnknownError,
    InvokeRefusedError,
    InvokeThrottledError,
    SourceAccessDeniedError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from penstock.model.failure import InvocationTrace, MessageDiscard
from penstock.model.function import PAYLOAD_BYTES_MAX, FunctionResult
from penstock.model.message import (
    DeleteReport,
    Message,
    MessageBatch,
    QueueAttributes,
    VisibilityChange,
)

GONE = SourceUnavailableError("gone")


def a_message(message_id: str = "m1", body: str = "hello") -> Message:
    return Message(message_id, f"handle-{message_id}", msgspec.Raw(msgspec.json.encode(body)))


ERROR = b'{"errorType":"ValueError","errorMessage":"no"}'
RUN = InvocationTrace(executed_version="$LATEST")
RAISED = InvocationTrace(executed_version="$LATEST", function_error="Unhandled")
DESTINATION_ARN = "arn:aws:sqs:us-east-1:000000000000:failed"
DISCARD = MessageDiscard(
    id=4,
    message=a_message(),
    queue_arn=QUEUE_ARN,
    function_arn=FUNCTION.arn,
    receive_count=3,
    trace=RAISED,
    response=ERROR,
    discarded_ms=0,
)
BATCH = MessageBatch(1, (a_message("m1"), a_message("m2")))


class Bench:
    """One mapping's work over fakes."""

    def __init__(self) -> None:
        engine = Engine()
        self.queue = engine.queue
        self.functions = engine.functions
        self.sources = engine.sources
        self.slots = engine.slots
        self.destination = engine.destination
        self.metrics = engine.metrics
        self.work = QueueWork("a", QUEUE_ARN, FUNCTION.arn, engine.surroundings)

    def carry_out(self, *commands: q.Command) -> q.Input | None:
        """Open the queue, carry out the commands one after another; give the last input."""

        async def in_turn() -> q.Input | None:
            inp: q.Input | None = None
            for command in (q.DescribeQueue(), *commands):
                running = self.work.carry_out(command)
                inp = await running if running is not None else None
            return inp

        return run(in_turn())


def invoke(*, report: bool = False, batch: MessageBatch = BATCH) -> q.Invoke:
    return q.Invoke(batch, FUNCTION.arn, QUEUE_ARN, report)


def test_work_describes_the_queue() -> None:
    assert Bench().carry_out() == q.QueueDescribed(QueueAttributes(30))


def test_work_opens_a_queue_anew_that_was_gone() -> None:
    bench = Bench()
    bench.carry_out()
    bench.queue.failure = SourceNotFoundError("The specified queue does not exist.")

    gone = bench.carry_out()
    bench.queue.failure = None

    assert gone == q.DescribeFailed("The specified queue does not exist.")
    assert bench.carry_out() == q.QueueDescribed(QueueAttributes(30))
    assert bench.sources.opened_count == 2


def test_work_opens_a_queue_once() -> None:
    bench = Bench()
    bench.carry_out()
    bench.queue.failure = GONE
    bench.carry_out()
    bench.queue.failure = None

    bench.carry_out()

    assert bench.sources.opened_count == 1


def test_work_reads_the_queue_for_the_function_that_the_mapping_changes_to() -> None:
    bench = Bench()
    bench.queue.put(*BATCH.messages)
    bench.carry_out()

    bench.work.read_for("arn:of:another")
    received = bench.carry_out(q.Receive(7, 10, 0, 30), q.DeleteMessages(BATCH.messages, 1))

    assert isinstance(received, q.DeleteEnded)
    assert bench.sources.opened_for == [FUNCTION.arn, "arn:of:another"]


def test_work_receives() -> None:
    bench = Bench()
    bench.queue.put(*BATCH.messages)

    assert bench.carry_out(q.Receive(7, 10, 0, 30)) == q.MessagesReceived(7, BATCH.messages)


def test_work_has_the_requests_of_its_source_counted() -> None:
    bench = Bench()
    bench.queue.put(*BATCH.messages)

    bench.carry_out(q.Receive(7, 10, 0, 30), q.DeleteMessages(BATCH.messages, 1))

    assert bench.metrics.requests_of("a").by_operation == {
        "GetQueueUrl": 1,
        "ReceiveMessage": 1,
        "DeleteMessageBatch": 1,
    }


def test_work_receive_before_the_queue_is_open_fails() -> None:
    running = Bench().work.carry_out(q.Receive(7, 10, 0, 30))

    assert running is not None
    assert isinstance(run(running), q.ReceiveFailed)


def test_work_abandons_a_long_poll_with_no_messages() -> None:
    bench = Bench()

    async def abandon() -> list[Any]:
        opening = bench.work.carry_out(q.DescribeQueue())
        receiving = bench.work.carry_out(q.Receive(7, 10, 20, 30))
        assert opening is not None
        assert receiving is not None
        await opening
        poll = asyncio.ensure_future(receiving)
        await bench.queue.until(lambda: bench.queue.receives == 1)
        return [bench.work.carry_out(q.AbandonReceives()), await poll]

    assert run(abandon()) == [None, q.MessagesReceived(7, ())]


def test_work_abandons_a_long_poll_that_has_not_begun() -> None:
    bench = Bench()

    async def abandon() -> q.Input | None:
        opening = bench.work.carry_out(q.DescribeQueue())
        receiving = bench.work.carry_out(q.Receive(7, 10, 20, 30))
        assert opening is not None
        assert receiving is not None
        await opening
        bench.work.carry_out(q.AbandonReceives())
        return await receiving

    assert run(abandon()) == q.MessagesReceived(7, ())
    assert bench.queue.receives == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(FunctionResult(b"1"), q.InvocationSucceeded(BATCH), id="succeeded"),
        pytest.param(
            FunctionResult(ERROR, "Unhandled"),
            q.InvocationFailed(BATCH, "ValueError: no", RAISED, ERROR),
            id="function error",
        ),
        pytest.param(
            InvokeThrottledError("slow"),
            q.InvocationRejected(BATCH, "slow", is_throttle=True),
            id="throttled",
        ),
        pytest.param(
            FunctionNotFoundError("none"), q.InvocationRejected(BATCH, "none"), id="missing"
        ),
        pytest.param(
            InvokeRefusedError("too large"), q.InvocationFailed(BATCH, "too large"), id="refused"
        ),
        pytest.param(
            InvocationOutcomeUnknownError("lost"),
            q.InvocationOutcomeUnknown(BATCH, "lost"),
            id="unknown",
        ),
    ],
)
def test_work_invocation_comes_back_as(
    answer: FunctionResult | Exception, expected: q.Input
) -> None:
    bench = Bench()
    bench.functions.answer = answer

    assert bench.carry_out(invoke()) == expected


def test_work_reads_batch_item_failures_only_when_asked() -> None:
    bench = Bench()
    payload = b'{"batchItemFailures":[{"itemIdentifier":"m2"}]}'
    bench.functions.answer = FunctionResult(payload)

    partial = bench.carry_out(invoke(report=True))

    assert partial == q.InvocationPartiallyFailed(BATCH, frozenset({"m2"}), RUN, payload)
    assert bench.carry_out(invoke()) == q.InvocationSucceeded(BATCH)


def test_work_event_above_the_quota_is_not_sent() -> None:
    bench = Bench()
    large = MessageBatch(1, (a_message(body="x" * PAYLOAD_BYTES_MAX),))

    failed = bench.carry_out(invoke(batch=large))

    assert isinstance(failed, q.InvocationFailed)
    assert str(PAYLOAD_BYTES_MAX) in failed.reason
    assert bench.functions.payloads == []


def test_work_attributes_of_a_foreign_shape_fail_their_batch_only() -> None:
    bench = Bench()
    strange = msgspec.structs.replace(a_message(), message_attributes=msgspec.Raw(b"[1, 2]"))

    failed = bench.carry_out(invoke(batch=MessageBatch(1, (strange,))))

    assert isinstance(failed, q.InvocationFailed)
    assert bench.functions.payloads == []


def test_work_deletes() -> None:
    bench = Bench()

    ended = bench.carry_out(q.DeleteMessages(BATCH.messages, 3))

    assert ended == q.DeleteEnded(DeleteReport(BATCH.messages), 3)
    assert bench.queue.deleted == ["m1", "m2"]


def test_work_failed_delete_may_be_tried_again() -> None:
    bench = Bench()
    bench.carry_out()
    bench.queue.failure = GONE

    ended = bench.carry_out(q.DeleteMessages(BATCH.messages, 1))

    assert ended == q.DeleteEnded(DeleteReport((), retryable=BATCH.messages), 1)


def test_work_extends_and_returns_visibility() -> None:
    bench = Bench()

    extended = bench.carry_out(q.ExtendVisibility(1, BATCH.messages, 30))
    returned = bench.carry_out(q.ChangeVisibility((VisibilityChange(BATCH.messages[0], 0),)))

    assert (extended, returned) == (q.VisibilityExtended(1), q.VisibilityChanged(1))
    assert bench.queue.visibility == [("m1", 30), ("m2", 30), ("m1", 0)]


def test_work_failed_visibility_calls_come_back_as_inputs() -> None:
    bench = Bench()
    bench.carry_out()
    bench.queue.failure = GONE

    extended = bench.carry_out(q.ExtendVisibility(1, BATCH.messages, 30))
    returned = bench.carry_out(q.ChangeVisibility((VisibilityChange(BATCH.messages[0], 7),)))

    assert extended == q.ExtendVisibilityFailed(1, "gone")
    assert returned == q.VisibilityChanged(1, "gone")


def test_work_names_the_permission_that_visibility_needs() -> None:
    bench = Bench()
    bench.carry_out()
    bench.queue.failure = SourceAccessDeniedError("denied")

    extended = bench.carry_out(q.ExtendVisibility(1, BATCH.messages, 30))
    changed = bench.carry_out(q.ChangeVisibility((VisibilityChange(BATCH.messages[0], 7),)))

    allow = "denied; allow sqs:ChangeMessageVisibility to the credentials that Penstock runs with"
    assert extended == q.ExtendVisibilityFailed(1, allow)
    assert changed == q.VisibilityChanged(1, allow)


def test_work_tells_which_messages_were_not_extended() -> None:
    bench = Bench()
    bench.queue.expired = BATCH.messages[:1]

    extended = bench.carry_out(q.ExtendVisibility(1, BATCH.messages, 30))

    assert extended == q.VisibilityExtended(1, BATCH.messages[:1])


def test_work_receives_with_its_own_timeout_and_attempt() -> None:
    bench = Bench()
    bench.queue.put(a_message())

    bench.carry_out(q.Receive(1, 10, 1, visibility_timeout_s=30, attempt_number=7))

    ((timeout_s, attempt_id),) = bench.queue.asked
    assert (timeout_s, attempt_id) == (30, "1-7")


def test_work_sends_a_discard_to_its_destination() -> None:
    bench = Bench()

    accepted = bench.carry_out(q.SendToDestination(DESTINATION_ARN, DISCARD))

    (report,) = bench.destination.taken
    assert accepted == q.DestinationAccepted(DISCARD.id)
    assert bench.destination.opened == [DESTINATION_ARN]
    assert msgspec.json.decode(report.record)["requestContext"]["approximateInvokeCount"] == 3


def test_work_discard_that_is_not_taken_comes_back_with_the_reason() -> None:
    bench = Bench()
    bench.destination.failure = DestinationUnavailableError("gone")

    refused = bench.carry_out(q.SendToDestination(DESTINATION_ARN, DISCARD))

    assert refused == q.DestinationFailed(DISCARD.id, "gone")


def test_work_passes_slots_on_until_it_is_disconnected() -> None:
    bench = Bench()
    inputs: list[q.Input] = []
    bench.work.connect(inputs.append)

    bench.carry_out(q.RequestSlots(FUNCTION.arn, 3), q.ReturnSlots(FUNCTION.arn, 1))
    bench.work.disconnect()
    bench.carry_out(q.RequestSlots(FUNCTION.arn, 1))

    assert inputs == [
        q.SlotsContended(FUNCTION.arn, is_contended=False),
        q.SlotsGranted(FUNCTION.arn, 2),
        q.SlotsGranted(FUNCTION.arn, 1),
    ]


def test_work_disconnected_leaves_its_slots_to_others() -> None:
    bench = Bench()
    granted: list[int] = []
    bench.carry_out(q.RequestSlots(FUNCTION.arn, FUNCTION.concurrency))
    bench.slots.want(FUNCTION.arn, "b", 5, lambda _, count: granted.append(count))

    bench.work.disconnect()

    assert granted == [FUNCTION.concurrency]


def test_work_forgetting_has_no_effect() -> None:
    assert Bench().carry_out(q.Forget(BATCH)) is None
