"""The auditor's rules of groups, windows, heartbeats, back-off and destinations, by hand."""

import pytest
from audit_scene import TIMEOUT_MS, Scene

from penstock.model.function import PAYLOAD_BYTES_MAX
from penstock.model.queue_options import QueueOptions, RetryBackoff
from penstock.simulation.ledger import DARK, Rule
from penstock.simulation.names import FAILURE_ARN

HEARTBEAT = QueueOptions(heartbeat_s=10)
BACKOFF = QueueOptions(backoff=RetryBackoff(5, 60))
RECORDS = QueueOptions(on_failure_arn=FAILURE_ARN, max_receive_count=2)
RECORDS_BY_QUEUE = QueueOptions(on_failure_arn=FAILURE_ARN)


def fifo(options: QueueOptions | None = None) -> Scene:
    return Scene(slots=50, is_fifo=True, options=options)


# Filters.


def test_what_a_filter_leaves_out_may_be_deleted_and_is_in_nobody_s_way() -> None:
    scene = Scene(slots=50, is_fifo=True, options=QueueOptions(fifo_strict=True), filters=("{}",))
    scene.send("a1", body=DARK)
    scene.send("a2")
    scene.hand("a1", "a2")

    scene.end(scene.dispatch("a2"))
    scene.delete("a2", "a1")

    assert scene.rules_broken() == []


def test_what_a_filter_leaves_out_counts_for_nothing_that_is_held() -> None:
    scene = Scene(filters=("{}",))
    names = [f"a{number}" for number in range(30)]
    scene.now_ms = 40_000
    scene.send(*names, body=DARK)

    scene.hand(*names)

    assert scene.rules_broken() == []


def test_audit_sees_an_invocation_with_what_a_filter_leaves_out() -> None:
    scene = Scene(filters=("{}",))
    scene.send("a1", body=DARK)
    scene.hand("a1")

    scene.dispatch("a1")

    assert scene.rules_broken()[0] is Rule.FILTERED


def test_audit_sees_a_delete_of_what_no_filter_leaves_out() -> None:
    scene = Scene()
    scene.send("a1", body=DARK)
    scene.hand("a1")

    scene.delete("a1")

    assert scene.rules_broken() == [Rule.DELETED_UNFINISHED] * 2


# Groups.


def test_group_is_invoked_in_its_order() -> None:
    scene = fifo()
    scene.deliver(0, "a1", "b1", "a2", "b2")

    scene.end(scene.dispatch("a1", "b1", "a2"))
    scene.dispatch("b2")

    assert scene.rules_broken() == []


def test_audit_sees_a_batch_that_turns_a_group_around() -> None:
    scene = fifo()
    scene.deliver(0, "a1", "a2")

    scene.dispatch("a2", "a1")

    assert Rule.GROUP_ORDER in scene.rules_broken()


def test_audit_sees_a_message_invoked_before_an_earlier_one_is_settled() -> None:
    scene = fifo()
    scene.deliver(0, "a1", "a2")
    scene.end(scene.dispatch("a1"), "a1")

    scene.dispatch("a2")

    assert scene.rules_broken() == [Rule.GROUP_ORDER]


def test_careless_response_lets_a_failure_come_again_with_later_messages() -> None:
    scene = fifo()
    scene.deliver(0, "a1", "a2", "a3")
    scene.end(scene.dispatch("a1", "a2"), "a1")
    scene.delete("a2")

    scene.hand("a1", count=2)
    scene.dispatch("a1", "a3")

    assert scene.rules_broken() == []


def test_group_goes_on_behind_a_message_in_the_dead_letter_queue() -> None:
    scene = fifo()
    scene.deliver(0, "a1", "a2")
    scene.auditor.queues.message_dead_lettered("a1")

    scene.dispatch("a2")

    assert scene.rules_broken() == []


def test_standard_queue_has_no_order() -> None:
    scene = Scene(slots=50)
    scene.deliver(0, "a1", "a2")

    scene.dispatch("a2")
    scene.dispatch("a1")

    assert scene.rules_broken() == []


