"""One queue mapping's inputs and commands, as its log, counts and last trouble take them in."""

import pytest
from builders import batch, invoke, message, messages
from engine_fakes import RecordedLog, a_row

from penstock.core import queue_contract as q
from penstock.core.queue_advice import Maxima
from penstock.engine.advice_log import AdviceLog
from penstock.engine.queue_counts import QueueCounts
from penstock.engine.queue_log import QueueLog
from penstock.engine.queue_observer import QueueObserver
from penstock.model.message import DeleteReport, QueueAttributes

BATCH = batch(1, 3)
PARTLY = q.InvocationPartiallyFailed(BATCH, frozenset({"m1"}))
FORGET = q.Forget(BATCH)


class Bench:
    """One observer, with everything that it tells."""

    def __init__(self) -> None:
        self.log = RecordedLog()
        self.counts = QueueCounts()
        self.troubles: list[str] = []
        self.observer = QueueObserver(
            QueueLog(self.log, is_verbose=True),
            self.counts,
            advice=AdviceLog(a_row(), self.log, find_function=lambda _: None, maxima=Maxima()),
            note_trouble=self.troubles.append,
        )

    def observe(self, inp: q.Input, *commands: q.Command) -> dict[str, int]:
        """Feed one input; give the counts that are not 0."""
        self.observer.observe(inp, list(commands))
        return {name: count for name, count in vars(self.counts).items() if count}


@pytest.mark.parametrize(
    ("inp", "commands", "counted"),
    [
        pytest.param(q.MessagesReceived(1, messages(3)), [], {"polled": 3}, id="polled"),
        pytest.param(q.MessagesReceived(1, ()), [], {}, id="empty receive"),
        pytest.param(q.DeadlineReached(), [invoke(BATCH), FORGET], {"invoked": 3}, id="invoked"),
        pytest.param(
            q.MessagesReceived(1, messages(3)),
            [q.ReportFilteredOut(2)],
            {"polled": 3, "filtered_out": 2},
            id="filtered out",
        ),
        pytest.param(q.InvocationSucceeded(BATCH), [], {}, id="succeeded"),
        pytest.param(q.InvocationFailed(BATCH, "x"), [], {"failed_invoke": 3}, id="failed"),
        pytest.param(PARTLY, [], {"failed_invoke": 3}, id="partly failed"),
        pytest.param(q.InvocationRejected(BATCH, "x"), [], {"failed_invoke": 3}, id="rejected"),
        pytest.param(
            q.InvocationOutcomeUnknown(BATCH, "x"), [], {"failed_invoke": 3}, id="unknown"
        ),
        pytest.param(
            q.DeleteEnded(DeleteReport((message(),), (message("m2"),)), 1),
            [],
            {"deleted": 1},
            id="deleted",
        ),
        pytest.param(q.DestinationAccepted(1), [], {"delivered": 1}, id="delivered"),
    ],
)
def test_counts_of_an_input(
    inp: q.Input, commands: list[q.Command], counted: dict[str, int]
) -> None:
    assert Bench().observe(inp, *commands) == counted


@pytest.mark.parametrize(
    ("inp", "told"),
    [
        pytest.param(q.DescribeFailed("away"), ["queue not readable: away"], id="describe"),
        pytest.param(q.ReceiveFailed(1, "away"), ["queue not readable: away"], id="receive"),
        pytest.param(q.InvocationFailed(BATCH, "no"), ["invocation failed: no"], id="failed"),
        pytest.param(PARTLY, ["function reported 1 of 3 messages as failed"], id="partly"),
        pytest.param(
            q.InvocationRejected(BATCH, "slow"), ["function did not run: slow"], id="rejected"
        ),
        pytest.param(
            q.InvocationOutcomeUnknown(BATCH, "lost"),
            ["invocation's outcome unknown: lost"],
            id="unknown",
        ),
        pytest.param(
            q.DeleteEnded(DeleteReport((), (message(),), (message("m2"),)), 1),
            ["2 messages not deleted"],
            id="not deleted",
        ),
        pytest.param(q.DeleteEnded(DeleteReport((message(),)), 1), [], id="deleted"),
        pytest.param(
            q.DestinationFailed(1, "denied", is_final=True),
            ["on-failure destination took nothing: denied"],
            id="not delivered",
        ),
        pytest.param(
            q.ExtendVisibilityFailed(1, "denied"),
            ["visibility not changed: denied"],
            id="not extended",
        ),
        pytest.param(
            q.VisibilityChanged(1, "denied"), ["visibility not changed: denied"], id="not changed"
        ),
        pytest.param(q.VisibilityChanged(1), [], id="changed"),
        pytest.param(q.QueueDescribed(QueueAttributes(30)), [], id="described"),
    ],
)
def test_trouble_is_told_in_words(inp: q.Input, told: list[str]) -> None:
    bench = Bench()

    bench.observe(inp)

    assert bench.troubles == told


def test_log_and_advice_are_told_too() -> None:
    bench = Bench()

    bench.observe(q.InvocationFailed(BATCH, "no"))
    bench.observe(q.QueueDescribed(QueueAttributes(30)))

    assert bench.log.events == ["invocation failed", "AWS advises otherwise"]
