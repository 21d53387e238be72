"""The ramp: how many invocations of a mapping may be in flight."""

import pytest
from builders import at
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.scaling import (
    ConcurrencyRamp,
    PollerThroughput,
    RampPolicy,
    ramp_policy_of,
)
from penstock.model.mapping import ProvisionedPollers

MINUTE_MS = 60_000
MEGABYTE = 1024 * 1024


def rising_ramp(maximum_concurrency: int | None = None, **policy: int) -> ConcurrencyRamp:
    """A ramp that has had a backlog since time 0."""
    ramp = ConcurrencyRamp(RampPolicy(**policy), maximum_concurrency)
    ramp.note_backlog(at(0))
    return ramp


@pytest.mark.parametrize(
    ("after_ms", "expected"),
    [
        pytest.param(0, 5, id="start"),
        pytest.param(199, 5, id="just-before-one-more"),
        pytest.param(200, 6, id="one-more"),
        pytest.param(MINUTE_MS, 305, id="one-minute"),
        pytest.param(249_000, 1_250, id="at-the-maximum"),
        pytest.param(60 * MINUTE_MS, 1_250, id="an-hour"),
    ],
)
def test_ramp_rises_while_there_is_a_backlog(after_ms: int, expected: int) -> None:
    assert rising_ramp().limit(at(after_ms)) == expected


def test_ramp_stays_without_a_backlog() -> None:
    ramp = ConcurrencyRamp(RampPolicy(), None)

    assert ramp.limit(at(60 * MINUTE_MS)) == 5
    assert not ramp.is_rising(at(0))


def test_ramp_stays_where_it_is_once_the_backlog_is_drained() -> None:
    ramp = rising_ramp()

    ramp.note_drained(at(MINUTE_MS))

    assert ramp.limit(at(60 * MINUTE_MS)) == 305
    assert not ramp.is_rising(at(60 * MINUTE_MS))


def test_ramp_counts_from_the_first_sign_of_a_backlog() -> None:
    ramp = rising_ramp()
    ramp.note_backlog(at(MINUTE_MS))

    assert ramp.limit(at(MINUTE_MS)) == 305


def test_ramp_starts_anew_after_idleness() -> None:
    ramp = rising_ramp()
    ramp.note_idle()
    ramp.note_backlog(at(10 * MINUTE_MS))

    assert ramp.limit(at(10 * MINUTE_MS)) == 5


def test_ramp_keeps_to_maximum_concurrency() -> None:
    ramp = rising_ramp(2)

    assert ramp.limit(at(0)) == 2
    assert not ramp.is_rising(at(0))


def test_ramp_changes_its_maximum_at_once() -> None:
    ramp = rising_ramp(2)

    ramp.change_policy(RampPolicy(), 50)
    raised = ramp.limit(at(MINUTE_MS))
    ramp.change_policy(RampPolicy(), None)

    assert (raised, ramp.limit(at(MINUTE_MS))) == (50, 305)


def test_ramp_stays_where_its_maximum_was_once_the_backlog_is_drained() -> None:
    ramp = rising_ramp(10)

    ramp.note_drained(at(MINUTE_MS))
    ramp.change_policy(RampPolicy(), None)

    assert ramp.limit(at(MINUTE_MS)) == 10


def test_ramp_is_never_below_one() -> None:
    assert ConcurrencyRamp(RampPolicy(initial=0), None).limit(at(0)) == 1


def test_ramp_never_exceeds_the_node_by_maximum_concurrency() -> None:
    assert rising_ramp(1_000, initial=5, per_minute=300, maximum=20).limit(at(MINUTE_MS)) == 20


def test_ramp_halves_on_a_throttle_and_rises_from_there() -> None:
    ramp = rising_ramp()

    ramp.note_throttle(at(MINUTE_MS))

    assert ramp.limit(at(MINUTE_MS)) == 152
    assert ramp.limit(at(MINUTE_MS + 1_000)) == 157


def test_ramp_counts_a_burst_of_throttles_once() -> None:
    ramp = rising_ramp(per_minute=0, initial=100)

    ramp.note_throttle(at(0))
    ramp.note_throttle(at(999))
    after_burst = ramp.limit(at(999))
    ramp.note_throttle(at(1_000))

    assert (after_burst, ramp.limit(at(1_000))) == (50, 25)


def test_ramp_takes_one_off_per_function_error() -> None:
    ramp = rising_ramp()

    ramp.note_function_error(at(MINUTE_MS))
    ramp.note_function_error(at(MINUTE_MS))

    assert ramp.limit(at(MINUTE_MS)) == 303


