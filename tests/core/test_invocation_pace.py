"""How many batches will soon have a slot."""

import pytest

from penstock.core.invocation_pace import InvocationPace


def paced(*durations_ms: int) -> InvocationPace:
    """A pace after invocations of these durations."""
    pace = InvocationPace()
    for duration_ms in durations_ms:
        pace.note(duration_ms)
    return pace


@pytest.mark.parametrize(
    ("durations_ms", "slots", "expected"),
    [
        pytest.param((), 100, 1, id="unknown"),
        pytest.param((200,), 2, 10, id="five-a-second-each"),
        pytest.param((0,), 1, 1_000, id="at-once"),
        pytest.param((60_000,), 10, 1, id="slow-one-at-least"),
        pytest.param((100, 900), 2, 10, id="one-slow-changes-little"),
        pytest.param((100, *[900] * 40), 2, 2, id="slow-from-now-on"),
    ],
)
def test_pace_counts_what_begins_within_a_second(
    durations_ms: tuple[int, ...], slots: int, expected: int
) -> None:
    assert paced(*durations_ms).batches_soon(slots) == expected
