"""Deletes, gathered into full calls and tried again."""

from collections import Counter

from builders import at, message, messages
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.deletions import DELETE_ATTEMPTS_MAX, GATHER_MS_MAX, Deletions
from penstock.core.queue_contract import DeleteMessages
from penstock.model.message import BATCH_ENTRIES_MAX, DeleteReport, Message


def deletions_of(*added: Message) -> Deletions:
    """Deletions that took messages in at time 0."""
    deletions = Deletions()
    deletions.add(added, at(0))
    return deletions


def test_deletions_wait_for_company() -> None:
    deletions = deletions_of(*messages(3))

    assert deletions.flush(at(GATHER_MS_MAX - 1), at_once=False) == []
    assert deletions.deadline_ms() == GATHER_MS_MAX
    assert deletions.pending_count == 3


def test_deletions_of_concurrent_batches_share_a_call() -> None:
    deletions = deletions_of(*messages(3))
    deletions.add(messages(2, first=4), at(15))

    commands = deletions.flush(at(GATHER_MS_MAX), at_once=False)

    assert commands == [DeleteMessages(messages(5), attempt=1)]
    assert deletions.deadline_ms() is None


def test_deletions_go_at_once_when_nobody_can_join() -> None:
    deletions = deletions_of(*messages(3))

    assert deletions.flush(at(0), at_once=True) == [DeleteMessages(messages(3), attempt=1)]


def test_deletions_of_a_full_call_do_not_wait() -> None:
    deletions = deletions_of(*messages(23))

    commands = deletions.flush(at(0), at_once=False)

    assert commands == [
        DeleteMessages(messages(10), attempt=1),
        DeleteMessages(messages(10, first=11), attempt=1),
    ]
    assert deletions.flush(at(GATHER_MS_MAX), at_once=False) == [
        DeleteMessages(messages(3, first=21), attempt=1)
    ]


def test_deletions_of_just_a_full_call_do_not_wait() -> None:
    deletions = deletions_of(*messages(BATCH_ENTRIES_MAX))

    commands = deletions.flush(at(0), at_once=False)

    assert commands == [DeleteMessages(messages(BATCH_ENTRIES_MAX), attempt=1)]


def test_deletions_of_nothing_arm_no_timer() -> None:
    deletions = deletions_of()

    assert deletions.deadline_ms() is None
    assert deletions.flush(at(0), at_once=True) == []


def test_deletions_are_pending_until_their_report() -> None:
    deletions = deletions_of(*messages(2))
    deletions.flush(at(0), at_once=True)
    in_flight_count = deletions.pending_count

    deletions.take_report(DeleteReport(messages(2)), 1, at(5))

    assert (in_flight_count, deletions.pending_count) == (2, 0)


def test_deletions_try_again_what_the_server_failed_on() -> None:
    first, second, third = messages(3)
    deletions = deletions_of(first, second, third)
    deletions.flush(at(0), at_once=True)

    deletions.take_report(DeleteReport((first,), retryable=(second,), refused=(third,)), 1, at(5))

    assert deletions.pending_count == 1
    assert deletions.flush(at(104), at_once=True) == []
    assert deletions.deadline_ms() == 105
    assert deletions.flush(at(105), at_once=True) == [DeleteMessages((second,), attempt=2)]


def test_deletions_give_up_after_some_attempts() -> None:
    deletions = deletions_of(message())
    now_ms, attempts = 0, []

    while commands := deletions.flush(at(now_ms), at_once=True):
        attempts.append(commands[0].attempt)
        report = DeleteReport((), retryable=commands[0].messages)
        deletions.take_report(report, commands[0].attempt, at(now_ms))
        now_ms = deletions.deadline_ms() or now_ms

    assert attempts == list(range(1, DELETE_ATTEMPTS_MAX + 1))
    assert (deletions.pending_count, now_ms) == (
        0,
        100 + 200 + 400 + 800 + 1_600 + 3_200 + 5 * 5_000,
    )


def test_deletions_wake_for_the_earliest_reason() -> None:
    deletions = deletions_of(message("m1"))
    deletions.flush(at(0), at_once=True)
    deletions.take_report(DeleteReport((), retryable=(message("m1"),)), 1, at(0))

    deletions.add((message("m2"),), at(10))

    assert deletions.deadline_ms() == 30


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30)), max_size=30))
def test_deletions_lose_and_repeat_nothing(arrivals: list[tuple[int, int]]) -> None:
    deletions, now_ms, added_count = Deletions(), 0, 0
    deleted: Counter[str] = Counter()

    for count, pause_ms in [*arrivals, (0, GATHER_MS_MAX)]:
        deletions.add(messages(count, first=added_count + 1), at(now_ms))
        added_count += count
        now_ms += pause_ms
        for command in deletions.flush(at(now_ms), at_once=False):
            assert 1 <= len(command.messages) <= BATCH_ENTRIES_MAX
            deleted.update(gone.message_id for gone in command.messages)
            deletions.take_report(DeleteReport(command.messages), 1, at(now_ms))

    assert deleted == Counter(each.message_id for each in messages(added_count))
    assert deletions.pending_count == 0


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_deletions_wait_no_longer_than_they_may(pauses_ms: list[int]) -> None:
    deletions, now_ms = Deletions(), 0

    for number, pause_ms in enumerate(pauses_ms):
        deletions.add((message(f"m{number}"),), at(now_ms))
        deadline_ms = deletions.deadline_ms()
        assert deadline_ms is not None
        assert deadline_ms <= now_ms + GATHER_MS_MAX
        now_ms += pause_ms
        deletions.flush(at(now_ms), at_once=False)
