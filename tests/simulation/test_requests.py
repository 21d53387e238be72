"""What a mapping asks of its queue, which its owner pays for: while idle, and with a backlog."""

import pytest
from plain_plans import count_requests, plain_function, plain_mapping, plain_world

RECEIVES_PER_HOUR_MAX = 185
HOUR_MS = 3_600_000
MESSAGES = 2_000


def test_idle_mapping_costs_little_more_than_one_long_poll() -> None:
    plan = plain_world([plain_function(100)], [plain_mapping(())], safety_ms=HOUR_MS)

    requests = count_requests(plan)

    # A world that has settled is watched for two minutes more.
    assert requests["ReceiveMessage"] <= RECEIVES_PER_HOUR_MAX * 62 / 60


@pytest.mark.parametrize(("batch_size", "per_message"), [(10, 0.22), (1, 0.25)])
def test_backlog_costs_few_requests(batch_size: int, per_message: float) -> None:
    mapping = plain_mapping((0,) * MESSAGES, batch_size=batch_size)

    requests = count_requests(plain_world([plain_function(200)], [mapping]))

    assert sum(requests.values()) <= per_message * MESSAGES


def test_requests_are_counted() -> None:
    requests = count_requests(plain_world([plain_function(200)], [plain_mapping((0,) * 10)]))

    assert requests["ReceiveMessage"] >= 2
    assert requests["DeleteMessageBatch"] == 1
