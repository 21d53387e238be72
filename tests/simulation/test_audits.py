"""The auditor's rules on books written by hand: each strikes at its bound, and not before it."""

import enum

import pytest

from penstock.model.mapping import EventSourceMapping
from penstock.simulation.auditor import Auditor
from penstock.simulation.function_audit import STARVING_SLACK
from penstock.simulation.ledger import Rule
from penstock.simulation.names import SCOPE, function_arn, queue_arn

TIMEOUT_MS = 30_000


class Scene:
    """An auditor at one moment, with mappings of one function of one slot."""

    def __init__(self, mapping_count: int) -> None:
        self.auditor = Auditor(lambda: 0, list)
        self.auditor.concurrency_changed(function_arn(0), 1)
        for index in range(mapping_count):
            self.auditor.mapping_changed(
                EventSourceMapping(
                    uuid=f"mapping-{index}",
                    scope=SCOPE,
                    event_source_arn=queue_arn(index),
                    function_arn=function_arn(0),
                    batch_size=10,
                )
            )

    def deliver(self, index: int, *names: str) -> None:
        """Hand out new messages of a queue, and bring them to its client."""
        for name in names:
            self.auditor.queues.message_sent(queue_arn(index), name, b'"body"')
            self.auditor.queues.message_handed(name, name, receive_count=1, timeout_ms=TIMEOUT_MS)
        self.auditor.queues.messages_delivered(queue_arn(index), names)

    def invoke(self, name: str) -> None:
        """Run a message that was delivered, and be rejected."""
        records = [(name, name, b'"body"')]
        invocation = self.auditor.functions.dispatched(function_arn(0), records, payload_bytes=100)
        self.auditor.functions.rejected(invocation)

    def rules_broken(self) -> list[enum.StrEnum]:
        """Name what was broken."""
        return [violation.rule for violation in self.auditor.books.violations]


@pytest.mark.parametrize(
    ("count", "broken"),
    [
        pytest.param(20, [], id="one slot is free: its batch and one receive"),
        pytest.param(21, [Rule.OVERPULL], id="one message more"),
    ],
)
def test_audit_counts_what_is_held_from_its_delivery_on(count: int, broken: list[Rule]) -> None:
    scene = Scene(mapping_count=1)

    scene.deliver(0, *(f"m{number}" for number in range(count)))

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("count", "broken"),
    [
        pytest.param(2 + STARVING_SLACK, [], id="as many as may be"),
        pytest.param(3 + STARVING_SLACK, [Rule.STARVED], id="one more"),
    ],
)
def test_audit_counts_what_a_holder_waits_through(count: int, broken: list[Rule]) -> None:
    scene = Scene(mapping_count=2)
    scene.deliver(0, "waits")

    for number in range(count):
        scene.deliver(1, f"m{number}")
        scene.invoke(f"m{number}")

    assert scene.rules_broken() == broken
