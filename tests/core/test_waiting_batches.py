"""Batches that wait for more messages, for a slot or for their next try, and how long they may."""

import pytest
from builders import at, grouped, held_batch, hiding
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.held_batch import HeldBatch
from penstock.core.waiting_batches import BLOCKED_BATCHES_MAX, WaitingBatches
from penstock.model.queue_options import QueueOptions

FREE: set[str] = set()  # no message group is in flight


def waiting_batches(*waiting: HeldBatch) -> WaitingBatches:
    """Batches that were received at time 0; two of one message each unless told."""
    batches = WaitingBatches()
    for held in waiting or (held_batch(1), held_batch(2)):
        batches.add(held)
    return batches


def waiting_groups(*names: str) -> WaitingBatches:
    """Batches 1, 2 and so on of a FIFO queue, each of the messages named."""
    batches = [held_batch(number, grouped(each)) for number, each in enumerate(names, start=1)]
    return waiting_batches(*batches)


def take(waiting: WaitingBatches, now_ms: int = 0, busy: set[str] = FREE) -> int | None:
    """Take the oldest batch that may be invoked; give its id."""
    held = waiting.take_ready(at(now_ms), busy)
    return None if held is None else held.id


def ids(batches: list[HeldBatch]) -> list[int]:
    """Which batches these are."""
    return [held.id for held in batches]


def taken_back(waiting: WaitingBatches) -> list[int]:
    """Give the ids of those that go back to the queue."""
    return ids(waiting.take_returning(takes_all=False))


def open_batch(due_ms: int) -> HeldBatch:
    """Batch 1, whose window ends then."""
    held = held_batch(1)
    held.is_open, held.due_ms = True, due_ms
    return held


# Taking.


def test_waiting_batches_are_taken_oldest_first() -> None:
    waiting = waiting_batches()

    assert [take(waiting) for _ in range(3)] == [1, 2, None]
    assert len(waiting) == 0


@pytest.mark.parametrize(
    ("now_ms", "counts"),
    [pytest.param(4_999, (0, 0), id="open"), pytest.param(5_000, (1, 1), id="its-window-ended")],
)
def test_waiting_batch_that_is_open_is_ready_when_its_window_ends(
    now_ms: int, counts: tuple[int, int]
) -> None:
    waiting = waiting_batches(open_batch(due_ms=5_000))

    assert (waiting.closed_count(at(now_ms)), waiting.ready_count(at(now_ms), FREE)) == counts


def test_waiting_batch_that_is_taken_grows_no_more() -> None:
    held = open_batch(due_ms=0)

    assert waiting_batches(held).take_ready(at(0), FREE) is held
    assert not held.is_open


def test_waiting_batches_say_when_the_first_is_due_or_visible() -> None:
    assert waiting_batches(open_batch(due_ms=5_000)).deadline_ms(at(0)) == 5_000
    assert waiting_batches().deadline_ms(at(0)) == 28_500
    assert WaitingBatches().deadline_ms(at(0)) is None


# Rejected batches.


def test_waiting_batch_that_was_rejected_waits_for_its_next_try() -> None:
    waiting, held = WaitingBatches(), held_batch(1)

    waiting.add_rejected(held, hiding(), at(1_000))

    # The first back-off is 200 ms, less what parts batch 1 from the others.
    assert waiting.deadline_ms(at(1_000)) == 1_182
    assert (waiting.ready_count(at(1_181), FREE), take(waiting, 1_181)) == (0, None)
    assert (waiting.ready_count(at(1_182), FREE), take(waiting, 1_182)) == (1, 1)


def test_waiting_batch_that_was_rejected_waits_longer_each_time() -> None:
    waiting, held, delays_ms = WaitingBatches(), held_batch(100), list[int]()

    for _ in range(8):
        waiting.add_rejected(held, hiding(), at(0))
        delays_ms.append(held.due_ms)

    assert delays_ms == [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]


def test_waiting_batch_that_was_rejected_does_not_hold_up_another() -> None:
    waiting = waiting_batches(held_batch(2))

    waiting.add_rejected(held_batch(1), hiding(), at(0))

    assert (take(waiting), take(waiting)) == (2, None)


@pytest.mark.parametrize(
    ("heartbeat_s", "renew_until_ms"),
    [pytest.param(None, 0, id="not-at-all"), pytest.param(10, 30_000, id="heartbeat")],
)
def test_waiting_batch_that_was_rejected_is_extended_for_the_queue_s_timeout_only(
    heartbeat_s: int | None, renew_until_ms: int
) -> None:
    held, options = held_batch(1), QueueOptions(heartbeat_s=heartbeat_s)

    WaitingBatches().add_rejected(held, hiding(options=options), at(20_000))

    assert held.renew_until_ms == renew_until_ms


def test_waiting_batch_that_was_rejected_is_tried_for_the_queue_s_timeout_only() -> None:
    waiting, held = WaitingBatches(), held_batch(1)
    held.hidden_until_ms = 50_000

    waiting.add_rejected(held, hiding(options=QueueOptions(heartbeat_s=10)), at(29_900))

    assert waiting.deadline_ms(at(29_900)) == 30_000
    assert take(waiting, 30_082) is None
    assert ids([held for held, _ in waiting.forget_visible(at(30_000))]) == [1]


# Visible again.


def test_waiting_batch_is_forgotten_when_it_is_visible() -> None:
    waiting = waiting_batches(held_batch(1))

    assert waiting.forget_visible(at(28_499)) == []
    assert take(waiting, 28_500) is None
    assert ids([held for held, _ in waiting.forget_visible(at(28_500))]) == [1]
    assert len(waiting) == 0


