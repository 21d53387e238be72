"""The auditor's rules on books written by hand: each strikes at its bound, and not before it."""

import pytest
from audit_scene import TIMEOUT_MS, Scene

from penstock.simulation.function_audit import STARVING_SLACK
from penstock.simulation.ledger import Rule
from penstock.simulation.names import queue_arn


@pytest.mark.parametrize(
    ("count", "broken"),
    [
        pytest.param(20, [], id="one slot is free: its batch and one receive"),
        pytest.param(21, [Rule.OVERPULL], id="one message more"),
    ],
)
def test_audit_counts_what_is_held_from_its_delivery_on(count: int, broken: list[Rule]) -> None:
    scene = Scene(batch_size=10)
    scene.now_ms = 60_000

    scene.deliver(0, *(f"m{number}" for number in range(count)))

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("count", "broken"),
    [
        pytest.param(110, [], id="one batch more than is free, while it is gathered"),
        pytest.param(111, [Rule.OVERPULL], id="one message more"),
    ],
)
def test_audit_lets_a_window_gather_one_batch(count: int, broken: list[Rule]) -> None:
    scene = Scene(slots=0, batch_size=100, maximum_batching_window_s=5)
    scene.now_ms = 60_000

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
        scene.reject(f"m{number}")

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(("is_heard", "broken"), [(True, [Rule.NOT_RETURNED]), (False, [])])
def test_audit_excuses_a_stop_that_forgot_what_was_extended_unheard(
    *, is_heard: bool, broken: list[Rule]
) -> None:
    scene = Scene()
    scene.deliver(0, "m")
    handle = scene.handles["m"]
    asked_ms = scene.now_ms + TIMEOUT_MS // 2
    scene.auditor.queues.visibility_changed(handle, asked_ms + TIMEOUT_MS)
    if is_heard:
        scene.auditor.queues.extension_answered([handle], asked_ms, TIMEOUT_MS)
    # By its receive alone it is visible; the server still hides it.
    scene.now_ms += TIMEOUT_MS

    scene.auditor.queues.mapping_stopped(queue_arn(0), [handle])

    assert scene.rules_broken() == broken


def test_audit_sees_what_is_left_at_the_end() -> None:
    scene = Scene()
    scene.send("m")

    scene.auditor.check_final()

    assert scene.rules_broken() == [Rule.LOST]
