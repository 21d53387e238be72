"""Who may hold how many bytes: in turn, bounded, and nobody is stopped by others alone."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.core.byte_budget import ByteLedger

CAPACITY = 100
ACCOUNTS = ("a", "b", "c")
BYTES = st.integers(0, 70)


def test_ledger_gives_room_while_all_fits() -> None:
    ledger = ByteLedger(CAPACITY)

    granted = ledger.want("a", 60) + ledger.want("b", 40)

    assert granted == ["a", "b"]
    assert ledger.held_bytes == CAPACITY


def test_ledger_lets_one_wait_that_holds_something() -> None:
    ledger = ByteLedger(CAPACITY)
    ledger.set_held("a", 90)

    assert ledger.want("a", 20) == []
    assert ledger.set_held("a", 80) == ["a"]


def test_ledger_gives_one_answer_to_who_holds_nothing() -> None:
    ledger = ByteLedger(CAPACITY)
    ledger.set_held("stuck", CAPACITY)

    assert ledger.want("healthy", 50) == ["healthy"]
    ledger.end_given("healthy")
    ledger.set_held("healthy", 50)
    assert ledger.want("healthy", 1) == []
    assert ledger.set_held("healthy", 0) == ["healthy"]


def test_ledger_gives_room_in_turn() -> None:
    ledger = ByteLedger(CAPACITY)
    ledger.set_held("a", 50)
    ledger.set_held("b", 50)
    ledger.want("a", 60)

    assert ledger.want("b", 10) == []
    assert ledger.set_held("b", 20) == []
    assert ledger.set_held("a", 10) == ["a", "b"]


def test_ledger_passes_over_who_has_withdrawn() -> None:
    ledger = ByteLedger(CAPACITY)
    ledger.set_held("a", 50)
    ledger.set_held("b", 40)
    ledger.want("a", 60)
    ledger.want("b", 10)

    assert ledger.withdraw("a") == ["b"]


def test_ledger_leaving_gives_all_back() -> None:
    ledger = ByteLedger(CAPACITY)
    ledger.set_held("a", 50)
    ledger.want("a", 50)
    ledger.set_held("b", 1)
    ledger.want("b", 60)

    assert ledger.leave("a") == ["b"]
    assert ledger.held_bytes == 61


@given(BYTES, BYTES)
def test_ledger_counts_what_was_given_until_it_is_ended(held: int, given_bytes: int) -> None:
    ledger = ByteLedger(1_000)
    ledger.want("a", given_bytes)
    ledger.set_held("a", held)

    assert ledger.held_bytes == held + given_bytes
    ledger.end_given("a")
    assert ledger.held_bytes == held


class LedgerLife(RuleBasedStateMachine):
    """Shards that fetch, hold, finish and leave, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = ByteLedger(CAPACITY)
        self.held = dict.fromkeys(ACCOUNTS, 0)
        self.given: dict[str, int] = {}
        self.waiting: dict[str, int] = {}

    def take_in(self, granted: list[str]) -> None:
        for account in granted:
            count_bytes = self.waiting.pop(account)
            held_nothing = self.held[account] == 0
            self.given[account] = count_bytes
            assert held_nothing or self.total() <= CAPACITY

    def total(self) -> int:
        return sum(self.held.values()) + sum(self.given.values())

    @rule(account=st.sampled_from(ACCOUNTS), count_bytes=BYTES)
    def fetch(self, account: str, count_bytes: int) -> None:
        if account not in self.waiting and account not in self.given:
            self.waiting[account] = count_bytes
            self.take_in(self.ledger.want(account, count_bytes))

    @precondition(lambda self: self.given)
    @rule(is_first=st.booleans())
    def end_fetch(self, *, is_first: bool) -> None:
        account = sorted(self.given)[0 if is_first else -1]
        count_bytes = self.given[account]
        self.held[account] += count_bytes
        self.take_in(self.ledger.set_held(account, self.held[account]))
        del self.given[account]
        self.take_in(self.ledger.end_given(account))

    @rule(account=st.sampled_from(ACCOUNTS))
    def finish(self, account: str) -> None:
        self.held[account] = 0
        self.take_in(self.ledger.set_held(account, 0))

    @rule(account=st.sampled_from(ACCOUNTS))
    def leave(self, account: str) -> None:
        self.held[account] = 0
        self.given.pop(account, None)
        self.waiting.pop(account, None)
        self.take_in(self.ledger.leave(account))

    @invariant()
    def counts_what_is_there(self) -> None:
        assert self.ledger.held_bytes == self.total()

    @invariant()
    def nobody_who_holds_nothing_waits(self) -> None:
        assert [each for each in self.waiting if not self.held[each]] == []


TestLedgerLife = LedgerLife.TestCase
