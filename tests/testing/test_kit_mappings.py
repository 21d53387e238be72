"""Mappings in a test are made and changed through Lambda's API, with AWS's own errors."""

from typing import Any

import pytest
from kit_handlers import accept

from penstock.testing import ApiError, ConfigurationError, Penstock


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        pytest.param({"BatchSize": 0}, "failed to satisfy constraint", id="model"),
        pytest.param({"BatchSize": 100}, "Maximum batch window in seconds must", id="rule"),
        pytest.param({"MaximumRetryAttempts": 1}, "Unsupported 'maximumRetryAttempts'", id="kind"),
        pytest.param({"batch_size": 5}, "'batch_size'; did you mean BatchSize", id="no name"),
        pytest.param(
            {"ScalingConfig": {"MaxConcurrency": 5}},
            "scalingConfig has no member 'MaxConcurrency'; did you mean MaximumConcurrency",
            id="no member",
        ),
    ],
)
def test_aws_refuses_in_its_own_words(
    penstock: Penstock, parameters: dict[str, Any], told: str
) -> None:
    queue = penstock.queue()

    with pytest.raises(ApiError, match=told):
        penstock.map(queue, accept, **parameters)

    assert penstock.mappings == []


def test_a_function_slower_than_its_queue_is_refused(penstock: Penstock) -> None:
    queue = penstock.queue(VisibilityTimeout=10)
    function = penstock.function(accept, Timeout=20)

    with pytest.raises(ApiError, match="Queue visibility timeout: 10 seconds is less than"):
        penstock.map(queue, function)


def test_a_second_mapping_of_the_same_two_is_refused(penstock: Penstock) -> None:
    queue = penstock.queue()
    penstock.map(queue, accept)

    with pytest.raises(ApiError, match="already exists"):
        penstock.map(queue, accept)


@pytest.mark.parametrize("name", ["EventSourceArn", "FunctionName"])
def test_what_the_arguments_say_is_not_said_twice(penstock: Penstock, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is not given here"):
        penstock.map(penstock.queue(), accept, **{name: "x"})


def test_a_source_of_another_penstock_is_refused(penstock: Penstock) -> None:
    with Penstock() as other, pytest.raises(ConfigurationError, match="of this Penstock"):
        penstock.map(other.queue(), accept)


def test_the_defaults_are_those_of_aws(penstock: Penstock) -> None:
    mapping = penstock.map(penstock.kinesis_stream(), accept)

    configuration = mapping.configuration
    assert configuration["BatchSize"] == 100
    assert configuration["MaximumRetryAttempts"] == -1
    assert configuration["StartingPosition"] == "TRIM_HORIZON"
    assert configuration["State"] == mapping.state == "Enabled"


def test_a_mapping_is_disabled_and_enabled(penstock: Penstock) -> None:
    queue = penstock.queue()
    mapping = penstock.map(queue, accept)

    mapping.update(Enabled=False)
    queue.send("a")
    penstock.run_until_idle()
    assert (mapping.state, queue.messages) == ("Disabled", ["a"])

    mapping.update(Enabled=True, BatchSize=1)
    penstock.run_until_idle()
    assert (mapping.state, mapping.succeeded) == ("Enabled", ["a"])


def test_a_mapping_that_is_made_disabled_waits(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, accept, Enabled=False)

    stream.put("a")
    penstock.run_until_idle()

    assert mapping.state == "Disabled"
    assert mapping.invocations == []


def test_a_mapping_gets_another_function(penstock: Penstock) -> None:
    queue = penstock.queue()
    mapping = penstock.map(queue, accept)
    other = penstock.function(lambda _event, _context: "other", FunctionName="other")

    mapping.update(FunctionName=other.name)
    queue.send("a")
    penstock.run_until_idle()

    assert mapping.invocations[0].response == "other"
    assert mapping.function is other


def test_a_mapping_is_deleted(penstock: Penstock) -> None:
    queue = penstock.queue()
    mapping = penstock.map(queue, accept)

    mapping.delete()

    assert repr(mapping) == "<mapping of <queue queue-1> to accept: Deleted>"
    with pytest.raises(ApiError, match="does not exist"):
        mapping.update(BatchSize=1)
    with pytest.raises(ApiError, match="does not exist"):
        _ = mapping.configuration


def test_two_functions_read_one_stream(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mappings = [penstock.map(stream, accept), penstock.map(stream, lambda _event, _context: None)]

    stream.put("a", "b")
    penstock.run_until_idle()

    assert [mapping.succeeded for mapping in mappings] == [["a", "b"], ["a", "b"]]


def test_ten_thousand_records_take_a_hundred_batches(penstock: Penstock) -> None:
    stream = penstock.kinesis_stream()
    mapping = penstock.map(stream, accept)

    stream.put(*range(10_000))
    penstock.run_until_idle()

    assert len(mapping.invocations) == 100
    assert mapping.succeeded == list(range(10_000))
