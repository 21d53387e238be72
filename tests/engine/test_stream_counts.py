"""What is counted of a stream mapping."""

import pytest
from stream_fakes import a_batch, a_discard, a_record

from penstock.core import shard_contract as s
from penstock.engine.shard_discards import DiscardEnd, ShardDiscards
from penstock.engine.stream_counts import StreamCounts
from penstock.model.failure import Condition
from penstock.model.stream import Checkpoint, FetchedRecords, ShardIterator, TrimHorizon

BATCH = a_batch(1, 2)
SAVE = s.SaveCheckpoint(Checkpoint(TrimHorizon()), (s.JournalEntry(a_discard(1, 2), "full"),))


def fetched(*numbers: int, behind_ms: int | None = 0) -> s.RecordsFetched:
    records = tuple(a_record(number) for number in numbers)
    return s.RecordsFetched(FetchedRecords(records, ShardIterator("2"), behind_ms))


def counted(**counts: int) -> dict[str, int]:
    return {**vars(StreamCounts()), **counts}


@pytest.mark.parametrize(
    ("inp", "commands", "expected"),
    [
        pytest.param(fetched(1, 2, 3), [], counted(polled=3), id="polled"),
        pytest.param(s.DeadlineReached(), [s.Invoke(BATCH)], counted(invoked=2), id="invoked"),
        pytest.param(
            fetched(1, 2, 3),
            [s.ReportFilteredOut(2)],
            counted(polled=3, filtered_out=2),
            id="filtered out",
        ),
        pytest.param(s.InvocationSucceeded(BATCH), [], counted(), id="succeeded"),
        pytest.param(s.InvocationFailed(BATCH, "x"), [], counted(failed_invoke=2), id="failed"),
        pytest.param(
            s.InvocationPartiallyFailed(BATCH, 1), [], counted(failed_invoke=2), id="partly"
        ),
        pytest.param(s.InvocationRejected(BATCH, "x"), [], counted(failed_invoke=2), id="rejected"),
        pytest.param(
            s.InvocationOutcomeUnknown(BATCH, "x"), [], counted(failed_invoke=2), id="unknown"
        ),
    ],
)
def test_counts_of_an_input(
    inp: s.Input, commands: list[s.Command], expected: dict[str, int]
) -> None:
    counts = StreamCounts()

    counts.observe(inp, commands)

    assert vars(counts) == expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        pytest.param(DiscardEnd(a_discard(1, 2)), counted(delivered=2), id="delivered"),
        pytest.param(
            DiscardEnd(a_discard(1, 2), is_journaled=True),
            counted(dropped=2, journaled=2),
            id="journaled",
        ),
        pytest.param(
            DiscardEnd(a_discard(1, condition=Condition.SKIPPED), is_journaled=True),
            counted(journaled=1),
            id="skipped",
        ),
    ],
)
def test_counts_of_a_discard(end: DiscardEnd, expected: dict[str, int]) -> None:
    counts = StreamCounts()

    counts.count_discard(end)

    assert vars(counts) == expected


def test_discard_is_followed_to_its_destination() -> None:
    discards = ShardDiscards()

    sent = discards.follow(s.DeadlineReached(), [s.SendToDestination(a_discard(1))])
    accepted = discards.follow(s.DestinationAccepted(1), [])

    assert (sent, accepted) == ([], [DiscardEnd(a_discard(1))])
    assert discards.follow(s.DestinationAccepted(1), []) == []


def test_discard_is_followed_to_the_journal_once_its_save_succeeded() -> None:
    discards = ShardDiscards()

    discards.follow(s.DeadlineReached(), [s.SendToDestination(a_discard(1, 2))])
    first = discards.follow(s.DestinationFailed(1, "full", is_final=True), [SAVE])
    failed = discards.follow(s.CheckpointFailed("locked"), [])
    discards.follow(s.DeadlineReached(), [SAVE])
    saved = discards.follow(s.CheckpointSaved(), [])

    assert (first, failed) == ([], [])
    assert saved == [DiscardEnd(a_discard(1, 2), is_journaled=True, cause="full")]
    assert discards.follow(s.CheckpointSaved(), []) == []
