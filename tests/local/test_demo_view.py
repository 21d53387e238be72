"""The demo counts and tells what the service's log says, and nothing else."""

import io
import json

import msgspec
import pytest
import structlog
from builders import batch, messages
from rich.console import Console
from structlog.testing import capture_logs

from penstock.core import queue_contract as q
from penstock.engine.queue_log import QueueLog
from penstock.local.demo_view import Counters, DemoView, LogLine, Summary

GOOD = frozenset(range(1, 10))


def summarize(
    *, succeeded: frozenset[int] = GOOD, dead: frozenset[int] = frozenset({10}), left: int = 0
) -> Summary:
    return Summary(
        sent=range(1, 11),
        poison=frozenset({10}),
        succeeded=succeeded,
        dead_lettered=dead,
        left=left,
    )


@pytest.mark.parametrize(
    ("line", "counters", "sentence"),
    [
        pytest.param(
            LogLine("messages received", ids=["a", "b"], counts=[1, 1]),
            Counters(received=2),
            "received     2 messages",
            id="received",
        ),
        pytest.param(
            LogLine("messages received", ids=["a", "b"], counts=[1, 3]),
            Counters(received=2, redelivered=1),
            "redelivered  1 message (receive 3)",
            id="redelivered",
        ),
        pytest.param(
            LogLine("invocation started", ids=["a"]),
            Counters(invocations=1),
            "invoked      the function with 1 message",
            id="invoked",
        ),
        pytest.param(
            LogLine("invocation partly failed", failed=["a", "b"]),
            Counters(failed=2),
            "failed       2 messages of a batch; left in the queue to come again",
            id="failed",
        ),
        pytest.param(
            LogLine("messages deleted", ids=["a"]),
            Counters(succeeded=1),
            "succeeded    1 message, deleted from the queue",
            id="succeeded",
        ),
        pytest.param(
            LogLine("invocation succeeded", shard="s-0", count=3),
            Counters(records=3),
            "succeeded    3 records",
            id="records",
        ),
        pytest.param(
            LogLine("invocation failed", shard="s-0", count=3, reason="ValueError: odd"),
            Counters(),
            "failed       3 records: ValueError: odd",
            id="records-failed",
        ),
        pytest.param(
            LogLine("records discarded", shard="s-0", count=1, condition="C", to="q"),
            Counters(discarded=1),
            "discarded    1 record to q: C",
            id="discarded",
        ),
        pytest.param(
            LogLine("shard not readable", level="warning", shard="s-0", reason="gone"),
            Counters(),
            "warning      shard not readable gone",
            id="shard-trouble",
        ),
        pytest.param(
            LogLine("order 12 is odd", function="ship"),
            Counters(),
            "function     order 12 is odd",
            id="function",
        ),
        pytest.param(LogLine("START RequestId: 1", function="f"), Counters(), None, id="platform"),
        pytest.param(LogLine("queue readable again"), Counters(), None, id="unremarkable"),
        pytest.param(
            LogLine("AWS advises otherwise", "warning"), Counters(), None, id="against advice"
        ),
        pytest.param(
            LogLine("queue not readable", level="warning", reason="gone"),
            Counters(),
            "warning      queue not readable gone",
            id="trouble",
        ),
    ],
)
def test_log_line_is_counted_and_told(
    line: LogLine, counters: Counters, sentence: str | None
) -> None:
    actual = Counters()

    assert actual.take(line) == sentence
    assert actual == counters


def test_view_prints_plain_lines_into_a_pipe() -> None:
    output = io.StringIO()
    line = json.dumps({"event": "messages deleted", "ids": ["a"], "level": "debug"}).encode()

    with DemoView(Console(file=output)) as view:
        view.take_log_line(line)
        view.take_log_line(b"Traceback: not JSON")
        view.take_dead_letters(2)
        view.take_dead_letters(2)

    assert output.getvalue().splitlines() == [
        "succeeded    1 message, deleted from the queue",
        "Traceback: not JSON",
        "dead-letter  2 messages moved to the dead-letter queue",
    ]


def test_view_keeps_counters_below_in_a_terminal() -> None:
    output = io.StringIO()

    with DemoView(Console(file=output, force_terminal=True)) as view:
        view.counters.sent = 60
        view.say("ready")

    assert "sent" in output.getvalue()
    assert "60" in output.getvalue()


def test_summary_adds_up() -> None:
    summary = summarize()

    assert summary.adds_up
    assert str(summary) == "queue orders: sent=10 succeeded=9 dead_lettered=1 left=0"


@pytest.mark.parametrize(
    "summary",
    [
        pytest.param(summarize(left=1), id="left"),
        pytest.param(summarize(succeeded=GOOD - {1}), id="lost"),
        pytest.param(summarize(succeeded=GOOD | {10}), id="poison-succeeded"),
        pytest.param(summarize(dead=frozenset({1, 10})), id="good-one-dead"),
    ],
)
def test_summary_that_does_not_add_up_is_seen(summary: Summary) -> None:
    assert not summary.adds_up


@pytest.mark.parametrize(
    "inp",
    [
        pytest.param(q.MessagesReceived(1, messages(2)), id="received"),
        pytest.param(
            q.InvocationPartiallyFailed(batch(1, 2), frozenset({"m1"})), id="partly failed"
        ),
        pytest.param(q.ReceiveFailed(1, "away"), id="receive failed"),
    ],
)
def test_line_of_a_queue_s_log_can_be_read(inp: q.Input) -> None:
    with capture_logs() as written:
        QueueLog(structlog.get_logger(), is_verbose=True).observe(inp, [])

    (line,) = written
    assert msgspec.convert(line, LogLine).event == line["event"]
