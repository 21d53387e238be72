"""Rules of docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html.

What the page only recommends is not refused: it is said, at start and by ``penstock check``.
"""

from typing import Any

import pytest
from builders import (
    FIFO_ARN,
    FUNCTION_ARN,
    QUEUE_ARN,
    batch,
    grant,
    grouped,
    invoke,
    message,
    messages,
    polling_consumer,
    receive,
    request_slots,
)

from penstock.core import queue_contract as q
from penstock.core.queue_advice import CONFIGURE_PAGE, Advice, Subject, advise
from penstock.core.scaling import RampPolicy
from penstock.model.arn import Scope
from penstock.model.function import PAYLOAD_BYTES_MAX, Function, LocalProcess
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import MessageBatch, QueueAttributes

SCOPE = Scope("123456789012", "us-east-2")


def test_batch_window_gathers_records_before_invoking() -> None:
    """Batch window: the maximum amount of time to gather records before invoking the function."""
    life = polling_consumer(batch_size=100, batching_window_s=5)
    life.feed(q.MessagesReceived(1, messages(3)))
    life.wake()
    gathered = life.feed(q.MessagesReceived(2, messages(2, first=4)), after_ms=1_000)
    life.wake()

    ended = life.wake()

    assert (gathered, ended, life.now_ms) == ([], [request_slots(1)], 5_000)
    assert life.feed(grant(1)) == [invoke(batch(1, 5))]


def test_batch_window_ends_when_the_batch_size_is_reached() -> None:
    """Lambda invokes when the window ends, the batch size is reached, or the payload is 6 MB."""
    life = polling_consumer(batch_size=3, batching_window_s=300)

    life.feed(q.MessagesReceived(1, messages(3)))

    assert life.feed(grant(1))[0] == invoke(batch(1, 3))


def test_batch_window_ends_when_the_payload_limit_is_reached() -> None:
    """Lambda invokes when the window ends, the batch size is reached, or the payload is 6 MB."""
    life = polling_consumer(batch_size=1_000, batching_window_s=300)
    received = tuple(message(f"m{number}", "x" * (PAYLOAD_BYTES_MAX // 4)) for number in range(4))

    life.feed(q.MessagesReceived(1, received))

    assert life.feed(grant(1))[0] == invoke(MessageBatch(1, received[:3]))


def test_batch_size_of_a_standard_queue_may_be_larger_than_a_receive() -> None:
    """Batch size: up to 10,000 records of a standard queue, with a batch window of 1 s or more."""
    ramp = RampPolicy(initial=100)
    life = polling_consumer(ramp=ramp, batch_size=10_000, batching_window_s=300)
    receive_id = brought = 0

    while brought < 10_000:
        receive_id += 1
        life.feed(q.MessagesReceived(receive_id, messages(10, first=brought + 1)))
        brought += 10

    assert life.feed(grant(1))[0] == invoke(batch(1, 10_000))


@pytest.mark.parametrize("batch_size", [pytest.param(10, id="ten"), pytest.param(4, id="four")])
def test_batch_of_a_fifo_queue_is_one_receive(batch_size: int) -> None:
    """Batch size: up to 10 records of a FIFO queue; a batch window is for standard queues only."""
    life = polling_consumer(queue_arn=FIFO_ARN, batch_size=batch_size)
    received = grouped("a1 b1 a2")

    polled = life.feed(q.MessagesReceived(1, ()))
    life.feed(q.MessagesReceived(2, received))

    assert polled == [receive(2, batch_size, 20, attempt_number=2)]
    assert life.feed(grant(1))[0] == invoke(MessageBatch(1, received), queue_arn=FIFO_ARN)


def test_messages_that_wait_in_a_batch_window_stay_hidden() -> None:
    """The visibility timeout should be six times the function's, plus the batch window.

    Lambda never extends it. Where it is shorter, what waits in a window is kept hidden here.
    """
    life = polling_consumer(batch_size=100, batching_window_s=300, visibility_timeout_s=30)
    life.feed(q.MessagesReceived(1, messages(3)))
    life.wake()

    assert life.wake() == [q.ExtendVisibility(1, messages(3), 30)]
    assert life.now_ms < 30_000


def advice_on(
    queue: QueueAttributes, *, timeout_s: int = 10, concurrency: int = 10, **members: Any
) -> list[Advice]:
    """What is said of a queue with a function."""
    mapping = EventSourceMapping(
        uuid="u1", scope=SCOPE, event_source_arn=QUEUE_ARN, function_arn=FUNCTION_ARN, **members
    )
    function = Function(
        scope=SCOPE,
        name="ship",
        hosting=LocalProcess(code="/code", handler="app.handler"),
        timeout_s=timeout_s,
        concurrency=concurrency,
    )
    return advise(mapping, queue, function=function)


def subjects(found: list[Advice]) -> list[Subject]:
    """The settings that are advised on, all of this page."""
    assert {advice.page for advice in found} <= {CONFIGURE_PAGE}
    return [advice.subject for advice in found]


@pytest.mark.parametrize(
    ("visibility_s", "window_s", "expected"),
    [
        pytest.param(60, 0, [], id="six-times"),
        pytest.param(59, 0, [Subject.VISIBILITY_TIMEOUT], id="less"),
        pytest.param(65, 5, [], id="with-window"),
        pytest.param(64, 5, [Subject.VISIBILITY_TIMEOUT], id="less-with-window"),
    ],
)
def test_visibility_timeout_of_six_function_timeouts_is_advised(
    visibility_s: int, window_s: int, expected: list[Subject]
) -> None:
    """The visibility timeout should be six times the function's timeout, plus the window."""
    queue = QueueAttributes(visibility_s, max_receive_count=5)

    assert subjects(advice_on(queue, maximum_batching_window_s=window_s)) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(None, [Subject.REDRIVE_POLICY], id="none"),
        pytest.param(4, [Subject.MAX_RECEIVE_COUNT], id="four"),
        pytest.param(5, [], id="five"),
    ],
)
def test_five_receives_before_the_dead_letter_queue_are_advised(
    count: int | None, expected: list[Subject]
) -> None:
    """The redrive policy's maxReceiveCount should be at least 5."""
    assert subjects(advice_on(QueueAttributes(60, max_receive_count=count))) == expected


@pytest.mark.parametrize(
    ("concurrency", "expected"),
    [pytest.param(4, [Subject.CONCURRENCY], id="four"), pytest.param(5, [], id="five")],
)
def test_concurrency_of_five_is_advised(concurrency: int, expected: list[Subject]) -> None:
    """A function's own concurrency, where it has one, should be at least 5."""
    queue = QueueAttributes(60, max_receive_count=5)

    assert subjects(advice_on(queue, concurrency=concurrency)) == expected
