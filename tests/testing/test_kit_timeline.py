"""What a timeline tells and draws."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

from kit_handlers import accept, refuse_poison, report_poison

from penstock.testing import Mapping, Penstock

POISON = {"id": 2, "poison": True}
SVG = "{http://www.w3.org/2000/svg}"


POISON_TOLD = """
stream orders to function refuse_poison
              MaximumRetryAttempts=1, BisectBatchOnFunctionError=True
     0.000 s  mapping     is Enabled
     0.000 s  put         2 records: #1 {'id': 1}, #2 {'id': 2, 'poison': True}
     0.000 s  read        2 records: #1, #2
     0.000 s  invoke 1    2 records: #1, #2
     0.100 s  failed 1    after 0.100 s: ValueError: poison: 2; split: #1, then #2; 0.050 s later
     0.150 s  invoke 2    1 record: #1
     0.250 s  ended 2     well, after 0.100 s
     0.250 s  invoke 3    1 record: #2
     0.250 s  checkpoint  everything up to #1 is settled
     0.350 s  failed 3    after 0.100 s: ValueError: poison: 2; tried again 0.357 s later
     0.707 s  invoke 4    1 record: #2, attempt 2
     0.807 s  failed 4    after 0.100 s: ValueError: poison: 2; given up
     0.807 s  discard     #2 {'id': 2, 'poison': True}: RetryAttemptsExhausted after 2 attempts, \
kept in the failure journal
     0.807 s  checkpoint  everything up to #2 is settled
2 records put: 1 succeeded, 1 discarded; 4 invocations, 3 of them failed; 0.807 s
"""


def bisected(penstock: Penstock) -> Mapping:
    stream = penstock.kinesis_stream("orders")
    mapping = penstock.map(
        stream, refuse_poison, MaximumRetryAttempts=1, BisectBatchOnFunctionError=True
    )
    stream.put({"id": 1}, POISON)
    penstock.run_until_idle()
    return mapping


def test_a_timeline_tells_a_poison_records_way(penstock: Penstock) -> None:
    mapping = bisected(penstock)

    told = "\n" + str(mapping.timeline()).replace(" of virtual time", "") + "\n"
    assert told == POISON_TOLD


def test_a_timeline_tells_of_queues(penstock: Penstock) -> None:
    queue = penstock.queue("orders", maxReceiveCount=2)
    mapping = penstock.map(queue, report_poison, FunctionResponseTypes=["ReportBatchItemFailures"])

    queue.send({"id": 1}, POISON)
    penstock.run_until_idle()

    told = str(mapping.timeline())
    assert "partly 1    after 0.100 s: #2 reported as failed; comes again 29.900 s later" in told
    assert "delete      #1" in told
    assert "read        1 message: #2 (receive count up to 2)" in told
    assert "to orders-dlq, after 2 receives" in told


def test_only_the_last_steps_are_told_when_asked_for(penstock: Penstock) -> None:
    text = bisected(penstock).timeline().text(last=2)

    lines = text.splitlines()
    assert lines[2].split() == ["...", "12", "steps", "before"]
    assert "checkpoint" in lines[4]


def test_a_picture_is_written(penstock: Penstock, tmp_path: Path) -> None:
    path = tmp_path / "orders.svg"

    bisected(penstock).timeline().save(path)

    titles = [each.text or "" for each in ET.parse(path).iter(f"{SVG}title")]  # noqa: S314 - ours
    assert any(each.startswith("invocation 1, attempt 1: #1, #2\n") for each in titles)
    assert any("given up: RetryAttemptsExhausted" in each for each in titles)
    assert any("waits 0.050 s" in each for each in titles)


def test_blocks_stand_one_after_another(penstock: Penstock) -> None:
    svg = ET.fromstring(bisected(penstock).timeline().svg())  # noqa: S314 - ours

    blocks = [
        (float(each.attrib["x"]), float(each.attrib["x"]) + float(each.attrib["width"]))
        for each in svg.iter(f"{SVG}rect")
        if each.find(f"{SVG}title") is not None
    ]
    assert len(blocks) == 4
    assert all(end <= start for (_, end), (start, _) in pairwise(blocks))
    assert max(end for _, end in blocks) <= float(svg.attrib["width"])


def test_values_of_any_kind_can_be_drawn(penstock: Penstock) -> None:
    queue = penstock.queue()
    mapping = penstock.map(queue, accept)

    queue.send('<&"\x01 \N{PILE OF POO}', "x" * 500)
    penstock.run_until_idle()

    assert ET.fromstring(mapping.timeline().svg()) is not None  # noqa: S314 - ours


def test_a_picture_of_many_records_stays_small(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, refuse_poison, BatchSize=10, MaximumRetryAttempts=0)

    stream.put(*[{"id": number, "poison": number == 777} for number in range(1_000)])
    penstock.run_until_idle()

    svg = mapping.timeline().svg()
    shown = set(re.findall(r">#(\d+) to #(\d+)<", svg))
    assert ("771", "780") in shown  # what had trouble is shown
    assert "... and 400 records more" in svg
    assert len(svg) < 100_000


def test_an_empty_timeline_says_so(penstock: Penstock) -> None:
    mapping = penstock.map(penstock.queue(), accept)

    assert "0 messages put" in str(mapping.timeline())
    assert ET.fromstring(mapping.timeline().svg()) is not None  # noqa: S314 - ours
