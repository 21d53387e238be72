"""The rules of scaling, promptness and deletes on books written by hand: each at its bound."""

import pytest
from audit_scene import TIMEOUT_MS, Scene

from penstock.core.scaling import RampPolicy
from penstock.model.mapping import ProvisionedPollers
from penstock.simulation.ledger import Rule
from penstock.simulation.names import queue_arn

SLOW_RAMP = RampPolicy(initial=2, per_minute=60, maximum=10, minimum=1)
MB = 1024 * 1024


def run(scene: Scene, count: int, since: int = 0) -> None:
    """Invoke so many messages, each alone."""
    for number in range(since, since + count):
        scene.deliver(0, f"m{number}")
        scene.dispatch(f"m{number}")


# Scaling.


@pytest.mark.parametrize(
    ("elapsed_ms", "count", "broken"),
    [
        pytest.param(999, 2, [], id="as many as at first"),
        pytest.param(999, 3, [Rule.RAMP], id="one more"),
        pytest.param(1_000, 3, [], id="one more a second later"),
        pytest.param(60_000, 11, [Rule.RAMP], id="above the maximum"),
    ],
)
def test_concurrency_rises_by_the_ramp(elapsed_ms: int, count: int, broken: list[Rule]) -> None:
    scene = Scene(slots=100, ramp=SLOW_RAMP)
    scene.now_ms = elapsed_ms

    run(scene, count)

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(("count", "broken"), [(20, []), (21, [Rule.RAMP])])
def test_pollers_begin_at_their_minimum(count: int, broken: list[Rule]) -> None:
    scene = Scene(slots=100, provisioned_pollers=ProvisionedPollers(2, 5))
    scene.now_ms = 0

    run(scene, count)

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(("count", "broken"), [(4, []), (5, [Rule.RAMP])])
def test_throttle_halves_the_ramp(count: int, broken: list[Rule]) -> None:
    scene = Scene(slots=100, ramp=RampPolicy(initial=8, per_minute=60, maximum=10, minimum=1))
    scene.now_ms = 0
    scene.deliver(0, "throttled")
    scene.auditor.functions.rejected(scene.dispatch("throttled"), is_throttle=True)
    scene.now_ms += 101

    run(scene, count)

    assert scene.rules_broken() == broken


def test_restart_begins_the_ramp_anew() -> None:
    scene = Scene(slots=100, ramp=RampPolicy(initial=8, per_minute=0, maximum=10, minimum=1))
    scene.deliver(0, "throttled")
    scene.auditor.functions.rejected(scene.dispatch("throttled"), is_throttle=True)
    scene.now_ms += 60_000
    scene.auditor.node_started()

    run(scene, 8)

    assert scene.rules_broken() == []


@pytest.mark.parametrize(("is_idle", "broken"), [(True, [Rule.RAMP]), (False, [])])
def test_idle_mapping_begins_anew(*, is_idle: bool, broken: list[Rule]) -> None:
    scene = Scene(slots=100, ramp=SLOW_RAMP)
    scene.now_ms = 5_000
    if is_idle:
        scene.auditor.pace.answered(queue_arn(0), 20, [])
    scene.now_ms += 101

    run(scene, 3)

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("waited_ms", "broken"),
    [
        pytest.param(1_000, [Rule.POLLER_BYTES], id="before its bytes have passed"),
        pytest.param(1_001, [], id="after that"),
    ],
)
def test_pollers_receive_a_megabyte_per_second(waited_ms: int, broken: list[Rule]) -> None:
    scene = Scene(provisioned_pollers=ProvisionedPollers(2, 2))
    # Two pollers have two seconds' worth at most, whatever they did not use before.
    scene.auditor.pace.answered(queue_arn(0), 0, [b"x" * MB] * 4)
    scene.now_ms += waited_ms

    scene.auditor.pace.receive_started(queue_arn(0), 0)

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(("empty_count", "broken"), [(2, []), (3, [Rule.WASTED])])
def test_receives_in_parallel_end_with_the_backlog(empty_count: int, broken: list[Rule]) -> None:
    scene = Scene()
    scene.auditor.books.is_calm = True
    scene.auditor.pace.answered(queue_arn(0), 20, [b"x"])

    for _ in range(empty_count):
        scene.auditor.pace.answered(queue_arn(0), 0, [])

    assert scene.rules_broken() == broken


# Promptness.


@pytest.mark.parametrize(("waited_ms", "broken"), [(100, []), (101, [Rule.PROMPT])])
@pytest.mark.parametrize("window_s", [0, 5])
def test_batch_is_invoked_when_it_is_due(window_s: int, waited_ms: int, broken: list[Rule]) -> None:
    scene = Scene(slots=2, batch_size=10, maximum_batching_window_s=window_s)
    scene.settle()
    scene.deliver(0, "m")
    scene.now_ms += 1_000 * window_s + waited_ms

    scene.dispatch("m")

    assert scene.rules_broken() == broken


def test_full_batch_does_not_wait_for_its_window() -> None:
    scene = Scene(slots=2, batch_size=1, maximum_batching_window_s=5)
    scene.settle()
    scene.deliver(0, "m")
    scene.now_ms += 101

    scene.dispatch("m")

    assert scene.rules_broken() == [Rule.PROMPT]


def test_batch_may_wait_for_a_slot() -> None:
    scene = Scene(slots=1)
    scene.settle()
    scene.deliver(0, "first")
    running = scene.dispatch("first")
    scene.deliver(0, "second")
    scene.now_ms += 20_000
    scene.end(running)
    scene.delete("first")

    scene.dispatch("second")

    assert scene.rules_broken() == []


