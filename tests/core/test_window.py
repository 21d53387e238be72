"""How received messages become batches."""

from functools import cache

import msgspec
import pytest
from builders import FIFO_ARN, QUEUE_ARN, at, grouped, hiding, message, messages, queue_policy
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.function_event import queue_event, queue_records_bytes_max
from penstock.core.held_batch import HeldBatch
from penstock.core.window import EVENT_ENVELOPE_BYTES, BatchWindow
from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.message import Message

WINDOW_S = 5
MEGABYTE = 1024 * 1024


def gather(
    window: BatchWindow,
    received: tuple[Message, ...],
    *,
    batch_size: int = 10,
    window_s: int = WINDOW_S,
    now_ms: int = 0,
) -> list[HeldBatch]:
    """Let a receive bring messages."""
    policy = queue_policy(batch_size=batch_size, batching_window_s=window_s)
    return window.add(received, policy, hiding(), at(now_ms))


def cut(received: tuple[Message, ...], *, batch_size: int = 3) -> list[int]:
    """Count the messages of each batch that one receive makes."""
    begun = gather(BatchWindow(), received, batch_size=batch_size, window_s=0)
    return [len(held.messages) for held in begun]


@cache
def body_of(length: int) -> msgspec.Raw:
    """A message's body of that many characters."""
    return msgspec.Raw(msgspec.json.encode("x" * length))


def large(message_id: str, size_bytes: int) -> Message:
    """A message whose part of the event, its comma included, is counted as that many bytes."""
    spare = queue_records_bytes_max([message(message_id, "")], QUEUE_ARN)
    return Message(message_id, f"handle-{message_id}", body_of(size_bytes - spare))


ROOM_BYTES = PAYLOAD_BYTES_MAX - EVENT_ENVELOPE_BYTES


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(0, [], id="nothing"),
        pytest.param(1, [1], id="one"),
        pytest.param(3, [3], id="exactly-the-batch-size"),
        pytest.param(4, [3, 1], id="one-above-it"),
        pytest.param(10, [3, 3, 3, 1], id="a-full-receive"),
    ],
)
def test_window_cuts_a_receive_to_the_batch_size(count: int, expected: list[int]) -> None:
    assert cut(messages(count)) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param([ROOM_BYTES], [1], id="exactly-the-quota"),
        pytest.param([MEGABYTE, ROOM_BYTES - MEGABYTE], [2], id="two-exactly-the-quota"),
        pytest.param([MEGABYTE, ROOM_BYTES - MEGABYTE + 1], [1, 1], id="one-byte-above"),
        pytest.param([MEGABYTE, 2 * ROOM_BYTES, MEGABYTE], [1, 1, 1], id="too-large-stands-alone"),
    ],
)
def test_window_cuts_a_receive_to_the_payload_quota(sizes: list[int], expected: list[int]) -> None:
    assert cut(tuple(large(f"m{index}", size) for index, size in enumerate(sizes))) == expected


def test_window_of_no_length_closes_with_its_receive() -> None:
    [held] = gather(BatchWindow(), messages(1), window_s=0)

    assert (held.is_open, held.due_ms) == (False, 0)


def test_window_gathers_over_several_receives_in_their_order() -> None:
    window = BatchWindow()

    [held] = gather(window, messages(2), now_ms=1_000)
    later = gather(window, messages(3, first=3), now_ms=4_000)

    assert later == []
    assert held.messages == list(messages(5))
    # It began with its first message.
    assert (held.is_open, held.due_ms, held.received_ms) == (True, 6_000, 1_000)


def test_window_closes_at_the_batch_size_and_begins_the_next() -> None:
    window = BatchWindow()
    [first] = gather(window, messages(2), batch_size=3)

    [second] = gather(window, messages(2, first=3), batch_size=3, now_ms=1_000)

    assert (first.messages, first.is_open, first.due_ms) == (list(messages(3)), False, 0)
    assert (second.messages, second.is_open) == (list(messages(1, first=4)), True)
    assert (second.id, second.due_ms) == (2, 6_000)


def test_window_closes_when_it_is_just_full() -> None:
    [held] = gather(BatchWindow(), messages(3), batch_size=3)

    assert not held.is_open


@pytest.mark.parametrize(
    "size", [pytest.param(ROOM_BYTES, id="full"), pytest.param(2 * ROOM_BYTES, id="too-large")]
)
def test_window_does_not_wait_when_no_byte_is_left(size: int) -> None:
    [held] = gather(BatchWindow(), (large("m1", size),))

    assert not held.is_open


