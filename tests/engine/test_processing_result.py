"""LastProcessingResult: what it says, and what of it is stored."""

import pytest
from stream_fakes import SHARD_ID, a_batch

from penstock.core import shard_contract as s
from penstock.core import stream_contract as t
from penstock.engine.processing_result import ProcessingResult
from penstock.model.position import NO_RECORDS_PROCESSED, StreamPlace, Tenure
from penstock.model.stream import Checkpoint, FetchedRecords, StreamDescription, TrimHorizon

BATCH = a_batch(1)
DENIED = s.FetchFailed(s.FetchFailure.OTHER, "denied")
UNREADABLE = "PROBLEM: Stream cannot be read: denied"
DESCRIBED = t.StreamDescribed(StreamDescription("1", ()))


@pytest.mark.parametrize(
    ("inp", "text"),
    [
        pytest.param(s.Started(), NO_RECORDS_PROCESSED, id="nothing"),
        pytest.param(s.InvocationSucceeded(BATCH), "OK", id="succeeded"),
        pytest.param(s.InvocationFailed(BATCH, "x"), "PROBLEM: Function call failed", id="failed"),
        pytest.param(
            s.InvocationPartiallyFailed(BATCH, 0),
            "PROBLEM: Function reported failed records",
            id="partly",
        ),
        pytest.param(
            s.DestinationFailed(1, "no such queue"),
            "PROBLEM: On-failure destination took nothing: no such queue",
            id="destination",
        ),
        pytest.param(
            s.InvocationRejected(BATCH, "throttled"),
            "PROBLEM: Function was not run: throttled",
            id="rejected",
        ),
        pytest.param(
            s.InvocationOutcomeUnknown(BATCH, "lost"),
            "PROBLEM: Function may not have run to its end: lost",
            id="unknown",
        ),
        pytest.param(DENIED, UNREADABLE, id="unreadable"),
        pytest.param(
            s.FetchFailed(s.FetchFailure.THROTTLED, "x"), NO_RECORDS_PROCESSED, id="throttled"
        ),
    ],
)
def test_result_of_a_shards_input(inp: s.Input, text: str) -> None:
    result = ProcessingResult()

    result.observe_shard(SHARD_ID, inp)

    assert result.text == text


def test_result_is_the_last_invocations() -> None:
    result = ProcessingResult()

    result.observe_shard(SHARD_ID, s.InvocationFailed(BATCH, "x"))
    result.observe_shard(SHARD_ID, s.InvocationSucceeded(BATCH))

    assert result.text == "OK"


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(t.ShardEnded(SHARD_ID), id="ended"),
        pytest.param(t.ShardStopped(SHARD_ID, Checkpoint(TrimHorizon())), id="stopped"),
        pytest.param(t.ShardBroke(SHARD_ID, "x", 1, Checkpoint(TrimHorizon())), id="broke"),
    ],
)
def test_result_forgets_the_trouble_of_a_shard_that_is_over(end: t.Input) -> None:
    result = ProcessingResult()

    result.observe_shard(SHARD_ID, DENIED)
    result.observe_stream(end)

    assert result.text == NO_RECORDS_PROCESSED


def test_result_shows_the_function_again_when_the_shard_can_be_read() -> None:
    result = ProcessingResult()

    result.observe_shard(SHARD_ID, s.InvocationSucceeded(BATCH))
    result.observe_shard(SHARD_ID, DENIED)
    hidden = result.text
    result.observe_shard(SHARD_ID, s.RecordsFetched(FetchedRecords((), None)))

    assert (hidden, result.text) == (UNREADABLE, "OK")


@pytest.mark.parametrize(
    ("failed", "worked"),
    [
        pytest.param(t.DescribeFailed("denied"), DESCRIBED, id="describe"),
        pytest.param(t.PinFailed("denied"), t.LatestPinned({}), id="pin"),
    ],
)
def test_result_says_that_the_stream_cannot_be_read(failed: t.Input, worked: t.Input) -> None:
    result = ProcessingResult()

    result.observe_stream(failed)
    hidden = result.text
    result.observe_stream(worked)

    assert (hidden, result.text) == (UNREADABLE, NO_RECORDS_PROCESSED)


def test_result_goes_on_from_the_stored_one() -> None:
    result = ProcessingResult()

    result.observe_stream(
        t.PlaceTaken(StreamPlace(tenure=Tenure("u1", 1, 0), processing_result="OK"))
    )

    assert result.text == "OK"
    assert result.unsaved() is None


def test_result_is_to_be_saved_until_it_is() -> None:
    result = ProcessingResult()

    result.observe_shard(SHARD_ID, s.InvocationSucceeded(BATCH))
    result.observe_shard(SHARD_ID, DENIED)
    unsaved = result.unsaved()
    result.note_saved(unsaved)
    result.note_saved(None)

    assert unsaved == "OK"
    assert result.unsaved() is None


def test_result_is_short_for_a_long_reason() -> None:
    result = ProcessingResult()

    result.observe_stream(t.DescribeFailed("x" * 10_000))

    assert len(result.text) < 300