@pytest.mark.parametrize(("waited_ms", "broken"), [(2_500, []), (2_501, [Rule.PROMPT])])
def test_queue_is_read_while_slots_are_free(waited_ms: int, broken: list[Rule]) -> None:
    scene = Scene()
    scene.settle()
    scene.auditor.promptness.looked_at(queue_arn(0), 1)
    scene.now_ms += waited_ms

    scene.auditor.promptness.looked_at(queue_arn(0), 1)

    assert scene.rules_broken() == broken


def test_queue_that_is_read_is_not_left() -> None:
    scene = Scene()
    scene.settle()
    scene.auditor.promptness.looked_at(queue_arn(0), 2)
    scene.deliver(0, "m")
    scene.now_ms += 2_501

    scene.auditor.promptness.looked_at(queue_arn(0), 1)

    assert scene.rules_broken() == []


# Deletes.


@pytest.mark.parametrize(
    ("is_fifo", "waited_ms", "broken"),
    [
        pytest.param(False, 20, [], id="in company"),
        pytest.param(False, 21, [Rule.DELETED_LATE], id="too late"),
        pytest.param(True, 0, [], id="at once"),
        pytest.param(True, 1, [Rule.DELETED_LATE], id="too late, of a FIFO queue"),
    ],
)
def test_what_succeeded_is_deleted(is_fifo: bool, waited_ms: int, broken: list[Rule]) -> None:  # noqa: FBT001 - a case
    scene = Scene(is_fifo=is_fifo)
    scene.deliver(0, "m")
    scene.end(scene.dispatch("m"))
    scene.now_ms += waited_ms

    scene.delete("m")

    assert scene.rules_broken() == broken


def test_audit_sees_a_success_that_nobody_deletes() -> None:
    scene = Scene()
    scene.deliver(0, "m")
    scene.end(scene.dispatch("m"))
    scene.now_ms += TIMEOUT_MS

    scene.hand("m", count=2)

    assert scene.rules_broken() == [Rule.DELETED_LATE]


def test_crash_takes_a_delete_with_it() -> None:
    scene = Scene()
    scene.deliver(0, "m")
    scene.end(scene.dispatch("m"))
    scene.auditor.node_crashed()
    scene.now_ms += TIMEOUT_MS

    scene.hand("m", count=2)

    assert scene.rules_broken() == []


def test_a_receive_that_fails_in_the_same_moment_need_not_be_known() -> None:
    scene = Scene(is_fifo=True)
    pace, arn = scene.auditor.pace, queue_arn(0, is_fifo=True)
    pace.receive_started(arn, 20, "first")
    pace.receive_ended(arn, 20, "first", has_failed=True)

    pace.receive_started(arn, 20, "second")
    broken_at_once = scene.rules_broken()
    scene.now_ms += 1
    pace.receive_started(arn, 20, "third")

    assert broken_at_once == []
    assert scene.rules_broken() == [Rule.REPEATED]


def test_ramp_that_rises_in_small_steps_falls_short_of_nothing() -> None:
    scene = Scene(ramp=SLOW_RAMP, slots=10)
    mapping = scene.auditor.books.mappings[queue_arn(0)]
    for _ in range(1_000):
        scene.now_ms += 1
        scene.auditor.pace.receive_started(mapping.queue_arn, 20)
        scene.auditor.pace.receive_ended(mapping.queue_arn, 20, has_failed=False)

    run(scene, 3)

    assert scene.rules_broken() == []


@pytest.mark.parametrize(
    ("is_restarted", "broken"),
    [
        pytest.param(False, [Rule.RAMP], id="it was halved"),
        pytest.param(True, [], id="a new engine knows of no throttle"),
    ],
)
def test_ramp_of_a_new_engine_begins_anew(is_restarted: bool, broken: list[Rule]) -> None:  # noqa: FBT001 - a case
    scene = Scene(ramp=SLOW_RAMP, slots=10)
    scene.deliver(0, "m")
    scene.auditor.functions.rejected(scene.dispatch("m"), is_throttle=True)
    scene.now_ms += 200

    if is_restarted:
        scene.auditor.node_crashed()
        scene.auditor.node_started()
    run(scene, 2, since=10)

    assert scene.rules_broken() == broken


def test_pollers_of_a_new_engine_have_received_nothing() -> None:
    scene = Scene(provisioned_pollers=ProvisionedPollers(2, 2))
    scene.auditor.pace.answered(queue_arn(0), 0, [b"x" * MB] * 4)
    scene.auditor.node_started()
    scene.now_ms += 1

    scene.auditor.pace.receive_started(queue_arn(0), 0)

    assert scene.rules_broken() == []


def test_attempt_that_was_lost_before_a_change_may_be_known_still() -> None:
    scene = Scene(is_fifo=True)
    pace, arn = scene.auditor.pace, queue_arn(0, is_fifo=True)
    for attempt in ("before", "since"):
        pace.receive_started(arn, 20, attempt)
        pace.receive_ended(arn, 20, attempt, has_failed=True)
        if attempt == "before":
            pace.consumer_changed(arn)
    scene.now_ms += 1

    pace.receive_started(arn, 20, "before")
    broken_by_the_same = scene.rules_broken()
    pace.receive_started(arn, 20, "new")

    assert broken_by_the_same == []
    assert scene.rules_broken() == [Rule.REPEATED]
