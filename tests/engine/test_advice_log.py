"""What the log says, and how often, of a queue mapping that does not follow AWS's advice."""

import msgspec
from engine_fakes import FUNCTION, Engine, RecordedLog, a_row, run

from penstock.core import queue_contract as q
from penstock.core.queue_advice import Maxima
from penstock.engine.advice_log import AdviceLog
from penstock.model.mapping import EventSourceMapping
from penstock.model.message import QueueAttributes

GOOD = q.QueueDescribed(QueueAttributes(18, max_receive_count=5))
SHORT = q.QueueDescribed(QueueAttributes(17, max_receive_count=5))
ROW = a_row(maximum_concurrency=2)  # as much as the function has


class Bench:
    """The advice on one mapping."""

    def __init__(self, *others: EventSourceMapping) -> None:
        self.log = RecordedLog()
        self.advice = AdviceLog(
            ROW, self.log, find_function=lambda _: FUNCTION, maxima=Maxima(others)
        )

    @property
    def told(self) -> list[str]:
        """What was advised, in order."""
        return [fields["advice"] for _, _, fields in self.log.lines]


def test_advice_is_told_once_while_nothing_changes() -> None:
    bench = Bench()

    for described in (SHORT, q.Started(), SHORT):
        bench.advice.observe(described)

    ((level, event, fields),) = bench.log.lines
    assert level == "warning"
    assert event == "AWS advises otherwise"
    assert fields["advice"].startswith("the queue's VisibilityTimeout is 17 s; ")
    assert fields["see"] == "docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"


def test_advice_is_told_of_a_queue_that_is_changed() -> None:
    bench = Bench()

    told = []
    for described in (GOOD, SHORT, GOOD, SHORT):
        bench.advice.observe(described)
        told.append(len(bench.log.lines))

    assert told == [0, 1, 1, 2]


def test_advice_is_told_of_a_mapping_that_is_changed() -> None:
    bench = Bench()
    bench.advice.follow(a_row(maximum_concurrency=3))
    assert bench.log.lines == []

    bench.advice.observe(GOOD)
    bench.advice.follow(a_row(maximum_concurrency=4))
    bench.advice.follow(a_row(maximum_concurrency=4))

    assert ["3 together" in each for each in bench.told] == [True, False]
    assert "4 together" in bench.told[1]


def test_advice_knows_the_other_mappings_of_the_function() -> None:
    bench = Bench(a_row(uuid="u2", maximum_concurrency=2))

    bench.advice.observe(GOOD)

    assert "queue mappings (2) is 4 together" in bench.told[0]


def test_mapping_follows_its_function_when_that_has_changed() -> None:
    slower = msgspec.structs.replace(FUNCTION, timeout_s=20)

    async def scenario() -> list[str]:
        async with Engine(a_row()) as engine:
            await engine.until(lambda: engine.queue.receives > 0)
            engine.functions.declare(slower)
            engine.supervisor.function_changed(f"{FUNCTION.arn}:another")
            engine.supervisor.function_changed(FUNCTION.arn)
            await engine.until(lambda: "(20 s)" in str(engine.log.lines))
        return [str(fields.get("advice")) for _, _, fields in engine.log.lines]

    told = [advice for advice in run(scenario()) if "timeout of charge (20 s)" in advice]

    assert len(told) == 1


def test_mapping_that_begins_to_run_tells_its_advice() -> None:
    async def scenario() -> list[str]:
        async with Engine(a_row()) as engine:
            await engine.until(lambda: engine.queue.receives > 0)
        return engine.log.events

    advised = [event for event in run(scenario()) if event == "AWS advises otherwise"]
    assert len(advised) == 2  # no redrive policy; a concurrency of 2
