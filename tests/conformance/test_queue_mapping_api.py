"""Lambda's API for mappings of queues: the rules of AWS's pages and recordings (docs/semantics.md).

Every case is seen by an unmodified boto3 client.

Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html,
    docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""

from collections.abc import Callable
from typing import Any

import pytest
from api_fakes import QUEUE_ARN
from api_server import Server
from botocore.exceptions import ClientError

from penstock.model.message import QueueAttributes

pytest_plugins = ["api_fixtures"]

FIFO_ARN = f"{QUEUE_ARN}.fifo"
NO_WINDOW = (
    "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater "
    "than 10"
)
TWO_LIMITS = (
    "Provisioned mode for SQS ESM does not support maximum concurrency feature. Use MaximumPollers "
    "as the control mechanism and remove maximum concurrency."
)


@pytest.fixture(autouse=True)
def _queues(server: Server) -> None:
    server.world.functions.add("ship")
    for arn in (QUEUE_ARN, FIFO_ARN):
        server.world.sources.queues[arn] = QueueAttributes(visibility_timeout_s=30)


def create(client: Any, **parameters: Any) -> dict[str, Any]:
    defaults = {"FunctionName": "ship", "EventSourceArn": QUEUE_ARN}
    answer: dict[str, Any] = client.create_event_source_mapping(**defaults | parameters)
    return answer


def create_settled(server: Server, client: Any, **parameters: Any) -> str:
    uuid: str = create(client, **parameters)["UUID"]
    server.settle(uuid, "Enabled")
    return uuid


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """Give a refused call's code and text."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def invalid(text: str) -> tuple[str, str]:
    return "InvalidParameterValueException", text


@pytest.mark.parametrize("size", [15, 100, 1000, 10_000])
def test_batch_to_ten_thousand_has_a_window(client: Any, size: int) -> None:
    """BatchSize 1 to 10,000 on a standard queue, above 10 with a window of 1 to 300 s.

    Source: recorded, test_sqs_event_source_mapping_batch_size.
    """
    answer = create(client, BatchSize=size, MaximumBatchingWindowInSeconds=10)

    assert (answer["BatchSize"], answer["MaximumBatchingWindowInSeconds"]) == (size, 10)
    got = client.get_event_source_mapping(UUID=answer["UUID"])
    assert (got["BatchSize"], got["MaximumBatchingWindowInSeconds"]) == (size, 10)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"BatchSize": 11}, id="a larger batch"),
        pytest.param({"BatchSize": 11, "MaximumBatchingWindowInSeconds": 0}, id="both"),
    ],
)
def test_update_is_judged_by_what_the_mapping_would_be(
    server: Server, client: Any, change: dict[str, Any]
) -> None:
    """Above 10 without a window: refused by Update too, whichever of the two it gives.

    Source: recorded, test_event_source_mapping_default_batch_size.
    """
    plain = create_settled(server, client)
    update = client.update_event_source_mapping

    assert refusal(lambda: update(UUID=plain, **change)) == invalid(NO_WINDOW)
    update(UUID=plain, BatchSize=11, MaximumBatchingWindowInSeconds=1)
    server.settle(plain, "Enabled")
    no_window = {"MaximumBatchingWindowInSeconds": 0}
    assert refusal(lambda: update(UUID=plain, **no_window)) == invalid(NO_WINDOW)
    assert update(UUID=plain, BatchSize=12)["BatchSize"] == 12


def test_window_above_five_minutes_breaks_the_model(client: Any) -> None:
    """MaximumBatchingWindowInSeconds is 0 to 300."""
    code, text = refusal(lambda: create(client, MaximumBatchingWindowInSeconds=301))

    assert code == "ValidationException"
    assert text.endswith("Member must have value less than or equal to 300")


