"""A node that is paused: it does nothing, time passes, and what it does then is judged."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import planted
import pytest
from plain_plans import plain_function, plain_mapping, plain_world

from penstock.core import queue_contract as q
from penstock.core.queue_consumer import QueueConsumer
from penstock.core.scaling import RampPolicy
from penstock.model.instant import Instant
from penstock.simulation.incident_plans import PauseNode
from penstock.simulation.ledger import Rule
from penstock.simulation.loop import VirtualLoop, node_context, pass_s, run_virtual
from penstock.simulation.outcome import WorldKind
from penstock.simulation.run import run_world
from penstock.simulation.swarm import run_one
from penstock.simulation.workload import WorldPlan

LONG_GAP_MS = 25_000  # nothing happens for so long only while the node is paused


def begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Begin something in a node's process."""
    return asyncio.get_running_loop().create_task(work, context=node_context())


def loop_of_test() -> VirtualLoop:
    """Give the loop, which can pause what is of a node."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def test_what_is_due_in_a_pause_happens_at_its_end_in_order() -> None:
    happened: list[tuple[str, float]] = []

    async def wait(name: str, delay_s: float) -> None:
        await pass_s(delay_s)
        happened.append((name, loop_of_test().time()))

    async def main() -> None:
        waiting = [begin(wait("second", 2)), begin(wait("first", 1)), begin(wait("later", 20))]
        await pass_s(0.5)
        loop_of_test().is_paused = True
        await wait("outside", 4.5)
        loop_of_test().resume()
        await asyncio.gather(*waiting)

    run_virtual(main)

    assert happened == [("outside", 5.0), ("first", 5.0), ("second", 5.0), ("later", 20.0)]


def test_an_answer_waits_for_a_node_that_is_paused() -> None:
    async def main() -> float:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heard_s: list[float] = []

        async def hear() -> None:
            await answer
            heard_s.append(loop_of_test().time())

        hearing = begin(hear())
        await pass_s(1)
        loop_of_test().is_paused = True
        answer.set_result(None)
        await pass_s(9)
        loop_of_test().resume()
        await hearing
        return heard_s[0]

    assert run_virtual(main) == 10.0


def test_what_is_cancelled_at_the_end_of_a_pause_does_not_happen() -> None:
    happened: list[str] = []

    async def main() -> None:
        loop, context = loop_of_test(), node_context()
        timers: list[asyncio.TimerHandle] = []
        loop.call_at(1, lambda: timers.pop().cancel(), context=context)
        timers.append(loop.call_at(2, lambda: happened.append("cancelled"), context=context))
        loop.is_paused = True
        await pass_s(3)
        loop.resume()
        await pass_s(3)

    run_virtual(main)

    assert happened == []


class ForgetsPauses(QueueConsumer):
    """Goes by a clock that stands still while its process does."""

    def __init__(self, policy: q.QueuePolicy, ramp_policy: RampPolicy) -> None:
        super().__init__(policy, ramp_policy)
        self._last_ms = 0
        self._lost_ms = 0

    def handle(self, inp: q.Input, now: Instant) -> list[q.Command]:
        """Handle an input, as if no time had been lost."""
        if now.monotonic_ms - self._last_ms > LONG_GAP_MS:
            self._lost_ms += now.monotonic_ms - self._last_ms
        self._last_ms = now.monotonic_ms
        return super().handle(inp, Instant(now.monotonic_ms - self._lost_ms, now.wall_ms))

    def deadline_ms(self) -> int | None:
        """Give the deadline on the true clock."""
        due_ms = super().deadline_ms()
        return None if due_ms is None else due_ms + self._lost_ms


def paused_world() -> WorldPlan:
    """Give a world whose only slot is busy, and batches wait, when the node is paused."""
    return plain_world(
        [plain_function(9_000, concurrency=1, timeout_s=10)],
        [plain_mapping([0] * 20, batch_size=5)],
        incidents=[PauseNode(at_event=40, for_ms=45_000)],
    )


def test_a_pause_burns_receives_and_loses_nothing() -> None:
    outcome = run_world(1, paused_world())

    assert outcome.violation == ""
    assert any("goes on" in line for line in outcome.lines)


def test_auditor_sees_what_is_invoked_after_a_pause_though_it_is_visible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted.consumer(ForgetsPauses)(monkeypatch)

    assert Rule.VISIBLE_INVOKED in run_world(1, paused_world()).violation


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        (WorldKind.QUEUES, 60_063),
        (WorldKind.ALL, 60_205),
        (WorldKind.ALL, 60_257),
        (WorldKind.ALL, 62_176),
    ],
)
def test_regression_seeds_hold(kind: WorldKind, seed: int) -> None:
    assert run_one(kind, seed).violation == ""
