"""What is said of a queue mapping that does not follow AWS's advice."""

from typing import Any

import msgspec
import pytest
from builders import FUNCTION_ARN, OTHER_FUNCTION_ARN, QUEUE_ARN

from penstock.core.queue_advice import Advice, Maxima, Subject, Sum, advise
from penstock.model.arn import Scope
from penstock.model.function import Function, LocalProcess
from penstock.model.mapping import EventSourceMapping, ProvisionedPollers
from penstock.model.message import QueueAttributes
from penstock.model.stream import StreamKind

SCOPE = Scope("123456789012", "us-east-2")
GOOD = QueueAttributes(18, max_receive_count=5, dead_letter_arn=f"{QUEUE_ARN}-dead")
FIFO_ARN = f"{QUEUE_ARN}.fifo"


def a_mapping(uuid: str = "u1", **changes: Any) -> EventSourceMapping:
    members: dict[str, Any] = {"event_source_arn": QUEUE_ARN, "function_arn": FUNCTION_ARN}
    return EventSourceMapping(uuid=uuid, scope=SCOPE, **members | changes)


def a_function(concurrency: int = 10) -> Function:
    hosting = LocalProcess(code="/code", handler="app.handler")
    return Function(scope=SCOPE, name="ship", hosting=hosting, concurrency=concurrency)


def advised(
    mapping: EventSourceMapping,
    queue: QueueAttributes = GOOD,
    *others: EventSourceMapping,
    concurrency: int = 10,
) -> list[Subject]:
    function = a_function(concurrency)
    found = advise(mapping, queue, function=function, maxima=Maxima((mapping, *others)))
    return [advice.subject for advice in found]


def test_nothing_is_said_of_a_mapping_that_follows_the_advice() -> None:
    assert advise(a_mapping(), GOOD, function=a_function()) == []


def test_everything_is_said_at_once_and_names_values_and_fix() -> None:
    found = advise(a_mapping(), QueueAttributes(17), function=a_function(1))

    visibility, redrive, concurrency = found
    assert [each.subject for each in found] == [
        Subject.VISIBILITY_TIMEOUT,
        Subject.REDRIVE_POLICY,
        Subject.CONCURRENCY,
    ]
    assert "is 17 s; 6 times the timeout of ship (3 s) is 18 s." in visibility.text
    assert "Set VisibilityTimeout to 18 or more" in visibility.text
    assert "a maxReceiveCount of 5 or more" in redrive.text
    assert "Set the function's concurrency to 5 or more" in concurrency.text


def test_provisioned_pollers_count_ten_invocations_each() -> None:
    mapping = a_mapping(provisioned_pollers=ProvisionedPollers(2, 5))

    (advice,) = advise(mapping, GOOD, function=a_function(49))

    assert "of its queue mappings (1) is 50 together" in advice.text


def test_window_is_added_to_six_timeouts() -> None:
    (advice,) = advise(a_mapping(maximum_batching_window_s=4), GOOD, function=a_function())

    assert "(3 s) plus the batching window of 4 s is 22 s." in advice.text


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({"penstock:visibility-heartbeat": "true"}, [], id="on"),
        pytest.param(
            {"penstock:visibility-heartbeat": "false"}, [Subject.VISIBILITY_TIMEOUT], id="off"
        ),
    ],
)
def test_heartbeat_needs_no_long_visibility_timeout(
    tags: dict[str, str], expected: list[Subject]
) -> None:
    queue = QueueAttributes(3, max_receive_count=5)

    assert advised(a_mapping(tags=tags), queue) == expected


def test_on_failure_destination_takes_the_place_of_a_dead_letter_queue() -> None:
    mapping = a_mapping(tags={"penstock:on-failure": "arn:aws:sqs:us-east-2:123456789012:failed"})

    assert advised(mapping, QueueAttributes(18)) == []