def test_fifo_queue_has_the_members_of_a_standard_one(client: Any) -> None:
    """A FIFO queue's mapping has the same members and defaults.

    Source: recorded, test_report_batch_item_failures (2025-03-03).
    """
    standard = create(client)

    answer = create(client, EventSourceArn=FIFO_ARN)

    assert answer.keys() == standard.keys()
    assert (answer["BatchSize"], answer["MaximumBatchingWindowInSeconds"]) == (10, 0)
    assert (answer["EventSourceArn"], answer["FunctionResponseTypes"]) == (FIFO_ARN, [])


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        pytest.param(
            {"MaximumBatchingWindowInSeconds": 1},
            "Batching window is not supported for FIFO queues",
            id="window",
        ),
        pytest.param(
            {"MaximumBatchingWindowInSeconds": 1, "BatchSize": 11},
            "Batching window is not supported for FIFO queues",
            id="window and batch",
        ),
        pytest.param(
            {"BatchSize": 11}, "BatchSize must be 1 to 10 for FIFO queues, not 11", id="batch"
        ),
    ],
)
def test_fifo_queue_has_no_window_and_batches_to_ten(
    server: Server, client: Any, parameters: dict[str, Any], text: str
) -> None:
    """FIFO: BatchSize to 10, no batching window, on Create and on Update."""
    server.world.functions.add("bill")
    uuid = create_settled(server, client, EventSourceArn=FIFO_ARN)
    other = {"EventSourceArn": FIFO_ARN, "FunctionName": "bill"} | parameters
    update = client.update_event_source_mapping

    assert refusal(lambda: create(client, **other)) == invalid(text)
    assert refusal(lambda: update(UUID=uuid, **parameters)) == invalid(text)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param((5, 50), (5, 50), id="both"),
        pytest.param((5, None), (5, 200), id="minimum"),
        pytest.param((None, 50), (2, 50), id="maximum"),
        pytest.param((200, 10_000), (200, 10_000), id="most"),
        pytest.param((2, 2), (2, 2), id="least"),
    ],
)
def test_provisioned_pollers_have_defaults(
    client: Any, given: tuple[int | None, int | None], shown: tuple[int, int]
) -> None:
    """MinimumPollers 2 to 200, by default 2; MaximumPollers 2 to 10,000, by default 200."""
    names = ("MinimumPollers", "MaximumPollers")
    config = {name: n for name, n in zip(names, given, strict=True) if n is not None}

    answer = create(client, ProvisionedPollerConfig=config)

    expected = dict(zip(names, shown, strict=True))
    assert answer["ProvisionedPollerConfig"] == expected
    (listed,) = client.list_event_source_mappings()["EventSourceMappings"]
    assert listed["ProvisionedPollerConfig"] == expected


def test_provisioned_pollers_are_changed_and_go_back_to_on_demand(
    server: Server, client: Any
) -> None:
    """Update gives pollers, and {} takes them back; they are echoed only when set."""
    uuid = create_settled(server, client)
    update = client.update_event_source_mapping

    changed = update(UUID=uuid, ProvisionedPollerConfig={"MaximumPollers": 9})
    server.settle(uuid, "Enabled")
    kept = update(UUID=uuid, BatchSize=5)
    server.settle(uuid, "Enabled")
    cleared = update(UUID=uuid, ProvisionedPollerConfig={})

    expected = {"MinimumPollers": 2, "MaximumPollers": 9}
    assert changed["ProvisionedPollerConfig"] == kept["ProvisionedPollerConfig"] == expected
    assert "ProvisionedPollerConfig" not in cleared


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"MinimumPollers": 1}, id="one at least"),
        pytest.param({"MaximumPollers": 1}, id="one at most"),
        pytest.param({"MinimumPollers": 9, "MaximumPollers": 8}, id="minimum above maximum"),
    ],
)
def test_provisioned_pollers_out_of_range_are_refused(
    server: Server, client: Any, config: dict[str, int]
) -> None:
    """The bounds of a queue's pollers, narrower than the model's, on Create and on Update."""
    server.world.functions.add("bill")
    uuid = create_settled(server, client)
    update = client.update_event_source_mapping

    for code, text in (
        refusal(lambda: create(client, FunctionName="bill", ProvisionedPollerConfig=config)),
        refusal(lambda: update(UUID=uuid, ProvisionedPollerConfig=config)),
    ):
        assert code == "InvalidParameterValueException"
        assert text.startswith(
            "MinimumPollers should be between [2, 200] and MaximumPollers should be between "
            "[MinimumPollers, 10000]"
        )


@pytest.mark.parametrize(
    ("config", "member"),
    [
        pytest.param({"MinimumPollers": 201, "MaximumPollers": 300}, "minimumPollers", id="min"),
        pytest.param({"MaximumPollers": 10_001}, "maximumPollers", id="max"),
    ],
)
def test_pollers_above_the_model_s_bounds_are_refused(
    client: Any, config: dict[str, int], member: str
) -> None:
    """The model has MinimumPollers to 200, MaximumPollers to 10,000."""
    code, text = refusal(lambda: create(client, ProvisionedPollerConfig=config))

    assert code == "ValidationException"
    assert f"'provisionedPollerConfig.{member}' failed to satisfy constraint" in text


