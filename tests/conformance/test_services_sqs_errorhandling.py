"""Rules of docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html."""

import pytest
from builders import (
    FIFO_ARN,
    batch,
    busy_consumer,
    grant,
    grouped,
    invoke,
    invoking_consumer,
    message,
    messages,
    polling_consumer,
    return_slots,
)

from penstock.core import queue_contract as q
from penstock.core.queue_outcome import queue_outcome
from penstock.core.scaling import ConcurrencyRamp, RampPolicy
from penstock.model.function import FunctionResult
from penstock.model.instant import Instant
from penstock.model.message import MessageBatch


def deletes(commands: list[q.Command]) -> list[q.DeleteMessages]:
    """Only the delete calls."""
    return [command for command in commands if isinstance(command, q.DeleteMessages)]


def deleted_after(payload: bytes, *, function_error: str | None = None) -> set[str]:
    """The ids of a batch of two that are deleted after a response with the flag on."""
    life = invoking_consumer(2, report_batch_item_failures=True)
    result = FunctionResult(payload, function_error)
    commands = life.feed(queue_outcome(result, batch(1, 2), report_batch_item_failures=True))
    return {gone.message_id for delete in deletes(commands) for gone in delete.messages}


def test_failed_batch_becomes_visible_again_by_itself() -> None:
    """If an invocation fails, all messages in the batch return to the queue after the timeout.

    The poller neither deletes them nor changes their visibility.
    """
    life = invoking_consumer(3)

    commands = life.feed(q.InvocationFailed(batch(1, 3), "Unhandled"))

    assert commands == [return_slots(1)]


def test_throttled_batch_is_retried_until_its_visibility_timeout() -> None:
    """If the function is throttled, Lambda backs off and retries until the visibility timeout.

    After the message's timestamp exceeds the queue's visibility timeout, Lambda drops it.
    """
    life = invoking_consumer(visibility_timeout_s=30)
    invocations = 1

    commands = life.feed(q.InvocationRejected(batch(1), "429", is_throttle=True))
    while q.Forget(batch(1)) not in commands:
        commands = life.wake() + life.feed(grant(1))
        if invoke(batch(1)) in commands:
            invocations += 1
            commands += life.feed(q.InvocationRejected(batch(1), "429", is_throttle=True))

    assert invocations > 5
    assert 28_000 <= life.now_ms <= 30_000


def test_throttle_reduces_concurrency() -> None:
    """Lambda reduces the number of concurrent invocations when the function is throttled."""
    ramp = ConcurrencyRamp(RampPolicy(initial=10), None)

    ramp.note_throttle(Instant(0, 0))

    assert ramp.limit(Instant(0, 0)) == 5


@pytest.mark.parametrize(
    ("report", "limit"),
    [pytest.param(False, 1, id="without-flag"), pytest.param(True, 2, id="with-flag")],
)
def test_function_error_scales_polling_down_without_the_flag(*, report: bool, limit: int) -> None:
    """With ReportBatchItemFailures, Lambda doesn't scale down polling when invocations fail."""
    ramp = RampPolicy(initial=2, per_minute=0)
    life = polling_consumer(batch_size=1, ramp=ramp, report_batch_item_failures=report)
    life.feed(q.MessagesReceived(1, messages(3)))
    life.feed(grant(1))
    life.feed(q.InvocationFailed(batch(1), "Unhandled"))

    started = life.feed(grant(2))

    assert sum(isinstance(command, q.Invoke) for command in started) == limit


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'{"batchItemFailures":[]}', id="empty-list"),
        pytest.param(b'{"batchItemFailures":null}', id="null-list"),
        pytest.param(b"{}", id="empty-response"),
        pytest.param(b"null", id="null-response"),
    ],
)
def test_batch_is_a_complete_success(payload: bytes) -> None:
    """A batch is a complete success for: an empty list, a null list, an empty or null response."""
    assert deleted_after(payload) == {"m1", "m2"}


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'{"batchItemFailures":', id="invalid-json"),
        pytest.param(b'{"batchItemFailures":[{"itemIdentifier":""}]}', id="empty-string"),
        pytest.param(b'{"batchItemFailures":[{"itemIdentifier":null}]}', id="null"),
        pytest.param(b'{"batchItemFailures":[{"foo":"notvalid"}]}', id="bad-key-name"),
        pytest.param(b'{"batchItemFailures":[{"itemIdentifier":"m9"}]}', id="unknown-message"),
        pytest.param(
            b'{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":""}]}',
            id="one-bad-of-two",
        ),
    ],
)
def test_batch_is_a_complete_failure(payload: bytes) -> None:
    """A batch is a complete failure for invalid JSON and for any bad itemIdentifier.

    Bad is: an empty string, null, under a bad key name, not a message of the batch.
    """
    assert deleted_after(payload) == set()


