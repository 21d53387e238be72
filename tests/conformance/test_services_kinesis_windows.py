"""Rules of docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html.

The DynamoDB page, services-ddb-windows.html, has the same rules.
"""

from typing import Any

import pytest
from shard_play import WALL_MS, ShardPlay, fail, policy, record, start, succeed

from penstock.core import shard_contract as s
from penstock.core.tumbling_window import STATE_BYTES_MAX
from penstock.model.stream import AfterSequenceNumber, Checkpoint, ShardEnd, StreamBatch

FIRST_MS = WALL_MS - WALL_MS % 60_000  # a window of 60 s begins
SECOND_MS = FIRST_MS + 60_000


def counting(batch: StreamBatch, window: s.WindowInvocation | None) -> s.InvocationEnded:
    """Count the window's records in its state."""
    assert window is not None
    count = int(window.state.strip(b'{"n:}') or 0) + len(batch.records)
    return s.InvocationSucceeded(batch, b'{"n":%d}' % count)


def failing_at_last(batch: StreamBatch, _window: s.WindowInvocation | None) -> s.InvocationEnded:
    return succeed(batch) if batch.records else fail(batch)


def play_of(*arrived_ms: int, **options: Any) -> ShardPlay:
    """A shard whose records arrived then."""
    asked = {"tumbling_window_s": 60, "batch_size": 2} | options.pop("asked", {})
    shard = [record(number, arrived_ms=ms) for number, ms in enumerate(arrived_ms, start=1)]
    return ShardPlay(shard, asked=policy(**asked), function=counting, **options)


def told(play: ShardPlay) -> list[tuple[list[int], bytes, bool]]:
    """What each invocation was told: its records, the state, and whether it was the last."""
    return [
        (numbers, window.state, window.is_final)
        for _, numbers, window in play.invoked
        if window is not None
    ]


def test_each_invocation_gets_the_state_that_the_last_one_returned() -> None:
    """Lambda passes state on from invocation to invocation; the last is marked as such."""
    play = play_of(FIRST_MS, FIRST_MS, FIRST_MS + 1, SECOND_MS).run(1_000)

    assert told(play)[:3] == [
        ([1, 2], b"{}", False),
        ([3], b'{"n":2}', False),
        ([], b'{"n":3}', True),
    ]


def test_a_window_begins_with_no_state() -> None:
    """After the last invocation of a window its state is dropped."""
    play = play_of(FIRST_MS, SECOND_MS).run(1_000)

    assert told(play)[2] == ([2], b"{}", False)


def test_boundaries_follow_the_time_of_arrival() -> None:
    """Boundaries are based on when records were inserted into the stream."""
    play = play_of(FIRST_MS, FIRST_MS + 59_999, SECOND_MS).run(1_000)

    spans = [(n, w.start_ms, w.end_ms) for _, n, w in play.invoked if w is not None]
    assert spans == [
        ([1, 2], FIRST_MS, SECOND_MS),
        ([], FIRST_MS, SECOND_MS),
        ([3], SECOND_MS, SECOND_MS + 60_000),
    ]


def test_a_record_belongs_to_one_window() -> None:
    """Each record is processed only once, within one window.

    One that arrives with an earlier time than the open window's counts into the open one (C).
    """
    play = play_of(SECOND_MS, FIRST_MS, SECOND_MS + 1).run(1_000)

    assert [numbers for numbers, _, _ in told(play)] == [[1, 2], [3]]


def test_the_checkpoint_advances_with_the_last_invocation() -> None:
    """Upon success of the last invocation the sequence number is checkpointed, and not before."""
    play = play_of(FIRST_MS, FIRST_MS, FIRST_MS, SECOND_MS)
    play.function = failing_at_last

    play.run(1_000)
    before = list(play.saved)
    play.function = succeed
    play.run(2_000)

    assert before == []
    assert play.checkpoint.position == AfterSequenceNumber("3")


def test_processing_is_suspended_while_the_last_invocation_fails() -> None:
    """If the last invocation fails, the shard is not processed on until it succeeds."""
    play = play_of(FIRST_MS, SECOND_MS)
    play.function = failing_at_last

    play.run(600_000)

    assert [numbers for numbers, _, _ in told(play)][:3] == [[1], [], []]
    assert all(not numbers for numbers, _, _ in told(play)[1:])


