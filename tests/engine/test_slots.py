"""The slot ledger: grants reach their holders, direct Invokes are throttled."""

import msgspec
import pytest
from engine_fakes import FUNCTION, FakeFunctions, run

from penstock.engine.slots import SlotLedger
from penstock.model.errors import FunctionNotFoundError, InvokeThrottledError
from penstock.model.function import FunctionResult

ARN = FUNCTION.arn


def test_slots_grant_names_the_arn_as_the_holder_wrote_it() -> None:
    granted: list[tuple[str, int]] = []
    ledger = SlotLedger(FakeFunctions(FUNCTION))

    ledger.want(f"{ARN}:$LATEST", "a", 5, lambda arn, count: granted.append((arn, count)))

    assert granted == [(f"{ARN}:$LATEST", 2)]


def test_slots_are_shared_by_all_qualifiers_of_a_function() -> None:
    granted: list[str] = []
    ledger = SlotLedger(FakeFunctions(FUNCTION))
    ledger.want(ARN, "a", 2, lambda *_: granted.append("a"))
    ledger.want(f"{ARN}:$LATEST", "b", 1, lambda *_: granted.append("b"))
    granted_at_first = list(granted)

    ledger.free(ARN, "a", 1)

    assert (granted_at_first, granted) == (["a"], ["a", "b"])


def test_slots_follow_a_changed_concurrency() -> None:
    granted: list[int] = []
    functions = FakeFunctions(FUNCTION)
    ledger = SlotLedger(functions)
    ledger.want(ARN, "a", 5, lambda _, count: granted.append(count))

    functions.declare(msgspec.structs.replace(FUNCTION, concurrency=4))
    ledger.want(ARN, "a", 3, lambda _, count: granted.append(count))

    assert sum(granted) == 4


def test_slots_of_a_holder_that_leaves_go_to_those_who_wait() -> None:
    granted: list[tuple[str, int]] = []
    ledger = SlotLedger(FakeFunctions(FUNCTION))
    ledger.want(ARN, "a", 2, lambda *_: None)
    ledger.want(ARN, "b", 5, lambda _, count: granted.append(("b", count)))

    ledger.leave("a")

    assert granted == [("b", 2)]


def test_slots_of_a_missing_function_are_one_so_that_its_absence_shows() -> None:
    granted: list[int] = []
    ledger = SlotLedger(FakeFunctions())

    ledger.want(ARN, "a", 5, lambda _, count: granted.append(count))

    assert granted == [1]


def test_slots_direct_invoke_gives_its_slot_back() -> None:
    functions = FakeFunctions(FUNCTION)
    ledger = SlotLedger(functions)

    results = [run(ledger.invoke(ARN, b"{}")) for _ in range(5)]

    assert results == [FunctionResult(b"null")] * 5


def test_slots_direct_invoke_is_throttled_when_mappings_hold_all() -> None:
    ledger = SlotLedger(FakeFunctions(FUNCTION))
    ledger.want(ARN, "a", 2, lambda *_: None)

    with pytest.raises(InvokeThrottledError):
        run(ledger.invoke(ARN, b"{}"))


def test_slots_direct_invoke_of_a_missing_function_says_so() -> None:
    with pytest.raises(FunctionNotFoundError, match="charge"):
        run(SlotLedger(FakeFunctions()).invoke(ARN, b"{}"))


def test_slots_wait_no_more_when_the_concurrency_was_raised() -> None:
    granted: list[int] = []
    functions = FakeFunctions(msgspec.structs.replace(FUNCTION, concurrency=0))
    ledger = SlotLedger(functions)
    ledger.want(ARN, "a", 5, lambda _, count: granted.append(count))
    granted_at_first = list(granted)

    functions.declare(msgspec.structs.replace(FUNCTION, concurrency=3))
    ledger.function_changed(ARN)

    assert (granted_at_first, sum(granted)) == ([], 3)


def test_slots_of_a_function_that_nobody_wants_are_not_made() -> None:
    ledger = SlotLedger(FakeFunctions())

    ledger.function_changed(ARN)  # it is not there at all


class Told:
    """What one mapping was told of contention."""

    def __init__(self, ledger: SlotLedger, name: str) -> None:
        self.contended: list[bool] = []
        self._ledger, self._name = ledger, name

    def want(self, count: int) -> None:
        """Want slots."""
        self._ledger.want(ARN, self._name, count, lambda *_: None, self._note)

    def _note(self, function_arn: str, *, is_contended: bool) -> None:
        assert function_arn == ARN
        self.contended.append(is_contended)


def test_slots_are_contended_while_two_mappings_take_them() -> None:
    ledger = SlotLedger(FakeFunctions(FUNCTION))
    first, second = Told(ledger, "a"), Told(ledger, "b")

    first.want(1)
    first.want(2)
    second.want(1)
    second.want(0)
    ledger.leave("b")

    assert (first.contended, second.contended) == ([False, True, False], [True])


def test_slots_are_contended_while_more_are_held_than_there_are() -> None:
    functions = FakeFunctions(FUNCTION)
    ledger = SlotLedger(functions)
    alone = Told(ledger, "a")
    alone.want(2)

    functions.declare(msgspec.structs.replace(FUNCTION, concurrency=1))
    ledger.function_changed(ARN)
    ledger.free(ARN, "a", 1)

    assert alone.contended == [False, True, False]
