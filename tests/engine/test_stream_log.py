"""What an operator reads of a stream mapping, from inputs and commands alone."""

from typing import Any

import pytest
from engine_fakes import RecordedLog
from stream_fakes import DESTINATION_ARN, SHARD_ID, a_batch, a_discard, a_record

from penstock.core import shard_contract as s
from penstock.core import stream_contract as t
from penstock.engine.shard_discards import DiscardEnd
from penstock.engine.stream_log import ShardLog, StreamLog
from penstock.model.position import StreamPlace, Tenure
from penstock.model.stream import (
    Checkpoint,
    FetchedRecords,
    ShardIterator,
    StreamBatch,
    StreamDescription,
    TrimHorizon,
)

Line = tuple[str, str, dict[str, Any]]
TENURE = Tenure("u1", 1, 0)
FETCHED = s.RecordsFetched(FetchedRecords((a_record(1), a_record(2)), ShardIterator("2"), 0))
EMPTY = s.RecordsFetched(FetchedRecords((), ShardIterator("2"), 0))
SPAN = {"first": "1", "last": "2", "count": 2}
BATCH = a_batch(1, 2)


def a_shard_log(log: RecordedLog, *, verbose: bool = False) -> ShardLog:
    return ShardLog(
        log,
        SHARD_ID,
        destination_arn=DESTINATION_ARN,
        age_warning_ms=60_000,
        is_verbose=verbose,
    )


def shard_lines(
    *inputs: s.Input, commands: tuple[s.Command, ...] = (), verbose: bool = False
) -> list[Line]:
    log = RecordedLog()
    observer = a_shard_log(log, verbose=verbose)
    for inp in inputs:
        observer.observe(inp, list(commands))
    return log.lines


def stream_lines(
    *inputs: t.Input, commands: tuple[t.Command, ...] = (), verbose: bool = False
) -> list[Line]:
    log = RecordedLog()
    observer = StreamLog(log, is_verbose=verbose)
    for inp in inputs:
        observer.observe(inp, list(commands))
    return log.lines


@pytest.mark.parametrize(
    ("inp", "event", "fields"),
    [
        pytest.param(
            s.InvocationPartiallyFailed(BATCH, 1),
            "invocation partly failed",
            {"of": 2, "first": "2", "last": "2", "count": 1},
            id="partly failed",
        ),
        pytest.param(
            s.InvocationFailed(BATCH, "why"),
            "invocation failed",
            {**SPAN, "reason": "why"},
            id="failed",
        ),
        pytest.param(
            s.InvocationRejected(BATCH, "why"),
            "function did not run",
            {**SPAN, "reason": "why"},
            id="rejected",
        ),
        pytest.param(
            s.InvocationOutcomeUnknown(BATCH, "why"),
            "invocation's outcome unknown",
            {**SPAN, "reason": "why"},
            id="unknown",
        ),
        pytest.param(
            s.InvocationFailed(StreamBatch(1, 0, ()), "why"),
            "invocation failed",
            {"count": 0, "reason": "why"},
            id="window's last",
        ),
        pytest.param(
            s.FetchFailed(s.FetchFailure.TRIMMED, "why"),
            "records left the stream before they were read",
            {"reason": "why"},
            id="trimmed",
        ),
        pytest.param(
            s.DestinationFailed(1, "why"),
            "destination took nothing",
            {"to": DESTINATION_ARN, "reason": "why", "failures": 1},
            id="destination",
        ),
    ],
)
def test_shard_log_warns(inp: s.Input, event: str, fields: dict[str, Any]) -> None:
    assert shard_lines(inp) == [("warning", event, {"shard": SHARD_ID, **fields})]


def test_shard_log_that_is_verbose_tells_what_went_well() -> None:
    said = shard_lines(
        FETCHED, s.InvocationSucceeded(BATCH), commands=(s.Invoke(BATCH),), verbose=True
    )

    assert [event for _, event, _ in said] == [
        "records read",
        "invocation started",
        "invocation succeeded",
        "invocation started",
    ]
    assert all(
        (level, fields) == ("debug", {"shard": SHARD_ID, **SPAN}) for level, _, fields in said
    )


def test_shard_log_that_is_not_verbose_tells_trouble_only() -> None:
    well = (FETCHED, s.InvocationSucceeded(BATCH), s.CheckpointSaved(), s.StopRequested())
    expired = s.FetchFailed(s.FetchFailure.ITERATOR_EXPIRED, "old")

    assert shard_lines(*well, expired, commands=(s.Invoke(BATCH),)) == []


def test_shard_log_reminds_of_an_outage_now_and_then_and_tells_its_end() -> None:
    throttled = s.FetchFailed(s.FetchFailure.THROTTLED, "slow down")

    said = shard_lines(*[throttled] * 19, EMPTY, EMPTY)

    assert [(event, fields.get("failures")) for _, event, fields in said] == [
        ("shard not readable", 1),
        ("shard not readable", 10),
        ("shard readable again", None),
    ]


def test_shard_log_tells_that_the_tenure_is_lost() -> None:
    event = "shard given up: another owner or position"

    assert shard_lines(s.TenureLost()) == [("info", event, {"shard": SHARD_ID})]


def test_shard_log_tells_that_checkpoints_are_not_saved() -> None:
    said = shard_lines(s.CheckpointFailed("locked"), s.CheckpointFailed("locked"))
    said += shard_lines(s.CheckpointFailed("locked"), s.CheckpointSaved())

    assert [event for _, event, _ in said] == [
        "checkpoint not saved",
        "checkpoint not saved",
        "checkpoint saved again",
    ]


