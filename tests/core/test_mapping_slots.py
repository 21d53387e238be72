"""The slots that a queue mapping holds and those it wants."""

import pytest
from builders import FUNCTION_ARN, request_slots, return_slots

from penstock.core.mapping_slots import MappingSlots
from penstock.core.queue_contract import RequestSlots, ReturnSlots


def balance(slots: MappingSlots, needed: int) -> list[RequestSlots | ReturnSlots]:
    """Say what there is work for."""
    return slots.balance(FUNCTION_ARN, needed)


def wanting(count: int, granted: int = 0) -> MappingSlots:
    """Slots of a mapping that wanted some, of which some were granted."""
    slots = MappingSlots()
    balance(slots, count)
    slots.take_granted(granted)
    return slots


def test_slots_are_wanted_for_the_work_there_is() -> None:
    assert balance(MappingSlots(), 3) == [request_slots(3)]


def test_slots_are_wanted_once() -> None:
    slots = wanting(3)

    assert balance(slots, 3) == []
    assert balance(slots, 5) == [request_slots(5)]


def test_slots_that_are_granted_are_not_wanted_any_more() -> None:
    slots = wanting(3, granted=2)

    assert balance(slots, 3) == []
    assert slots.free == 2


def test_slots_beyond_what_was_wanted_count_too() -> None:
    slots = wanting(1, granted=3)

    assert balance(slots, 4) == [request_slots(1)]


@pytest.mark.parametrize(
    ("needed", "returned"), [pytest.param(1, 2, id="some"), pytest.param(0, 3, id="all")]
)
def test_slots_without_work_go_back(needed: int, returned: int) -> None:
    slots = wanting(3, granted=3)

    assert balance(slots, needed) == [return_slots(returned)]
    assert slots.free == needed


def test_slots_no_longer_wanted_are_withdrawn() -> None:
    assert balance(wanting(3), 0) == [request_slots(0)]


def test_slots_are_left_when_the_function_changes() -> None:
    slots = wanting(3, granted=2)

    assert slots.leave(FUNCTION_ARN) == [request_slots(0), return_slots(2)]
    assert balance(slots, 1) == [request_slots(1)]


def test_slots_that_nobody_held_are_not_returned() -> None:
    assert MappingSlots().leave(FUNCTION_ARN) == [request_slots(0)]
