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
    slots.take_granted(FUNCTION_ARN, granted, is_current=True)
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


def test_slot_is_kept_when_its_invocation_ends_while_nobody_else_wants_it() -> None:
    slots = MappingSlots()
    slots.is_contended = False

    assert slots.end_one(FUNCTION_ARN, is_current=True) == []
    assert (slots.free, balance(slots, 0)) == (1, [return_slots(1)])


def test_slot_goes_back_when_its_invocation_ends_while_others_may_want_it() -> None:
    slots = MappingSlots()

    assert slots.end_one(FUNCTION_ARN, is_current=True) == [return_slots(1)]
    assert slots.free == 0


def test_slot_of_the_function_before_goes_back_whoever_wants_it() -> None:
    slots = MappingSlots()
    slots.is_contended = False

    assert slots.end_one("before", is_current=False) == [return_slots(1, "before")]


def test_slots_of_another_function_are_contended_until_it_is_told_otherwise() -> None:
    slots = MappingSlots()
    slots.is_contended = False

    slots.leave(FUNCTION_ARN)

    assert slots.is_contended


def test_slots_that_come_for_the_function_before_go_back() -> None:
    slots = wanting(3)

    assert slots.take_granted("before", 2, is_current=False) == [return_slots(2, "before")]
    assert slots.free == 0
