"""A simulated queue whose requests are counted, as the wire client counts those of a real one."""

from collections.abc import Callable, Sequence

from penstock.model.message import DeleteReport, Message, QueueAttributes, VisibilityChange
from penstock.ports import QueueSource


class CountedQueue:
    """Keeps ``ports.QueueSource`` over another; nothing is retried below, so a call is a request.

    Args:
        source: Answers the calls.
        count_request: Told the operation of each.
    """

    def __init__(self, source: QueueSource, count_request: Callable[[str], None]) -> None:
        self._source = source
        self._count_request = count_request
        count_request("GetQueueUrl")

    async def describe(self) -> QueueAttributes:
        """Read the queue's attributes."""
        self._count_request("GetQueueAttributes")
        return await self._source.describe()

    async def receive(
        self,
        max_messages: int,
        wait_s: int,
        *,
        visibility_timeout_s: int | None = None,
        attempt_id: str | None = None,
    ) -> tuple[Message, ...]:
        """Long-poll once."""
        self._count_request("ReceiveMessage")
        return await self._source.receive(
            max_messages, wait_s, visibility_timeout_s=visibility_timeout_s, attempt_id=attempt_id
        )

    async def delete(self, messages: Sequence[Message]) -> DeleteReport:
        """Delete messages in one call."""
        self._count_request("DeleteMessageBatch")
        return await self._source.delete(messages)

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> tuple[Message, ...]:
        """Hide messages, each for its time from now."""
        self._count_request("ChangeMessageVisibilityBatch")
        return await self._source.change_visibility(changes)
