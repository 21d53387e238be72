"""The SQS source against a server that nobody here wrote."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import boto3
import msgspec
import pytest
from scripted_server import RunFixture
from wire_builders import make_wire

from penstock.model.errors import SourceNotFoundError
from penstock.model.message import DeleteReport, QueueAttributes, VisibilityChange
from penstock.sources.sqs import SqsQueue, SqsSources

pytest_plugins = ["wire_fixtures", "moto_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment", "fresh_server")

REGION = "eu-west-1"
ARN = f"arn:aws:sqs:{REGION}:123456789012:jobs"


@pytest.fixture
def sqs(fresh_server: None) -> Iterator[Any]:
    """Make an empty queue named ``jobs``; give an unmodified client."""
    assert fresh_server is None
    client = boto3.client("sqs", region_name=REGION)
    url = client.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "45"})["QueueUrl"]
    yield client
    client.delete_queue(QueueUrl=url)
    client.close()


def _with_queue(
    run: RunFixture, scenario: Callable[[SqsQueue], Awaitable[Any]], arn: str = ARN
) -> Any:
    async def with_queue() -> Any:
        wire = make_wire()
        try:
            return await scenario(await SqsSources(wire).open_queue(arn))
        finally:
            await wire.close()

    return run(with_queue())


def _url(sqs: Any) -> str:
    return str(sqs.get_queue_url(QueueName="jobs")["QueueUrl"])


def _count(sqs: Any, attribute: str) -> int:
    answer = sqs.get_queue_attributes(QueueUrl=_url(sqs), AttributeNames=["All"])
    return int(answer["Attributes"][attribute])


def test_message_keeps_body_and_attributes(run: RunFixture, sqs: Any) -> None:
    attributes = {"Title": {"DataType": "String", "StringValue": "The Whistler"}}
    sqs.send_message(QueueUrl=_url(sqs), MessageBody='é "q" \n', MessageAttributes=attributes)

    (message,) = _with_queue(run, lambda queue: queue.receive(10, 1))

    assert msgspec.json.decode(message.body) == 'é "q" \n'
    assert msgspec.json.decode(message.attributes)["ApproximateReceiveCount"] == "1"
    assert msgspec.json.decode(message.message_attributes) == attributes
    assert message.md5_of_message_attributes is not None


def test_empty_queue_gives_nothing(run: RunFixture, sqs: Any) -> None:
    assert _with_queue(run, lambda queue: queue.receive(10, 0)) == ()
    assert _count(sqs, "ApproximateNumberOfMessages") == 0


def test_deleted_messages_are_gone(run: RunFixture, sqs: Any) -> None:
    for index in range(10):
        sqs.send_message(QueueUrl=_url(sqs), MessageBody=str(index))

    async def scenario(queue: SqsQueue) -> tuple[DeleteReport, int]:
        messages = await queue.receive(10, 1)
        return await queue.delete(messages), len(messages)

    report, count = _with_queue(run, scenario)

    assert (count, len(report.deleted)) == (10, 10)
    assert _count(sqs, "ApproximateNumberOfMessagesNotVisible") == 0


def test_message_given_back_is_received_again(run: RunFixture, sqs: Any) -> None:
    sqs.send_message(QueueUrl=_url(sqs), MessageBody="again")

    async def scenario(queue: SqsQueue) -> Any:
        messages = await queue.receive(10, 1)
        await queue.change_visibility([VisibilityChange(each, 0) for each in messages])
        return await queue.receive(10, 1)

    (message,) = _with_queue(run, scenario)

    assert msgspec.json.decode(message.attributes)["ApproximateReceiveCount"] == "2"


def test_redrive_policy_is_described(run: RunFixture, sqs: Any) -> None:
    sqs.create_queue(QueueName="dead")
    dead_arn = ARN.replace("jobs", "dead")
    policy = f'{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":3}}'
    sqs.set_queue_attributes(QueueUrl=_url(sqs), Attributes={"RedrivePolicy": policy})

    attributes = _with_queue(run, lambda queue: queue.describe())

    assert attributes == QueueAttributes(45, max_receive_count=3, dead_letter_arn=dead_arn)


def test_queue_that_is_not_there_is_not_found(run: RunFixture) -> None:
    with pytest.raises(SourceNotFoundError, match="The specified queue does not exist"):
        _with_queue(run, lambda queue: queue.describe())


def test_queue_of_another_account_is_not_taken_for_one_that_was_asked_for(
    run: RunFixture, sqs: Any
) -> None:
    assert sqs
    other_arn = ARN.replace("123456789012", "111111111111")

    with pytest.raises(SourceNotFoundError, match=f"the queue of that name is {ARN}"):
        _with_queue(run, lambda queue: queue.describe(), other_arn)


def test_queue_that_was_deleted_is_not_found(run: RunFixture, sqs: Any) -> None:
    async def scenario(queue: SqsQueue) -> None:
        sqs.delete_queue(QueueUrl=_url(sqs))
        try:
            await queue.receive(10, 0)
        finally:
            sqs.create_queue(QueueName="jobs")

    with pytest.raises(SourceNotFoundError):
        _with_queue(run, scenario)
