"""Invocations in flight, and the slots of those that nobody will hear of."""

import pytest
from builders import FUNCTION_ARN, OTHER_FUNCTION_ARN, at, batch, return_slots

from penstock.core.in_flight import InFlight
from penstock.core.waiting_batches import WaitingBatch


def in_flight(*ends_by_ms: int, function_arn: str = FUNCTION_ARN) -> InFlight:
    """Invocations of batches 1, 2 and so on."""
    running = InFlight()
    for batch_id, end_ms in enumerate(ends_by_ms, start=1):
        running.start(WaitingBatch(batch(batch_id), 28_500, 14_250), function_arn, end_ms)
    return running


def test_in_flight_counts_what_runs() -> None:
    running = in_flight(3_000, 4_000)

    assert (len(running), running.slot_count) == (2, 2)
    assert running.deadline_ms() is None


def test_in_flight_gives_back_the_slot_of_the_function_that_ran() -> None:
    running = in_flight(3_000, function_arn=OTHER_FUNCTION_ARN)

    waiting, slot_back = running.end(1)

    assert (waiting.batch, slot_back) == (batch(1), return_slots(1, OTHER_FUNCTION_ARN))
    assert running.slot_count == 0


def test_in_flight_keeps_the_slot_of_one_that_is_lost_until_it_must_have_ended() -> None:
    running = in_flight(3_000, 4_000)

    running.lose(1)

    assert (len(running), running.slot_count, running.deadline_ms()) == (1, 2, 3_000)
    assert running.release_due(at(2_999), at_once=False) == []
    assert running.release_due(at(3_000), at_once=False) == [return_slots(1)]
    assert (running.slot_count, running.deadline_ms()) == (1, None)


def test_in_flight_gives_back_every_lost_slot_when_the_mapping_ends() -> None:
    running = in_flight(3_000, 4_000)
    running.lose(1)
    running.lose(2)

    assert running.release_due(at(0), at_once=True) == [return_slots(1), return_slots(1)]
    assert running.slot_count == 0


def test_in_flight_ends_each_invocation_once() -> None:
    running = in_flight(3_000)
    running.end(1)

    with pytest.raises(KeyError):
        running.end(1)