def test_queue_has_no_starting_position(client: Any) -> None:
    """StartingPosition is of streams, and has a text of its own on a queue.

    Source: reported by third parties, seen by boto3 (docs/semantics.md#queue-mappings).
    """
    code, text = refusal(lambda: create(client, StartingPosition="LATEST"))

    assert (code, text) == (
        "InvalidParameterValueException",
        "StartingPosition is not valid for SQS event sources.",
    )


def test_provisioned_pollers_without_a_number_are_refused_on_create(client: Any) -> None:
    """{} on Create asks for nothing."""
    assert refusal(lambda: create(client, ProvisionedPollerConfig={})) == invalid(
        "Either MinimumPollers or MaximumPollers are required if ProvisionedPollerConfig is "
        "provided."
    )


def test_poller_group_is_of_kafka(server: Server, client: Any) -> None:
    """PollerGroupName is of Amazon MSK and self-managed Kafka alone."""
    config = {"MinimumPollers": 2, "PollerGroupName": "g"}
    uuid = create_settled(server, client)
    update = client.update_event_source_mapping

    for _, text in (
        refusal(lambda: create(client, FunctionName="ship:1", ProvisionedPollerConfig=config)),
        refusal(lambda: update(UUID=uuid, ProvisionedPollerConfig=config)),
    ):
        assert text == "PollerGroupName is of Kafka sources; a queue's pollers have none"


POLLERS = {"ProvisionedPollerConfig": {"MaximumPollers": 5}}
CONCURRENCY = {"ScalingConfig": {"MaximumConcurrency": 5}}


@pytest.mark.parametrize(
    ("before", "change", "cleared"),
    [
        pytest.param(POLLERS, CONCURRENCY, {"ProvisionedPollerConfig": {}}, id="pollers first"),
        pytest.param(CONCURRENCY, POLLERS, {"ScalingConfig": {}}, id="concurrency first"),
    ],
)
def test_provisioned_pollers_exclude_maximum_concurrency(
    server: Server, client: Any, before: Any, change: Any, cleared: Any
) -> None:
    """Both together: refused, in one request or one after the other; one may replace the other."""
    uuid = create_settled(server, client, **before)
    update = client.update_event_source_mapping

    both = lambda: create(client, FunctionName="ship:1", **before, **change)  # noqa: E731
    assert refusal(both) == invalid(TWO_LIMITS)
    assert refusal(lambda: update(UUID=uuid, **change)) == invalid(TWO_LIMITS)
    assert update(UUID=uuid, **change, **cleared)["State"] == "Updating"


def test_metrics_of_a_queue_are_shown_only_when_set(client: Any) -> None:
    """MetricsConfig: EventCount, for queues too.

    Source: docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """
    answer = create(client, MetricsConfig={"Metrics": ["EventCount"]})

    assert answer["MetricsConfig"] == {"Metrics": ["EventCount"]}
    refused = lambda: create(client, MetricsConfig={"Metrics": ["ErrorCount"]})  # noqa: E731
    assert refusal(refused) == invalid(
        "The metric ErrorCount is of Kafka sources; a queue has EventCount"
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"BatchSize": 5}, id="another parameter"),
        pytest.param({"FunctionName": "bill"}, id="function"),
        pytest.param({"Enabled": True}, id="enabled"),
    ],
)
def test_function_longer_than_visibility_is_refused(
    server: Server, client: Any, change: dict[str, Any]
) -> None:
    """The function's timeout is at most the visibility timeout: on Create and on every Update.

    Not when the function's timeout is raised later: nothing asks the mapping then.
    """
    uuid = create_settled(server, client)
    for name in ("ship", "bill"):
        server.world.functions.add(name, timeout_s=31)
    expected = invalid(
        "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
    )
    update = client.update_event_source_mapping

    assert refusal(lambda: create(client, FunctionName="bill")) == expected
    assert refusal(lambda: update(UUID=uuid, **change)) == expected
    assert update(UUID=uuid, Enabled=False)["State"] == "Disabling"
