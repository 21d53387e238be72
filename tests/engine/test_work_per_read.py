"""How much an idle shard's read costs, counted where it does not depend on the machine."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from engine_fakes import FUNCTION, RecordedLog
from stream_fakes import SHARD_ID, STREAM_ARN

from penstock.core import shard_contract as s
from penstock.core.shard_consumer import ShardConsumer
from penstock.core.stream_contract import ShardStart
from penstock.driver import Driver
from penstock.engine.processing_result import ProcessingResult
from penstock.engine.shard_observer import ShardObserver
from penstock.engine.stream_counts import StreamCounts
from penstock.engine.stream_log import ShardLog
from penstock.model.position import Tenure
from penstock.model.stream import (
    Checkpoint,
    FetchedRecords,
    ShardIterator,
    StreamKind,
    TrimHorizon,
)
from penstock.simulation.loop import VirtualClock, run_virtual

READS = 100
EMPTY = s.RecordsFetched(FetchedRecords((), ShardIterator("1"), 0))
POLICY = s.ShardPolicy(
    kind=StreamKind.KINESIS,
    stream_arn=STREAM_ARN,
    function_arn=FUNCTION.arn,
    parallelization_factor=10,
)
START = ShardStart(
    tenure=Tenure("u1", 1, 0),
    incarnation="1",
    shard_id=SHARD_ID,
    checkpoint=Checkpoint(TrimHorizon()),
)


class IdleShard:
    """A shard that brings nothing, read by its real consumer, driver and observer.

    Attributes:
        inputs: That the machine was given.
        commands: That it gave.
    """

    def __init__(self) -> None:
        self.inputs: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()

    def run(self) -> None:
        """Read so often."""
        run_virtual(self._run)

    async def _run(self) -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        machine = ShardConsumer(POLICY, START)
        log = ShardLog(
            RecordedLog(), SHARD_ID, destination_arn=None, age_warning_ms=60_000, is_verbose=False
        )
        observer = ShardObserver(
            SHARD_ID,
            log=log,
            counts=StreamCounts(),
            result=ProcessingResult(),
            oldest_arrived_ms=lambda: machine.oldest_arrived_ms,
            now=clock.now,
        )

        def observe(inp: s.Input, commands: list[s.Command]) -> None:
            observer.observe(inp, commands)
            self.inputs[type(inp).__name__] += 1
            self.commands.update([type(command).__name__ for command in commands])

        driver: Driver[s.Input, s.Command] = Driver(
            machine,
            lambda _: self._read(driver),
            clock=clock,
            deadline_reached=s.DeadlineReached(),
            observe=observe,
        )
        await driver.run(s.Started())

    async def _read(self, driver: Driver[s.Input, s.Command]) -> s.Input:
        if self.commands["Fetch"] == READS:
            driver.send(s.StopRequested())
        return EMPTY


@contextmanager
def counting_calls(counts: Counter[str]) -> Iterator[None]:
    """Count the calls of Penstock's own functions, by module."""

    def count(frame: FrameType, event: str, _arg: object) -> None:
        name = str(frame.f_globals.get("__name__", ""))
        if event == "call" and name.startswith(("penstock.core", "penstock.engine")):
            counts[name] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


def test_idle_read_is_a_wake_up_an_answer_and_a_command() -> None:
    shard = IdleShard()

    shard.run()

    assert shard.commands == {"Fetch": READS}
    assert shard.inputs == {
        "Started": 1,
        "RecordsFetched": READS,
        "DeadlineReached": READS - 1,
        "StopRequested": 1,
    }


def test_idle_read_asks_no_lane_and_no_checkpoint() -> None:
    calls: Counter[str] = Counter()
    shard = IdleShard()

    with counting_calls(calls):
        shard.run()

    of_lanes = ("lane", "lane_filling", "batch_forming", "shard_progress", "lane_failures")
    assert sum(calls[f"penstock.core.{module}"] for module in of_lanes) / READS < 5, calls
    assert calls.total() / READS < 40, calls