def test_few_receives_are_told_with_their_number() -> None:
    (advice,) = advise(a_mapping(), QueueAttributes(18, 4), function=a_function())

    assert advice.subject is Subject.MAX_RECEIVE_COUNT
    assert "maxReceiveCount is 4:" in advice.text


@pytest.mark.parametrize(
    ("queue_arn", "dead_arn", "expected"),
    [
        pytest.param(FIFO_ARN, f"{QUEUE_ARN}-dead", "Name a FIFO queue", id="fifo"),
        pytest.param(QUEUE_ARN, FIFO_ARN, "Name a standard queue", id="standard"),
        pytest.param(FIFO_ARN, FIFO_ARN, None, id="both-fifo"),
        pytest.param(FIFO_ARN, None, None, id="unknown"),
    ],
)
def test_dead_letter_queue_is_of_the_same_kind(
    queue_arn: str, dead_arn: str | None, expected: str | None
) -> None:
    queue = QueueAttributes(18, max_receive_count=5, dead_letter_arn=dead_arn)

    found = advise(a_mapping(event_source_arn=queue_arn), queue, function=a_function())

    assert [advice.text.rpartition(". ")[2] for advice in found] == ([expected] if expected else [])


def test_function_that_is_not_there_is_passed_over() -> None:
    assert advise(a_mapping(), QueueAttributes(1, 5), function=None) == []


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        pytest.param([], [], id="alone"),
        pytest.param([{"function_arn": OTHER_FUNCTION_ARN}], [], id="another-function"),
        pytest.param([{"enabled": False}], [], id="disabled"),
        pytest.param([{"stream_kind": StreamKind.KINESIS}], [], id="a-stream"),
        pytest.param([{"maximum_concurrency": None}], [], id="without-maximum"),
        pytest.param([{}], [Subject.CONCURRENCY], id="second-queue"),
        pytest.param([{"function_arn": f"{FUNCTION_ARN}:1"}], [Subject.CONCURRENCY], id="version"),
        pytest.param([{"tags": {"penstock:concurrency": "1"}}], [Subject.CONCURRENCY], id="serial"),
    ],
)
def test_maximum_concurrency_of_all_queues_fits_the_function(
    others: list[dict[str, Any]], expected: list[Subject]
) -> None:
    rows = [a_mapping("u2", **{"maximum_concurrency": 5, **changes}) for changes in others]

    assert advised(a_mapping(maximum_concurrency=6), GOOD, *rows, concurrency=6) == expected


def test_maxima_follow_rows_that_change_and_go() -> None:
    first, second = a_mapping(maximum_concurrency=6), a_mapping("u2", maximum_concurrency=5)
    maxima = Maxima([first])

    sums = [maxima.beside(second)]
    maxima.note(second)
    sums.append(maxima.beside(first))
    maxima.note(msgspec.structs.replace(second, function_arn=OTHER_FUNCTION_ARN))
    sums.append(maxima.beside(first))
    maxima.forget("u2")
    maxima.forget("u2")

    assert sums == [Sum(1, 6), Sum(1, 5), Sum()]
    assert maxima.beside(first) == Sum()


def test_concurrency_below_the_sum_tells_both() -> None:
    mapping = a_mapping(maximum_concurrency=6)

    (advice,) = advise(mapping, GOOD, function=a_function(5), maxima=Maxima([mapping]))

    assert "concurrency of 5" in advice.text
    assert "Set the function's concurrency to 6 or more" in advice.text


def test_serial_mapping_needs_no_five_slots() -> None:
    assert advised(a_mapping(tags={"penstock:concurrency": "1"}), concurrency=1) == []


def test_every_piece_of_advice_names_its_page() -> None:
    found: list[Advice] = [
        *advise(a_mapping(), QueueAttributes(1), function=a_function(1)),
        *advise(a_mapping(), QueueAttributes(18, 1), function=a_function()),
        *advise(a_mapping(maximum_concurrency=50), GOOD, function=a_function()),
    ]

    assert all(advice.page.startswith("docs.aws.amazon.com/lambda/latest/dg/") for advice in found)
