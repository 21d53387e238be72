"""The values that cross the border of a queue's consumer."""

import pytest
from builders import FIFO_ARN, QUEUE_ARN, queue_policy


@pytest.mark.parametrize(
    ("queue_arn", "expected"),
    [
        pytest.param(QUEUE_ARN, False, id="standard"),
        pytest.param(FIFO_ARN, True, id="fifo"),
        pytest.param(f"{FIFO_ARN}-orders", False, id="in-the-middle"),
    ],
)
def test_policy_knows_a_fifo_queue_by_its_name(queue_arn: str, *, expected: bool) -> None:
    assert queue_policy(queue_arn=queue_arn).is_fifo is expected