def test_audit_sees_two_batches_of_a_group_in_flight() -> None:
    scene = fifo()
    scene.deliver(0, "a1")
    scene.dispatch("a1")
    scene.hand("a1", count=2)

    scene.dispatch("a1")

    assert scene.rules_broken() == [Rule.GROUP_IN_FLIGHT]


def test_group_whose_outcome_is_unknown_is_in_flight_until_its_function_ends() -> None:
    scene = fifo()
    scene.deliver(0, "a1")
    lost = scene.dispatch("a1")
    scene.auditor.functions.lost(lost)
    scene.hand("a1", count=2)
    scene.dispatch("a1")

    assert scene.rules_broken() == [Rule.GROUP_IN_FLIGHT]


@pytest.mark.parametrize(("is_asked", "broken"), [(True, [Rule.ONE_GROUP]), (False, [])])
def test_audit_sees_two_groups_in_a_batch_of_one(*, is_asked: bool, broken: list[Rule]) -> None:
    scene = fifo(QueueOptions(fifo_one_group=is_asked))
    scene.deliver(0, "a1", "b1")

    scene.dispatch("a1", "b1")

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("is_asked", "broken"),
    [(True, [Rule.STRICT, Rule.DELETED_UNFINISHED, Rule.DELETED_UNFINISHED]), (False, [])],
)
def test_audit_sees_a_careless_response_taken_at_its_word(
    *, is_asked: bool, broken: list[Rule]
) -> None:
    scene = fifo(QueueOptions(fifo_strict=is_asked))
    scene.deliver(0, "a1", "a2", "b1")

    scene.end(scene.dispatch("a1", "b1", "a2"), "a1")
    scene.delete("b1", "a2")

    assert scene.rules_broken() == broken


# Windows.


@pytest.mark.parametrize(
    ("waited_ms", "count", "payload_bytes", "broken"),
    [
        pytest.param(4_999, 1, 100, [Rule.WINDOW], id="too early"),
        pytest.param(5_000, 1, 100, [], id="the window's end"),
        pytest.param(0, 3, 100, [], id="BatchSize"),
        pytest.param(0, 1, PAYLOAD_BYTES_MAX - 100, [], id="6 MB"),
    ],
)
def test_window_ends_by_time_by_count_and_by_bytes(
    waited_ms: int, count: int, payload_bytes: int, broken: list[Rule]
) -> None:
    scene = Scene(batch_size=3, maximum_batching_window_s=5)
    names = [f"m{number}" for number in range(count)]
    scene.deliver(0, *names)
    scene.now_ms += waited_ms

    scene.dispatch(*names, payload_bytes=payload_bytes)

    assert scene.rules_broken() == broken


def test_window_ends_early_where_visibility_does() -> None:
    scene = Scene(batch_size=10, maximum_batching_window_s=60)
    scene.deliver(0, "m")
    scene.now_ms += TIMEOUT_MS // 2

    scene.dispatch("m")

    assert scene.rules_broken() == []