def test_waiting_batch_is_not_forgotten_while_its_extension_is_under_way() -> None:
    held = held_batch(1)
    waiting = waiting_batches(held)
    held.renewals = 1

    assert waiting.forget_visible(at(28_500)) == []
    assert (take(waiting, 28_500), waiting.deadline_ms(at(28_500))) == (None, None)


def test_waiting_batch_that_is_forgotten_takes_its_groups_later_batches_along() -> None:
    first = held_batch(1, grouped("a1"), visibility=hiding(10))
    waiting = waiting_batches(first, held_batch(2, grouped("a2")), held_batch(3, grouped("b1")))

    assert ids([held for held, _ in waiting.forget_visible(at(9_500))]) == [1]
    assert taken_back(waiting) == [2]


# Back to the queue.


def test_waiting_batches_all_go_back_at_a_stop() -> None:
    waiting = waiting_batches()

    assert ids(waiting.take_returning(takes_all=True)) == [1, 2]
    assert (len(waiting), waiting.deadline_ms(at(0))) == (0, None)


def test_waiting_batches_stay_without_a_stop() -> None:
    assert taken_back(waiting_batches()) == []


def test_waiting_batch_goes_back_only_when_its_extension_has_ended() -> None:
    held = held_batch(1)
    waiting = waiting_batches(held, held_batch(2))
    held.renewals = 1

    assert ids(waiting.take_returning(takes_all=True)) == [2]
    held.renewals = 0
    assert ids(waiting.take_returning(takes_all=True)) == [1]


# Message groups.


@pytest.mark.parametrize(
    ("names", "busy", "expected"),
    [
        pytest.param(("a1", "b1"), set(), [1, 2], id="groups-in-parallel"),
        pytest.param(("a1", "b1"), {"a"}, [2], id="its-group-is-in-flight"),
        pytest.param(("a1 b1", "c1"), {"b"}, [2], id="one-of-its-groups-is-in-flight"),
        pytest.param(("a1 b1", "b2 c1", "c2"), {"a"}, [], id="waits-behind-one-that-waits"),
    ],
)
def test_waiting_batch_runs_when_its_groups_are_free(
    names: tuple[str, ...], busy: set[str], expected: list[int]
) -> None:
    waiting = waiting_groups(*names)
    ready = waiting.ready_count(at(0), busy)

    taken = [take(waiting, busy=busy) for _ in expected]

    assert (taken, ready) == (expected, len(expected))


def test_waiting_batch_waits_behind_one_of_its_group_that_is_not_due() -> None:
    waiting = waiting_groups("a1", "b1")
    rejected = waiting.take_ready(at(0), FREE)
    assert rejected is not None
    waiting.add_rejected(rejected, hiding(), at(0))
    waiting.add(held_batch(3, grouped("a2")))

    assert [take(waiting), take(waiting)] == [2, None]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param("", [], id="none"),
        pytest.param("z", [], id="another"),
        pytest.param("c", [3], id="the-last"),
        pytest.param("b", [2, 3], id="with-what-waits-behind"),
        pytest.param("a", [1, 2, 3], id="whatever-the-group"),
    ],
)
def test_waiting_batches_of_a_failed_group_go_back(groups: str, expected: list[int]) -> None:
    waiting = waiting_groups("a1", "a2 b1", "b2 c1", "d1")

    waiting.send_back(groups)

    assert waiting.ready_count(at(0), FREE) <= 4 - len(expected)
    assert taken_back(waiting) == expected


def test_waiting_batch_that_goes_back_does_not_run_any_more() -> None:
    waiting = waiting_groups("a1")

    waiting.send_back("a")

    assert take(waiting) is None


names = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map(
    lambda groups: " ".join(f"{group}1" for group in groups)
)


@given(st.lists(names, max_size=8), st.sets(st.sampled_from("abcd"), max_size=2))
def test_waiting_batches_keep_the_order_of_every_group(
    waiting_names: list[str], failed: set[str]
) -> None:
    waiting = waiting_groups(*waiting_names)
    waiting.send_back(failed)
    returned = taken_back(waiting)
    last_of = dict.fromkeys("abcd", 0)

    while (held := waiting.take_ready(at(0), FREE)) is not None:
        for group in held.groups:
            assert last_of[group] < held.id
            assert not any(
                group in waiting_names[number - 1] for number in returned if number < held.id
            )
            last_of[group] = held.id

    assert len(waiting) == 0


# What nothing is received beside.


@pytest.mark.parametrize(
    ("names", "busy", "holding_count"),
    [
        pytest.param(["a1"], set(), 1, id="waits-for-a-slot"),
        pytest.param(["a1"], {"a"}, 0, id="waits-for-its-group"),
        pytest.param(["a1", "a2"], set(), 1, id="behind-one-that-waits"),
        pytest.param(["a1", "b1"], {"a"}, 1, id="one-of-each"),
        pytest.param(["a1"] * BLOCKED_BATCHES_MAX, {"a"}, 0, id="as-many-as-may"),
        pytest.param(["a1"] * (BLOCKED_BATCHES_MAX + 1), {"a"}, 11, id="too-many"),
    ],
)
def test_waiting_for_its_group_a_batch_holds_up_no_receive(
    names: list[str], busy: set[str], holding_count: int
) -> None:
    assert waiting_groups(*names).holding_count(at(0), busy) == holding_count


def test_waiting_batches_without_groups_all_hold_up_receiving() -> None:
    assert waiting_batches().holding_count(at(0), FREE) == 2


def test_waiting_batch_that_went_back_before_its_next_try_is_passed_over() -> None:
    waiting = waiting_groups("a", "b")
    rejected = waiting.take_ready(at(0), FREE)
    assert rejected is not None
    waiting.add_rejected(rejected, hiding(), at(0))
    waiting.send_back({"a"})

    assert taken_back(waiting) == [1]
    assert take(waiting, 10_000) == 2
