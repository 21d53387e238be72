"""Time in a test: virtual, and moved by the test alone."""

import datetime as dt
import re
import time
from typing import Any

import pytest
from kit_handlers import accept, refuse_poison

from penstock.testing import ConfigurationError, NeverIdleError, Penstock

POISON = {"id": 1, "poison": True}


def test_days_pass_at_once(penstock: Penstock) -> None:
    penstock.map(penstock.queue(), accept)

    penstock.advance(days=2, hours=1)

    assert penstock.now == 49 * 3600
    assert penstock.utc_now == dt.datetime(2026, 1, 3, 1, tzinfo=dt.UTC)


def test_an_endless_retry_ends_with_what_keeps_it_busy(penstock: Penstock) -> None:
    queue = penstock.queue("orders")
    penstock.map(queue, refuse_poison)
    queue.send(POISON)

    with pytest.raises(NeverIdleError) as told:
        penstock.run_until_idle(minutes=10)

    text = str(told.value)
    assert "not idle after 0:10:00 of virtual time" in text
    assert "queue orders" in text
    assert "#1 is not settled after 20 invocations" in text
    assert "ValueError: poison: 1" in text
    assert "maxReceiveCount" in text
    assert "comes again 29.900 s later" in text


def test_an_endless_retry_of_a_stream_names_its_limits(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    penstock.map(stream, refuse_poison)
    stream.put(POISON)

    with pytest.raises(NeverIdleError, match="MaximumRetryAttempts"):
        penstock.run_until_idle()


def test_time_runs_until_something_is_so(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, refuse_poison)
    stream.put(POISON)

    penstock.run_until(lambda: len(mapping.invocations) == 4)

    assert len(mapping.invocations) == 4


def test_what_never_becomes_so_ends_by_its_limit(penstock: Penstock) -> None:
    penstock.map(penstock.queue(), accept)

    with pytest.raises(NeverIdleError, match="0:05:00"):
        penstock.run_until(lambda: False, minutes=5)


def test_a_handler_sleeps_in_virtual_time(penstock: Penstock) -> None:
    left: list[int] = []

    def handler(_event: dict[str, Any], context: Any) -> None:
        penstock.sleep(2.5)
        left.append(context.get_remaining_time_in_millis())

    queue = penstock.queue()
    mapping = penstock.map(queue, handler)
    queue.send("a")
    penstock.run_until_idle()

    assert left == [500]
    assert mapping.invocations[0].end == 2.5


def test_a_handler_that_sleeps_too_long_is_ended(penstock: Penstock) -> None:
    done: list[str] = []

    def handler(_event: dict[str, Any], _context: object) -> None:
        penstock.sleep(4)
        done.append("never")

    queue = penstock.queue(maxReceiveCount=1)
    mapping = penstock.map(queue, handler)
    queue.send("a")
    penstock.run_until_idle()

    assert done == []
    assert mapping.invocations[0].end == 3.0
    assert mapping.invocations[0].error is not None
    assert mapping.invocations[0].error["errorType"] == "Sandbox.Timedout"


def test_a_run_takes_its_duration(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, accept, duration=1.5)

    stream.put("a")
    penstock.run_until_idle()

    assert mapping.invocations[0].end == 1.5


def test_no_time_passes_in_a_handler_for_all(penstock: Penstock) -> None:
    queue = penstock.queue(maxReceiveCount=1)
    mapping = penstock.map(queue, lambda _event, _context: penstock.advance(minutes=1))

    queue.send("a")
    penstock.run_until_idle()

    assert mapping.invocations[0].error is not None
    assert "penstock.sleep" in mapping.invocations[0].error["errorMessage"]


@pytest.mark.parametrize("days", [1e9, float("inf"), float("nan"), 3661])
def test_time_passes_within_limits(penstock: Penstock, days: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"days={re.escape(repr(days))}.*give 3660 days"):
        penstock.advance(days=days)


@pytest.mark.parametrize("span", [{}, {"minutes": -1}, {"seconds": 0}])
def test_time_runs_forward_only(penstock: Penstock, span: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="advance by how much"):
        penstock.advance(**span)


def test_sleep_is_for_handlers(penstock: Penstock) -> None:
    with pytest.raises(ConfigurationError, match=r"a test uses penstock\.advance"):
        penstock.sleep(1)


def test_nothing_happens_after_the_end(penstock: Penstock) -> None:
    mapping = penstock.map(penstock.queue(), accept)

    penstock.close()

    with pytest.raises(ConfigurationError, match="its test is over"):
        penstock.run_until_idle()
    assert mapping.state == "Enabled"


def test_two_runs_are_the_same() -> None:
    def run(seed: int) -> str:
        with Penstock(seed=seed) as penstock:
            queue = penstock.queue(maxReceiveCount=3)
            mapping = penstock.map(queue, refuse_poison, BatchSize=3)
            queue.send(*[{"id": number, "poison": number % 4 == 0} for number in range(20)])
            penstock.run_until_idle()
            ids = [each.request_id for each in mapping.invocations]
            return f"{mapping.timeline()}\n{ids}"

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_no_time_passes_on_the_real_clock(
    penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = penstock.queue()
    mapping = penstock.map(queue, lambda _event, _context: time.sleep(60))
    monkeypatch.setattr("time.sleep", penstock.sleep)
    monkeypatch.setattr(time, "time", lambda: pytest.fail("the real clock was read"))

    queue.send("a")
    penstock.run_until(lambda: bool(mapping.invocations))

    assert mapping.invocations