@pytest.mark.parametrize(
    ("limit", "condition", "invocations"),
    [
        pytest.param({"maximum_retry_attempts": 2}, "RetryAttemptsExhausted", 3, id="attempts"),
        pytest.param({"maximum_record_age_s": 120}, "RecordAgeExceeded", 9, id="age"),
    ],
)
def test_retry_policies_bound_the_last_invocation(
    limit: dict[str, int], condition: str, invocations: int
) -> None:
    """Tumbling windows support maxRetryAttempts and maxRecordAge.

    The age of the last invocation, which has no records, counts from the window's end (C).
    """
    play = play_of(FIRST_MS, FIRST_MS + 1, asked=limit, is_closed=True)
    play.wall_offset_ms = FIRST_MS
    play.function = failing_at_last

    play.run(600_000)

    [entry] = play.journal
    assert entry.discard.condition == condition
    assert [each.sequence_number for each in entry.discard.records] == ["1", "2"]
    assert abs(entry.discard.invoke_count - invocations) <= 2
    assert play.machine.has_reached_end


def test_a_state_above_1_mb_ends_the_window_early() -> None:
    """If the state exceeds 1 MB, Lambda terminates the window early, and says so."""
    play = play_of(FIRST_MS, FIRST_MS, FIRST_MS, FIRST_MS)
    large = b"x" * (STATE_BYTES_MAX + 1)
    play.function = lambda batch, _: s.InvocationSucceeded(batch, large)

    play.run(1_000)

    kinds = [(n, w.is_final, w.is_terminated_early) for _, n, w in play.invoked if w is not None]
    assert kinds[:3] == [([1, 2], False, False), ([], True, True), ([3, 4], False, False)]


def test_the_end_of_a_shard_closes_its_window() -> None:
    """When a shard ends, Lambda closes its window; the children begin with no state."""
    play = play_of(FIRST_MS, is_closed=True).run(1_000)

    assert told(play)[-1] == ([], b'{"n":1}', True)
    assert play.checkpoint.position == ShardEnd()


def test_a_quiet_window_ends_some_seconds_after_its_end() -> None:
    """Without further records Lambda waits before it takes a window for over: 5 s (C)."""
    play = play_of(FIRST_MS)
    play.wall_offset_ms = FIRST_MS
    play.run(64_000)
    before = len(play.invoked)

    play.run(3_000)

    assert (before, told(play)[-1]) == (1, ([], b'{"n":1}', True))


def test_a_restart_reads_an_open_window_again_from_its_start() -> None:
    """State is kept while a window is open only: its records come again, with none (C)."""
    first = play_of(FIRST_MS, SECOND_MS, SECOND_MS).run(1_000)

    second = play_of(FIRST_MS, SECOND_MS, SECOND_MS, began=start(first.checkpoint)).run(1_000)

    assert first.checkpoint.position == AfterSequenceNumber("1")
    assert told(second) == [([2, 3], b"{}", False)]


def test_a_window_for_which_nothing_succeeded_has_no_last_invocation() -> None:
    """There is no state to hand over when every record was discarded (C)."""
    play = play_of(FIRST_MS, FIRST_MS, asked={"maximum_retry_attempts": 0}, is_closed=True)
    play.function = fail

    play.run(1_000)

    assert play.batches == [[1, 2]]
    assert play.machine.has_reached_end


def test_a_part_of_a_batch_that_is_done_hands_its_state_on() -> None:
    """A partial response may come with a state: what failed comes again with it."""
    play = play_of(FIRST_MS, FIRST_MS)
    answers = iter([lambda batch: s.InvocationPartiallyFailed(batch, 1, state=b'{"n":1}')])
    play.function = lambda batch, _: next(answers, s.InvocationSucceeded)(batch)

    play.run(1_000)

    assert told(play) == [([1, 2], b"{}", False), ([2], b'{"n":1}', False)]
    assert play.saved == []


def test_windows_of_an_old_checkpoint_are_not_carried_over() -> None:
    """A window is of the records that are read: what a checkpoint covers opens none."""
    began = start(Checkpoint(AfterSequenceNumber("1")))
    play = play_of(FIRST_MS, SECOND_MS, began=began)

    play.run(1_000)

    assert told(play) == [([2], b"{}", False)]
