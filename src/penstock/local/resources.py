"""Creates what a project file declares in the embedded AWS."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import botocore.session
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from penstock.local.project_changes import ProjectChanges, kind_of
from penstock.local.project_file import Project, ResourceTable
from penstock.local.project_tables import (
    BucketTable,
    QueueTable,
    StreamTable,
    SubscriptionTable,
    TableTable,
    TopicTable,
)
from penstock.local.resource_arns import queue_arn, topic_arn
from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError, SourceUnavailableError

TEST_KEY = "test"  # access key and secret: the embedded AWS does not check them
_QUEUE_KEYS = frozenset({"name", "dead_letter_queue", "max_receive_count"})
_ALREADY_THERE = frozenset(
    {"ResourceInUseException", "BucketAlreadyOwnedByYou", "QueueAlreadyExists"}
)


def create_resources(project: Project, endpoint: str) -> None:
    """Create every declared resource that is not there yet; blocking.

    Raises:
        ConfigurationError: The embedded AWS refuses a resource.
        SourceUnavailableError: It cannot be reached.
    """
    if not project.resources:
        return
    clients = _Clients(endpoint, project.region)
    scope = Scope(project.service.account_id, project.region)
    for resource in project.resources:
        with _explained(resource):
            _create(clients, resource)
    _connect(clients, project.resources, scope)


def change_resources(project: Project, changes: ProjectChanges, endpoint: str) -> None:
    """Carry out the changes of a project in the embedded AWS; blocking.

    A queue that is made may be there: the file had it before, or somebody else made it. It gets its
    attributes all the same.

    Raises:
        ConfigurationError: The embedded AWS refuses one.
        SourceUnavailableError: It cannot be reached.
    """
    clients = _Clients(endpoint, project.region)
    scope = Scope(project.service.account_id, project.region)
    for resource in changes.made:
        with _explained(resource):
            _create(clients, resource)
    there = (*changes.made, *changes.adjusted)
    for resource in there:
        if isinstance(resource, QueueTable):
            with _explained(resource):
                _set_attributes(clients, resource, _changeable_attributes(resource))
    _connect(clients, there, scope)


class _Clients:
    """AWS clients for the embedded AWS alone: no profile, proxy or setting of the user's."""

    def __init__(self, endpoint: str, region: str) -> None:
        self._endpoint = endpoint
        self._region = region
        self._session = isolated_session()
        self._by_service: dict[str, Any] = {}

    def get(self, service: str) -> Any:  # noqa: ANN401  botocore's clients have no types
        """Give the client for a service, made on first use."""
        if service not in self._by_service:
            self._by_service[service] = create_client(
                self._session, service, endpoint=self._endpoint, region=self._region
            )
        return self._by_service[service]


def isolated_session() -> Any:  # noqa: ANN401  botocore's sessions have no types
    """Make a botocore session that sees no profile and no configuration file."""
    return botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )


def create_client(session: Any, service: str, *, endpoint: str, region: str) -> Any:  # noqa: ANN401
    """Make a client with the test keys for one local endpoint."""
    return session.create_client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=TEST_KEY,
        aws_secret_access_key=TEST_KEY,
        config=Config(
            proxies={}, retries={"total_max_attempts": 3}, s3={"addressing_style": "path"}
        ),
    )


@contextlib.contextmanager
def _explained(resource: ResourceTable) -> Iterator[None]:
    """Name the resource in an error; one that is there already is none."""
    try:
        yield
    except ClientError as exc:
        error = exc.response["Error"]
        if error["Code"] not in _ALREADY_THERE:
            text = f"{_name(resource)}: {error['Code']}: {error['Message']}"
            raise ConfigurationError(text) from exc
    except (BotoConnectionError, HTTPClientError) as exc:
        raise SourceUnavailableError(f"{_name(resource)}: {exc}") from exc
    except BotoCoreError as exc:
        raise ConfigurationError(f"{_name(resource)}: {' '.join(str(exc).split())}") from exc


def _name(resource: ResourceTable) -> str:
    return f"cannot create the {kind_of(resource)} {resource.name!r}"


