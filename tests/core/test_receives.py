"""The receives of one mapping: how many may run, and when the next may start."""

import pytest
from builders import FIFO_ARN, at, hiding, queue_policy

from penstock.core.queue_contract import QueuePolicy, Receive
from penstock.core.receives import (
    RECEIVED_BYTES_MAX,
    RECEIVES_MAX,
    Receives,
    Receiving,
    slots_for,
)
from penstock.model.queue_options import QueueOptions

FIFO = queue_policy(queue_arn=FIFO_ARN)


def start(
    receives: Receives, *, asked: int = 10, now_ms: int = 0, is_fifo: bool = False
) -> Receive:
    """Begin a long poll."""
    return receives.start(Receiving(asked, hiding()), 20, at(now_ms), is_fifo=is_fifo)


def end(
    receives: Receives,
    receive_id: int,
    count: int,
    size_bytes: int = 0,
    *,
    has_window: bool = False,
) -> Receiving:
    """End a receive with so many messages."""
    return receives.end(receive_id, count, size_bytes, has_window=has_window)


def attempt(receive_id: int, number: int, max_messages: int = 10) -> Receive:
    """The command of a FIFO queue's receive."""
    return Receive(receive_id, max_messages, 20, 30, attempt_number=number)


def full_receives(count: int, size_bytes: int = 1_000) -> Receives:
    """Receives after so many came back full, one after another."""
    receives = Receives()
    for receive_id in range(1, count + 1):
        start(receives)
        end(receives, receive_id, 10, size_bytes)
    return receives


def test_receive_asks_for_what_it_is_told_to() -> None:
    receives = Receives()

    command = start(receives, asked=7)

    assert command == Receive(1, 7, 20, 30)
    assert (len(receives), receives.asked) == (1, 7)


def test_receive_asks_for_a_heartbeat_s_timeout() -> None:
    visibility = hiding(options=QueueOptions(heartbeat_s=15))

    command = Receives().start(Receiving(10, visibility), 20, at(0), is_fifo=False)

    assert command == Receive(1, 10, 20, visibility_timeout_s=15)


# How many.


def test_receives_are_one_at_first() -> None:
    receives = Receives()
    assert receives.may_start(at(0))

    start(receives)

    assert not receives.may_start(at(0))


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        pytest.param(10, 5, id="full-one-more"),
        pytest.param(9, 3, id="not-full-one-fewer"),
        pytest.param(0, 1, id="empty-one"),
    ],
)
def test_receives_grow_only_while_they_come_back_full(count: int, wanted: int) -> None:
    receives = full_receives(3)
    start(receives)

    end(receives, 4, count, 1_000)

    assert receives.wanted == wanted


def test_receives_have_a_maximum() -> None:
    assert full_receives(RECEIVES_MAX + 10).wanted == RECEIVES_MAX


