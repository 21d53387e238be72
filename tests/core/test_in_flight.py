"""Invocations in flight, and the slots of those that nobody will hear of."""

import pytest
from builders import FUNCTION_ARN, OTHER_FUNCTION_ARN, at, grouped, held_batch

from penstock.core.held_batch import HeldBatch
from penstock.core.in_flight import InFlight


def in_flight(*ends_by_ms: int, function_arn: str = FUNCTION_ARN) -> InFlight:
    """Invocations of batches 1, 2 and so on."""
    running = InFlight()
    for batch_id, end_ms in enumerate(ends_by_ms, start=1):
        running.start(held_batch(batch_id), function_arn, end_ms)
    return running


def ids(ended: list[HeldBatch]) -> list[int]:
    """Which batches these are."""
    return [held.id for held in ended]


def test_in_flight_counts_what_runs() -> None:
    running = in_flight(3_000, 4_000)

    assert (len(running), running.slot_count) == (2, 2)
    assert running.deadline_ms() is None


def test_in_flight_gives_the_batch_and_the_function_that_ran() -> None:
    running = in_flight(3_000, function_arn=OTHER_FUNCTION_ARN)

    held = running.end(1)

    assert (held.id, held.function_arn) == (1, OTHER_FUNCTION_ARN)
    assert running.slot_count == 0


def test_in_flight_keeps_the_slot_of_one_that_is_lost_until_it_must_have_ended() -> None:
    running = in_flight(3_000, 4_000)

    lost = running.lose(1)

    assert lost.id == 1
    assert (len(running), running.slot_count, running.deadline_ms()) == (1, 2, 3_000)
    assert running.take_ended(at(2_999), at_once=False) == []
    assert running.take_ended(at(3_000), at_once=False) == [lost]
    assert (running.slot_count, running.deadline_ms()) == (1, None)


def test_in_flight_gives_up_every_lost_one_when_the_mapping_ends() -> None:
    running = in_flight(3_000, 4_000)
    running.lose(1)
    running.lose(2)

    assert ids(running.take_ended(at(0), at_once=True)) == [1, 2]
    assert running.slot_count == 0


def test_in_flight_ends_each_invocation_once() -> None:
    running = in_flight(3_000)
    running.end(1)

    with pytest.raises(KeyError):
        running.end(1)


def test_in_flight_knows_the_groups_that_run() -> None:
    running = InFlight()
    running.start(held_batch(1, grouped("a1 b1")), FUNCTION_ARN, 3_000)
    running.start(held_batch(2, grouped("c1")), FUNCTION_ARN, 3_000)

    running.end(1)

    assert running.busy_groups == {"c"}


def test_in_flight_keeps_the_group_of_a_lost_one_until_it_must_have_ended() -> None:
    running = InFlight()
    running.start(held_batch(1, grouped("a1")), FUNCTION_ARN, 3_000)

    running.lose(1)

    assert running.busy_groups == {"a"}
    running.take_ended(at(3_000), at_once=False)
    assert running.busy_groups == set()


def test_in_flight_has_one_batch_of_a_group() -> None:
    running = InFlight()
    running.start(held_batch(1, grouped("a1 b1")), FUNCTION_ARN, 3_000)

    with pytest.raises(AssertionError, match="a group has one batch in flight"):
        running.start(held_batch(2, grouped("b2")), FUNCTION_ARN, 3_000)
