"""What a test lets go wrong."""

import pytest
from kit_handlers import accept, refuse_poison

from penstock.testing import ConfigurationError, Penstock, Queue


def test_a_throttled_batch_is_tried_again_and_counts_no_attempt(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, accept, MaximumRetryAttempts=0)
    penstock.fail.throttle(mapping, times=3)

    stream.put("a")
    penstock.run_until_idle()

    assert mapping.succeeded == ["a"]
    assert len(mapping.invocations) == 1
    assert str(mapping.timeline()).count("no run") == 3
    assert penstock.fail.pending == {}


def test_a_crash_loses_the_answer_and_not_the_work(penstock: Penstock) -> None:
    done: list[object] = []
    queue = penstock.queue()
    mapping = penstock.map(queue, lambda event, _: done.append(event["Records"][0]["body"]))
    penstock.fail.crash(mapping)

    queue.send("a")
    penstock.run_until_idle()

    assert done == ["a", "a"]
    first = mapping.invocations[0]
    assert first.error is not None
    assert first.error["errorType"] == "Runtime.ExitError"


def test_a_timeout_takes_the_functions_whole_time(penstock: Penstock) -> None:
    queue = penstock.queue()
    function = penstock.function(accept, Timeout=7)
    mapping = penstock.map(queue, function)
    penstock.fail.timeout(mapping)

    queue.send("a")
    penstock.run_until_idle()

    first = mapping.invocations[0]
    assert first.end == 7.0
    assert first.error == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {first.request_id} Error: Task timed out after 7.00 seconds",
    }


def test_a_lost_answer_leaves_the_outcome_unknown(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, accept)
    penstock.fail.lost_answer(mapping)

    stream.put("a")
    penstock.run_until_idle()

    assert [each.outcome for each in mapping.invocations] == ["unknown", "succeeded"]


def test_a_lost_delete_brings_the_message_again(penstock: Penstock) -> None:
    queue = penstock.queue(VisibilityTimeout=30)
    mapping = penstock.map(queue, accept)
    penstock.fail.delete(queue)

    queue.send("a")
    penstock.run_until_idle()

    assert [each.start for each in mapping.invocations] == [0.0, 30.0]
    assert mapping.succeeded == ["a"]


def test_an_expired_iterator_loses_nothing(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, accept)
    penstock.fail.iterator(stream, times=2)

    stream.put("a")
    penstock.run_until_idle()

    assert mapping.succeeded == ["a"]
    assert "iterator expired" in str(mapping.timeline())


@pytest.mark.parametrize("kind", ["queue", "stream"])
def test_a_throttled_read_is_made_again(penstock: Penstock, kind: str) -> None:
    source = penstock.queue() if kind == "queue" else penstock.kinesis_stream()
    mapping = penstock.map(source, accept)
    penstock.fail.read(source, times=3)

    put = source.send if isinstance(source, Queue) else source.put
    put("a")
    penstock.run_until_idle()

    assert mapping.succeeded == ["a"]
    assert str(mapping.timeline()).count("(injected)") == 3
    assert mapping.invocations[0].start > 1


def test_a_destination_that_refuses_is_asked_again(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    arn = "arn:aws:sns:us-east-1:000000000000:failures"
    mapping = penstock.map(
        stream,
        refuse_poison,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    penstock.fail.destination(mapping, times=2)

    stream.put({"id": 1, "poison": True})
    penstock.run_until_idle()

    assert len(mapping.destination) == 1
    assert mapping.discarded == [{"id": 1, "poison": True}]
    assert str(mapping.timeline()).count("the destination took nothing") == 2


def test_a_crash_of_penstock_itself_loses_nothing(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, accept, BatchSize=2, duration=1)
    stream.put(*range(10))

    penstock.run_until(lambda: len(mapping.invocations) == 3)
    penstock.crash()
    penstock.run_until_idle()

    assert sorted(str(each) for each in mapping.succeeded) == sorted(map(str, range(10)))
    assert mapping.invocations[2].outcome == "unknown"


def test_what_has_not_failed_yet_is_told(penstock: Penstock) -> None:
    queue = penstock.queue()
    mapping = penstock.map(queue, accept)
    penstock.fail.crash(mapping, times=3)

    queue.send("a")
    penstock.run_until(lambda: len(mapping.invocations) == 2)

    assert penstock.fail.pending == {"crash": 2}


def test_faults_are_told_by_whom_they_befall(penstock: Penstock) -> None:
    fifo, stream = penstock.fifo_queue(), penstock.kinesis_stream()
    mapping = penstock.map(stream, accept)

    with pytest.raises(ConfigurationError, match="only standard queues"):
        penstock.fail.delete(fifo)
    with pytest.raises(ConfigurationError, match="no iterators"):
        penstock.fail.iterator(fifo)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="is no mapping"):
        penstock.fail.throttle(stream)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="is no count"):
        penstock.fail.throttle(mapping, times=0)
