"""What engine and machine cost per receive of ten messages, without the wire.

Run ``python benchmarks/engine_cost.py [--batch-size 10] [--receives 20000]``: CPU in us, which is
worth little on a busy machine. ``--instructions`` counts instructions of user code instead, under
valgrind, as the difference of two short runs: about a minute, and the same on any machine.

The queue and the function are in memory, and answer on the next turn of the loop, 16 at a time.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "engine"))

from engine_fakes import (
    FUNCTION,
    FakeDestination,
    FakeFunctions,
    FakeSources,
    RecordedLog,
    a_row,
)

from penstock.core.scaling import RampPolicy
from penstock.engine.clock import SystemClock
from penstock.engine.metrics import NodeMetrics
from penstock.engine.queue_consumption import QueueConsumption
from penstock.engine.slots import SlotLedger
from penstock.engine.surroundings import EngineSettings, Surroundings
from penstock.model.function import FunctionResult
from penstock.model.message import (
    DeleteReport,
    Message,
    QueueAttributes,
    VisibilityChange,
)
from penstock.ports import QueueSource
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

CONCURRENCY = 16
SHORT, LONG = 300, 900  # receives of the two runs that are compared
RECEIVE_MESSAGES = 10
MESSAGES = tuple(
    [
        Message(
            message_id=f"059f36b4-87a3-44ab-83d2-{index:012}",
            receipt_handle=f"{'AQEBwJnK' * 20}-{index}",
            body=msgspec.Raw(b'"%b"' % (b"x" * 200)),
            md5_of_body="a" * 32,
            attributes=msgspec.Raw(
                b'{"ApproximateReceiveCount":"1","SentTimestamp":"1545082649183",'
                b'"SenderId":"AIDAIENQZJOLO23YVJ4VO"}'
            ),
        )
        for index in range(RECEIVE_MESSAGES)
    ]
)


async def next_turn() -> None:
    """Let the loop turn once, as an answer's arrival does."""
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_soon(lambda: turned.done() or turned.set_result(None))
    await turned


class Backlog:
    """Keeps ``ports.QueueSource``: full receives, so many of them, then silence."""

    def __init__(self, receives: int) -> None:
        self.is_over = asyncio.Event()
        self._left = receives

    async def describe(self) -> QueueAttributes:
        """Keep ``QueueSource``."""
        return QueueAttributes(30)

    async def receive(
        self,
        max_messages: int,
        wait_s: int,  # noqa: ARG002 - the port's
        *,
        visibility_timeout_s: int | None = None,  # noqa: ARG002
        attempt_id: str | None = None,  # noqa: ARG002
    ) -> tuple[Message, ...]:
        """Keep ``QueueSource``."""
        await next_turn()
        if not self._left:
            self.is_over.set()
            await asyncio.Event().wait()
        self._left -= 1
        return MESSAGES[:max_messages]

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Keep ``QueueSource``."""
        await next_turn()
        return DeleteReport(tuple(messages))

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> tuple[Message, ...]:
        """Keep ``QueueSource``: it is never asked."""
        raise AssertionError(changes)


class BacklogSources(FakeSources):
    """Opens the backlog."""

    def __init__(self, backlog: Backlog) -> None:
        super().__init__()
        self._backlog = backlog

    async def open_queue(
        self,
        arn: str,  # noqa: ARG002 - the port's
        *,
        function_arn: str,  # noqa: ARG002
        count_request: Callable[[str], None] | None = None,  # noqa: ARG002
    ) -> QueueSource:
        """Keep ``Sources``."""
        return self._backlog


class PromptFunctions(FakeFunctions):
    """Functions that succeed on the next turn."""

    async def invoke(self, function_arn: str, payload: bytes) -> FunctionResult:
        """Keep ``FunctionInvoker``."""
        assert function_arn
        assert payload
        await next_turn()
        return FunctionResult(b"null")


async def measure(receives: int, batch_size: int) -> float:
    """Run one mapping through its backlog; give the CPU seconds."""
    backlog, clock = Backlog(receives), SystemClock()
    functions = PromptFunctions(msgspec.structs.replace(FUNCTION, concurrency=CONCURRENCY))
    surroundings = Surroundings(
        store=InlineStore(SqlStore("sqlite://")),
        sources=BacklogSources(backlog),
        destinations=FakeDestination(),
        functions=functions,
        slots=SlotLedger(functions),
        clock=clock,
        draw_uuid=lambda: "uuid",
        metrics=NodeMetrics(clock),
        log_of=lambda _: RecordedLog(),
    )
    settings = EngineSettings(ramp=RampPolicy(initial=CONCURRENCY))
    row = a_row(batch_size=batch_size)
    consumption = QueueConsumption(row, surroundings, settings, RecordedLog())
    running = asyncio.ensure_future(consumption.run())
    begun_s = time.process_time()
    await backlog.is_over.wait()
    taken_s = time.process_time() - begun_s
    running.cancel()
    await asyncio.wait([running])
    return taken_s


def count_instructions(receives: int, batch_size: int) -> int:
    """Run this very script under valgrind; give the instructions of all of it."""
    command = [
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={os.devnull}",
        *(sys.executable, __file__),
        *("--receives", str(receives), "--batch-size", str(batch_size)),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603
    found = re.search(rb"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr[-1000:]
    return int(found[1])


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=RECEIVE_MESSAGES)
    parser.add_argument("--receives", type=int, default=20_000)
    parser.add_argument("--instructions", action="store_true", help="needs valgrind")
    options = parser.parse_args()
    if options.instructions:
        short, long = (count_instructions(each, options.batch_size) for each in (SHORT, LONG))
        print(f"{(long - short) // (LONG - SHORT):,} instructions per receive")
        return
    taken_s = uvloop.run(measure(options.receives, options.batch_size))
    print(f"{taken_s / options.receives * 1e6:.1f} us of CPU per receive")


if __name__ == "__main__":
    main()
