"""A backlog is worked off as fast as the function's slots and the limits allow."""

import pytest
from plain_plans import plain_function, plain_mapping, plain_world

from penstock.simulation.mapping_plans import MappingPlan
from penstock.simulation.run import run_world


def backlog(count: int, batch_size: int, maximum_concurrency: int | None) -> MappingPlan:
    """A mapping whose messages are all there at the start."""
    return plain_mapping(
        (0,) * count, batch_size=batch_size, maximum_concurrency=maximum_concurrency
    )


def drain_ms(concurrency: int, duration_ms: int, *mappings: MappingPlan) -> int:
    """Work the backlogs off without faults; give how long it took."""
    function = plain_function(duration_ms, concurrency=concurrency)
    outcome = run_world(1, plain_world([function], mappings))
    assert outcome.violation == ""
    return outcome.settled_ms


@pytest.mark.parametrize(
    ("batch_size", "concurrency", "maximum_concurrency", "best_ms"),
    [
        pytest.param(1, 10, None, 40_000, id="batches of one"),
        pytest.param(1, 50, None, 8_000, id="many slots"),
        pytest.param(10, 50, None, 1_000, id="everything at once"),
        pytest.param(5, 10, 3, 27_000, id="bound by MaximumConcurrency"),
        pytest.param(10, 1, None, 40_000, id="one slot"),
    ],
)
def test_backlog_keeps_every_slot_busy(
    batch_size: int, concurrency: int, maximum_concurrency: int | None, best_ms: int
) -> None:
    mapping = backlog(400, batch_size, maximum_concurrency)

    taken_ms = drain_ms(concurrency, 1_000, mapping)

    assert best_ms <= taken_ms <= best_ms * 1.05 + 100


def test_mappings_share_a_function_without_loss() -> None:
    taken_ms = drain_ms(4, 1_000, *(backlog(100, 10, None) for _ in range(4)))

    assert 10_000 <= taken_ms <= 10_600
