"""What a queue mapping's requests add up to."""

from wire_builders import StandingClock

from penstock.engine.request_counts import RequestCounts

MINUTE_MS = 60_000


def test_requests_are_counted_by_operation() -> None:
    counts = RequestCounts(StandingClock())

    for operation in ("ReceiveMessage", "DeleteMessageBatch", "ReceiveMessage"):
        counts.count(operation)

    assert counts.by_operation == {"ReceiveMessage": 2, "DeleteMessageBatch": 1}


def test_receives_of_the_last_hour_leave_it_minute_by_minute() -> None:
    clock = StandingClock()
    counts = RequestCounts(clock)
    counted = []

    for _ in range(90):
        counts.count("ReceiveMessage")
        counts.count("ReceiveMessage")
        counts.count("DeleteMessageBatch")
        counted.append(counts.receives_last_hour())
        clock.advance_ms(MINUTE_MS)

    assert (counted[0], counted[59], counted[89]) == (2, 120, 120)
    assert counts.receives_last_hour() == 118


def test_receives_of_long_ago_are_not_of_the_last_hour() -> None:
    clock = StandingClock()
    counts = RequestCounts(clock)
    counts.count("ReceiveMessage")

    clock.advance_ms(60 * MINUTE_MS)

    assert counts.receives_last_hour() == 0
