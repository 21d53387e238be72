"""``penstock check`` against a running service."""

import json

import pytest
from api_fakes import QUEUE_ARN
from api_server import Server
from command_runner import call, point_at
from operator_rows import add_queue_mapping, clear

from penstock.model.errors import SourceUnavailableError
from penstock.model.message import QueueAttributes

pytest_plugins = ["api_fixtures"]


@pytest.fixture(autouse=True)
def _clear(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clear(server)
    server.world.sources.queues[QUEUE_ARN] = QueueAttributes(18, max_receive_count=5)
    point_at(server, monkeypatch)


def test_nothing_to_say_is_0(server: Server) -> None:
    add_queue_mapping(server)

    result = call("check")

    assert (result.exit_code, result.stdout) == (0, "1 queue mapping checked: 0 with advice\n")


def test_no_mappings_are_told() -> None:
    result = call("check")

    assert (result.exit_code, result.stdout) == (0, "there are no queue mappings to check\n")


def test_advice_is_1_and_names_values_fix_and_page(server: Server) -> None:
    add_queue_mapping(server)
    server.world.sources.queues[QUEUE_ARN] = QueueAttributes(18, max_receive_count=3)

    result = call("check")

    text = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert text.startswith("orders (queue orders, function ship) - maxReceiveCount: the queue's ")
    assert "is 3:" in text
    assert "Set maxReceiveCount to 5 or more. See docs.aws.amazon.com/lambda/latest/dg/" in text
    assert text.endswith("1 queue mapping checked: 1 with advice")


def test_queue_that_cannot_be_read_is_2(server: Server) -> None:
    add_queue_mapping(server)
    server.world.sources.queues[QUEUE_ARN] = SourceUnavailableError("refused")

    result = call("check")

    assert result.exit_code == 2
    assert "  - cannot be checked: the queue cannot be read: refused\n" in result.stdout
    assert result.stdout.endswith("0 with advice, 1 not to be checked\n")


def test_json_is_the_answer_of_the_service(server: Server) -> None:
    add_queue_mapping(server)

    result = call("check", "--format", "json")

    assert json.loads(result.stdout) == server.send("GET", "/penstock/v1/check").json


def test_service_that_does_not_answer_is_2() -> None:
    result = call("check", "--url", "http://127.0.0.1:9")

    assert result.exit_code == 2
    assert result.stderr.startswith("penstock: no Penstock service answers at ")
