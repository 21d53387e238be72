"""Which receives begin for the slots there are, and which slots are wanted for them."""

import pytest
from builders import FUNCTION_ARN, QUEUE_ARN, at, request_slots, return_slots

from penstock.core.held_batch import visibility_of
from penstock.core.mapping_capacity import MappingCapacity
from penstock.core.queue_contract import QueuePolicy
from penstock.core.scaling import RampPolicy
from penstock.core.slot_demand import SlotDemand
from penstock.core.window import BatchWindow

POLICY = QueuePolicy(function_arn=FUNCTION_ARN, queue_arn=QUEUE_ARN, batch_size=10)
VISIBILITY = visibility_of(30, POLICY)


def demand(*, wanted: int, free: int) -> SlotDemand:
    """Make one with so many receives wanted, and so many slots free."""
    made = SlotDemand(MappingCapacity(POLICY, RampPolicy()), BatchWindow())
    made.receives.wanted = wanted
    made.slots.free = free
    return made


def asked_by(made: SlotDemand, *, capacity: int) -> list[tuple[int, int]]:
    """Begin receives; give what each asks for, and how long it waits."""
    commands = made.start_receives(POLICY, VISIBILITY, capacity, 0, at(0))
    return [(command.max_messages, command.wait_s) for command in commands]


def test_receive_that_is_alone_polls_long_and_wants_no_slot() -> None:
    made = demand(wanted=1, free=0)

    assert asked_by(made, capacity=5) == [(10, 20)]
    assert made.balance(POLICY, 0, 5, is_receiving=True) == []


@pytest.mark.parametrize(("free", "capacity", "count"), [(2, 5, 3), (5, 2, 3), (0, 5, 1)])
def test_receives_are_as_many_as_slots_and_one_more(free: int, capacity: int, count: int) -> None:
    made = demand(wanted=5, free=free)

    assert asked_by(made, capacity=capacity) == [(10, 0)] * count


def test_slots_are_wanted_for_what_waits_and_what_receives_may_bring() -> None:
    made = demand(wanted=3, free=0)

    assert made.balance(POLICY, 2, 9, is_receiving=True) == [request_slots(5)]


def test_slots_are_wanted_for_what_waits_alone_while_nothing_is_received() -> None:
    made = demand(wanted=3, free=0)

    assert made.balance(POLICY, 2, 9, is_receiving=False) == [request_slots(2)]


def test_slots_are_wanted_no_further_than_the_ramp_lets_run() -> None:
    made = demand(wanted=3, free=0)

    assert made.balance(POLICY, 2, 4, is_receiving=True) == [request_slots(4)]


def test_slots_that_running_receives_count_on_stay() -> None:
    made = demand(wanted=3, free=2)
    asked_by(made, capacity=5)

    assert made.balance(POLICY, 0, 0, is_receiving=False) == []


def test_slots_that_nothing_needs_go_back() -> None:
    made = demand(wanted=1, free=2)

    assert made.balance(POLICY, 0, 5, is_receiving=True) == [return_slots(2)]
