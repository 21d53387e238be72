"""What makes a batch of log lines, when it is sent, and which lines are dropped."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.log_buffer import (
    BATCH_BYTES_MAX,
    BATCH_EVENTS_MAX,
    BATCH_SPAN_MS_MAX,
    BUFFER_BYTES_MAX,
    EVENT_BYTES,
    FLUSH_MS,
    MESSAGE_BYTES_MAX,
    SENDS_MAX,
    LogBatch,
    LogBuffer,
)
from penstock.model.function_log import FunctionLogStream
from penstock.model.instant import Instant

START = Instant(monotonic_ms=5_000, wall_ms=1_700_000_000_000)
MIB = 1024 * 1024


def a_stream(name: str = "one") -> FunctionLogStream:
    arn = "arn:aws:lambda:us-east-1:000000000000:function:charge"
    return FunctionLogStream(
        function_arn=arn, region="us-east-1", group="/aws/lambda/charge", name=name
    )


ONE, TWO = a_stream(), a_stream("two")
DUE = START.plus_ms(FLUSH_MS)
MUCH_LATER = START.plus_ms(10**9)


def events(batch: LogBatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(f"[{batch.events.decode()}]")
    return found


def messages(batch: LogBatch) -> list[str]:
    return [event["message"] for event in events(batch)]


def taken(buffer: LogBuffer, now: Instant = DUE) -> list[list[str]]:
    return [messages(batch) for batch in buffer.take(now)]


def drain(buffer: LogBuffer) -> list[LogBatch]:
    """Send everything that is there, batch after batch."""
    buffer.stop()
    batches: list[LogBatch] = []
    while not buffer.is_empty:
        for batch in buffer.take(MUCH_LATER):
            batches.append(batch)
            buffer.sent(batch)
    return batches


def test_events_have_their_time_and_text() -> None:
    buffer = LogBuffer()

    buffer.add(ONE, "a \u2603\n", START)
    buffer.add(ONE, "b\n", START.plus_ms(3))
    [batch] = buffer.take(DUE)

    assert events(batch) == [
        {"timestamp": START.wall_ms, "message": "a \u2603\n"},
        {"timestamp": START.wall_ms + 3, "message": "b\n"},
    ]
    assert (batch.event_count, batch.size_bytes) == (2, 6 + 2 + 2 * EVENT_BYTES)


def test_batch_is_due_a_while_after_its_first_line() -> None:
    buffer = LogBuffer()

    is_first = [buffer.add(ONE, line, START.plus_ms(at)) for line, at in (("a", 0), ("b", 900))]

    assert is_first == [True, False]
    assert buffer.deadline_ms() == DUE.monotonic_ms
    assert taken(buffer, START.plus_ms(FLUSH_MS - 1)) == []
    assert taken(buffer) == [["a", "b"]]


def test_nothing_is_due_of_an_empty_buffer() -> None:
    buffer = LogBuffer()

    assert (buffer.deadline_ms(), buffer.take(DUE), buffer.is_empty) == (None, [], True)


def test_full_batch_is_due_at_once() -> None:
    buffer = LogBuffer()

    for _ in range(BATCH_EVENTS_MAX + 1):
        buffer.add(ONE, "x", START)

    assert buffer.deadline_ms() == START.monotonic_ms
    assert [len(texts) for texts in taken(buffer, START)] == [BATCH_EVENTS_MAX]


@pytest.mark.parametrize(
    ("first", "second", "batch_count"),
    [
        pytest.param(MESSAGE_BYTES_MAX - EVENT_BYTES - 1, 1, 1, id="just-fits"),
        pytest.param(MESSAGE_BYTES_MAX - EVENT_BYTES, 1, 2, id="a-byte-too-many"),
    ],
)
def test_batch_has_a_mebibyte_with_26_bytes_per_event(
    first: int, second: int, batch_count: int
) -> None:
    buffer = LogBuffer()

    for length in (first, second):
        buffer.add(ONE, "x" * length, START)

    batches = drain(buffer)
    assert len(batches) == batch_count
    assert all(batch.size_bytes <= BATCH_BYTES_MAX for batch in batches)


@pytest.mark.parametrize(
    ("later_ms", "batch_count"),
    [
        pytest.param(0, 1, id="same-time"),
        pytest.param(BATCH_SPAN_MS_MAX, 1, id="a-day"),
        pytest.param(BATCH_SPAN_MS_MAX + 1, 2, id="more-than-a-day"),
        pytest.param(-1, 2, id="clock-set-back"),
    ],
)
def test_batch_is_in_order_and_within_a_day(later_ms: int, batch_count: int) -> None:
    buffer = LogBuffer()
    later = msgspec.structs.replace(START, wall_ms=START.wall_ms + later_ms)

    buffer.add(ONE, "a", START)
    buffer.add(ONE, "b", later)

    assert len(drain(buffer)) == batch_count


def test_message_that_is_too_long_is_cut_between_characters() -> None:
    buffer = LogBuffer()
    message = "x" + "\u2603" * (MESSAGE_BYTES_MAX // 3 + 5)

    buffer.add(ONE, message, START)

    pieces = [text for batch in drain(buffer) for text in messages(batch)]
    assert "".join(pieces) == message
    assert [len(piece.encode()) <= MESSAGE_BYTES_MAX for piece in pieces] == [True, True]


def test_long_message_of_plain_text_is_one_event() -> None:
    buffer = LogBuffer()

    buffer.add(ONE, "x" * MESSAGE_BYTES_MAX, START)

    assert [batch.event_count for batch in drain(buffer)] == [1]


def test_stream_has_one_batch_under_way() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, "a", START)
    [first] = buffer.take(DUE)
    buffer.add(ONE, "b", DUE)

    during = taken(buffer, DUE.plus_ms(FLUSH_MS))
    buffer.sent(first)

    assert during == []
    assert taken(buffer, DUE.plus_ms(FLUSH_MS)) == [["b"]]


def test_few_batches_are_under_way_at_once_and_the_oldest_go_first() -> None:
    buffer = LogBuffer()
    for number in range(SENDS_MAX + 2):
        buffer.add(a_stream(str(number)), str(number), START.plus_ms(number))
    late = DUE.plus_ms(100)

    first = buffer.take(late)
    deadline_ms = buffer.deadline_ms()
    buffer.sent(first[0])

    assert [messages(batch) for batch in first] == [[str(number)] for number in range(SENDS_MAX)]
    assert deadline_ms is None
    assert taken(buffer, late) == [[str(SENDS_MAX)]]


def test_end_of_an_environment_sends_at_once_and_forgets_the_stream() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, "a", START)

    buffer.end(ONE)
    [batch] = buffer.take(START)
    buffer.end(ONE)
    buffer.sent(batch)
    buffer.end(ONE)

    assert buffer.is_empty
    assert buffer.add(ONE, "of another run", START)


def test_events_that_the_server_rejects_of_a_batch_are_lost() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, "a", START)
    buffer.add(ONE, "b", START)
    [batch] = buffer.take(DUE)

    buffer.sent(batch, rejected_count=1)

    assert (buffer.lost_count, buffer.is_empty) == (1, True)


def test_end_of_a_stream_that_is_sent_forgets_it() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, "a", START)
    [batch] = buffer.take(DUE)
    buffer.sent(batch)

    buffer.end(ONE)

    assert (buffer.is_empty, buffer.deadline_ms()) == (True, None)


def test_failed_batch_comes_again_with_back_off_before_what_followed() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, "a", START)
    now, delays_ms = DUE, []
    for _ in range(3):
        [batch] = buffer.take(now)
        buffer.failed(batch, now, is_final=False)
        due_ms = buffer.deadline_ms()
        assert due_ms is not None
        delays_ms.append(due_ms - now.monotonic_ms)
        now = now.plus_ms(delays_ms[-1])
    buffer.add(ONE, "b", now)
    [again] = buffer.take(now)
    buffer.sent(again)

    assert delays_ms == [1000, 2000, 4000]
    assert messages(again) == ["a", "b"]
    assert buffer.lost_count == 0


def test_batch_that_will_never_be_taken_is_lost_and_the_next_goes() -> None:
    buffer = LogBuffer()
    for line in ("a", "b"):
        buffer.add(ONE, line, START)
    [batch] = buffer.take(DUE)
    buffer.add(ONE, "c", DUE)

    buffer.failed(batch, DUE, is_final=True)

    assert buffer.lost_count == 2
    assert taken(buffer, DUE.plus_ms(FLUSH_MS)) == [["c"]]


def numbered(number: int) -> str:
    """Give a text that fills a batch."""
    return str(number).ljust(MIB - 100)


def test_full_buffer_drops_its_oldest_batches_and_counts_their_lines() -> None:
    buffer = LogBuffer()
    for number in range(BUFFER_BYTES_MAX // MIB + 2):
        buffer.add(a_stream(str(number)), numbered(number), START)

    kept = [int(messages(batch)[0]) for batch in drain(buffer)]

    assert kept == list(range(2, BUFFER_BYTES_MAX // MIB + 2))
    assert buffer.lost_count == 2


def test_as_many_old_batches_go_as_a_new_line_needs() -> None:
    buffer = LogBuffer()
    for name in ("small", "smaller"):
        buffer.add(a_stream(name), name, START)

    for number in range(BUFFER_BYTES_MAX // MIB + 1):
        buffer.add(TWO, numbered(number), START)

    assert buffer.lost_count == 3


def test_full_buffer_keeps_what_is_under_way() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, numbered(0), START)
    [under_way] = buffer.take(DUE)
    for number in range(BUFFER_BYTES_MAX // MIB + 1):
        buffer.add(TWO, numbered(number), DUE)

    buffer.sent(under_way)

    assert buffer.lost_count == 2


def test_ended_stream_that_is_dropped_is_forgotten() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, "x" * (MIB - 100), START)
    buffer.end(ONE)
    for _ in range(BUFFER_BYTES_MAX // MIB):
        buffer.add(TWO, "y" * (MIB - 100), START)

    assert buffer.lost_count == 1
    assert {batch.stream for batch in drain(buffer)} == {TWO}


def test_stop_makes_everything_due_and_tries_nothing_again() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, "a", START)
    [failing] = buffer.take(DUE)
    buffer.failed(failing, DUE, is_final=False)
    buffer.add(TWO, "b", DUE)

    buffer.stop()
    first, second = buffer.take(DUE)
    buffer.failed(first, DUE, is_final=False)
    buffer.sent(second)

    assert (buffer.is_empty, buffer.lost_count) == (True, 1)


def test_what_nobody_waits_for_is_lost() -> None:
    buffer = LogBuffer()
    buffer.add(ONE, "a", START)
    buffer.take(DUE)
    buffer.add(ONE, "b", DUE)

    buffer.lose_all()

    assert (buffer.is_empty, buffer.lost_count, buffer.deadline_ms()) == (True, 2, None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ONE, TWO]),
            st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
            st.integers(-5, 3_000),
        ),
        max_size=60,
    )
)
def test_every_line_is_sent_once_in_the_order_of_its_stream(
    lines: list[tuple[FunctionLogStream, str, int]],
) -> None:
    buffer = LogBuffer()
    now = START
    sent: dict[FunctionLogStream, list[str]] = {ONE: [], TWO: []}
    batches: list[LogBatch] = []
    for stream, text, pause_ms in lines:
        now = Instant(now.monotonic_ms + max(0, pause_ms), now.wall_ms + pause_ms)
        buffer.add(stream, text, now)
        for batch in buffer.take(now):
            batches.append(batch)
            buffer.sent(batch)
    batches += drain(buffer)
    for batch in batches:
        sent[batch.stream] += messages(batch)
        times = [event["timestamp"] for event in events(batch)]
        assert times == sorted(times)

    assert sent == {s: [text for stream, text, _ in lines if stream is s] for s in (ONE, TWO)}
