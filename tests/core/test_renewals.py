"""Extensions of held batches: which are due, and in which calls."""

from collections.abc import Iterable

import pytest
from builders import at, held_batch, hiding, messages
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.held_batch import VISIBILITY_MS_MAX, HeldBatch, Visibility
from penstock.core.queue_contract import (
    ExtendVisibility,
    ExtendVisibilityFailed,
    VisibilityExtended,
)
from penstock.core.renewals import Renewals
from penstock.model.message import BATCH_ENTRIES_MAX, Message
from penstock.model.queue_options import QueueOptions

# 30 s, of which 28,500 ms are relied on; extended after 14,250 ms, or 3,562 ms earlier in company.
VISIBILITY = hiding()


def renewals(*watched: HeldBatch) -> Renewals:
    """Batches that are watched."""
    watching = Renewals()
    for held in watched:
        watching.watch(held)
    return watching


def start(
    watching: Renewals, now_ms: int, visibility: Visibility = VISIBILITY
) -> list[ExtendVisibility]:
    """Give what is due at that moment."""
    return watching.start_due(visibility, at(now_ms))


def extend(renewal_id: int, count: int = 1, first: int = 1) -> ExtendVisibility:
    """The command that hides messages m<first> and so on."""
    return ExtendVisibility(renewal_id, messages(count, first), 30)


def answer(
    renewal_id: int, *, is_extended: bool = True
) -> VisibilityExtended | ExtendVisibilityFailed:
    """The input that says how an extension ended."""
    if is_extended:
        return VisibilityExtended(renewal_id)
    return ExtendVisibilityFailed(renewal_id, "no answer")


def test_renewal_is_due_when_its_batch_says_so() -> None:
    watching = renewals(held_batch(1))

    assert watching.deadline_ms() == 14_250
    assert start(watching, 14_249) == []
    assert start(watching, 14_250) == [extend(1)]


def test_renewal_of_a_batch_is_one_at_a_time() -> None:
    watching = renewals(held_batch(1))
    start(watching, 14_250)

    assert start(watching, 20_000) == []
    assert watching.deadline_ms() is None


def test_renewal_counts_from_when_it_was_asked_for() -> None:
    watching = renewals(held := held_batch(1))
    start(watching, 14_250)

    assert watching.end(VisibilityExtended(1), at(20_000)) == ()

    assert (held.hidden_until_ms, held.renew_at_ms) == (14_250 + 28_500, 28_500)
    assert watching.deadline_ms() == 28_500


def test_renewal_counts_by_the_timeout_that_was_asked_for() -> None:
    watching = renewals(held := held_batch(1))
    start(watching, 14_250, hiding(100))

    watching.end(VisibilityExtended(1), at(20_000))

    assert (held.hidden_until_ms, held.renew_at_ms) == (14_250 + 95_000, 14_250 + 47_500)


def test_renewal_that_failed_is_tried_again_soon() -> None:
    watching = renewals(held := held_batch(1))
    start(watching, 14_250)

    assert watching.end(ExtendVisibilityFailed(1, "no answer"), at(15_000)) == (held,)

    assert (held.hidden_until_ms, watching.deadline_ms()) == (28_500, 15_000 + 7_125)
    assert start(watching, 22_125) == [extend(2)]


def test_renewals_share_a_call_with_those_that_are_due_soon() -> None:
    soon, later = held_batch(2, received_ms=3_562), held_batch(3, received_ms=3_563)
    watching = renewals(held_batch(1), soon, later)

    assert start(watching, 14_250) == [extend(1, 2)]
    assert watching.deadline_ms() == 14_250 + 3_563


def test_renewals_are_asked_for_ten_messages_at_a_time() -> None:
    watching = renewals(held_batch(1, messages(7)), held_batch(2, messages(5, first=8)))

    assert start(watching, 14_250) == [extend(1, 10), extend(2, 2, first=11)]


@pytest.mark.parametrize(
    ("answers", "hidden_until_ms"),
    [
        pytest.param([True, True], 14_250 + 28_500, id="all-went-well"),
        pytest.param([True, False], 28_500, id="the-second-failed"),
        pytest.param([False, True], 28_500, id="the-first-failed"),
    ],
)
def test_renewal_of_a_large_batch_needs_all_its_calls(
    answers: list[bool], hidden_until_ms: int
) -> None:
    watching = renewals(held := held_batch(1, messages(15)))
    start(watching, 14_250)

    for renewal_id, is_extended in enumerate(answers, start=1):
        watching.end(answer(renewal_id, is_extended=is_extended), at(15_000))

    assert (held.hidden_until_ms, held.renewals) == (hidden_until_ms, 0)


def test_renewal_that_failed_once_may_succeed_the_next_time() -> None:
    watching = renewals(held := held_batch(1))
    start(watching, 14_250)
    watching.end(ExtendVisibilityFailed(1, "no answer"), at(14_250))
    start(watching, 21_375)

    watching.end(VisibilityExtended(2), at(21_400))

    assert held.hidden_until_ms == 21_375 + 28_500


def test_message_that_the_server_refuses_is_extended_no_more() -> None:
    watching = renewals(held := held_batch(1, messages(2)))
    start(watching, 14_250)

    watching.end(VisibilityExtended(1, messages(1)), at(15_000))

    assert (held.hidden_until_ms, watching.deadline_ms()) == (0, 28_500)
    assert start(watching, 28_500) == [extend(2, first=2)]


def test_refused_message_is_not_tried_again_where_another_failed() -> None:
    watching = renewals(held_batch(1, messages(11)))
    start(watching, 14_250)

    watching.end(VisibilityExtended(1, messages(10)), at(15_000))
    watching.end(ExtendVisibilityFailed(2, "no answer"), at(15_000))

    assert start(watching, 15_000 + 7_125) == [extend(3, first=11)]