@pytest.mark.parametrize(
    ("failed_after_ms", "broken"),
    [
        pytest.param(TIMEOUT_MS // 2 - 2_000, [Rule.WINDOW], id="more than half is left"),
        pytest.param(TIMEOUT_MS // 2, [], id="half is over"),
    ],
)
def test_window_may_end_early_after_an_extension_has_failed(
    failed_after_ms: int, broken: list[Rule]
) -> None:
    scene = Scene(batch_size=10, maximum_batching_window_s=60)
    scene.deliver(0, "m")
    scene.now_ms += failed_after_ms
    handle = scene.handles["m"]
    scene.auditor.queues.extension_failed([handle])
    scene.auditor.queues.visibility_changed(handle, scene.now_ms + TIMEOUT_MS)
    scene.auditor.queues.extension_answered([handle], scene.now_ms, TIMEOUT_MS)

    scene.dispatch("m")

    assert scene.rules_broken() == broken


def test_audit_sees_an_event_above_six_megabytes() -> None:
    scene = Scene()
    scene.deliver(0, "m")

    scene.dispatch("m", payload_bytes=PAYLOAD_BYTES_MAX + 1)

    assert scene.rules_broken() == [Rule.BATCH_BYTES]


# Heartbeats.


@pytest.mark.parametrize(("timeout_ms", "broken"), [(10_000, []), (10_001, [Rule.HEARTBEAT_LONG])])
def test_heartbeat_receives_for_one_period(timeout_ms: int, broken: list[Rule]) -> None:
    scene = Scene(options=HEARTBEAT)
    scene.send("m")

    scene.hand("m", timeout_ms=timeout_ms)

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(("hidden_ms", "broken"), [(10_000, []), (10_001, [Rule.HEARTBEAT_LONG])])
def test_heartbeat_extends_for_one_period(hidden_ms: int, broken: list[Rule]) -> None:
    scene = Scene(options=HEARTBEAT)
    scene.send("m")
    scene.hand("m", timeout_ms=10_000)
    scene.dispatch("m")
    scene.now_ms += 5_000

    scene.auditor.queues.visibility_changed(scene.handles["m"], scene.now_ms + hidden_ms)

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("ran_ms", "has_trouble", "broken"),
    [
        pytest.param(9_999, False, [], id="hidden to its end"),
        pytest.param(10_000, False, [Rule.HEARTBEAT_LOST], id="visible"),
        pytest.param(10_000, True, [], id="its queue could not be reached"),
    ],
)
def test_heartbeat_hides_until_the_function_ends(
    *, ran_ms: int, has_trouble: bool, broken: list[Rule]
) -> None:
    scene = Scene(options=HEARTBEAT)
    scene.send("m")
    scene.hand("m", timeout_ms=10_000)
    invocation = scene.dispatch("m")
    scene.now_ms += ran_ms
    if has_trouble:
        arn = scene.auditor.books.messages["m"].queue_arn
        scene.auditor.queues.call_began(arn, 1)
        scene.auditor.queues.call_ended(arn, 1, has_failed=True)

    scene.end(invocation)

    assert scene.rules_broken() == broken


# Back-off.


@pytest.mark.parametrize(
    ("count", "waited_ms", "broken"),
    [
        pytest.param(1, 5_000, [], id="its first failure"),
        pytest.param(1, 4_999, [Rule.BACKOFF], id="too early"),
        pytest.param(2, 9_999, [Rule.BACKOFF], id="its second failure, too early"),
        pytest.param(2, 10_000, [], id="its second failure"),
        pytest.param(9, 60_000, [], id="the maximum"),
    ],
)
def test_failure_is_not_received_before_its_backoff(
    count: int, waited_ms: int, broken: list[Rule]
) -> None:
    scene = Scene(options=BACKOFF)
    scene.send("m")
    scene.hand("m", count=count)
    scene.end(scene.dispatch("m"), "m")
    scene.hide("m", min(60, 5 * 2 ** (count - 1)))
    scene.now_ms += waited_ms

    scene.hand("m", count=count + 1)

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("timeout_s", "broken"),
    [
        pytest.param(4, [Rule.BACKOFF], id="too short"),
        pytest.param(5, [], id="right"),
        pytest.param(6, [Rule.BACKOFF], id="too long"),
    ],
)
def test_failure_is_hidden_for_its_backoff(timeout_s: int, broken: list[Rule]) -> None:
    scene = Scene(options=BACKOFF)
    scene.deliver(0, "m")
    scene.end(scene.dispatch("m"), "m")

    scene.hide("m", timeout_s)

    assert scene.rules_broken() == broken


@pytest.mark.parametrize(
    ("waited_ms", "broken"),
    [
        pytest.param(0, [], id="in the turn that tells of its failure"),
        pytest.param(1, [Rule.BACKOFF], id="later"),
    ],
)
def test_failure_may_be_hidden_for_a_period_that_was_asked_for_while_it_ran(
    waited_ms: int, broken: list[Rule]
) -> None:
    scene = Scene(options=QueueOptions(heartbeat_s=10, backoff=RetryBackoff(5, 60)))
    scene.send("m")
    scene.hand("m", timeout_ms=10_000)
    scene.end(scene.dispatch("m"), "m")
    scene.now_ms += waited_ms

    scene.hide("m", 10)

    assert scene.rules_broken() == broken


