"""Rules of docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html.

What the page only recommends is not refused: it is said, at start and by ``penstock check``.
"""

from typing import Any

import pytest
from builders import FUNCTION_ARN, QUEUE_ARN

from penstock.core.queue_advice import CONFIGURE_PAGE, Advice, Subject, advise
from penstock.model.arn import Scope
from penstock.model.function import Function, LocalProcess
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import QueueAttributes

SCOPE = Scope("123456789012", "us-east-2")


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
