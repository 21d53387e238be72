"""What excuses a queue's consumer, on books written by hand: a pause, a call under way, others."""

import pytest
from audit_scene import TIMEOUT_MS, Scene
from msgspec import structs

from penstock.model.mapping import State
from penstock.simulation.ledger import Rule
from penstock.simulation.names import function_arn, queue_arn

BELIEVED_MS = TIMEOUT_MS * 95 // 100  # a careful holder counts on no more of it


@pytest.mark.parametrize(
    ("asked_before_ms", "broken"),
    [
        pytest.param(700, [], id="asked for in time, and not answered yet"),
        pytest.param(50, [Rule.UNKEPT], id="asked for at the last moment"),
    ],
)
def test_an_extension_under_way_excuses_what_became_visible(
    asked_before_ms: int, broken: list[Rule]
) -> None:
    scene = Scene()
    scene.deliver(0, "m")
    scene.now_ms += BELIEVED_MS - asked_before_ms
    scene.auditor.queues.call_began(queue_arn(0), 1)
    scene.now_ms += asked_before_ms + 1

    scene.auditor.books.held(scene.auditor.books.mappings[queue_arn(0)])

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("others", "broken"),
    [
        pytest.param(set[str](), [Rule.PROMPT], id="nobody else has its slots"),
        pytest.param({function_arn(0)}, [], id="mappings of streams have them too"),
    ],
)
def test_slots_that_others_take_are_no_idle_ones(others: set[str], broken: list[Rule]) -> None:
    scene = Scene()
    scene.settle()
    scene.auditor.books.mappings[queue_arn(0)].calm_since_ms = -(10**9)
    scene.auditor.books.used_by_others |= others
    scene.deliver(0, "m")
    scene.now_ms += 5_000

    scene.dispatch("m")

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("is_paused", "broken"),
    [
        pytest.param(False, [Rule.UNKEPT], id="it runs"),
        pytest.param(True, [], id="it is paused"),
    ],
)
def test_a_node_that_is_paused_keeps_nothing_hidden(is_paused: bool, broken: list[Rule]) -> None:  # noqa: FBT001 - a case
    scene = Scene()
    scene.deliver(0, "m")
    scene.now_ms += 10
    if is_paused:
        scene.auditor.node_paused()
    scene.now_ms += TIMEOUT_MS
    if is_paused:
        scene.auditor.node_resumed()

    scene.auditor.books.held(scene.auditor.books.mappings[queue_arn(0)])

    assert scene.rules_broken() == broken


def test_a_row_that_is_being_taken_up_leaves_the_one_before_in_force() -> None:
    scene = Scene(batch_size=2)
    mapping = scene.auditor.books.mappings[queue_arn(0)]
    settled = structs.replace(mapping.row, batch_size=1, state=State.ENABLED)
    scene.auditor.mapping_changed(structs.replace(settled, state=State.UPDATING))
    scene.now_ms += 5_000

    while_updating = [row.batch_size for row in mapping.rows_since(scene.now_ms)]
    scene.auditor.mapping_changed(settled)
    scene.now_ms += 5_000

    assert while_updating == [2, 1]
    assert [row.batch_size for row in mapping.rows_since(scene.now_ms)] == [1]