def _create(clients: _Clients, resource: ResourceTable) -> None:
    match resource:
        case QueueTable():
            attributes = queue_attributes(resource)
            clients.get("sqs").create_queue(QueueName=resource.name, Attributes=attributes)
        case StreamTable():
            clients.get("kinesis").create_stream(
                StreamName=resource.name, **_stream_parameters(resource)
            )
        case TableTable():
            clients.get("dynamodb").create_table(
                TableName=resource.name, **_parameters(resource, frozenset({"name"}))
            )
        case TopicTable():
            attributes = _topic_attributes(resource)
            clients.get("sns").create_topic(Name=resource.name, Attributes=attributes)
        case BucketTable():
            clients.get("s3").create_bucket(Bucket=resource.name)


def _connect(clients: _Clients, resources: Iterable[ResourceTable], scope: Scope) -> None:
    """Set what names other resources, once all of them are there."""
    for resource in resources:
        with _explained(resource):
            if isinstance(resource, TopicTable):
                _subscribe(clients, resource, scope)
            elif isinstance(resource, QueueTable):
                policy = redrive_policy(resource, scope)
                if policy is not None:
                    _set_attributes(clients, resource, {"RedrivePolicy": policy})


def _stream_parameters(stream: StreamTable) -> dict[str, object]:
    """Ask for one shard where nothing is said; on demand the server chooses."""
    given = _parameters(stream, frozenset({"name"}))
    if stream.mode is None:
        return {"ShardCount": 1} | given
    given["StreamModeDetails"] = {"StreamMode": stream.mode.mode}
    return given if stream.mode.mode == "ON_DEMAND" else {"ShardCount": 1} | given


def _topic_attributes(topic: TopicTable) -> dict[str, str]:
    if not topic.is_fifo:
        return {}
    return {
        "FifoTopic": "true",
        "ContentBasedDeduplication": json.dumps(topic.content_based_deduplication or False),
    }


def _subscribe(clients: _Clients, topic: TopicTable, scope: Scope) -> None:
    """Subscribe a topic's queues; one that is subscribed already stays as it is."""
    for subscription in topic.subscriptions:
        attributes = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in _parameters(subscription, frozenset({"queue"})).items()
        }
        clients.get("sns").subscribe(
            TopicArn=topic_arn(topic.name, scope),
            Protocol="sqs",
            Endpoint=queue_arn(subscription.queue, scope),
            Attributes=attributes,
        )


def _set_attributes(clients: _Clients, queue: QueueTable, attributes: dict[str, str]) -> None:
    sqs = clients.get("sqs")
    url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    if attributes:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def _changeable_attributes(queue: QueueTable) -> dict[str, str]:
    """Leave out the kind of a queue, which its name says for good."""
    return {name: value for name, value in queue_attributes(queue).items() if name != "FifoQueue"}


def _parameters(
    resource: ResourceTable | SubscriptionTable, without: frozenset[str]
) -> dict[str, object]:
    """Spell a table's given keys as AWS does."""
    given = {
        field.encode_name: getattr(resource, field.name)
        for field in msgspec.structs.fields(resource)
    }
    return {
        name: value for name, value in given.items() if value is not None and name not in without
    }


def queue_attributes(queue: QueueTable) -> dict[str, str]:
    """Spell a queue's attributes as SQS takes them, all text; the redrive policy comes later.

    FifoQueue is given to FIFO queues alone: SQS takes no false.
    """
    given = _parameters(queue, _QUEUE_KEYS | {"RedrivePolicy", "FifoQueue"})
    if queue.is_fifo:
        given["FifoQueue"] = True
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }


def redrive_policy(queue: QueueTable, scope: Scope) -> str | None:
    """Spell a queue's redrive policy; None without one."""
    if queue.dead_letter_queue is not None:
        return json.dumps(
            {
                "deadLetterTargetArn": queue_arn(queue.dead_letter_queue, scope),
                "maxReceiveCount": queue.max_receive_count,
            }
        )
    policy = queue.redrive_policy
    return policy if policy is None or isinstance(policy, str) else json.dumps(policy)
