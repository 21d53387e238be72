"""What a simulated queue tells of its messages."""

from typing import Protocol


class QueueWatch(Protocol):
    """Told of what a queue takes in, hands out and lets go."""

    def message_sent(self, queue_arn: str, message_id: str, body: bytes, *, group: str) -> None:
        """A message is in the queue."""
        ...

    def message_handed(
        self, message_id: str, receipt_handle: str, *, receive_count: int, timeout_ms: int
    ) -> None:
        """A message was handed out, and is hidden for that time."""
        ...

    def visibility_changed(self, receipt_handle: str, hidden_until_ms: int) -> None:
        """A message is hidden until then."""
        ...

    def copy_doubled(self, receipt_handle: str) -> None:
        """A message was handed out twice."""
        ...

    def message_deleted(self, message_id: str) -> None:
        """A message is gone."""
        ...

    def message_dead_lettered(self, message_id: str) -> None:
        """A message was received too often, and has left the queue."""
        ...
