"""Whatever is mapped and whatever fails: everything put ends, and the kit itself does not fail."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from kit_handlers import values_of

from penstock.testing import Mapping, Penstock

FAULTS_OF_ALL = ("throttle", "crash", "timeout", "lost_answer")
STREAM_OPTIONS = st.fixed_dictionaries(
    {"MaximumRetryAttempts": st.integers(0, 3)},
    optional={
        "BatchSize": st.integers(1, 20),
        "BisectBatchOnFunctionError": st.booleans(),
        "ParallelizationFactor": st.integers(1, 10),
        "MaximumBatchingWindowInSeconds": st.integers(0, 10),
        "MaximumRecordAgeInSeconds": st.sampled_from([-1, 60]),
        "FunctionResponseTypes": st.sampled_from([[], ["ReportBatchItemFailures"]]),
    },
)
QUEUE_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "BatchSize": st.integers(1, 10),
        "MaximumBatchingWindowInSeconds": st.integers(0, 10),
        "ScalingConfig": st.sampled_from([{"MaximumConcurrency": 2}]),
        "FunctionResponseTypes": st.sampled_from([[], ["ReportBatchItemFailures"]]),
    },
)
FAULTS = st.lists(st.sampled_from(FAULTS_OF_ALL), max_size=6)


def moody(rng: Any) -> Any:
    """Make a handler that fails, reports, or does well, as the dice fall."""

    def handler(event: dict[str, Any], _context: object) -> object:
        values = values_of(event)
        if rng.random() < 0.3 or any(value % 11 == 5 for value in values):
            raise RuntimeError("moody")
        first = event["Records"][rng.randrange(len(values))]
        name = first["kinesis"]["sequenceNumber"] if "kinesis" in first else first["messageId"]
        return {"batchItemFailures": [{"itemIdentifier": name}] if rng.random() < 0.2 else []}

    return handler


def check_all_ended(penstock: Penstock, mapping: Mapping, count: int, faults: list[str]) -> None:
    for fault in faults:
        getattr(penstock.fail, fault)(mapping)
    penstock.run_until_idle(hours=48)

    assert {*mapping.succeeded, *mapping.discarded} == set(range(count))
    errors = [each.error["errorType"] for each in mapping.invocations if each.error is not None]
    assert set(errors) <= {"RuntimeError", "Runtime.ExitError", "Sandbox.Timedout"}
    assert mapping.timeline().svg()
    assert str(mapping.timeline())


@settings(max_examples=40)
@given(
    STREAM_OPTIONS, FAULTS, st.integers(1, 4), st.integers(0, 60), st.randoms(use_true_random=False)
)
def test_every_record_of_a_stream_ends(
    options: dict[str, Any], faults: list[str], shards: int, count: int, rng: Any
) -> None:
    with Penstock() as penstock:
        stream = penstock.kinesis_stream(shards=shards)
        mapping = penstock.map(stream, moody(rng), **options)
        penstock.fail.iterator(stream)

        stream.put(*range(count))

        check_all_ended(penstock, mapping, count, faults)


@settings(max_examples=40)
@given(QUEUE_OPTIONS, FAULTS, st.integers(0, 60), st.randoms(use_true_random=False))
def test_every_message_of_a_queue_ends(
    options: dict[str, Any], faults: list[str], count: int, rng: Any
) -> None:
    with Penstock() as penstock:
        queue = penstock.queue(maxReceiveCount=3)
        mapping = penstock.map(queue, moody(rng), **options)
        penstock.fail.delete(queue)

        queue.send(*range(count))

        check_all_ended(penstock, mapping, count, faults)
        assert queue.messages == []


@settings(max_examples=40)
@given(FAULTS, st.lists(st.sampled_from("abc"), max_size=30), st.randoms(use_true_random=False))
def test_every_message_of_a_fifo_queue_ends(faults: list[str], groups: list[str], rng: Any) -> None:
    with Penstock() as penstock:
        queue = penstock.fifo_queue(maxReceiveCount=3)
        mapping = penstock.map(queue, moody(rng))

        for number, group in enumerate(groups):
            queue.send(number, MessageGroupId=group)

        check_all_ended(penstock, mapping, len(groups), faults)
