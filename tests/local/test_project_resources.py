"""Topics with subscriptions, streams on demand, and what a changed file does to resources."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded import running_embedded_aws
from serve_harness import reset_moto

from penstock.local.project_changes import compare_projects
from penstock.local.project_file import Project, read_project
from penstock.local.resources import (
    change_resources,
    create_client,
    create_resources,
    isolated_session,
)
from penstock.model.errors import ConfigurationError

ACCOUNT = "000000000000"
PROJECT = """
queues = [{ name = "orders" }, { name = "trades.fifo" }]
topics = [
  { name = "news", subscriptions = [
    { queue = "orders", RawMessageDelivery = true, FilterPolicy = { kind = ["order"] } },
  ] },
  { name = "news.fifo", ContentBasedDeduplication = true, subscriptions = [
    { queue = "trades.fifo", RawMessageDelivery = true },
  ] },
]
streams = [{ name = "wide", StreamModeDetails = { StreamMode = "ON_DEMAND" } }]
"""


def read(folder: Path, text: str) -> Project:
    path = folder / "penstock.toml"
    path.write_text(text)
    return read_project(path)


@pytest.fixture(scope="module", name="embedded")
def fixture_embedded() -> Iterator[str]:
    """Run an embedded AWS for all of them."""
    with running_embedded_aws(ACCOUNT) as endpoint:
        yield endpoint


@pytest.fixture(name="endpoint")
def fixture_endpoint(embedded: str) -> str:
    """Give an embedded AWS that holds nothing."""
    reset_moto(embedded)
    return embedded


def client(service: str, endpoint: str) -> Any:
    return create_client(isolated_session(), service, endpoint=endpoint, region="us-east-1")


def received(endpoint: str, queue: str) -> list[str]:
    sqs = client("sqs", endpoint)
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def attributes_of(endpoint: str, queue: str) -> dict[str, str]:
    sqs = client("sqs", endpoint)
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    attributes: dict[str, str] = answer["Attributes"]
    return attributes


def publish(endpoint: str, topic: str, message: str, **parameters: object) -> None:
    arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:{topic}"
    client("sns", endpoint).publish(TopicArn=arn, Message=message, **parameters)


def test_topics_reach_their_queues_once_however_often_they_are_made(
    tmp_path: Path, endpoint: str
) -> None:
    project = read(tmp_path, PROJECT)
    kind = {"kind": {"DataType": "String", "StringValue": "order"}}

    create_resources(project, endpoint)
    create_resources(project, endpoint)
    publish(endpoint, "news", "one", MessageAttributes=kind)
    publish(endpoint, "news", "another kind")
    publish(endpoint, "news.fifo", "two", MessageGroupId="g", MessageDeduplicationId="d")

    assert received(endpoint, "orders") == ["one"]
    assert received(endpoint, "trades.fifo") == ["two"]


def test_stream_on_demand_has_the_shards_that_the_server_gives_it(
    tmp_path: Path, endpoint: str
) -> None:
    create_resources(read(tmp_path, PROJECT), endpoint)

    summary = client("kinesis", endpoint).describe_stream_summary(StreamName="wide")

    described = summary["StreamDescriptionSummary"]
    assert described["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert described["OpenShardCount"] == 4


def test_change_makes_what_is_new_and_adjusts_queues_and_topics(
    tmp_path: Path, endpoint: str
) -> None:
    before = read(tmp_path, 'queues = [{ name = "orders" }]\ntopics = [{ name = "news" }]\n')
    create_resources(before, endpoint)
    after = read(
        tmp_path,
        'queues = [{ name = "orders", VisibilityTimeout = 9, dead_letter_queue = "dead",'
        ' max_receive_count = 2 }, { name = "dead" }]\n'
        'topics = [{ name = "news", subscriptions = [{ queue = "dead",'
        " RawMessageDelivery = true }] }]\n",
    )

    change_resources(after, compare_projects(before, after), endpoint)
    publish(endpoint, "news", "one")

    attributes = attributes_of(endpoint, "orders")
    assert attributes["VisibilityTimeout"] == "9"
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 2
    assert received(endpoint, "dead") == ["one"]


def test_queue_that_is_gone_from_the_file_keeps_its_messages(tmp_path: Path, endpoint: str) -> None:
    before = read(tmp_path, 'queues = [{ name = "orders" }]\n')
    create_resources(before, endpoint)
    sqs = client("sqs", endpoint)
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="one")

    after = read(tmp_path, "")
    change_resources(after, compare_projects(before, after), endpoint)

    assert received(endpoint, "orders") == ["one"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'topics = [{ name = "news", subscriptions = [{ queue = "order" }] }]\n',
            "topics[0].subscriptions[0].queue: 'order' is not a queue of this file; there are no",
        ),
        (
            'topics = [{ name = "news", ContentBasedDeduplication = true }]\n',
            "topics[0].ContentBasedDeduplication: belongs to FIFO topics",
        ),
        (
            'streams = [{ name = "wide", StreamModeDetails = { StreamMode = "MANY" } }]\n',
            "streams[0].StreamModeDetails.StreamMode: ",
        ),
    ],
)
def test_mistake_of_a_topic_or_stream_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, text)

    assert message in str(raised.value)