def test_exception_with_the_flag_is_a_complete_failure() -> None:
    """If your function throws an exception, the entire batch is considered a complete failure."""
    failures = b'{"batchItemFailures":[{"itemIdentifier":"m1"}]}'

    assert deleted_after(failures, function_error="Unhandled") == set()


def test_partial_response_leaves_only_what_failed() -> None:
    """Only the messages that batchItemFailures names become visible again; the rest is deleted."""
    assert deleted_after(b'{"batchItemFailures":[{"itemIdentifier":"m2"}]}') == {"m1"}


def test_response_is_ignored_without_the_flag() -> None:
    """To turn partial responses on, FunctionResponseTypes must hold ReportBatchItemFailures."""
    result = FunctionResult(b'{"batchItemFailures":[{"itemIdentifier":"m1"}]}')

    ended = queue_outcome(result, batch(1, 2), report_batch_item_failures=False)

    assert ended == q.InvocationSucceeded(batch(1, 2))


def test_message_is_deleted_only_after_its_own_invocation_succeeded() -> None:
    """Lambda deletes messages from the queue once the function has processed them."""
    life = busy_consumer()

    failed = life.feed(q.InvocationFailed(batch(1), "Unhandled"))
    succeeded = life.feed(q.InvocationSucceeded(batch(2, first=2)))

    assert deletes(failed + succeeded) == [q.DeleteMessages((message("m2"),), attempt=1)]


def test_mixed_fifo_batch_that_fails_delays_all_its_groups() -> None:
    """If your function throws an exception, all messages of the batch become visible again."""
    received = grouped("a1 b1")
    life = polling_consumer(queue_arn=FIFO_ARN)
    life.feed(q.MessagesReceived(1, received))
    life.feed(grant(1))

    commands = life.feed(q.InvocationFailed(MessageBatch(1, received), "Unhandled"))

    assert commands == [return_slots(1)]


def test_partial_response_of_a_fifo_batch_is_taken_as_it_is() -> None:
    """Your function should stop after the first failure and return all unprocessed messages.

    Lambda deletes exactly what the response does not name.
    """
    given = MessageBatch(1, grouped("a1 a2 a3 a4"))
    response = FunctionResult(b'{"batchItemFailures":[{"itemIdentifier":"a2"}]}')

    ended = queue_outcome(response, given, report_batch_item_failures=True)

    assert isinstance(ended, q.InvocationPartiallyFailed)
    assert ended.failed == {"a2"}


def test_strict_fifo_mapping_does_what_the_function_should_do() -> None:
    """Your function should stop after the first failure and return all unprocessed messages.

    A mapping that is tagged strict keeps the order of a group for a function that does not.
    """
    given = MessageBatch(1, grouped("a1 a2 b1 a3 a4"))
    response = FunctionResult(b'{"batchItemFailures":[{"itemIdentifier":"a2"}]}')

    ended = queue_outcome(response, given, report_batch_item_failures=True, fifo_strict=True)

    assert isinstance(ended, q.InvocationPartiallyFailed)
    assert ended.failed == {"a2", "a3", "a4"}
