"""``/penstock/v1/check``: every queue mapping against AWS's advice."""

import asyncio
from collections.abc import Callable

import pytest
from api_fakes import FUNCTION_ARN, QUEUE_ARN, FakeQueue
from api_server import Server
from operator_rows import QUEUE_UUID, add_mapping, add_queue_mapping, clear

from penstock.api import check
from penstock.model.errors import SourceUnavailableError
from penstock.model.message import QueueAttributes

pytest_plugins = ["api_fixtures"]


@pytest.fixture(autouse=True)
def _clear(server: Server) -> None:
    clear(server)
    server.world.sources.queues[QUEUE_ARN] = QueueAttributes(18, max_receive_count=5)
    server.world.functions.add("ship")


def test_check_of_no_mappings_is_empty(server: Server) -> None:
    answer = server.send("GET", "/penstock/v1/check")

    assert (answer.status, answer.json) == (200, {"mappings": []})


def test_check_names_each_queue_mapping_and_no_stream(server: Server) -> None:
    add_queue_mapping(server)
    add_mapping(server)

    assert server.send("GET", "/penstock/v1/check").json == {
        "mappings": [
            {
                "mapping": QUEUE_UUID,
                "name": "orders",
                "source_arn": QUEUE_ARN,
                "function_arn": FUNCTION_ARN,
                "problems": [],
                "advice": [],
            }
        ]
    }


def test_check_gives_advice_with_its_page(server: Server) -> None:
    add_queue_mapping(server)
    server.world.sources.queues[QUEUE_ARN] = QueueAttributes(17, max_receive_count=5)

    (checked,) = server.send("GET", "/penstock/v1/check").json["mappings"]

    (advice,) = checked["advice"]
    assert advice["subject"] == "VisibilityTimeout"
    assert "Set VisibilityTimeout to 18 or more" in advice["text"]
    assert advice["page"].startswith("docs.aws.amazon.com/")


def test_check_tells_of_a_queue_that_cannot_be_read_and_of_a_missing_function(
    server: Server,
) -> None:
    add_queue_mapping(server)
    server.world.sources.queues[QUEUE_ARN] = SourceUnavailableError("refused")
    server.world.functions.functions.clear()

    (checked,) = server.send("GET", "/penstock/v1/check").json["mappings"]

    assert checked["advice"] == []
    assert checked["problems"] == [
        f"there is no function {FUNCTION_ARN}",
        "the queue cannot be read: refused",
    ]


def test_check_does_not_wait_long_for_a_queue(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(
        arn: str, *, function_arn: str, count_request: Callable[[str], None] | None = None
    ) -> FakeQueue:
        await asyncio.Event().wait()
        raise AssertionError((arn, function_arn, count_request))

    add_queue_mapping(server)
    monkeypatch.setattr(check, "LOOK_S", 0.01)
    monkeypatch.setattr(server.world.sources, "open_queue", hang)

    (checked,) = server.send("GET", "/penstock/v1/check").json["mappings"]

    assert checked["problems"] == ["the queue did not answer within 0 s"]


def test_check_refuses_a_parameter(server: Server) -> None:
    assert server.send("GET", "/penstock/v1/check?all=1").status == 400
