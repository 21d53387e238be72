"""Queues on servers that other people wrote: order, failures, options, kills."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from peer_servers import RunningPeer
from queue_harness import (
    batches,
    count_left,
    first_successes,
    make_queue,
    numbers,
    pauses_s,
    queue_project,
    redrive,
    seen,
    send,
    serving_queue,
    source,
)
from queue_kill_run import QueueServer, run_kills
from serve_harness import ACCOUNT, make_client, wait_for

PEERS_ACCOUNT = "000000000000"
QUEUES = ("jobs", "jobs-dead", "jobs.fifo", "jobs-dead.fifo")


@pytest.fixture
def sqs(queue_server: RunningPeer) -> Iterator[Any]:
    """A client; the queues of the test before are gone."""
    client = make_client("sqs", queue_server.url)
    for name in QUEUES:
        for url in client.list_queues(QueueNamePrefix=name).get("QueueUrls", []):
            client.delete_queue(QueueUrl=url)
    yield client
    client.close()


def project_of(mapping: str, *, timeout_s: int = 2) -> str:
    return queue_project(mapping, timeout_s=timeout_s).replace(ACCOUNT, PEERS_ACCOUNT)


def is_empty(sqs: Any, url: str) -> bool:
    return count_left(sqs, url) == 0


def test_every_message_arrives_once(tmp_path: Path, queue_server: RunningPeer, sqs: Any) -> None:
    url = make_queue(sqs, "jobs")
    send(sqs, url, [{"n": number} for number in range(200)])
    with serving_queue(tmp_path, queue_server.url, project_of(source("jobs"))) as service:
        wait_for("all", partial(is_empty, sqs, url))

        assert sorted(numbers(seen(service, "begun"))) == list(range(200))


def test_failed_message_comes_again_and_is_a_dead_letter_at_last(
    tmp_path: Path, queue_server: RunningPeer, sqs: Any
) -> None:
    dead_url = make_queue(sqs, "jobs-dead")
    policy = redrive("jobs-dead", 2).replace(ACCOUNT, PEERS_ACCOUNT)
    url = make_queue(sqs, "jobs", visibility_s=2, RedrivePolicy=policy)
    send(sqs, url, [{"n": 0, "fails": 9}, {"n": 1, "fails": 1}, {"n": 2}])
    with serving_queue(tmp_path, queue_server.url, project_of(source("jobs"))) as service:
        wait_for("the dead letter", lambda: count_left(sqs, dead_url) == 1)
        wait_for("the others", partial(is_empty, sqs, url))

        assert sorted(numbers(seen(service, "failed"))) == [0, 0, 1]
        assert sorted(numbers(seen(service, "succeeded"))) == [1, 2]


def test_window_gathers_over_several_receives(
    tmp_path: Path, queue_server: RunningPeer, sqs: Any
) -> None:
    url = make_queue(sqs, "jobs")
    send(sqs, url, [{"n": number} for number in range(45)])
    mapping = source("jobs", "BatchSize = 100\nMaximumBatchingWindowInSeconds = 1")
    with serving_queue(tmp_path, queue_server.url, project_of(mapping)) as service:
        wait_for("all", partial(is_empty, sqs, url))

        assert max(len(batch) for batch in batches(service)) > 10


def test_back_off_acts_on_the_queue(tmp_path: Path, queue_server: RunningPeer, sqs: Any) -> None:
    url = make_queue(sqs, "jobs", visibility_s=60)
    send(sqs, url, [{"n": 0, "fails": 2}])
    tags = 'Tags = { "penstock:retry-backoff" = "exponential" }'
    with serving_queue(tmp_path, queue_server.url, project_of(source("jobs", tags))) as service:
        wait_for("all", partial(is_empty, sqs, url))

        first_s, second_s = pauses_s(service, 0)
        assert (first_s > 0.9, second_s > 1.9) == (True, True)


def test_groups_keep_their_order(tmp_path: Path, queue_server: RunningPeer, sqs: Any) -> None:
    url = make_queue(sqs, "jobs.fifo")
    for number in range(20):
        for group in "abcd":
            send(sqs, url, [{"n": number}], group=group)
    mapping = source("jobs.fifo", "BatchSize = 10")
    with serving_queue(tmp_path, queue_server.url, project_of(mapping)) as service:
        wait_for("all", partial(is_empty, sqs, url))

        assert first_successes(service) == {group: list(range(20)) for group in "abcd"}
        assert len(seen(service, "begun")) == 80


def test_strict_group_comes_again_from_its_first_failure(
    tmp_path: Path, queue_server: RunningPeer, sqs: Any
) -> None:
    url = make_queue(sqs, "jobs.fifo", visibility_s=2)
    send(sqs, url, [{"n": 0}, {"n": 1, "fails": 1}, {"n": 2}, {"n": 3}], group="a")
    mapping = source("jobs.fifo", 'Tags = { "penstock:fifo-strict" = "true" }')
    with serving_queue(tmp_path, queue_server.url, project_of(mapping)) as service:
        wait_for("all", partial(is_empty, sqs, url))

        # What was done behind the failure is done again, in order.
        assert [row.number for batch in batches(service) for row in batch] == [0, 1, 2, 3, 1, 2, 3]


@pytest.mark.timeout(240)
def test_kills_under_load_lose_nothing_and_keep_the_order_of_groups(
    tmp_path: Path, queue_server: RunningPeer, sqs: Any
) -> None:
    server = QueueServer(queue_server.url, PEERS_ACCOUNT)

    account = run_kills(tmp_path, sqs, server, kills=4)

    assert (account.lost, account.disordered, account.left) == (0, 0, 0)
