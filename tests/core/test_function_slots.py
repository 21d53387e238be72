"""The ledger of a function's slots."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.function_slots import FunctionSlots, Grant


def test_slots_are_granted_while_free() -> None:
    slots = FunctionSlots(2)

    granted = slots.want("a", 3)

    assert granted == [Grant("a", 2)]
    assert slots.held_count == 2


def test_slots_freed_go_to_who_waits() -> None:
    slots = FunctionSlots(1)
    slots.want("a", 1)
    slots.want("b", 1)

    assert slots.free("a", 1) == [Grant("b", 1)]


def test_slots_go_to_the_holder_of_the_fewest() -> None:
    slots = FunctionSlots(3)
    slots.want("a", 5)
    slots.want("b", 1)

    assert slots.free("a", 1) == [Grant("b", 1)]


def test_slots_go_to_the_longest_waiting_of_equals() -> None:
    slots = FunctionSlots(1)
    slots.want("busy", 1)
    slots.want("b", 1)
    slots.want("a", 1)

    assert slots.free("busy", 1) == [Grant("b", 1)]


def test_slots_of_a_holder_that_wants_more_go_to_the_next_in_turn() -> None:
    slots = FunctionSlots(1)
    slots.want("a", 3)
    slots.want("b", 3)

    turns = [slots.free(holder, 1) for holder in ("a", "a", "b")]

    assert turns == [[Grant("a", 1)], [Grant("b", 1)], [Grant("a", 1)]]


def test_slots_are_dealt_evenly() -> None:
    slots = FunctionSlots(4)
    slots.change_concurrency(0)
    slots.want("a", 10)
    slots.want("b", 10)

    assert slots.change_concurrency(4) == [Grant("a", 2), Grant("b", 2)]


def test_slots_want_replaces_the_earlier_want() -> None:
    slots = FunctionSlots(1)
    slots.want("a", 5)
    slots.want("a", 1)

    granted = slots.change_concurrency(10)

    assert granted == [Grant("a", 1)]


def test_slots_want_of_none_withdraws() -> None:
    slots = FunctionSlots(1)
    slots.want("a", 2)
    slots.want("a", 0)

    assert slots.change_concurrency(10) == []


def test_slots_direct_invoke_takes_one_or_is_refused() -> None:
    slots = FunctionSlots(1)

    assert slots.take_one("direct")
    assert not slots.take_one("direct")
    assert slots.free("direct", 1) == []
    assert slots.take_one("direct")


def test_slots_direct_invoke_does_not_overtake_who_waits() -> None:
    slots = FunctionSlots(1)
    slots.want("a", 1)
    slots.want("b", 1)
    slots.free("a", 1)

    assert not slots.take_one("direct")


def test_slots_lowered_concurrency_lets_holders_end() -> None:
    slots = FunctionSlots(3)
    slots.want("a", 4)

    lowered = slots.change_concurrency(1)
    freed = [slots.free("a", 1) for _ in range(3)]

    assert (lowered, freed) == ([], [[], [], [Grant("a", 1)]])
    assert slots.held_count == 1


def test_slots_of_who_leaves_go_to_who_waits() -> None:
    slots = FunctionSlots(2)
    slots.want("a", 5)
    slots.want("b", 5)

    granted = slots.leave("a")

    assert granted == [Grant("b", 2)]
    assert slots.free("b", 2) == [Grant("b", 2)]


def test_slots_leaving_without_having_come_does_nothing() -> None:
    assert FunctionSlots(1).leave("stranger") == []


@pytest.mark.parametrize("count", [pytest.param(2, id="more"), pytest.param(-1, id="negative")])
def test_slots_cannot_be_freed_by_who_does_not_hold_them(count: int) -> None:
    slots = FunctionSlots(5)
    slots.want("a", 1)

    with pytest.raises(AssertionError, match=f"a frees {count} of 1 slots"):
        slots.free("a", count)


Step = tuple[str, str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["want", "free", "take_one", "leave"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 4),
    ),
    max_size=60,
)


class Ledger:
    """Slots, and an independent count of who holds how many."""

    def __init__(self, concurrency: int) -> None:
        self.slots = FunctionSlots(concurrency)
        self.held: Counter[str] = Counter()
        self.wanted: dict[str, int] = {}

    def take(self, step: Step) -> None:
        """Take one step; keep count of what was granted."""
        action, holder, count = step
        granted: list[Grant] = []
        match action:
            case "want":
                self.wanted[holder] = count
                granted = self.slots.want(holder, count)
            case "free":
                freed = min(count, self.held[holder])
                self.held[holder] -= freed
                granted = self.slots.free(holder, freed)
            case "take_one":
                self.held[holder] += self.slots.take_one(holder)
            case "leave":
                self.held[holder] = self.wanted[holder] = 0
                granted = self.slots.leave(holder)
        for grant in granted:
            self.held[grant.holder] += grant.count
            self.wanted[grant.holder] -= grant.count


@given(st.integers(1, 5), steps)
def test_slots_in_use_never_exceed_the_concurrency(concurrency: int, taken: list[Step]) -> None:
    ledger = Ledger(concurrency)

    for step in taken:
        ledger.take(step)
        assert ledger.held.total() == ledger.slots.held_count <= concurrency


@given(st.integers(1, 5), steps)
def test_slots_are_not_idle_while_somebody_waits(concurrency: int, taken: list[Step]) -> None:
    ledger = Ledger(concurrency)

    for step in taken:
        ledger.take(step)
        is_waiting = any(count > 0 for count in ledger.wanted.values())
        assert not is_waiting or ledger.slots.held_count == concurrency


@given(st.integers(1, 20), st.integers(2, 5))
def test_slots_starve_nobody(concurrency: int, holder_count: int) -> None:
    slots = FunctionSlots(0)
    for index in range(holder_count):
        slots.want(str(index), 100)

    granted = {grant.holder: grant.count for grant in slots.change_concurrency(concurrency)}

    counts = [granted.get(str(index), 0) for index in range(holder_count)]
    assert max(counts) - min(counts) <= 1


def test_slots_of_one_mapping_are_its_own() -> None:
    slots = FunctionSlots(3)
    slots.want("a", 2)
    slots.take_one("direct invokes")

    assert not slots.is_contended


def test_slots_of_two_mappings_are_contended_until_one_leaves() -> None:
    slots = FunctionSlots(3)
    slots.want("a", 2)
    slots.want("b", 0)
    is_contended_at_first = slots.is_contended

    slots.leave("b")

    assert (is_contended_at_first, slots.is_contended) == (True, False)


def test_slots_are_contended_while_more_are_held_than_there_are() -> None:
    slots = FunctionSlots(2)
    slots.want("a", 2)
    slots.change_concurrency(1)
    is_contended_at_first = slots.is_contended

    slots.free("a", 1)

    assert (is_contended_at_first, slots.is_contended) == (True, False)
