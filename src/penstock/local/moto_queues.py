"""Mends the embedded AWS's SQS, so that a FIFO queue hands out in order what comes again.

moto takes a group for free when the last of its messages has become visible again, and hands out
that one: of 1, 2, 3 that come again, 3 is first. It also lets two receives look at a queue at once,
which may bring the same message to both, and fills a receive with a little of every group. Here
what comes again is handed out as it was sent, one receive looks at a time, and it is given as many
messages of a group as there are before it is given those of the next.

Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
    FIFO-queues-understanding-logic.html
"""

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

LOOK_S = 1.0  # a message that becomes visible again wakes nobody
_Queue = Any  # moto's classes, which are not imported before they are needed
_Backend = Any
_Message = Any
_Receive = Callable[..., list[_Message]]
_ReadVisible = Callable[[_Queue], list[_Message]]


class _Looked(threading.local):
    """What the receive of this thread has found visible: moto has a thread for each request."""

    messages: list[_Message] | None = None


def mend_queues() -> None:
    """Mend the moto of this process; once, before it serves."""
    from moto.sqs.models import Queue, SQSBackend  # noqa: PLC0415  moto takes half a second

    looked = _Looked()
    mended_queue: Any = Queue
    mended_backend: Any = SQSBackend
    mended_queue.messages = property(_as_looked(mended_queue.messages.fget, looked))
    mended_backend.receive_message = _one_at_a_time(mended_backend.receive_message, looked)


def _as_looked(read_visible: _ReadVisible, looked: _Looked) -> _ReadVisible:
    """Let a receive see no message that becomes visible while it looks."""

    @functools.wraps(read_visible)
    def read(queue: _Queue) -> list[_Message]:
        return read_visible(queue) if looked.messages is None else looked.messages

    return read


def _one_at_a_time(receive: _Receive, looked: _Looked) -> _Receive:
    """Look without waiting, under a lock; wait without it.

    What has become visible again is freed before moto looks at the groups, and not one by one.
    """
    lock = threading.Lock()

    @functools.wraps(receive)
    def receive_alone(
        backend: _Backend, queue_name: str, count: int, wait_s: int, *rest: object
    ) -> list[_Message]:
        until_s = time.perf_counter() + int(wait_s or 0)
        while True:
            queue = backend.get_queue(queue_name)
            with lock:
                visible = _group_by_group(queue) if queue.fifo_queue else queue.messages
                queue.pending_messages.difference_update(visible)
                looked.messages = visible
                try:
                    found = receive(backend, queue_name, count, 0, *rest)
                finally:
                    looked.messages = None
            left_s = until_s - time.perf_counter()
            if found or left_s <= 0:
                return found
            queue.wait_for_messages(min(LOOK_S, left_s))

    return receive_alone


def _group_by_group(queue: _Queue) -> list[_Message]:
    """Give what is visible, a group's messages together; the group of the oldest comes first."""
    by_group: dict[str, list[_Message]] = {}
    for message in queue.messages:
        by_group.setdefault(message.group_id, []).append(message)
    return [message for messages in by_group.values() for message in messages]
