"""What an operator reads, from inputs and commands alone."""

from typing import Any

import msgspec
import pytest
from engine_fakes import RecordedLog

from penstock.core import queue_contract as q
from penstock.engine.queue_log import QueueLog
from penstock.model.failure import InvocationTrace, MessageDiscard
from penstock.model.message import DeleteReport, Message, MessageBatch, QueueAttributes

MESSAGE = Message(
    "m1",
    "handle",
    msgspec.Raw(b'"hello"'),
    attributes=msgspec.Raw(b'{"ApproximateReceiveCount":"2"}'),
)
BATCH = MessageBatch(1, (MESSAGE,))
DISCARD = MessageDiscard(
    id=4,
    message=MESSAGE,
    queue_arn="arn:aws:sqs:us-east-1:000000000000:orders",
    function_arn="arn:aws:lambda:us-east-1:000000000000:function:ship",
    receive_count=3,
    trace=InvocationTrace(),
    discarded_ms=0,
)
Line = tuple[str, str, dict[str, Any]]


def lines(
    *inputs: q.Input, commands: tuple[q.Command, ...] = (), verbose: bool = True
) -> list[Line]:
    log = RecordedLog()
    observer = QueueLog(log, is_verbose=verbose)
    for inp in inputs:
        observer.observe(inp, list(commands))
    return log.lines


@pytest.mark.parametrize(
    ("inp", "expected"),
    [
        pytest.param(
            q.MessagesReceived(1, (MESSAGE,)),
            ("debug", "messages received", {"ids": ["m1"], "counts": [2]}),
            id="received",
        ),
        pytest.param(
            q.InvocationSucceeded(BATCH),
            ("debug", "invocation succeeded", {"ids": ["m1"]}),
            id="succeeded",
        ),
        pytest.param(
            q.InvocationPartiallyFailed(BATCH, frozenset({"m1"})),
            ("warning", "invocation partly failed", {"failed": ["m1"], "of": 1}),
            id="partly failed",
        ),
        pytest.param(
            q.InvocationFailed(BATCH, "why"),
            ("warning", "invocation failed", {"ids": ["m1"], "reason": "why"}),
            id="failed",
        ),
        pytest.param(
            q.InvocationRejected(BATCH, "why"),
            ("warning", "function did not run", {"ids": ["m1"], "reason": "why"}),
            id="rejected",
        ),
        pytest.param(
            q.InvocationOutcomeUnknown(BATCH, "why"),
            ("warning", "invocation's outcome unknown", {"ids": ["m1"], "reason": "why"}),
            id="unknown",
        ),
        pytest.param(
            q.DeleteEnded(DeleteReport((MESSAGE,)), 1),
            ("debug", "messages deleted", {"ids": ["m1"]}),
            id="deleted",
        ),
        pytest.param(
            q.DeleteEnded(DeleteReport((), refused=(MESSAGE,)), 2),
            ("warning", "messages not deleted", {"ids": ["m1"], "attempt": 2}),
            id="not deleted",
        ),
    ],
)
def test_queue_log_says(inp: q.Input, expected: Line) -> None:
    assert lines(inp) == [expected]


def test_queue_log_that_is_not_verbose_tells_trouble_only() -> None:
    well = (q.MessagesReceived(1, (MESSAGE,)), q.InvocationSucceeded(BATCH))

    assert lines(*well, q.InvocationFailed(BATCH, "why"), verbose=False) == [
        ("warning", "invocation failed", {"ids": ["m1"], "reason": "why"})
    ]


def test_queue_log_says_that_a_batch_was_forgotten() -> None:
    said = lines(q.DeadlineReached(), commands=(q.Forget(BATCH),), verbose=False)

    assert said == [("warning", "messages visible again before they could run", {"ids": ["m1"]})]


@pytest.mark.parametrize(
    ("inp", "expected"),
    [
        pytest.param(
            q.DestinationAccepted(4),
            ("message discarded", {}),
            id="accepted",
        ),
        pytest.param(
            q.DestinationFailed(4, "no such queue"),
            ("destination took nothing", {"reason": "no such queue"}),
            id="failed",
        ),
    ],
)
def test_queue_log_tells_where_a_discard_went(
    inp: q.Input, expected: tuple[str, dict[str, object]]
) -> None:
    log = RecordedLog()
    observer = QueueLog(log, is_verbose=False)
    observer.observe(q.DeadlineReached(), [q.SendToDestination("arn:failed", DISCARD)])

    observer.observe(inp, [])

    event, fields = expected
    assert log.lines == [("warning", event, {"ids": ["m1"], "to": "arn:failed"} | fields)]


def test_queue_log_reminds_of_an_outage_now_and_then_and_tells_its_end() -> None:
    failed = q.ReceiveFailed(1, "refused")
    received = q.MessagesReceived(2, ())

    said = lines(*[failed] * 19, received, received)

    assert [(event, fields.get("failures")) for _, event, fields in said] == [
        ("queue not readable", 1),
        ("queue not readable", 10),
        ("queue readable again", None),
    ]


def test_queue_log_tells_an_end_only_when_each_kind_of_call_works_again() -> None:
    refused = q.ReceiveFailed(1, "access denied")
    described = q.QueueDescribed(QueueAttributes(30))

    said = lines(q.DescribeFailed("away"), refused, described, refused, described)

    assert [event for _, event, _ in said] == ["queue not readable"]


def test_queue_log_tells_the_end_of_an_outage_that_only_describing_met() -> None:
    said = lines(q.DescribeFailed("away"), q.QueueDescribed(QueueAttributes(30)))

    assert [event for _, event, _ in said] == ["queue not readable", "queue readable again"]


def test_queue_log_reminds_of_a_visibility_that_cannot_be_changed_and_tells_its_end() -> None:
    failed = q.ExtendVisibilityFailed(1, "denied")
    inputs: list[q.Input] = [failed, q.VisibilityChanged(1, "denied")]

    said = lines(*inputs * 9, q.VisibilityExtended(2), q.VisibilityChanged(1), failed)

    warning = ("warning", "visibility not changed")
    assert said == [
        (*warning, {"reason": "denied", "failures": 1}),
        (*warning, {"reason": "denied", "failures": 10}),
        ("info", "visibility can be changed again", {}),
        (*warning, {"reason": "denied", "failures": 1}),
    ]