def test_batch_of_which_all_is_refused_is_watched_no_more() -> None:
    watching = renewals(held_batch(1))
    start(watching, 14_250)

    watching.end(VisibilityExtended(1, messages(1)), at(15_000))

    assert start(watching, 15_000) == []
    assert watching.deadline_ms() is None


def test_renewal_of_a_batch_that_left_ends_as_it_ends() -> None:
    watching = renewals(held := held_batch(1))
    start(watching, 14_250)
    watching.leave(held)

    assert watching.end(VisibilityExtended(1), at(15_000)) == ()

    assert (held.hidden_until_ms, held.renewals) == (14_250 + 28_500, 0)
    assert watching.deadline_ms() is None


def test_renewals_of_the_others_go_on_when_one_leaves() -> None:
    first, second = held_batch(1), held_batch(2)
    watching = renewals(first, second)

    watching.leave(first)

    assert start(watching, 14_250) == [extend(1, first=2)]


def test_renewals_end_with_the_last_batch() -> None:
    watching = renewals(held := held_batch(1))

    watching.leave(held)
    watching.leave(held)

    assert watching.deadline_ms() is None


def test_renewal_is_not_due_from_the_batch_s_end_on() -> None:
    held = held_batch(1)
    held.renew_until(14_250)
    watching = renewals(held)

    assert start(watching, 14_250) == []
    assert watching.deadline_ms() is None


def test_renewal_goes_on_when_a_batch_is_watched_for_longer() -> None:
    held = held_batch(1)
    held.renew_until(14_250)
    watching = renewals(held)
    start(watching, 14_250)

    held.renew_until(60_000)
    watching.watch(held)

    assert start(watching, 14_250) == [extend(1)]


def ids(extended: Iterable[Message]) -> set[str]:
    """Which messages these are."""
    return {each.message_id for each in extended}


class _World:
    """Batches that come, are extended and leave; every call is checked."""

    def __init__(self, visibility: Visibility) -> None:
        self.visibility, self.watching, self.now_ms = visibility, Renewals(), 0
        self.watched: dict[int, HeldBatch] = {}
        self.calls: dict[int, tuple[int, ExtendVisibility]] = {}

    def come(self, count: int, life_ms: int) -> None:
        first = 100 * len(self.watched) + 1
        held = held_batch(
            len(self.watched) + 1,
            messages(count, first),
            visibility=self.visibility,
            received_ms=self.now_ms,
        )
        held.renew_until(self.now_ms + life_ms)
        self.watched[held.id] = held
        self.watching.watch(held)

    def wait(self, until_ms: int, latency_ms: int) -> None:
        """Let time pass; every call is answered well, a while after it was asked for."""
        while (moments := self.moments(latency_ms)) and min(moments) <= until_ms:
            self.now_ms = max(self.now_ms, min(moments))
            for renewal_id, (asked_ms, _) in list(self.calls.items()):
                if asked_ms + latency_ms <= self.now_ms:
                    del self.calls[renewal_id]
                    self.watching.end(VisibilityExtended(renewal_id), at(self.now_ms))
            for command in self.watching.start_due(self.visibility, at(self.now_ms)):
                self.check(command)
                self.calls[command.renewal_id] = (self.now_ms, command)
        self.now_ms = until_ms

    def moments(self, latency_ms: int) -> list[int]:
        answers = [asked_ms + latency_ms for asked_ms, _ in self.calls.values()]
        deadline_ms = self.watching.deadline_ms()
        return answers if deadline_ms is None else [*answers, deadline_ms]

    def check(self, command: ExtendVisibility) -> None:
        assert 1 <= len(command.messages) <= BATCH_ENTRIES_MAX
        extended = ids(command.messages)
        under_way = {each for _, call in self.calls.values() for each in ids(call.messages)}
        assert under_way.isdisjoint(extended), "two extensions of one message at once"
        for held in self.watched.values():
            if not extended.isdisjoint(ids(held.messages)):
                assert self.now_ms < held.renew_until_ms
                hidden_until_ms = self.now_ms + command.timeout_s * 1_000
                assert hidden_until_ms <= held.received_ms + VISIBILITY_MS_MAX

    def check_hidden(self) -> None:
        """All that is watched and has not had its time is hidden."""
        for held in self.watched.values():
            assert min(self.now_ms, held.renew_until_ms - 1) < held.hidden_until_ms


lives_ms = st.sampled_from([5_000, 60_000, 900_000, 2 * VISIBILITY_MS_MAX])
steps = st.tuples(st.integers(1, 25), lives_ms, st.integers(0, 40_000))


@given(
    st.lists(steps, min_size=1, max_size=6),
    st.sampled_from([10, 30, 3_600]),
    st.integers(0, 400),
)
def test_renewals_keep_all_hidden_that_is_watched(
    arrivals: list[tuple[int, int, int]], heartbeat_s: int, latency_ms: int
) -> None:
    world = _World(hiding(options=QueueOptions(heartbeat_s=heartbeat_s)))

    for count, life_ms, pause_ms in arrivals:
        world.come(count, life_ms)
        world.wait(world.now_ms + pause_ms, latency_ms)
        world.check_hidden()
    # Beyond twelve hours, where periods are long enough for a test to get there.
    beyond_ms = VISIBILITY_MS_MAX + 60_000 if heartbeat_s == 3_600 else 120_000
    for _ in range(20):
        world.wait(world.now_ms + beyond_ms // 20, latency_ms)
        world.check_hidden()