def test_ramp_falls_without_a_backlog_too() -> None:
    ramp = ConcurrencyRamp(RampPolicy(), None)

    ramp.note_function_error(at(0))

    assert ramp.limit(at(MINUTE_MS)) == 4


def test_ramp_falls_from_the_limit_and_not_from_where_it_would_have_risen() -> None:
    ramp = rising_ramp(10)

    ramp.note_throttle(at(60 * MINUTE_MS))

    assert ramp.limit(at(60 * MINUTE_MS)) == 5


@given(st.lists(st.sampled_from(["backlog", "idle", "throttle", "error", "wait"]), max_size=60))
def test_ramp_stays_between_one_and_its_maximum(events: list[str]) -> None:
    ramp = ConcurrencyRamp(RampPolicy(), 40)
    now_ms = 0

    for event in events:
        now_ms += 700
        match event:
            case "backlog":
                ramp.note_backlog(at(now_ms))
            case "idle":
                ramp.note_idle()
            case "throttle":
                ramp.note_throttle(at(now_ms))
            case "error":
                ramp.note_function_error(at(now_ms))
        assert 1 <= ramp.limit(at(now_ms)) <= 40


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_ramp_never_falls_by_itself(earlier_ms: int, later_ms: int) -> None:
    ramp = rising_ramp()
    first, second = sorted([earlier_ms, later_ms])

    assert ramp.limit(at(first)) <= ramp.limit(at(second))


# Provisioned pollers.


@pytest.mark.parametrize(
    ("pollers", "expected"),
    [
        pytest.param(
            ProvisionedPollers(),
            RampPolicy(initial=20, per_minute=1_000, maximum=2_000, minimum=20),
            id="defaults",
        ),
        pytest.param(
            ProvisionedPollers(5, 5),
            RampPolicy(initial=50, per_minute=1_000, maximum=50, minimum=50),
            id="fixed",
        ),
    ],
)
def test_ramp_of_provisioned_pollers_is_ten_invocations_each(
    pollers: ProvisionedPollers, expected: RampPolicy
) -> None:
    assert ramp_policy_of(pollers, RampPolicy()) == expected


def test_ramp_is_not_lowered_below_its_minimum() -> None:
    ramp = ConcurrencyRamp(ramp_policy_of(ProvisionedPollers(2, 4), RampPolicy()), None)

    for second in range(10):
        ramp.note_throttle(at(second * 1_000))
        ramp.note_function_error(at(second * 1_000))

    assert ramp.limit(at(10_000)) == 20


def test_ramp_changes_to_provisioned_pollers_at_once() -> None:
    ramp = ConcurrencyRamp(RampPolicy(), None)

    ramp.change_policy(ramp_policy_of(ProvisionedPollers(3, 4), RampPolicy()), None)

    assert ramp.limit(at(0)) == 30


@pytest.mark.parametrize(
    ("concurrency", "size_bytes", "opens_ms"),
    [
        pytest.param(10, MEGABYTE - 1, 0, id="within-a-second-s-worth"),
        pytest.param(10, MEGABYTE, 1, id="used-up"),
        pytest.param(10, 3 * MEGABYTE, 2_001, id="two-seconds-ahead"),
        pytest.param(20, 3 * MEGABYTE, 1_001, id="two-pollers"),
        pytest.param(11, 3 * MEGABYTE, 1_001, id="a-poller-begun"),
        pytest.param(0, 2 * MEGABYTE, 1_001, id="one-at-least"),
    ],
)
def test_throughput_is_a_megabyte_per_second_and_poller(
    concurrency: int, size_bytes: int, opens_ms: int
) -> None:
    throughput = PollerThroughput()

    throughput.take(size_bytes, concurrency, at(0))

    assert throughput.opens_ms(concurrency, at(0)) == opens_ms


def test_throughput_is_not_saved_up_for_longer_than_a_second() -> None:
    throughput = PollerThroughput()

    throughput.take(2 * MEGABYTE, 10, at(3_600_000))

    assert throughput.opens_ms(10, at(3_600_000)) == 3_600_000 + 1_001


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 3 * MEGABYTE)), max_size=30))
def test_throughput_keeps_to_its_rate_over_any_time(takes: list[tuple[int, int]]) -> None:
    throughput = PollerThroughput()
    now_ms = total_bytes = largest_bytes = 0

    for pause_ms, size_bytes in takes:
        now_ms = max(now_ms + pause_ms, throughput.opens_ms(10, at(now_ms + pause_ms)))
        throughput.take(size_bytes, 10, at(now_ms))
        total_bytes += size_bytes
        largest_bytes = max(largest_bytes, size_bytes)
        # A second's worth is there at first, and the last receive may overshoot.
        assert total_bytes <= MEGABYTE + now_ms * MEGABYTE / 1_000 + largest_bytes
