"""What becomes of a lane's batch that failed, did not run, or must be discarded."""

import itertools
from typing import Any

import pytest
from shard_play import WALL_MS, policy, record, records

from penstock.core import lane_failures as limits
from penstock.core.lane import Lane, PendingBatch
from penstock.core.lane_failures import LaneFailures
from penstock.core.shard_contract import SendToDestination
from penstock.core.tumbling_window import TumblingWindow
from penstock.model.failure import Condition, InvocationTrace
from penstock.model.instant import Instant
from penstock.model.stream import StreamBatch

START = Instant(1_000, WALL_MS)
TRACE = InvocationTrace("request", "$LATEST", "Unhandled")
EXHAUSTED = Condition.RETRY_ATTEMPTS_EXHAUSTED


def failures(**asked: Any) -> LaneFailures:
    return LaneFailures(policy(**asked), "shard-0", ids=itertools.count(100))


def lane_with(count: int = 4) -> Lane:
    lane = Lane(0)
    lane.take_all(tuple(records(*range(1, count + 1))), 0)
    lane.form(1, count).started_ms = 1_000
    return lane


def pending_numbers(lane: Lane) -> list[list[str]]:
    return [[each.sequence_number for each in part.batch.records] for part in lane.pending]


def test_failed_batch_waits_and_counts_its_attempt() -> None:
    lane = lane_with()
    lane.pending[0].rejections = 3

    failures().fail(lane, "it raised", TRACE, START)

    first = lane.pending[0]
    assert (first.attempts, first.rejections, first.is_given_up) == (1, 0, False)
    assert (first.reason, first.trace) == ("it raised", TRACE)
    assert 1_300 <= first.due_ms <= 1_400


def test_failed_batch_is_given_up_after_its_last_attempt() -> None:
    lane = lane_with()

    failures(maximum_retry_attempts=0).fail(lane, "it raised", TRACE, START)

    first = lane.pending[0]
    assert (first.attempts, first.is_given_up, first.due_ms) == (1, True, 1_000)


def test_bisected_batch_is_worked_on_first_half_first() -> None:
    lane = lane_with(5)

    failures(bisect_batch_on_function_error=True).fail(lane, "it raised", TRACE, START)

    assert pending_numbers(lane) == [["1", "2"], ["3", "4", "5"]]
    assert [each.attempts for each in lane.pending] == [0, 0]
    assert lane.pending[0].due_ms == 1_050
    assert lane.splits == 1


def test_cut_batch_begins_anew_with_what_failed() -> None:
    lane = lane_with()
    lane.pending[0].attempts, lane.splits = 3, 2

    failures().cut(lane, 3, TRACE, START)

    assert pending_numbers(lane) == [["4"]]
    assert (lane.pending[0].attempts, lane.pending[0].trace, lane.splits) == (0, TRACE, 0)


def test_rejected_batch_uses_up_no_attempt() -> None:
    lane, deciding = lane_with(), failures(maximum_retry_attempts=0)
    due_ms = []

    for _ in range(10):
        deciding.reject(lane, "throttled", START)
        due_ms.append(lane.pending[0].due_ms - 1_000)

    assert lane.pending[0].attempts == 0
    assert 150 <= due_ms[0] <= 200
    assert 7_500 <= due_ms[-1] <= limits.REJECTION_MS_MAX


@pytest.mark.parametrize(
    ("timeout_s", "waits_s"),
    [pytest.param(3, 3, id="known"), pytest.param(None, 900, id="not-known")],
)
def test_lost_batch_waits_until_its_invocation_must_have_ended(
    timeout_s: int | None, waits_s: int
) -> None:
    lane = lane_with()

    failures(function_timeout_s=timeout_s).lose(lane, "cut")

    first = lane.pending[0]
    assert first.due_ms == lane.held_slot_until_ms == 1_000 + waits_s * 1000
    assert (first.attempts, first.is_given_up) == (1, False)


@pytest.mark.parametrize(("attempts", "expected"), [(1, False), (2, True)])
def test_lost_batch_counts_its_attempt(attempts: int, *, expected: bool) -> None:
    lane, deciding = lane_with(), failures(maximum_retry_attempts=1)

    for _ in range(attempts):
        deciding.lose(lane, "cut")

    assert lane.pending[0].is_given_up is expected


def test_discard_tells_what_the_function_last_said() -> None:
    pending = PendingBatch(StreamBatch(1, 2, (record(7),)), attempts=4, trace=TRACE, reason="r")

    discard = failures().discard(pending, EXHAUSTED, None, START).discard

    assert (discard.lane, discard.shard_id, discard.batch_size) == (2, "shard-0", 1)
    assert (discard.invoke_count, discard.trace, discard.reason) == (4, TRACE, "r")
    assert discard.discarded_ms == WALL_MS


def test_discard_for_another_reason_has_no_response() -> None:
    pending = PendingBatch(StreamBatch(1, 0, (record(7),)), trace=TRACE)

    discard = failures().discard(pending, Condition.RECORD_AGE_EXCEEDED, None, START).discard

    assert discard.trace == InvocationTrace("request")
    assert discard.invoke_count == 1


def test_discard_of_a_last_invocation_stands_for_its_window() -> None:
    window = TumblingWindow(60)
    assert window.admits(record(3))
    window.take(record(9), 5)
    pending = PendingBatch(StreamBatch(1, 0, ()), is_final=True)

    discarding = failures().discard(pending, EXHAUSTED, window, START)

    discard = discarding.discard
    assert [each.sequence_number for each in discard.records] == ["3", "9"]
    assert (discard.batch_size, discarding.is_final) == (5, True)


def test_discard_is_sent_once_at_a_time_and_again_after_a_while() -> None:
    deciding = failures()
    pending = PendingBatch(StreamBatch(1, 0, (record(7),)))
    discarding = deciding.discard(pending, EXHAUSTED, None, START)

    first = deciding.send_due(discarding, START)
    during = deciding.send_due(discarding, START.plus_ms(1))
    will_send = deciding.will_send_again(discarding, START.plus_ms(1))
    early = deciding.send_due(discarding, START.plus_ms(300))
    again = deciding.send_due(discarding, START.plus_ms(501))

    assert first == again == [SendToDestination(discarding.discard)]
    assert (during, will_send, early) == ([], True, [])


def test_discard_is_not_sent_again_when_its_time_is_over() -> None:
    deciding = failures()
    pending = PendingBatch(StreamBatch(1, 0, (record(7),)))
    discarding = deciding.discard(pending, EXHAUSTED, None, START)
    over = START.plus_ms(limits.DESTINATION_MS_MAX)

    assert deciding.will_send_again(discarding, START)
    assert not deciding.will_send_again(discarding, over)
    # The next discard is tried once; after an acceptance they wait again.
    assert not deciding.will_send_again(discarding, over)
    deciding.note_accepted()
    assert deciding.will_send_again(discarding, over)