@pytest.mark.parametrize(
    ("size_bytes", "wanted"),
    [
        pytest.param(RECEIVED_BYTES_MAX // 6, 6, id="six-times-as-much"),
        pytest.param(2 * RECEIVED_BYTES_MAX, 1, id="more-than-that"),
    ],
)
def test_receives_of_large_messages_are_fewer(size_bytes: int, wanted: int) -> None:
    assert full_receives(20, size_bytes).wanted == wanted


def test_receives_tell_what_was_asked_for() -> None:
    receives = Receives()
    start(receives, asked=7)

    assert end(receives, 1, 0) == Receiving(7, hiding())
    assert len(receives) == 0


@pytest.mark.parametrize(
    ("has_window", "asked", "wanted"),
    [
        pytest.param(True, 4, 4, id="for-an-open-batch"),
        pytest.param(True, 10, 5, id="for-ten"),
        pytest.param(False, 4, 5, id="without-a-window"),
    ],
)
def test_receive_full_of_what_a_batch_had_room_for_tells_nothing(
    *, has_window: bool, asked: int, wanted: int
) -> None:
    receives = full_receives(3)
    start(receives, asked=asked)

    end(receives, 4, asked, has_window=has_window)

    assert receives.wanted == wanted


# Failures.


def test_receive_that_failed_is_followed_by_a_pause() -> None:
    receives = full_receives(3)
    start(receives)

    is_news = receives.fail(4, at(1_000))

    assert (is_news, receives.wanted) == (True, 1)
    assert (receives.retry_ms, receives.deadline_ms(at(1_000))) == (1_200, 1_200)
    assert (receives.may_start(at(1_199)), receives.may_start(at(1_200))) == (False, True)
    assert receives.deadline_ms(at(1_200)) is None


def test_receives_that_fail_together_are_one_failure() -> None:
    receives = full_receives(2)
    start(receives)
    start(receives)
    receives.fail(3, at(1_000))

    is_news = receives.fail(4, at(1_100))

    assert (is_news, receives.retry_ms) == (False, 1_200)


def test_receives_pause_longer_with_each_failure_until_one_succeeds() -> None:
    receives, pauses_ms = Receives(), list[int]()

    for receive_id in range(1, 8):
        start(receives)
        receives.fail(receive_id, at(receives.retry_ms))
        pauses_ms.append(receives.retry_ms - sum(pauses_ms))
    start(receives)
    end(receives, 8, 0, 0)
    start(receives)
    receives.fail(9, at(100_000))

    assert pauses_ms == [200, 400, 800, 1_600, 3_200, 5_000, 5_000]
    assert receives.retry_ms == 100_200


@pytest.mark.parametrize(
    ("window_ends_ms", "opens_ms"),
    [
        pytest.param(1_500, 1_250, id="half-of-what-is-left"),
        pytest.param(300_000, 2_000, id="a-second-at-most"),
        pytest.param(1_010, 1_020, id="a-little-at-least"),
    ],
)
def test_receives_pause_in_a_window_while_messages_trickle(
    window_ends_ms: int, opens_ms: int
) -> None:
    receives = Receives()

    receives.let_gather(window_ends_ms, at(1_000))

    assert receives.deadline_ms(at(1_000)) == opens_ms
    assert (receives.may_start(at(opens_ms - 1)), receives.may_start(at(opens_ms))) == (False, True)


def test_receives_do_not_pause_without_an_open_batch() -> None:
    receives = Receives()

    receives.let_gather(None, at(1_000))

    assert receives.may_start(at(1_000))


# Attempts of FIFO receives.


def test_receive_of_a_fifo_queue_has_its_own_attempt_number() -> None:
    receives = Receives()
    first = start(receives, is_fifo=True)
    end(receives, 1, 0, 0)

    assert [first, start(receives, is_fifo=True)] == [attempt(1, 1), attempt(2, 2)]


def test_receive_whose_answer_was_lost_is_repeated_as_it_was() -> None:
    receives = Receives()
    start(receives, asked=5, is_fifo=True)
    receives.fail(1, at(0))

    repeated = start(receives, asked=10, now_ms=200, is_fifo=True)

    assert repeated == attempt(2, 1, 5)


def test_receives_that_were_lost_are_repeated_oldest_first_and_once() -> None:
    receives = Receives()
    start(receives, is_fifo=True)
    start(receives, is_fifo=True)
    receives.fail(1, at(0))
    receives.fail(2, at(0))

    repeated = [start(receives, is_fifo=True) for _ in range(3)]

    assert repeated == [attempt(3, 1), attempt(4, 2), attempt(5, 5)]


def test_receive_that_is_lost_again_is_repeated_again() -> None:
    receives = Receives()
    start(receives, is_fifo=True)
    receives.fail(1, at(0))
    start(receives, now_ms=1_000, is_fifo=True)
    receives.fail(2, at(1_000))

    assert start(receives, now_ms=2_000, is_fifo=True) == attempt(3, 1)


@pytest.mark.parametrize(
    ("now_ms", "number"),
    [
        pytest.param(269_999, 1, id="in-time"),
        pytest.param(270_000, 3, id="too-late"),
    ],
)
def test_receive_is_not_repeated_when_the_server_has_forgotten_it(now_ms: int, number: int) -> None:
    receives = Receives()
    start(receives, is_fifo=True)
    receives.fail(1, at(0))
    start(receives, now_ms=1_000, is_fifo=True)
    receives.fail(2, at(1_000))

    assert start(receives, now_ms=now_ms, is_fifo=True) == attempt(3, number)


def test_receive_of_a_standard_queue_is_not_repeated() -> None:
    receives = Receives()
    start(receives)
    receives.fail(1, at(0))

    assert start(receives) == Receive(2, 10, 20, 30)


@pytest.mark.parametrize(
    ("policy", "receives", "expected"),
    [
        pytest.param(queue_policy(batch_size=10), 3, 3, id="ten"),
        pytest.param(queue_policy(batch_size=1), 3, 30, id="one"),
        pytest.param(queue_policy(batch_size=4), 2, 6, id="four"),
        pytest.param(queue_policy(batch_size=100, batching_window_s=1), 3, 1, id="window"),
        pytest.param(queue_policy(batch_size=15, batching_window_s=1), 3, 2, id="window-of-15"),
        pytest.param(FIFO, 3, 3, id="fifo"),
        pytest.param(queue_policy(queue_arn=FIFO_ARN, batch_size=1), 3, 3, id="fifo-one"),
    ],
)
def test_slots_for_what_full_receives_keep_busy(
    policy: QueuePolicy, receives: int, expected: int
) -> None:
    assert slots_for(policy, receives) == expected