@pytest.mark.parametrize(
    ("end", "where"),
    [
        pytest.param(DiscardEnd(a_discard(1, 2)), {"to": DESTINATION_ARN}, id="destination"),
        pytest.param(
            DiscardEnd(a_discard(1, 2), is_journaled=True), {"to": "failure journal"}, id="journal"
        ),
        pytest.param(
            DiscardEnd(a_discard(1, 2), is_journaled=True, cause="full"),
            {"to": "failure journal", "cause": "full"},
            id="journal instead",
        ),
    ],
)
def test_shard_log_says_where_discards_are(end: DiscardEnd, where: dict[str, str]) -> None:
    log = RecordedLog()

    a_shard_log(log).tell_discard(end)

    told = {
        "shard": SHARD_ID,
        "condition": "RetryAttemptsExhausted",
        **SPAN,
        "reason": "ValueError: no",
    }
    assert log.lines == [("warning", "records discarded", {**told, **where})]


def test_shard_log_tells_once_that_the_age_is_high_and_that_it_is_low_again() -> None:
    log = RecordedLog()
    shard_log = a_shard_log(log)

    for age_ms in (0, 60_000, 60_001, 90_000, 5, 0, 70_000):
        shard_log.watch_age(age_ms)

    assert [(event, fields["age_ms"]) for _, event, fields in log.lines] == [
        ("iterator age is high", 60_001),
        ("iterator age is low again", 5),
        ("iterator age is high", 70_000),
    ]


@pytest.mark.parametrize(
    ("inp", "expected"),
    [
        pytest.param(
            t.DescribeFailed("why", is_missing=True),
            (
                "warning",
                "stream not readable",
                {"reason": "why", "failures": 1, "is_missing": True},
            ),
            id="missing",
        ),
        pytest.param(
            t.PinFailed("why"),
            ("warning", "latest position not found", {"reason": "why", "failures": 1}),
            id="pin",
        ),
        pytest.param(
            t.StoreFailed("why"),
            ("warning", "position not stored", {"reason": "why", "failures": 1}),
            id="store",
        ),
        pytest.param(
            t.ShardEnded(SHARD_ID), ("info", "shard ended", {"shard": SHARD_ID}), id="ended"
        ),
        pytest.param(
            t.TenureLost(),
            ("info", "position given up: another owner or position", {}),
            id="tenure",
        ),
        pytest.param(
            t.PositionChanged(), ("info", "position changed by an operator", {}), id="position"
        ),
    ],
)
def test_stream_log_says(inp: t.Input, expected: Line) -> None:
    assert stream_lines(inp) == [expected]


def test_stream_log_tells_of_a_new_look_only_when_verbose() -> None:
    line = ("debug", "the stream is looked at anew for a shard", {"shard": SHARD_ID})

    assert stream_lines(t.ShardLost(SHARD_ID)) == []
    assert stream_lines(t.ShardLost(SHARD_ID), verbose=True) == [line]


@pytest.mark.parametrize(
    ("failed", "worked", "event"),
    [
        pytest.param(
            t.DescribeFailed("x"),
            t.StreamDescribed(StreamDescription("1", ())),
            "stream readable again",
            id="describe",
        ),
        pytest.param(t.PinFailed("x"), t.LatestPinned({}), "latest position found", id="pin"),
        pytest.param(t.StoreFailed("x"), t.IncarnationBegun(), "position stored again", id="begin"),
        pytest.param(
            t.StoreFailed("x"),
            t.PlaceTaken(StreamPlace(tenure=TENURE)),
            "position stored again",
            id="take",
        ),
    ],
)
def test_stream_log_tells_the_end_of_trouble(failed: t.Input, worked: t.Input, event: str) -> None:
    assert stream_lines(failed, worked)[-1] == ("info", event, {})


def begin(incarnation: str) -> t.BeginIncarnation:
    return t.BeginIncarnation(tenure=TENURE, incarnation=incarnation, start=None, checkpoints={})


@pytest.mark.parametrize(
    ("known", "told"),
    [
        pytest.param("", [], id="first"),
        pytest.param("2", [], id="same"),
        pytest.param("1", [{"before": "1", "now": "2"}], id="another"),
    ],
)
def test_stream_log_tells_that_a_stream_was_made_anew(
    known: str, told: list[dict[str, str]]
) -> None:
    taken = t.PlaceTaken(StreamPlace(tenure=TENURE, incarnation=known))

    said = stream_lines(taken, t.StreamDescribed(StreamDescription("2", ())), commands=())
    said += stream_lines(taken, commands=(begin("2"),))

    assert [fields for _, _, fields in said] == told


def test_stream_log_that_is_verbose_tells_of_started_shards() -> None:
    start = t.ShardStart(
        tenure=TENURE, incarnation="1", shard_id=SHARD_ID, checkpoint=Checkpoint(TrimHorizon())
    )
    commands = (t.RunShard(start, s.ShardPolicy(**a_policy())),)

    said = stream_lines(t.IncarnationBegun(), commands=commands, verbose=True)

    assert said == [("debug", "shard started", {"shard": SHARD_ID})]
    assert stream_lines(t.IncarnationBegun(), commands=commands) == []


def a_policy() -> dict[str, Any]:
    return {"kind": "kinesis", "stream_arn": "arn", "function_arn": "arn"}
