"""What Terraform's provider tries again: texts and codes that it knows, until the call is taken."""

from typing import Any

import pytest
from api_fakes import QUEUE_ARN, STREAM_ARN
from api_server import Server
from infrastructure_tools import Terraform

from penstock.model.errors import SourceAccessDeniedError
from penstock.model.message import QueueAttributes
from penstock.model.stream import StreamDescription

pytest_plugins = ["api_fixtures"]

QUEUE = QueueAttributes(visibility_timeout_s=30)
STREAM = StreamDescription("1", ())


@pytest.mark.parametrize("arn", [QUEUE_ARN, STREAM_ARN])
def test_role_whose_permissions_spread_later_is_waited_for(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch, arn: str
) -> None:
    sources = server.world.sources
    refusing = SourceAccessDeniedError("not yet")
    monkeypatch.setitem(sources.queues, QUEUE_ARN, refusing)
    monkeypatch.setitem(sources.streams, STREAM_ARN, refusing)

    def allow() -> None:
        sources.queues[QUEUE_ARN], sources.streams[STREAM_ARN] = QUEUE, STREAM

    terraform = Terraform(client, before_retry=allow)
    position = {"StartingPosition": "LATEST"} if arn == STREAM_ARN else {}

    created = terraform.create(FunctionName="ship", EventSourceArn=arn, Enabled=False, **position)

    assert created["State"] == "Disabled"
    assert len(terraform.refusals) == 1


def test_mapping_in_a_transition_is_deleted_once_it_has_settled(
    server: Server, client: Any
) -> None:
    uuid = client.create_event_source_mapping(
        FunctionName="ship", EventSourceArn=QUEUE_ARN, Enabled=False
    )["UUID"]
    client.update_event_source_mapping(UUID=uuid, BatchSize=5)
    terraform = Terraform(client, before_retry=lambda: server.settle(uuid, "Disabled"))

    terraform.request_deletion(uuid)

    assert len(terraform.refusals) == 1
    assert "ResourceInUseException" in terraform.refusals[0]
    assert client.get_event_source_mapping(UUID=uuid)["State"] == "Deleting"