def test_group_is_hidden_for_the_longest_of_its_backoffs() -> None:
    scene = Scene(options=BACKOFF, is_fifo=True)
    scene.send("a1", "a2")
    scene.hand("a1", count=2)
    scene.hand("a2", count=1)
    scene.end(scene.dispatch("a1", "a2"), "a1", "a2")

    scene.hide("a2", 10)

    assert scene.rules_broken() == []


def test_audit_sees_that_nobody_cared_for_a_backoff() -> None:
    scene = Scene(options=BACKOFF)
    scene.deliver(0, "m")
    scene.end(scene.dispatch("m"), "m")
    scene.now_ms += TIMEOUT_MS

    scene.hand("m", count=2)

    assert scene.rules_broken() == [Rule.BACKOFF]


def test_crash_takes_a_backoff_with_it() -> None:
    scene = Scene(options=BACKOFF)
    scene.deliver(0, "m")
    scene.end(scene.dispatch("m"), "m")
    scene.auditor.node_crashed()

    scene.hand("m", count=2)

    assert scene.rules_broken() == []


# Destinations.


def test_failure_is_recorded_and_then_deleted() -> None:
    scene = Scene(options=RECORDS)
    scene.send("m")
    scene.hand("m", count=2)
    scene.end(scene.dispatch("m"), "m")
    scene.report("m")
    scene.auditor.failures.report_told(scene.report_of("m"))

    scene.delete("m")

    assert scene.rules_broken() == []


def test_audit_sees_a_delete_before_the_destination_has_it() -> None:
    scene = Scene(options=RECORDS)
    scene.send("m")
    scene.hand("m", count=2)
    scene.end(scene.dispatch("m"), "m")
    scene.report("m")

    scene.delete("m")

    assert set(scene.rules_broken()) == {Rule.DELETED_UNFINISHED}


@pytest.mark.parametrize(
    ("options", "count", "broken"),
    [
        pytest.param(RECORDS, 1, [Rule.RECORDED_EARLY], id="before the tag's last receive"),
        pytest.param(RECORDS, 2, [], id="at the tag's last receive"),
        pytest.param(RECORDS_BY_QUEUE, 2, [Rule.RECORDED_EARLY], id="before the queue's"),
        pytest.param(RECORDS_BY_QUEUE, 3, [], id="at the queue's"),
        pytest.param(QueueOptions(), 3, [Rule.RECORDED_EARLY], id="nobody asked for it"),
    ],
)
def test_failure_is_recorded_after_its_last_receive(
    options: QueueOptions, count: int, broken: list[Rule]
) -> None:
    scene = Scene(options=options)
    scene.send("m")
    scene.hand("m", count=count)
    scene.end(scene.dispatch("m"), "m")

    scene.report("m")

    assert scene.rules_broken() == broken


def test_audit_sees_a_record_of_what_succeeded() -> None:
    scene = Scene(options=RECORDS)
    scene.send("m")
    scene.hand("m", count=2)
    scene.end(scene.dispatch("m"))

    scene.report("m")

    assert scene.rules_broken() == [Rule.RECORDED_EARLY]


def test_audit_sees_a_record_with_another_body() -> None:
    scene = Scene(options=RECORDS)
    scene.send("m")
    scene.hand("m", count=2)
    scene.end(scene.dispatch("m"), "m")

    scene.report("m", body=b'"another"')

    assert scene.rules_broken() == [Rule.ALTERED]


@pytest.mark.parametrize(("is_recorded", "broken"), [(True, []), (False, [Rule.NOT_RECORDED])])
def test_audit_sees_a_last_failure_in_the_dead_letter_queue(
    *, is_recorded: bool, broken: list[Rule]
) -> None:
    scene = Scene(options=RECORDS)
    scene.send("m")
    scene.hand("m", count=2)
    scene.end(scene.dispatch("m"), "m")
    if is_recorded:
        scene.auditor.failures.report_told(scene.report_of("m"))
        scene.auditor.queues.delete_asked([scene.handles["m"]])

    scene.now_ms += 60_000
    scene.auditor.queues.message_dead_lettered("m")

    assert scene.rules_broken() == broken
