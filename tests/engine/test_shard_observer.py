"""One shard's inputs and commands, as its log, counts, age and result take them in."""

import pytest
from engine_fakes import RecordedLog
from stream_fakes import DESTINATION_ARN, SHARD_ID, WALL_MS, a_batch, a_discard, a_record

from penstock.core import shard_contract as s
from penstock.engine.processing_result import ProcessingResult
from penstock.engine.shard_observer import ShardObserver
from penstock.engine.stream_counts import StreamCounts
from penstock.engine.stream_log import ShardLog
from penstock.model.instant import Instant
from penstock.model.position import NO_RECORDS_PROCESSED
from penstock.model.stream import FetchedRecords, ShardIterator

EMPTY = s.RecordsFetched(FetchedRecords((), ShardIterator("2"), 0))
CUT_OFF = s.FetchFailed(s.FetchFailure.OTHER, "the shard stops")


class Bench:
    """An observer, and everything that it tells."""

    def __init__(self) -> None:
        self.log = RecordedLog()
        self.counts = StreamCounts()
        self.result = ProcessingResult()
        self.passed_ms = 0
        self.oldest_arrived_ms: int | None = None
        self.observer = ShardObserver(
            SHARD_ID,
            log=ShardLog(
                self.log,
                SHARD_ID,
                destination_arn=DESTINATION_ARN,
                age_warning_ms=60_000,
                is_verbose=False,
            ),
            counts=self.counts,
            result=self.result,
            oldest_arrived_ms=lambda: self.oldest_arrived_ms,
            now=lambda: Instant(self.passed_ms, WALL_MS + self.passed_ms),
        )


def test_observer_tells_everybody() -> None:
    bench = Bench()
    records = (a_record(1), a_record(2))

    bench.observer.observe(
        s.RecordsFetched(FetchedRecords(records, ShardIterator("2"), 0)), [s.Invoke(a_batch(1, 2))]
    )
    bench.passed_ms += 60_001
    bench.oldest_arrived_ms = WALL_MS
    bench.observer.observe(s.InvocationFailed(a_batch(1, 2), "x"), [])

    assert (bench.counts.polled, bench.counts.invoked, bench.counts.failed_invoke) == (2, 2, 2)
    assert bench.log.events == ["invocation failed", "iterator age is high"]
    assert bench.observer.age_ms() == 60_001
    assert bench.result.text == "PROBLEM: Function call failed"


def test_observer_follows_a_discard_to_its_end() -> None:
    bench = Bench()

    bench.observer.observe(s.DeadlineReached(), [s.Invoke(a_batch(1))])
    bench.passed_ms += 90_000
    bench.oldest_arrived_ms = WALL_MS
    bench.observer.observe(s.DeadlineReached(), [s.SendToDestination(a_discard(1))])
    bench.observer.observe(s.DestinationAccepted(1), [])
    bench.oldest_arrived_ms = None
    bench.observer.observe(EMPTY, [])

    assert bench.counts.delivered == 1
    assert bench.log.events == [
        "iterator age is high",
        "records discarded",
        "iterator age is low again",
    ]


def test_observer_warns_of_a_shard_to_which_nothing_happens() -> None:
    bench = Bench()
    bench.observer.observe(EMPTY, [])

    for _ in range(2):
        bench.passed_ms += 60_001
        bench.observer.watch_age()

    assert bench.log.events == ["iterator age is high"]


@pytest.mark.parametrize(
    "stop", [pytest.param(s.StopRequested(), id="stop"), pytest.param(s.TenureLost(), id="tenure")]
)
def test_observer_passes_over_the_fetch_that_a_stop_cut_off(stop: s.Input) -> None:
    bench = Bench()

    bench.observer.observe(stop, [])
    before = list(bench.log.events)
    bench.observer.observe(CUT_OFF, [])

    assert bench.log.events == before
    assert bench.result.text == NO_RECORDS_PROCESSED
