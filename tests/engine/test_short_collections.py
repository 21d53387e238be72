"""Full runs of the collector look at what is new, and once in a while at everything."""

import gc
from collections.abc import Iterator

import pytest

from penstock.engine.short_collections import (
    FULL_RUN_MS_MAX,
    THOROUGH_EVERY_S,
    ShortCollections,
)


class Clock:
    """Each reading is so much later than the last."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self.step_ms = 0.0

    def read(self) -> float:
        self.now_ms += self.step_ms
        return self.now_ms


@pytest.fixture(name="clock")
def fixture_clock() -> Iterator[Clock]:
    clock = Clock()
    with ShortCollections(clock.read).kept():
        gc.collect()
        yield clock
    assert gc.get_freeze_count() == 0


def test_what_was_there_is_not_looked_at(clock: Clock) -> None:
    assert clock.now_ms == 0
    assert gc.get_freeze_count() > 0


def frozen_by_run(clock: Clock, run_ms: float) -> int:
    before = gc.get_freeze_count()
    clock.step_ms = run_ms
    gc.collect()
    return gc.get_freeze_count() - before


def test_what_a_long_run_has_left_is_not_looked_at_again(clock: Clock) -> None:
    lasting = [[number] for number in range(1_000)]

    assert frozen_by_run(clock, FULL_RUN_MS_MAX + 1) >= len(lasting)


def test_what_a_short_run_has_left_is_looked_at_again(clock: Clock) -> None:
    lasting = [[number] for number in range(1_000)]

    assert frozen_by_run(clock, FULL_RUN_MS_MAX) < len(lasting)


def test_once_in_a_while_everything_is_looked_at(clock: Clock) -> None:
    clock.now_ms = THOROUGH_EVERY_S * 1000

    gc.collect()

    assert gc.get_freeze_count() == 0
