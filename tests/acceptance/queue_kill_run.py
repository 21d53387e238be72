"""A run in which the service is killed again and again while it works on two queues.

``test_serve_queue_kills.py`` runs it with a few kills, ``benchmarks/queue_kills.py`` with more.
"""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from queue_harness import (
    SeenMessage,
    count_left,
    first_successes,
    make_queue,
    make_queue_service,
    queue_project,
    seen,
    send,
    source,
)
from serve_harness import ACCOUNT, Penstock, wait_for

VISIBILITY_S = 2
GROUPS = 8
WORK_S = 0.02
_PARALLEL = "ScalingConfig = { MaximumConcurrency = 4 }"


class QueueServer(msgspec.Struct, frozen=True):
    """A server of queues whose groups keep their order when they come again."""

    url: str
    account_id: str = ACCOUNT


class KillAccount(msgspec.Struct, frozen=True):
    """What came of a run.

    Attributes:
        lost: Messages on which the function never succeeded.
        disordered: FIFO groups whose first successes were out of order.
        left: Messages still in a queue.
        delivered_again: Deliveries beyond the first of each message.
        succeeded_again: Successes beyond the first of each message: what a handler must bear.
    """

    kills: int
    messages: int
    lost: int
    disordered: int
    left: int
    delivered_again: int
    succeeded_again: int

    def told(self) -> str:
        """Say it in a line."""
        return (
            f"{self.kills} kills, {self.messages} messages (half of them FIFO, {GROUPS} groups): "
            f"{self.lost} lost, {self.disordered} groups out of order, {self.left} left; "
            f"delivered again {self.delivered_again} times, succeeded again "
            f"{self.succeeded_again} times"
        )


def run_kills(
    folder: Path, sqs: Any, server: QueueServer, *, kills: int, messages_per_kill: int = 60
) -> KillAccount:
    """Send messages, and kill the service each time that it has done its share.

    Args:
        folder: Holds the service's files.
        sqs: A client of the server.
        server: Where the queues are.
        kills: How many.
        messages_per_kill: Half of them to a standard queue, half to a FIFO one.
    """
    count = (kills + 1) * messages_per_kill // 2
    urls = [make_queue(sqs, name, visibility_s=VISIBILITY_S) for name in ("jobs", "jobs.fifo")]
    _send_all(sqs, urls, count)
    service = make_queue_service(folder, server.url, _project(server))
    try:
        for number in range(kills):
            service.start()
            wait_for("progress", partial(_has_done, service, (number + 1) * messages_per_kill))
            service.kill()
        service.start()
        wait_for("the end", lambda: _has_done(service, 2 * count) and not _left(sqs, urls))
    finally:
        service.end()
    return _account(service, kills, count, _left(sqs, urls))


def _project(server: QueueServer) -> str:
    standard = source("jobs", f"BatchSize = 5\n{_PARALLEL}")
    fifo = source("jobs.fifo", f"BatchSize = 5\n{_PARALLEL}")
    text = queue_project(standard, concurrency=8, timeout_s=2)
    text += f'[[mappings]]\nname = "fifo"\nFunctionName = "work"\n{fifo}'
    return text.replace(ACCOUNT, server.account_id)


def _send_all(sqs: Any, urls: list[str], count: int) -> None:
    standard_url, fifo_url = urls
    send(sqs, standard_url, [{"n": number, "work_s": WORK_S} for number in range(count)])
    for group in range(GROUPS):
        numbers = range(group, count, GROUPS)
        messages = [{"n": number, "work_s": WORK_S} for number in numbers]
        send(sqs, fifo_url, messages, group=f"g{group}")


def _has_done(service: Penstock, count: int) -> bool:
    return len(_keys(seen(service, "succeeded"))) >= count


def _keys(rows: list[SeenMessage]) -> set[tuple[str, int]]:
    return {(row.group, row.number) for row in rows}


def _left(sqs: Any, urls: list[str]) -> int:
    return sum(count_left(sqs, url) for url in urls)


def _account(service: Penstock, kills: int, count: int, left: int) -> KillAccount:
    begun, succeeded = seen(service, "begun"), seen(service, "succeeded")
    order = {group: numbers for group, numbers in first_successes(service).items() if group}
    return KillAccount(
        kills=kills,
        messages=2 * count,
        lost=2 * count - len(_keys(succeeded)),
        disordered=sum(numbers != sorted(numbers) for numbers in order.values()),
        left=left,
        delivered_again=len(begun) - len(_keys(begun)),
        succeeded_again=len(succeeded) - len(_keys(succeeded)),
    )