def test_window_closes_before_it_exceeds_the_quota() -> None:
    window = BatchWindow()
    [first] = gather(window, (large("m1", MEGABYTE),))

    [second] = gather(window, (large("m2", ROOM_BYTES - MEGABYTE + 1),))

    assert (len(first.messages), first.is_open) == (1, False)
    assert (len(second.messages), second.is_open) == (1, True)


def test_window_begins_another_batch_when_the_open_one_was_taken() -> None:
    window = BatchWindow()
    [first] = gather(window, messages(1))
    first.close()

    [second] = gather(window, messages(1, first=2))

    assert (first.messages, second.messages) == (list(messages(1)), list(messages(1, first=2)))


def test_window_that_an_update_took_away_ends_with_the_next_receive() -> None:
    window = BatchWindow()
    [held] = gather(window, messages(1))

    assert gather(window, messages(1, first=2), window_s=0) == []
    assert (held.messages, held.is_open) == (list(messages(2)), False)


def test_window_can_be_closed() -> None:
    window = BatchWindow()
    window.close()
    [held] = gather(window, messages(1))

    window.close()

    assert not held.is_open


@pytest.mark.parametrize(
    ("queue_arn", "expected"),
    [
        pytest.param(FIFO_ARN, [frozenset("ab"), frozenset("b")], id="fifo"),
        pytest.param(QUEUE_ARN, [frozenset(), frozenset()], id="fair-queue"),
    ],
)
def test_window_notes_the_groups_of_fifo_batches(
    queue_arn: str, expected: list[frozenset[str]]
) -> None:
    policy = queue_policy(queue_arn=queue_arn, batch_size=3)

    begun = BatchWindow().add(grouped("a1 b1 a2 b2"), policy, hiding(), at(0))

    assert [held.groups for held in begun] == expected


@pytest.mark.parametrize(
    ("gathered", "batches", "expected"),
    [
        pytest.param((), 0, 30, id="nothing-yet"),
        pytest.param(messages(10), 0, 20, id="partly-full"),
        pytest.param(messages(10), 2, 80, id="and-two-more"),
        pytest.param(messages(30), 0, 30, id="full"),
        pytest.param((large("m1", MEGABYTE),), 0, 4, id="large-messages"),
        pytest.param((large("m1", MEGABYTE * 4),), 0, 1, id="as-good-as-full"),
        pytest.param((large("m1", MEGABYTE),), 2, 14, id="and-two-more-of-large"),
        pytest.param((large("m1", 2 * ROOM_BYTES),), 1, 2, id="too-large-messages"),
    ],
)
def test_window_counts_the_messages_that_it_has_room_for(
    gathered: tuple[Message, ...], batches: int, expected: int
) -> None:
    window = BatchWindow()
    gather(window, gathered, batch_size=30)

    assert window.room(batches, 30) == expected


receives = st.lists(
    st.lists(st.sampled_from([200, MEGABYTE, 3 * MEGABYTE, 7 * MEGABYTE]), max_size=10),
    max_size=6,
)


@given(receives, st.integers(1, 25), st.sampled_from([0, 1, 60]))
def test_window_loses_and_reorders_nothing_and_keeps_its_limits(
    received: list[list[int]], batch_size: int, window_s: int
) -> None:
    window, begun, sent = BatchWindow(), list[HeldBatch](), list[Message]()

    for number, sizes in enumerate(received):
        arrived = tuple(large(f"m{number}-{index}", size) for index, size in enumerate(sizes))
        sent += arrived
        now_ms = number * 1_000
        begun += gather(window, arrived, batch_size=batch_size, window_s=window_s, now_ms=now_ms)

    assert [each for held in begun for each in held.messages] == sent
    assert all(1 <= len(held.messages) <= batch_size for held in begun)
    assert all(held.size_bytes <= PAYLOAD_BYTES_MAX for held in begun if len(held.messages) > 1)
    # All but the last are closed, and the last is due when its window ends.
    assert not any(held.is_open for held in begun[:-1])
    assert all(held.due_ms == held.received_ms + window_s * 1_000 for held in begun if held.is_open)


texts = st.text(max_size=20)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=10))
def test_window_counts_no_event_as_smaller_than_it_is(bodies: list[tuple[str, str]]) -> None:
    received = tuple(
        message(
            f"m{index}", body, attributes=msgspec.Raw(msgspec.json.encode({"SenderId": sender}))
        )
        for index, (body, sender) in enumerate(bodies)
    )

    [held] = gather(BatchWindow(), received)

    assert len(queue_event(received, QUEUE_ARN)) <= held.size_bytes
