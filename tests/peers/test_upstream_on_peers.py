"""Beside an emulator that other people wrote, which runs its functions itself: ministack."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from peer_servers import PEER_SERVERS, RunningPeer, running_peer
from queue_harness import count_left, make_queue
from serve_harness import Penstock, project_text, wait_for
from upstream_harness import beside, make_function, map_queue

PEERS_ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{PEERS_ACCOUNT}:role/r"
WITH_FUNCTIONS = next(peer for peer in PEER_SERVERS if peer.name == "ministack")


@pytest.fixture
def ministack(tmp_path: Path) -> Iterator[RunningPeer]:
    with running_peer(WITH_FUNCTIONS, tmp_path / "peer.log") as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, ministack: RunningPeer, request: Any) -> Iterator[Penstock]:
    text = "[service]\nlong_poll_s = 2\n"
    if request.param == "here":
        text = project_text(mappings=False).replace("123456789012", PEERS_ACCOUNT)
    made = beside(tmp_path, ministack.url, text, functions=request.param)
    try:
        made.start()
        yield made
    finally:
        made.end()


def is_left(sqs: Any, url: str, count: int) -> bool:
    return count_left(sqs, url) == count


@pytest.mark.parametrize("service", ["here"], indirect=True)
def test_mapping_and_function_here_and_the_queue_there(service: Penstock) -> None:
    sqs = service.client("sqs")
    url = make_queue(sqs, "orders")
    map_queue(service, "charge", account=PEERS_ACCOUNT)

    sqs.send_message(QueueUrl=url, MessageBody="good")

    wait_for("the message", partial(is_left, sqs, url, 0))
    assert [row[1] for row in service.rows()] == ["good"]


@pytest.mark.parametrize("service", ["upstream"], indirect=True)
def test_function_there_is_run_there(service: Penstock) -> None:
    sqs = service.client("sqs")
    make_function(service.client(), ROLE)
    url = make_queue(sqs, "orders", visibility_s=60)
    map_queue(service, "there", account=PEERS_ACCOUNT)

    for body in ("good", "bad", "good"):
        sqs.send_message(QueueUrl=url, MessageBody=body)

    wait_for("the good ones", partial(is_left, sqs, url, 1))
    assert "invocation partly failed" in service.log.read_text()


@pytest.mark.parametrize("service", ["upstream"], indirect=True)
def test_function_that_went_and_came_back_takes_what_waited(service: Penstock) -> None:
    sqs, functions = service.client("sqs"), service.client()
    make_function(functions, ROLE)
    url = make_queue(sqs, "orders", visibility_s=30)
    map_queue(service, "there", account=PEERS_ACCOUNT)
    functions.delete_function(FunctionName="there")
    sqs.send_message(QueueUrl=url, MessageBody="good")
    wait_for("the trouble", lambda: "function did not run" in service.log.read_text())

    make_function(functions, ROLE)

    wait_for("the message", partial(is_left, sqs, url, 0))
